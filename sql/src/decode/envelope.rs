//! What CloudEvents headers say of an event, else what its place in the log says.

use std::borrow::Cow;

use chrono::DateTime;
use storage::{Record, TopicPartition};

use super::Reason;
use crate::limits::REASON_CHARS_MAX;

/// The tenant that there is without any other.
const DEFAULT_TENANT: &str = "default";

/// The source of an event that names none: the log itself.
const LOG_SOURCE: &str = "log";

/// The header of an event that its sender could not make a row of: it says why. The payload is what the sender had.
pub const REFUSED: &str = "caudal_refused";

/// Who sent an event, what it is called and when it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    id: Option<&'a str>,
    source: Option<&'a str>,
    /// Microseconds since 1970.
    pub time_us: i64,
}

impl<'a> Envelope<'a> {
    /// Reads the Kafka binding (`ce_id`) or the plain names (`id`); the binding wins.
    pub fn of(record: &'a Record) -> Result<Envelope<'a>, Reason> {
        if let Some(reason) = header(record, REFUSED)? {
            return Err(Reason(reason.chars().take(REASON_CHARS_MAX).collect()));
        }
        if let Some(tenant) = header(record, "tenant")?
            && tenant != DEFAULT_TENANT
        {
            return Err(Reason(format!(
                "tenant {tenant:?} does not exist: send without a tenant header, or with {DEFAULT_TENANT:?}"
            )));
        }
        let time_us = match header(record, "time")? {
            Some(time) => DateTime::parse_from_rfc3339(time)
                .map_err(|_| Reason::expected("header time", "a time as RFC 3339", time))?
                .timestamp_micros(),
            None => record.timestamp_ms.saturating_mul(1_000),
        };
        Ok(Envelope { id: header(record, "id")?, source: header(record, "source")?, time_us })
    }

    /// What a record is about: the topic of MQTT that it was published to.
    pub fn subject(record: &'a Record) -> Option<&'a str> {
        header(record, "subject").ok().flatten()
    }

    /// (source, id): the same pair again is the same event.
    pub fn identity(&self, partition: &TopicPartition, offset: u64) -> (&'a str, Cow<'a, str>) {
        let place = || Cow::Owned(format!("{}:{}:{offset}", partition.topic, partition.partition));
        (self.source.unwrap_or(LOG_SOURCE), self.id.map_or_else(place, Cow::Borrowed))
    }
}

/// The attribute's header, if it has one that is not empty.
fn header<'a>(record: &'a Record, attribute: &str) -> Result<Option<&'a str>, Reason> {
    let bound = record.headers.iter().find(|(name, _)| name.strip_prefix("ce_") == Some(attribute));
    let found = bound.or_else(|| record.headers.iter().find(|(name, _)| name == attribute));
    let Some((name, Some(value))) = found else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| Reason(format!("header {name} is not UTF-8")))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: &[(&str, &str)]) -> Record {
        let value = |text: &str| Some(bytes::Bytes::copy_from_slice(text.as_bytes()));
        let headers = headers.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect();
        Record { offset: 9, key: None, value: None, headers, timestamp_ms: 5 }
    }

    fn told(headers: &[(&str, &str)]) -> (String, String, i64) {
        let partition = TopicPartition { topic: "readings".into(), partition: 2 };
        let record = record(headers);
        let envelope = Envelope::of(&record).unwrap();
        let (source, id) = envelope.identity(&partition, record.offset);
        (source.to_owned(), id.into_owned(), envelope.time_us)
    }

    #[test]
    fn headers_name_the_event_and_without_them_its_place_does() {
        assert_eq!(told(&[]), ("log".to_owned(), "readings:2:9".to_owned(), 5_000));
        let plain = [("id", "a"), ("source", "meter-7"), ("time", "1970-01-01T00:00:01Z"), ("tenant", "default")];
        assert_eq!(told(&plain), ("meter-7".to_owned(), "a".to_owned(), 1_000_000));
        assert_eq!(told(&[("id", "a"), ("ce_id", "b")]).1, "b");
    }

    #[test]
    fn an_event_of_another_tenant_is_refused_with_words() {
        let reason = |headers| Envelope::of(&record(headers)).unwrap_err().0;
        assert!(reason(&[("ce_tenant", "acme")]).contains("tenant \"acme\" does not exist"));
        assert_eq!(reason(&[("caudal_refused", "line 7 has 2 cells")]), "line 7 has 2 cells");
        assert!(reason(&[("time", "noon")]).contains("RFC 3339"));
    }
}
