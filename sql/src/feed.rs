//! What devices send, on its way to a table: topics of MQTT that feed it, and the events that a message becomes.
//!
//! [`pattern`] says which topics are meant and what they say of a row, [`message`] makes events of a message's JSON. An event is whole: what
//! its topic says is a field of its object, so that whoever reads the log needs nothing else. [`channels`] says the same for meters
//! that know no topics.

pub mod channels;
pub mod message;
pub mod pattern;

use std::sync::Arc;

use storage::Event;

pub use channels::Channels;
pub use pattern::Pattern;

use crate::catalog::{Catalog, Entry, is_hidden};
use crate::decode::Column;

/// The header that says what an event is about, as CloudEvents has it: the topic that it was published to.
pub const SUBJECT: &str = "ce_subject";

/// A table that a topic feeds, and what the topic says of its rows.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The table's name.
    pub table: String,
    pub topic: String,
    said: Vec<Said>,
}

/// The value of one column, as a topic says it.
#[derive(Clone, Debug)]
struct Said {
    column: Column,
    /// As it stands in the topic.
    text: String,
    /// As it stands in an event.
    json: String,
}

impl Feed {
    /// The table that a topic of MQTT feeds, if any does.
    pub fn of(catalog: &Catalog, topic: &str) -> Option<Feed> {
        catalog.entries().find_map(|entry| Feed::by(entry, entry.table()?.mqtt.as_ref()?, topic))
    }

    /// What a topic says of a table's rows, if a pattern means it.
    pub fn by(table: &Entry, pattern: &Pattern, topic: &str) -> Option<Feed> {
        let captured = pattern.captures(topic)?;
        let fields = table.relation.as_ref()?.schema.columns.fields();
        let said = pattern.names().zip(captured).map(|(name, text)| {
            let field = fields.iter().find(|field| field.name() == name && !is_hidden(field));
            let field = field.expect("a pattern names columns of its table");
            let data_type = field.data_type().clone();
            let json = message::json_of(text, &data_type);
            let column = Column { name: name.to_owned(), data_type, nullable: true, default: None };
            Said { column, text: text.to_owned(), json }
        });
        Some(Feed { table: table.name().to_owned(), topic: topic.to_owned(), said: said.collect() })
    }

    /// The events of one message: one for an object, one for each element of an array. What is no row is an event too, which the
    /// pipeline puts into quarantine with its reason.
    pub fn events(&self, payload: &[u8], now_ms: i64) -> Vec<Event> {
        let mut events = message::events(payload, self);
        events.iter_mut().for_each(|event| about(event, &self.topic, now_ms));
        events
    }
}

/// The event of what its sender could not make a row of: it goes to quarantine with the reason.
pub fn refused(subject: &str, payload: impl Into<bytes::Bytes>, why: String, now_ms: i64) -> Event {
    let event = Event { value: Some(payload.into()), ..Event::default() };
    let mut event = message::refused(event, why);
    about(&mut event, subject, now_ms);
    event
}

fn about(event: &mut Event, subject: &str, now_ms: i64) {
    event.headers.push((SUBJECT.to_owned(), bytes::Bytes::copy_from_slice(subject.as_bytes())));
    event.timestamp_ms = now_ms;
}

/// Why two patterns cannot both be there: a topic would feed two tables. The other table's name.
pub fn overlapping<'a>(catalog: &'a Catalog, pattern: &Pattern) -> Option<&'a str> {
    let meets = |other: &Arc<crate::catalog::Entry>| {
        other.table().and_then(|table| table.mqtt.as_ref()).is_some_and(|other| other.overlaps(pattern))
    };
    catalog.entries().find(|entry| meets(entry)).map(|entry| entry.name())
}
