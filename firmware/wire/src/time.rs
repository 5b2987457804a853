//! A reading's time: milliseconds since 1970, or RFC 3339.

use chrono::DateTime;

/// Reads a time from the text of a JSON value, quotes included where it is a string.
pub(crate) fn parse(value: &str) -> Option<i64> {
    match value.strip_prefix('"') {
        // An escape has no place in a time, so the text between the quotes is the string.
        Some(rest) => DateTime::parse_from_rfc3339(rest.strip_suffix('"')?).ok().map(|at| at.timestamp_millis()),
        None => value.parse().ok(),
    }
}
