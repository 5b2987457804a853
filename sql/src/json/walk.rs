//! The parts of a document, each a piece of its text.

use std::borrow::Cow;

use super::canonical::write_text;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

pub fn kind(document: &str) -> Kind {
    match document.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Boolean,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}

/// What `jsonb_typeof` calls it.
pub fn type_name(document: &str) -> &'static str {
    match kind(document) {
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::String => "string",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::Null => "null",
    }
}

/// The members of an object in their order: the name as it is written, with its quotes, and the value. Of anything else, none.
pub fn members(document: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = inner(document, Kind::Object);
    std::iter::from_fn(move || {
        let name = first(rest?)?;
        let value = first(&rest?[name.len() + ": ".len()..])?;
        rest = after(rest?, name.len() + ": ".len() + value.len());
        Some((name, value))
    })
}

/// The items of an array in their order. Of anything else, none.
pub fn items(document: &str) -> impl Iterator<Item = &str> {
    let mut rest = inner(document, Kind::Array);
    std::iter::from_fn(move || {
        let item = first(rest?)?;
        rest = after(rest?, item.len());
        Some(item)
    })
}

/// An array's items, or a value by itself.
pub fn elements(document: &str) -> impl Iterator<Item = &str> {
    let alone = (kind(document) != Kind::Array).then_some(document);
    items(document).chain(alone)
}

/// What is between the brackets; nothing where there is nothing.
fn inner(document: &str, of: Kind) -> Option<&str> {
    (kind(document) == of && document.len() > 2).then(|| &document[1..document.len() - 1])
}

fn after(rest: &str, taken: usize) -> Option<&str> {
    rest.get(taken + ", ".len()..)
}

/// The value that a text begins with.
fn first(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' | b':' if depth == 0 => return Some(&text[..at]),
            _ => {}
        }
        at += 1;
    }
    (at > 0).then_some(text)
}

/// A name as members have it: what [`member`] looks for.
pub struct Step {
    name: String,
    /// Its place, where it is a whole number.
    place: Option<i64>,
}

impl Step {
    pub fn new(name: &str) -> Step {
        let mut written = String::with_capacity(name.len() + 2);
        write_text(name, &mut written);
        Step { name: written, place: name.parse().ok() }
    }

    /// Whether a string, as it is written, is this name.
    pub fn is(&self, written: &str) -> bool {
        self.name == written
    }
}

/// The value of the member of this name.
pub fn member<'d>(document: &'d str, step: &Step) -> Option<&'d str> {
    members(document).find(|(name, _)| step.is(name)).map(|(_, value)| value)
}

/// The item at this place, from 0; from the end, from -1. A scalar is its own only item, as in PostgreSQL.
pub fn element(document: &str, place: i64) -> Option<&str> {
    if kind(document) == Kind::Object {
        return None;
    }
    let place = match usize::try_from(place) {
        Ok(place) => place,
        Err(_) => elements(document).count().checked_sub(usize::try_from(place.unsigned_abs()).ok()?)?,
    };
    elements(document).nth(place)
}

/// What is found by these steps: a member of an object by its name, an item of an array by its place.
pub fn path<'d>(document: &'d str, steps: &[Step]) -> Option<&'d str> {
    steps.iter().try_fold(document, |document, step| match kind(document) {
        Kind::Array => element(document, step.place?),
        _ => member(document, step),
    })
}

