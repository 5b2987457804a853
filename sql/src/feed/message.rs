//! The events of one message: an object is one event, an array one for each element.

use std::fmt;

use arrow::datatypes::DataType;
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use storage::Event;

use super::{Feed, Said};
use crate::decode::envelope::REFUSED;
use crate::decode::{Reason, json};
use crate::limits::MESSAGE_EVENTS_MAX;

/// The events that a payload becomes. Where it is no JSON, it is one event as it came.
pub(super) fn events(payload: &[u8], feed: &Feed) -> Vec<Event> {
    let as_it_came = || event(Bytes::copy_from_slice(payload));
    let Ok(text) = std::str::from_utf8(payload) else { return vec![as_it_came()] };
    if !text.trim_start().starts_with('[') {
        return match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => vec![of_element(raw.get(), &feed.said)],
            Err(_) => vec![as_it_came()],
        };
    }
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) else { return vec![as_it_came()] };
    if elements.len() > MESSAGE_EVENTS_MAX {
        let words = format!("an array of {} elements: send at most {MESSAGE_EVENTS_MAX} at once", elements.len());
        return vec![refused(as_it_came(), words)];
    }
    elements.into_iter().map(|raw| of_element(raw.get(), &feed.said)).collect()
}

/// How events stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An object, or an array of objects.
    Whole,
    /// An object on each line.
    Lines,
}

/// The events of a body that is answered: where it is no JSON at all, or has too many, nothing is taken. An element or a line that is no
/// row is an event, which the pipeline puts into quarantine.
pub fn of_body(body: &[u8], shape: Shape, events_max: usize) -> Result<Vec<Event>, Reason> {
    let text = std::str::from_utf8(body).map_err(|_| Reason("the body is not UTF-8".to_owned()))?;
    let elements: Vec<&str> = match shape {
        Shape::Lines => text.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
        Shape::Whole if text.trim_start().starts_with('[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
            elements.into_iter().map(RawValue::get).collect()
        }
        Shape::Whole => vec![serde_json::from_str::<&RawValue>(text).map_err(|error| not_json(&error))?.get()],
    };
    if elements.len() > events_max {
        return Err(Reason(format!("there are {} events: send at most {events_max} at once", elements.len())));
    }
    Ok(elements.into_iter().map(|element| event(Bytes::copy_from_slice(element.as_bytes()))).collect())
}

fn not_json(error: &serde_json::Error) -> Reason {
    Reason(format!("the body is not JSON: {error}"))
}

/// A level of a topic as JSON for a column: a number where the column has numbers and it is one, else a text.
pub(super) fn json_of(text: &str, data_type: &DataType) -> String {
    let bare = match data_type {
        DataType::Utf8 | DataType::Date32 => false,
        DataType::Boolean => matches!(text, "true" | "false"),
        _ => matches!(text.as_bytes().first(), Some(b'-' | b'0'..=b'9')) && is_json(text),
    };
    if bare { text.to_owned() } else { serde_json::to_string(text).expect("a text is JSON") }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text)
}

fn event(value: Bytes) -> Event {
    Event { value: Some(value), ..Event::default() }
}

pub(super) fn refused(mut event: Event, why: String) -> Event {
    event.headers.push((REFUSED.to_owned(), Bytes::from(why)));
    event
}

/// The event of one element: its fields, and those that the topic says and it does not.
fn of_element(element: &str, said: &[Said]) -> Event {
    let as_it_came = || event(Bytes::copy_from_slice(element.as_bytes()));
    if said.is_empty() || !element.starts_with('{') {
        return as_it_came();
    }
    let mut input = serde_json::Deserializer::from_str(element);
    // Which is an object with fields that can be read: anything else is refused where rows are made.
    let Ok(found) = (Checked { said }).deserialize(&mut input) else { return as_it_came() };
    if let Err(contradiction) = found.agrees {
        return refused(as_it_came(), contradiction.0);
    }
    let mut object = element.strip_suffix('}').expect("an object ends so").trim_end().to_owned();
    let mut separator = if found.is_empty { "" } else { "," };
    for (said, is_there) in said.iter().zip(found.there) {
        if !is_there {
            let name = serde_json::to_string(&said.column.name).expect("a text is JSON");
            object.extend([separator, &name, ":", &said.json]);
            separator = ",";
        }
    }
    object.push('}');
    event(Bytes::from(object))
}

