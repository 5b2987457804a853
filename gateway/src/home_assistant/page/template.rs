//! Parts of the page, filled in: `{{name}}` is a value, escaped unless it is HTML already, and `[[name]]` words of the language.

use super::words::Words;

const PARTS: &str = include_str!("page.html");

/// What stands before each part.
const PART: &str = "<!-- part: ";

/// A piece of HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html(pub(super) String);

impl Html {
    /// A text as it is.
    pub(super) fn text(text: &str) -> Html {
        let mut html = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '&' => html += "&amp;",
                '<' => html += "&lt;",
                '>' => html += "&gt;",
                '"' => html += "&quot;",
                '\'' => html += "&#39;",
                letter => html.push(letter),
            }
        }
        Html(html)
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Html {
        Html::text(text)
    }
}

impl From<&String> for Html {
    fn from(text: &String) -> Html {
        Html::text(text)
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Html>>(parts: I) -> Html {
        Html(parts.into_iter().map(|part| part.0).collect())
    }
}

/// A part with its values. What the part names must be there.
pub(super) fn fill(part: &str, words: &Words, values: &[(&str, Html)]) -> Html {
    let mut rest = find(part);
    let mut filled = String::with_capacity(rest.len());
    while let Some((at, open, close)) = next(rest) {
        filled += &rest[..at];
        let end = rest[at..].find(close).unwrap_or_else(|| panic!("a place in {part} has no end")) + at;
        let name = &rest[at + open.len()..end];
        match open {
            "[[" => filled += &Html::text(words.say(name)).0,
            _ => {
                let value = values.iter().find(|(given, _)| *given == name);
                filled += &value.unwrap_or_else(|| panic!("no value for {name} in {part}")).1.0;
            }
        }
        rest = &rest[end + close.len()..];
    }
    filled += rest;
    Html(filled)
}

/// The next place to fill, with its brackets.
fn next(text: &str) -> Option<(usize, &'static str, &'static str)> {
    let places = [("{{", "}}"), ("[[", "]]")];
    let found = places.into_iter().filter_map(|(open, close)| Some((text.find(open)?, open, close)));
    found.min_by_key(|(at, ..)| *at)
}

fn find(part: &str) -> &'static str {
    let found = PARTS.split(PART).skip(1).find_map(|text| text.strip_prefix(part)?.strip_prefix(" -->\n"));
    found.unwrap_or_else(|| panic!("no part {part}")).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home_assistant::page::words::spanish;

    #[test]
    fn each_part_says_what_there_are_words_for() {
        let mut parts = 0;
        for text in PARTS.split(PART).skip(1) {
            parts += 1;
            text.split("[[").skip(1).for_each(|words| {
                spanish().say(words.split_once("]]").unwrap().0);
            });
        }
        assert!(parts > 5);
    }

    #[test]
    fn a_value_is_no_html() {
        let nasty = "<script>alert(\"'&'\")</script>";
        let filled = fill("notice", spanish(), &[("path", Html::default()), ("text", nasty.into())]);
        assert!(filled.0.contains("&lt;script&gt;alert(&quot;&#39;&amp;&#39;&quot;)&lt;/script&gt;"), "{filled:?}");
    }

    #[test]
    fn what_a_value_says_is_not_filled_in_again() {
        let filled = fill("notice", spanish(), &[("path", Html::default()), ("text", "{{text}} [[title]]".into())]);
        assert!(filled.0.contains("{{text}} [[title]]"), "{filled:?}");
    }
}
