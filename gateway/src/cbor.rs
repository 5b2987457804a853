//! CBOR at the doors: it becomes JSON before anything else, so that the log is in one format, whoever reads it.

use std::fmt;

use sql::feed::{self, Feed};
use storage::Event;
use wire::cbor::{self, MEDIA_TYPE, NoJson};

use crate::limits::CBOR_JSON_BYTES_MAX;

/// Whether a content type is CBOR's, whatever its parameters.
pub(crate) fn is_named(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

/// Whether a message is in CBOR: it says so, or its first byte does.
fn is_meant(content_type: Option<&str>, message: &[u8]) -> bool {
    content_type.is_some_and(is_named) || cbor::is_cbor(message)
}

/// The events of a message in JSON or CBOR. CBOR that has no JSON is one event as it came, for the quarantine.
pub(crate) fn events(feed: &Feed, content_type: Option<&str>, message: &[u8], now_ms: i64) -> Vec<Event> {
    if !is_meant(content_type, message) {
        return feed.events(message, now_ms);
    }
    match to_json(message) {
        Ok(json) => feed.events(json.as_bytes(), now_ms),
        Err(why) => vec![feed::refused(&feed.topic, message.to_vec(), format!("no JSON for its CBOR: {why}"), now_ms)],
    }
}

/// The JSON of a message in CBOR.
pub(crate) fn to_json(message: &[u8]) -> Result<String, NoJson> {
    let mut json = Bounded(String::new());
    cbor::to_json(message, &mut json).map(|()| json.0)
}

/// A text that takes no more than may be kept: a few bytes of CBOR may be many of JSON.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > CBOR_JSON_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_by_its_name_or_its_first_byte() {
        for named in ["application/cbor", "Application/CBOR; x=y", " application/cbor "] {
            assert!(is_meant(Some(named), b"{}"), "{named}");
        }
        assert!(is_meant(None, &[0xa0]) && is_meant(Some("text/plain"), &[0x9f]));
        assert!(!is_meant(Some("application/json"), b"[]") && !is_meant(None, b"") && !is_meant(None, &[0xc3, 0xbc]));
    }

    #[test]
    fn what_would_become_too_long_is_refused() {
        // Each byte that is no sign is six of JSON.
        let zeros = CBOR_JSON_BYTES_MAX / 6;
        let text = |length: usize| [&[0x7a][..], &(length as u32).to_be_bytes(), &vec![0; length]].concat();
        assert!(to_json(&text(zeros - 1)).is_ok());
        assert_eq!(to_json(&text(zeros + 1)), Err(NoJson::TooLong));
    }
}