/// A document as text: what a string says, every other value as it is written; `None` for JSON's null.
pub fn text(document: &str) -> Option<Cow<'_, str>> {
    match kind(document) {
        Kind::Null => None,
        Kind::String if !document.contains('\\') => Some(Cow::Borrowed(&document[1..document.len() - 1])),
        Kind::String => Some(Cow::Owned(serde_json::from_str(document).expect("a document's strings are JSON"))),
        _ => Some(Cow::Borrowed(document)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::canonical;
    use super::*;

    #[test]
    fn parts_are_pieces_of_the_text() {
        let document =
            canonical(r#"{"a": [1, "x, ]\"", {"b": null}, []], "name, with \"signs\": ": {}, "z": -1.5}"#).unwrap();
        let found: Vec<(&str, &str)> = members(&document).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], ("\"a\"", r#"[1, "x, ]\"", {"b": null}, []]"#));
        assert_eq!(found[1], ("\"z\"", "-1.5"));
        assert_eq!(found[2].1, "{}");
        assert_eq!(items(found[0].1).collect::<Vec<_>>(), ["1", r#""x, ]\"""#, r#"{"b": null}"#, "[]"]);
        assert_eq!(member(&document, &Step::new("name, with \"signs\": ")), Some("{}"));
        assert_eq!(member(&document, &Step::new("b")), None);
        assert_eq!(element(found[0].1, -1), Some("[]"));
        assert_eq!(element(found[0].1, 4), None);
        assert_eq!(element(found[0].1, -5), None);
        assert_eq!(path(&document, &["a", "2", "b"].map(Step::new)), Some("null"));
        assert_eq!(path(&document, &["a", "x"].map(Step::new)), None);
        assert_eq!(text(items(found[0].1).nth(1).unwrap()).unwrap(), "x, ]\"");
    }

    #[test]
    fn empty_containers_have_no_parts() {
        assert_eq!(members("{}").count() + items("[]").count() + items("{}").count() + members("1").count(), 0);
        assert_eq!(elements("1").collect::<Vec<_>>(), ["1"]);
        assert_eq!(elements("[]").count(), 0);
    }

    #[test]
    fn random_documents_are_put_together_again_from_their_parts() {
        use rand::{RngExt, SeedableRng};
        use rand_chacha::ChaCha8Rng;
        use serde_json::Value;
        let seed = rand::random();
        println!("seed {seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        fn document(random: &mut ChaCha8Rng, depth: usize) -> String {
            let word = |random: &mut ChaCha8Rng| {
                let letters = ["a", "\\\"", ", ", ": ", "]", "}", "ñ", "\\\\", "\\n", "{"];
                (0..random.random_range(0..4))
                    .map(|_| letters[random.random_range(0..letters.len())])
                    .collect::<String>()
            };
            match random.random_range(0..if depth == 0 { 4 } else { 6 }) {
                0 => "null".to_owned(),
                1 => "true".to_owned(),
                2 => format!(
                    "{}.{}e{}",
                    random.random_range(0..100),
                    random.random_range(0..100),
                    random.random_range(-3..3)
                ),
                3 => format!("\"{}\"", word(random)),
                4 => {
                    let items: Vec<String> =
                        (0..random.random_range(0..4)).map(|_| document(random, depth - 1)).collect();
                    format!("[{}]", items.join(","))
                }
                _ => {
                    let member =
                        |random: &mut ChaCha8Rng| format!("\"{}\":{}", word(random), document(random, depth - 1));
                    let members: Vec<String> = (0..random.random_range(0..4)).map(|_| member(random)).collect();
                    format!("{{{}}}", members.join(", "))
                }
            }
        }
        /// Numbers are equal however they are written.
        fn same(left: &Value, right: &Value) -> bool {
            match (left, right) {
                (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
                (Value::Array(left), Value::Array(right)) => {
                    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
                }
                (Value::Object(left), Value::Object(right)) => {
                    let equal = |(name, value)| right.get(name).is_some_and(|other| same(value, other));
                    left.len() == right.len() && left.iter().all(equal)
                }
                _ => left == right,
            }
        }
        fn again(document: &str) -> String {
            match kind(document) {
                Kind::Object => {
                    let members = members(document).map(|(name, value)| format!("{name}: {}", again(value)));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
                }
                Kind::Array => format!("[{}]", items(document).map(again).collect::<Vec<_>>().join(", ")),
                _ => document.to_owned(),
            }
        }
        for _ in 0..2_000 {
            let written = document(&mut random, 4);
            let read = canonical(&written).unwrap();
            assert_eq!(again(&read), read);
            assert_eq!(canonical(&read).unwrap(), read, "{written}");
            let values = [&written, &read].map(|text| serde_json::from_str::<Value>(text).unwrap());
            assert!(same(&values[0], &values[1]), "{written} became {read}");
        }
    }
}
