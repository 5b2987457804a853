//! Dates and timestamps from text, and back.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};

/// Days from 0001-01-01 to 1970-01-01, plus one.
const EPOCH_DAYS_CE: i32 = 719_163;

/// `digits` decimal digits at the front of `text`, and the rest.
fn number(text: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let head = text.get(..digits)?;
    let mut value = 0;
    for &byte in head {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(byte - b'0');
    }
    Some((value, &text[digits..]))
}

fn expect(text: &[u8], byte: u8) -> Option<&[u8]> {
    (*text.first()? == byte).then(|| &text[1..])
}

/// `YYYY-MM-DD` at the front, as days since 1970.
fn date_prefix(text: &[u8]) -> Option<(i32, &[u8])> {
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(expect(rest, b'-')?, 2)?;
    let (day, rest) = number(expect(rest, b'-')?, 2)?;
    let date = NaiveDate::from_ymd_opt(year as i32, month, day)?;
    (year > 0).then(|| (date.num_days_from_ce() - EPOCH_DAYS_CE, rest))
}

/// `YYYY-MM-DD` as days since 1970.
pub fn date(text: &str) -> Option<i32> {
    date_prefix(text.as_bytes()).and_then(|(days, rest)| rest.is_empty().then_some(days))
}

/// RFC 3339, or what PostgreSQL prints (a space for the T, no or a short offset, no time of day), as microseconds since 1970.
/// Without an offset it is UTC. Digits behind the microsecond are rounded.
pub fn timestamp(text: &str) -> Option<i64> {
    parts(text).map(|(local, offset_seconds)| local - offset_seconds * 1_000_000)
}

/// The same of a time without a zone: an offset does not count.
pub fn local_timestamp(text: &str) -> Option<i64> {
    parts(text).map(|(local, _)| local)
}

/// Local microseconds since 1970, and the offset in seconds.
fn parts(text: &str) -> Option<(i64, i64)> {
    let (days, rest) = date_prefix(text.as_bytes())?;
    let day_micros = i64::from(days) * 86_400_000_000;
    if rest.is_empty() {
        return Some((day_micros, 0));
    }
    let rest = matches!(rest[0], b'T' | b't' | b' ').then(|| &rest[1..])?;
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(expect(rest, b':')?, 2)?;
    let (second, rest) = match expect(rest, b':') {
        Some(rest) => number(rest, 2)?,
        None => (0, rest),
    };
    // A leap second is the first of the next minute, as in PostgreSQL.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, rest) = match rest.first() {
        Some(b'.' | b',') => fraction(&rest[1..])?,
        _ => (0, rest),
    };
    let offset_seconds = offset(rest)?;
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some((day_micros + seconds * 1_000_000 + micros, offset_seconds))
}

/// Whether a text that [`timestamp`] reads says its offset from UTC.
pub fn has_offset(text: &str) -> bool {
    text.get(11..).is_some_and(|clock| clock.contains(['Z', 'z', '+', '-']))
}

/// Digits behind the point as microseconds, and the rest.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let digit = |at: usize| if at < digits { i64::from(text[at] - b'0') } else { 0 };
    let micros = (0..6).fold(0, |sum, at| sum * 10 + digit(at));
    Some((micros + i64::from(digit(6) >= 5), &text[digits..]))
}

/// `Z`, `+hh`, `+hhmm`, `+hh:mm` or nothing, in seconds east of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let sign = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, rest) = number(&text[1..], 2)?;
    let (minutes, rest) = match rest {
        [] => (0, rest),
        [b':', tail @ ..] => number(tail, 2)?,
        _ => number(rest, 2)?,
    };
    (rest.is_empty() && hours <= 18 && minutes <= 59).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}

/// Appends days since 1970 as `YYYY-MM-DD`; `false`, and nothing, where the year has not four digits.
pub fn write_date(days: i32, out: &mut Vec<u8>) -> bool {
    let date = days.checked_add(EPOCH_DAYS_CE).and_then(NaiveDate::from_num_days_from_ce_opt);
    match date.filter(|date| (1..=9999).contains(&date.year())) {
        Some(date) => {
            out.extend_from_slice(format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()).as_bytes());
            true
        }
        None => false,
    }
}

/// Appends microseconds since 1970 as RFC 3339 in UTC; `false`, and nothing, where the year has not four digits.
pub fn write_timestamp(micros: i64, out: &mut Vec<u8>) -> bool {
    let Some(time) = DateTime::from_timestamp_micros(micros).filter(|time| (1..=9999).contains(&time.year())) else {
        return false;
    };
    write_date(micros.div_euclid(86_400_000_000) as i32, out);
    out.extend_from_slice(format!("T{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second()).as_bytes());
    let fraction = micros.rem_euclid(1_000_000);
    if fraction != 0 {
        out.extend_from_slice(format!(".{fraction:06}").as_bytes());
    }
    out.push(b'Z');
    true
}

/// Appends `.678`: the part of a second without the zeros at its end, nothing where there is none.
pub fn write_fraction(micros: i64, out: &mut Vec<u8>) {
    if micros != 0 {
        let digits = format!(".{micros:06}");
        out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn a_timestamp_may_be_rfc_3339_or_postgresqls() {
        let noon = 1_767_268_800_000_000;
        for text in [
            "2026-01-01T12:00:00Z",
            "2026-01-01 12:00:00",
            "2026-01-01t12:00z",
            "2026-01-01T13:00:00+01:00",
            "2026-01-01 13:00:00+01",
            "2026-01-01 10:30:00.000-0130",
        ] {
            assert_eq!(timestamp(text), Some(noon), "{text}");
        }
        assert_eq!(timestamp("2026-01-01T12:00:00.1234567Z"), Some(noon + 123_457));
        assert_eq!(timestamp("2026-01-01"), Some(noon - 43_200_000_000));
        for text in
            ["", "2026", "2026-13-01", "2026-01-01T", "2026-01-01T25:00:00Z", "2026-01-01T12:00:00X", "0000-01-01"]
        {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn agrees_with_chrono_and_reads_back_what_it_writes() {
        let seed = rand::random();
        println!("seed {seed}");
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..10_000 {
            let micros = random.random_range(-62_135_596_800_000_000..253_402_300_800_000_000);
            let mut text = Vec::new();
            assert!(write_timestamp(micros, &mut text));
            let text = String::from_utf8(text).unwrap();
            assert_eq!(timestamp(&text), Some(micros), "{text}");
            assert_eq!(DateTime::parse_from_rfc3339(&text).unwrap().timestamp_micros(), micros, "{text}");
        }
    }
}
