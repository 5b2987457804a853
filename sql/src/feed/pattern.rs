//! The topics of MQTT that feed a table: `meters/{customer}/power/+`.

use std::collections::BTreeSet;
use std::fmt;

/// Levels that a topic must have. `{column}` is any text and the value of a column, `+` is any text that is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    levels: Vec<Level>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Exactly(String),
    Column(String),
    Anything,
}

impl Pattern {
    /// Reads a pattern; in words why it is none.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        if text.is_empty() || text.starts_with('$') {
            return Err("a topic has a name, which does not begin with $".to_owned());
        }
        let mut columns = BTreeSet::new();
        let level = |level: &str| {
            if level == "+" {
                return Ok(Level::Anything);
            }
            if let Some(name) = level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                return match columns.insert(name.to_owned()) {
                    true => Ok(Level::Column(name.to_owned())),
                    false => Err(format!("{{{name}}} is there twice")),
                };
            }
            match level.chars().find(|c| matches!(c, '+' | '#' | '{' | '}') || c.is_control()) {
                None => Ok(Level::Exactly(level.to_owned())),
                Some(c) => Err(format!("{c:?} stands in {level:?}: a level is a text, {{column}} or +")),
            }
        };
        let levels = text.split('/').map(level).collect::<Result<Vec<_>, _>>()?;
        Ok(Pattern { levels })
    }

    /// The columns that a topic says, in its order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter_map(|level| match level {
            Level::Column(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// What a topic says of the columns, in its order; `None` if it is not meant.
    pub fn captures<'t>(&self, topic: &'t str) -> Option<Vec<&'t str>> {
        let mut captured = Vec::new();
        let mut given = topic.split('/');
        for level in &self.levels {
            let given = given.next()?;
            match level {
                Level::Exactly(text) if text != given => return None,
                Level::Exactly(_) | Level::Anything => {}
                Level::Column(_) => captured.push(given),
            }
        }
        given.next().is_none().then_some(captured)
    }

    /// Whether there is a level of any text.
    pub fn has_any(&self) -> bool {
        self.levels.contains(&Level::Anything)
    }

    /// The filter by which a broker is asked for these topics.
    pub fn filter(&self) -> String {
        let level = |level: &Level| match level {
            Level::Exactly(text) => text.clone(),
            Level::Column(_) | Level::Anything => "+".to_owned(),
        };
        self.levels.iter().map(level).collect::<Vec<_>>().join("/")
    }

    /// The topic of a row, whose columns say the levels that have names; `None` where one of them cannot be a level.
    pub fn topic<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
        let level = |level: &Level| match level {
            Level::Exactly(text) => Some(text.clone()),
            Level::Anything => None,
            Level::Column(name) => {
                let text = value(name)?;
                let is_level = !text.contains(['/', '+', '#']) && !text.contains(char::is_control);
                is_level.then(|| text.to_owned())
            }
        };
        Some(self.levels.iter().map(level).collect::<Option<Vec<_>>>()?.join("/"))
    }

    /// Whether a topic could be meant by both.
    pub fn overlaps(&self, other: &Pattern) -> bool {
        let meet = |pair: (&Level, &Level)| match pair {
            (Level::Exactly(one), Level::Exactly(other)) => one == other,
            _ => true,
        };
        self.levels.len() == other.levels.len() && self.levels.iter().zip(&other.levels).all(meet)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, level) in self.levels.iter().enumerate() {
            f.write_str(if at > 0 { "/" } else { "" })?;
            match level {
                Level::Exactly(text) => f.write_str(text)?,
                Level::Column(name) => write!(f, "{{{name}}}")?,
                Level::Anything => f.write_str("+")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_topic_says_the_columns_that_the_pattern_names() {
        let meters = pattern("casa/{customer}/+/power/{circuit}");
        assert_eq!(meters.captures("casa/7/attic/power/ñu"), Some(vec!["7", "ñu"]));
        assert_eq!(meters.captures("casa//x/power/"), Some(vec!["", ""]), "an empty level is a text too");
        for other in ["casa/7/attic/power", "casa/7/attic/power/a/b", "Casa/7/attic/power/a", ""] {
            assert_eq!(meters.captures(other), None, "{other}");
        }
        assert_eq!(meters.names().collect::<Vec<_>>(), ["customer", "circuit"]);
        assert_eq!(meters.to_string(), "casa/{customer}/+/power/{circuit}");
    }

    #[test]
    fn a_row_says_its_topic() {
        let topics = pattern("total/{customer}/{circuit}");
        let topic = |customer| topics.topic(|name| if name == "customer" { customer } else { Some("ñu") });
        assert_eq!(topic(Some("7")), Some("total/7/ñu".to_owned()));
        for wrong in [None, Some("a/b"), Some("+"), Some("#"), Some("a\0")] {
            assert_eq!(topic(wrong), None, "{wrong:?}");
        }
        assert_eq!(pattern("a/{b}/+/c").filter(), "a/+/+/c");
    }

    #[test]
    fn patterns_overlap_where_one_topic_is_meant_by_both() {
        let meters = pattern("casa/{customer}/power");
        for other in ["casa/+/power", "casa/7/power", "{a}/{b}/{c}"] {
            assert!(meters.overlaps(&pattern(other)), "{other}");
        }
        for other in ["casa/{customer}", "casa/{customer}/water", "casa/{customer}/power/now"] {
            assert!(!meters.overlaps(&pattern(other)), "{other}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_why() {
        for (text, why) in [
            ("", "has a name"),
            ("$SYS/x", "begin with $"),
            ("a/#", "'#'"),
            ("a/b+", "'+'"),
            ("a/{b", "'{'"),
            ("{a}/{a}", "{a} is there twice"),
            ("a/\u{1}", "stands in"),
        ] {
            let told = Pattern::parse(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
