//! Intervals from text as PostgreSQL reads them, and back: `1 year 2 mons -3 days 04:05:06.7`, `P1DT2H`, `90 minutes ago`.

use std::io::Write as _;

use arrow::datatypes::IntervalMonthDayNano;

use super::time::write_fraction;

const MONTHS_PER_YEAR: i64 = 12;
const DAYS_PER_MONTH: i64 = 30;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_HOUR: i64 = 3_600 * MICROS_PER_SECOND;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
const NANOS_PER_MICRO: i64 = 1_000;

/// Months, days and microseconds, each with its own sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    months: i64,
    days: i64,
    micros: i64,
    /// A bit for each unit that was there: none may be twice.
    seen: u16,
}

const SECONDS: u16 = 0b111;
/// Hours, minutes and all of seconds.
const CLOCK: u16 = 0b1_1111;

/// What a number counts.
#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

/// The interval that a text is; `None` where it is none, or too long.
pub fn read(text: &str) -> Option<IntervalMonthDayNano> {
    let text = text.trim();
    let Parts { months, days, micros, .. } = match text.strip_prefix(['P', 'p']) {
        Some(rest) => iso(rest)?,
        None => words(text)?,
    };
    let nanoseconds = micros.checked_mul(NANOS_PER_MICRO)?;
    Some(IntervalMonthDayNano::new(i32::try_from(months).ok()?, i32::try_from(days).ok()?, nanoseconds))
}

/// `1 day 02:03 ago`.
fn words(text: &str) -> Option<Parts> {
    let mut rest = text.strip_prefix('@').unwrap_or(text).trim();
    let mut sum = Parts::default();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if rest.eq_ignore_ascii_case("ago") {
            return Some(Parts { months: -sum.months, days: -sum.days, micros: -sum.micros, ..sum });
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && !"+-.:".contains(c)).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let (negative, digits) = signed(number);
        rest = behind.trim_start();
        let part = if digits.contains(':') {
            Parts { micros: clock(digits)?, seen: CLOCK, ..Parts::default() }
        } else if let Some((years, months)) = digits.split_once('-') {
            let (years, months) = (years.parse::<i64>().ok()?, months.parse::<i64>().ok()?);
            Parts { months: years.checked_mul(MONTHS_PER_YEAR)?.checked_add(months)?, ..Parts::default() }
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            // Seconds need not be called so.
            let (word, behind) = match (word.is_empty(), word.eq_ignore_ascii_case("ago")) {
                (true, _) if rest.is_empty() => ("s", rest),
                (_, true) => ("s", rest),
                _ => (word, behind.trim_start()),
            };
            rest = behind;
            let (unit, bit) = unit(&word.to_ascii_lowercase())?;
            let seen = if bit == 0b100 && digits.contains('.') { SECONDS } else { bit };
            Parts { seen, ..counted(digits, unit)? }
        };
        sum = sum.plus(part, negative)?;
    }
    Some(sum)
}

/// What is behind the P of ISO 8601: `1Y2M3DT4H5M6.7S`.
fn iso(text: &str) -> Option<Parts> {
    let (mut sum, mut rest, mut time) = (Parts::default(), text, false);
    if text.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix(['T', 't']).filter(|_| !time) {
            (rest, time) = (behind, true);
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c))?;
        let (number, behind) = rest.split_at(end);
        let (negative, digits) = signed(number);
        let letter = behind.chars().next()?.to_ascii_uppercase();
        let unit = match (letter, time) {
            ('Y', false) => Unit::Months(MONTHS_PER_YEAR),
            ('M', false) => Unit::Months(1),
            ('W', false) => Unit::Days(7),
            ('D', false) => Unit::Days(1),
            ('H', true) => Unit::Micros(MICROS_PER_HOUR),
            ('M', true) => Unit::Micros(60 * MICROS_PER_SECOND),
            ('S', true) => Unit::Micros(MICROS_PER_SECOND),
            _ => return None,
        };
        sum = sum.plus(counted(digits, unit)?, negative)?;
        rest = &behind[1..];
    }
    Some(sum)
}

fn signed(number: &str) -> (bool, &str) {
    match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    }
}

/// `hh:mm`, `hh:mm:ss.f`; there may be more than a day's hours.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hours, minutes) = (whole(parts.next()?)?, whole(parts.next()?)?);
    let seconds = parts.next().map_or(Some(0), |seconds| micros_of(seconds).filter(|_| parts.next().is_none()))?;
    if minutes > 59 || seconds > 60 * MICROS_PER_SECOND {
        return None;
    }
    hours.checked_mul(MICROS_PER_HOUR)?.checked_add(minutes * 60 * MICROS_PER_SECOND + seconds)
}