/// What an object says of the columns that its topic says.
struct Found {
    is_empty: bool,
    /// Of each column whether the object has it.
    there: Vec<bool>,
    agrees: Result<(), Reason>,
}

/// Reads an object and compares it with what its topic says.
struct Checked<'s> {
    said: &'s [Said],
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Found, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found { is_empty: true, there: vec![false; self.said.len()], agrees: Ok(()) };
        while let Some(said) = map.next_key_seed(SaidOf(self.said))? {
            found.is_empty = false;
            let value = map.next_value::<&'de RawValue>()?;
            let Some(at) = said else { continue };
            if value.get() == "null" {
                // Of fields with one name the last one counts, so it must come after this one.
                found.there[at] = false;
                continue;
            }
            found.there[at] = true;
            if found.agrees.is_ok() {
                found.agrees = self.said[at].agrees_with(value.get());
            }
        }
        Ok(found)
    }
}

/// What the topic says that a field's name means.
struct SaidOf<'s>(&'s [Said]);

impl<'de> DeserializeSeed<'de> for SaidOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_str(self)
    }
}

impl Visitor<'_> for SaidOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|said| said.column.name == name))
    }
}

impl Said {
    fn agrees_with(&self, value: &str) -> Result<(), Reason> {
        let same = match (json::cell(&self.column, Some(value)), json::cell(&self.column, Some(&self.json))) {
            (Ok(field), Ok(said)) => field == said,
            // Neither is a value of the column, and the row is refused for that.
            (Err(_), Err(_)) => value == self.json,
            _ => false,
        };
        if same { Ok(()) } else { Err(Reason::contradicts(&self.column.name, value, &self.text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Column;
    use crate::feed::SUBJECT;

    fn feed(said: &[(&str, DataType, &str)]) -> Feed {
        let said = said.iter().map(|(name, data_type, text)| Said {
            column: Column { name: (*name).to_owned(), data_type: data_type.clone(), nullable: true, default: None },
            text: (*text).to_owned(),
            json: json_of(text, data_type),
        });
        Feed { table: "readings".to_owned(), topic: "a/b".to_owned(), said: said.collect() }
    }

    fn meter() -> Feed {
        feed(&[("customer", DataType::Utf8, "7"), ("circuit", DataType::Int32, "3")])
    }

    /// Each event's value and why it is refused.
    fn made(feed: &Feed, payload: &str) -> Vec<(String, Option<String>)> {
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let made = |event: &Event| {
            let refused = event.headers.iter().find(|(name, _)| name == REFUSED).map(|(_, why)| text(why));
            (text(event.value.as_ref().unwrap()), refused)
        };
        feed.events(payload.as_bytes(), 5).iter().map(made).collect()
    }

    #[test]
    fn what_the_topic_says_becomes_fields() {
        let whole = |payload: &str, expected: &str| {
            assert_eq!(made(&meter(), payload), [(expected.to_owned(), None)], "{payload}");
        };
        whole(r#" {"w": 5 } "#, r#"{"w": 5,"customer":"7","circuit":3}"#);
        whole("{ }", r#"{"customer":"7","circuit":3}"#);
        whole(r#"{"circuit":3,"customer":"7"}"#, r#"{"circuit":3,"customer":"7"}"#);
        whole(r#"{"circuit":null}"#, r#"{"circuit":null,"customer":"7","circuit":3}"#);
        let event = &meter().events(b"{}", 5)[0];
        assert_eq!(event.headers, [(SUBJECT.to_owned(), Bytes::from("a/b"))]);
        assert_eq!(event.timestamp_ms, 5);
    }

    #[test]
    fn an_array_is_an_event_for_each_element() {
        let events = made(&meter(), r#"[{"w":1}, {"w":2}, 3, [4]]"#);
        let values: Vec<&str> = events.iter().map(|(value, _)| value.as_str()).collect();
        let expected = [r#"{"w":1,"customer":"7","circuit":3}"#, r#"{"w":2,"customer":"7","circuit":3}"#, "3", "[4]"];
        assert_eq!(values, expected);
        assert!(made(&meter(), " [] ").is_empty());
    }

    #[test]
    fn a_field_that_contradicts_the_topic_is_refused() {
        for (payload, field) in [
            (r#"{"customer":"8"}"#, "customer"),
            (r#"{"customer":7}"#, "customer"),
            (r#"{"customer":"8","customer":"7"}"#, "customer"),
            (r#"{"custom\u0065r":"8"}"#, "customer"),
            (r#"{"circuit":"3"}"#, "circuit"),
            (r#"{"circuit":4}"#, "circuit"),
        ] {
            let [(value, why)] = &made(&meter(), payload)[..] else { panic!("one event") };
            assert_eq!(value, payload);
            let why = why.as_ref().unwrap_or_else(|| panic!("{payload} is taken"));
            assert!(why.contains(field) && why.contains("topic"), "{payload}: {why}");
        }
    }

    #[test]
    fn what_is_no_json_comes_as_it_is() {
        for payload in ["", "no", "{\"a\":}", "[1,", "{\"a\":1} x", "21.5"] {
            assert_eq!(made(&meter(), payload), [(payload.to_owned(), None)]);
        }
        let binary = meter().events(b"\xff\x00", 5);
        assert_eq!(binary[0].value.as_deref(), Some(&b"\xff\x00"[..]));
        let many = format!("[{}0]", "0,".repeat(MESSAGE_EVENTS_MAX));
        let [(_, Some(why))] = &made(&meter(), &many)[..] else { panic!("one event, refused") };
        assert!(why.contains("at most"), "{why}");
    }

    #[test]
    fn a_body_is_an_object_an_array_or_lines() {
        let values = |body: &str, shape| -> Result<Vec<String>, String> {
            let events = of_body(body.as_bytes(), shape, 3).map_err(|reason| reason.0)?;
            Ok(events.iter().map(|event| String::from_utf8(event.value.as_ref().unwrap().to_vec()).unwrap()).collect())
        };
        let expected = |values: &[&str]| Ok(values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        assert_eq!(values(" {\"a\": 1}\n", Shape::Whole), expected(&["{\"a\": 1}"]));
        assert_eq!(values("[{\"a\": 1}, 2]", Shape::Whole), expected(&["{\"a\": 1}", "2"]));
        assert_eq!(values("{\"a\": 1}\r\n\n no\n", Shape::Lines), expected(&["{\"a\": 1}", "no"]));
        assert_eq!(values("", Shape::Lines), expected(&[]));
        for (body, shape) in
            [("no", Shape::Whole), ("[1,", Shape::Whole), ("[1,2,3,4]", Shape::Whole), ("1\n2\n3\n4", Shape::Lines)]
        {
            assert!(values(body, shape).is_err(), "{body}");
        }
    }

    #[test]
    fn numbers_of_a_topic_are_numbers_where_the_column_has_them() {
        for (data_type, text, json) in [
            (DataType::Utf8, "7", "\"7\""),
            (DataType::Int64, "7", "7"),
            (DataType::Int64, "07", "\"07\""),
            (DataType::Int64, "7 ", "\"7 \""),
            (DataType::Float64, "-1.5e3", "-1.5e3"),
            (DataType::Int64, "seven", "\"seven\""),
            (DataType::Boolean, "true", "true"),
            (DataType::Date32, "2026-01-01", "\"2026-01-01\""),
            (DataType::Utf8, "a\"b", "\"a\\\"b\""),
        ] {
            assert_eq!(json_of(text, &data_type), json, "{data_type} {text}");
        }
    }
}
