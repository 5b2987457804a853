//! Values as PostgreSQL prints them.

use std::io::Write as _;

use sql::decode::time::write_fraction;
use sql::functions::session_zone::shown_offset;
use sql::functions::zone::{Zone, naive};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// `t` or `f`.
pub(super) fn boolean(value: bool, out: &mut Vec<u8>) {
    out.push(if value { b't' } else { b'f' });
}

/// An integer of any width.
pub(super) fn integer(value: impl Into<i64>, out: &mut Vec<u8>) {
    put(out, format_args!("{}", value.into()));
}

/// `\x` and two hexadecimal digits a byte.
pub(super) fn bytea(value: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\x");
    for byte in value {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// `2026-01-02`; `days` since 1970.
pub(super) fn date(days: i32, out: &mut Vec<u8>) {
    let civil = Civil::of(i64::from(days));
    civil.write(out);
    civil.write_era(out);
}

/// `2026-01-02 03:04:05.678`; microseconds since 1970.
pub(super) fn timestamp(micros: i64, out: &mut Vec<u8>) {
    let civil = date_and_time(micros, out);
    civil.write_era(out);
}

/// `2026-01-02 04:04:05.678+01`; microseconds since 1970 UTC, and the zone that they are shown in, `None` for UTC.
pub(super) fn timestamptz(micros: i64, zone: Option<Zone>, out: &mut Vec<u8>) {
    let local = zone.and_then(|zone| Some((zone.to_local(micros).ok()?, zone.offset_at(&naive(micros).ok()?))));
    let (local, offset) = local.unwrap_or((micros, 0));
    let civil = date_and_time(local, out);
    out.extend_from_slice(shown_offset(offset).as_bytes());
    civil.write_era(out);
}

fn date_and_time(micros: i64, out: &mut Vec<u8>) -> Civil {
    let (seconds, fraction) = (micros.div_euclid(MICROS_PER_SECOND), micros.rem_euclid(MICROS_PER_SECOND));
    let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let civil = Civil::of(days);
    civil.write(out);
    put(out, format_args!(" {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60));
    write_fraction(fraction, out);
    civil
}

/// `03:04:05.678`; microseconds since midnight.
pub(super) fn time(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros / MICROS_PER_SECOND;
    put(out, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    write_fraction(micros % MICROS_PER_SECOND, out);
}

/// A day of the Gregorian calendar; year 0 is 1 BC.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

impl Civil {
    /// The day so many days after 1970-01-01. Counts in eras of 400 years that begin on 1 March, so that leap days come
    /// last.
    fn of(days: i64) -> Civil {
        const DAYS_PER_ERA: i64 = 146_097;
        let since = days + 719_468;
        let (era, day_of_era) = (since.div_euclid(DAYS_PER_ERA), since.rem_euclid(DAYS_PER_ERA));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil { year, month, day }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let year = if self.year > 0 { self.year } else { 1 - self.year };
        put(out, format_args!("{year:04}-{:02}-{:02}", self.month, self.day));
    }

    fn write_era(&self, out: &mut Vec<u8>) {
        if self.year <= 0 {
            out.extend_from_slice(b" BC");
        }
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<T>(write: fn(T, &mut Vec<u8>), value: T) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_have_no_zeros_at_their_end() {
        let utc = |micros: i64, out: &mut Vec<u8>| timestamptz(micros, None, out);
        assert_eq!(shown(utc, 1_767_323_045_678_000), "2026-01-02 03:04:05.678+00");
        assert_eq!(shown(timestamp, 0), "1970-01-01 00:00:00");
        assert_eq!(shown(timestamp, -1), "1969-12-31 23:59:59.999999");
        assert_eq!(shown(timestamp, 10), "1970-01-01 00:00:00.00001");
    }

    #[test]
    fn the_calendar_reaches_before_and_beyond_four_digits() {
        assert_eq!(shown(date, 0), "1970-01-01");
        assert_eq!(shown(date, 19_782), "2024-02-29");
        assert_eq!(shown(date, -25_509), "1900-02-28");
        assert_eq!(shown(date, -719_162), "0001-01-01");
        assert_eq!(shown(date, -719_163), "0001-12-31 BC");
        assert_eq!(shown(date, 2_932_897), "10000-01-01");
        let utc = |micros: i64, out: &mut Vec<u8>| timestamptz(micros, None, out);
        assert_eq!(shown(utc, -62_135_596_800_000_001), "0001-12-31 23:59:59.999999+00 BC");
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(shown(bytea, &[0, 0x1f, 0xff][..]), "\\x001fff");
        assert_eq!(shown(bytea, &[][..]), "\\x");
    }
}