fn whole(digits: &str) -> Option<i64> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Digits with a fraction or without, as millionths.
fn micros_of(digits: &str) -> Option<i64> {
    let (whole_part, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let count = if whole_part.is_empty() && !fraction.is_empty() { 0 } else { whole(whole_part)? };
    whole(&format!("0{fraction}"))?;
    let millionths = format!("{fraction:0<6}");
    let up = millionths.as_bytes().get(6).is_some_and(|digit| *digit >= b'5');
    count.checked_mul(MICROS_PER_SECOND)?.checked_add(whole(&millionths[..6])? + i64::from(up))
}

/// A number of units; what is left of a year is months, of a month days, of a day time.
fn counted(digits: &str, unit: Unit) -> Option<Parts> {
    let millionths = micros_of(digits)?;
    let (count, fraction) = (millionths / MICROS_PER_SECOND, (millionths % MICROS_PER_SECOND) as f64 / 1e6);
    let of_days = |days: f64| {
        let micros = (days.fract() * MICROS_PER_DAY as f64).round() as i64;
        Parts { days: days as i64, micros, ..Parts::default() }
    };
    Some(match unit {
        Unit::Micros(of) => {
            let micros = i128::from(millionths) * i128::from(of);
            let rounded = (micros + 500_000 * micros.signum()) / i128::from(MICROS_PER_SECOND);
            Parts { micros: i64::try_from(rounded).ok()?, ..Parts::default() }
        }
        Unit::Days(of) => {
            let rest = of_days(fraction * of as f64);
            Parts { days: count.checked_mul(of)?.checked_add(rest.days)?, ..rest }
        }
        Unit::Months(1) => Parts { months: count, ..of_days(fraction * DAYS_PER_MONTH as f64) },
        Unit::Months(of) => {
            let months = count.checked_mul(of)?.checked_add((fraction * of as f64).round() as i64)?;
            Parts { months, ..Parts::default() }
        }
    })
}

/// A unit, and its bit.
fn unit(word: &str) -> Option<(Unit, u16)> {
    Some(match word {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => (Unit::Micros(1), 0b1),
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => {
            (Unit::Micros(1_000), 0b10)
        }
        "s" | "sec" | "secs" | "second" | "seconds" => (Unit::Micros(MICROS_PER_SECOND), 0b100),
        "m" | "min" | "mins" | "minute" | "minutes" => (Unit::Micros(60 * MICROS_PER_SECOND), 0b1000),
        "h" | "hr" | "hrs" | "hour" | "hours" => (Unit::Micros(MICROS_PER_HOUR), 0b1_0000),
        "d" | "day" | "days" => (Unit::Days(1), 1 << 5),
        "w" | "week" | "weeks" => (Unit::Days(7), 1 << 6),
        "mon" | "mons" | "month" | "months" => (Unit::Months(1), 1 << 7),
        "y" | "yr" | "yrs" | "year" | "years" => (Unit::Months(MONTHS_PER_YEAR), 1 << 8),
        "dec" | "decs" | "decade" | "decades" => (Unit::Months(10 * MONTHS_PER_YEAR), 1 << 9),
        "c" | "cent" | "century" | "centuries" => (Unit::Months(100 * MONTHS_PER_YEAR), 1 << 10),
        "mil" | "mils" | "millennium" | "millennia" => (Unit::Months(1_000 * MONTHS_PER_YEAR), 1 << 11),
        _ => return None,
    })
}

impl Parts {
    fn plus(self, other: Parts, negative: bool) -> Option<Parts> {
        if self.seen & other.seen != 0 {
            return None;
        }
        let of = |sum: i64, part: i64| if negative { sum.checked_sub(part) } else { sum.checked_add(part) };
        Some(Parts {
            months: of(self.months, other.months)?,
            days: of(self.days, other.days)?,
            micros: of(self.micros, other.micros)?,
            seen: self.seen | other.seen,
        })
    }
}

/// What lies between two moments: whole days and the rest, as PostgreSQL's; `None` beyond its range.
pub fn of_micros(micros: i64) -> Option<IntervalMonthDayNano> {
    let days = i32::try_from(micros / MICROS_PER_DAY).ok()?;
    Some(IntervalMonthDayNano::new(0, days, micros % MICROS_PER_DAY * NANOS_PER_MICRO))
}

/// Appends `1 year 2 mons -3 days +04:05:06.7`.
pub fn write(value: IntervalMonthDayNano, out: &mut Vec<u8>) {
    let start = out.len();
    let mut before_negative = false;
    for (count, unit) in [(value.months / 12, "year"), (value.months % 12, "mon"), (value.days, "day")] {
        if count != 0 {
            let (space, sign) = (blank(out.len() > start), if before_negative && count > 0 { "+" } else { "" });
            let plural = if count == 1 { "" } else { "s" };
            let _ = write!(out, "{space}{sign}{count} {unit}{plural}");
            before_negative = count < 0;
        }
    }
    let micros = value.nanoseconds / NANOS_PER_MICRO;
    if micros != 0 || out.len() == start {
        let space = blank(out.len() > start);
        let sign = if micros < 0 {
            "-"
        } else if before_negative {
            "+"
        } else {
            ""
        };
        let seconds = micros.unsigned_abs() / MICROS_PER_SECOND as u64;
        let _ = write!(out, "{space}{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        write_fraction((micros.unsigned_abs() % MICROS_PER_SECOND as u64) as i64, out);
    }
}

fn blank(needed: bool) -> &'static str {
    if needed { " " } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_may_be_written_in_many_ways() {
        let hour = MICROS_PER_HOUR * NANOS_PER_MICRO;
        for (text, months, days, nanos) in [
            ("1 year 2 months 3 days 04:05:06", 14, 3, 4 * hour + 306_000_000_000),
            ("1.5 years -1.5 days", 18, -1, -12 * hour),
            ("1.5 months", 1, 15, 0),
            ("P1Y2M3DT4H", 14, 3, 4 * hour),
            ("1 day -02:00", 0, 1, -2 * hour),
            ("90 min ago", 0, 0, -hour * 3 / 2),
            ("1-2", 14, 0, 0),
            ("2h30m", 0, 0, hour * 5 / 2),
            ("30", 0, 0, 30_000_000_000),
            ("@ 1 week", 0, 7, 0),
            ("0.0000015 s", 0, 0, 2_000),
        ] {
            assert_eq!(read(text), Some(IntervalMonthDayNano::new(months, days, nanos)), "{text}");
        }
        for text in ["", "1", "x", "1 fortnight", "1 day day", "1 day 2 days", "04:70", "P", "P1H", "99999999999 years"]
        {
            assert_eq!(read(text).is_some(), text == "1", "{text}");
        }
    }
}
