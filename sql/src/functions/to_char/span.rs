//! Intervals by PostgreSQL's patterns: hours may be more than a day's, and what only a moment has is refused.

use arrow::datatypes::IntervalMonthDayNano;

use super::time::{Pads, Pattern};
use crate::error::SqlError;

impl Pattern {
    pub fn written_of_interval(&self, interval: IntervalMonthDayNano) -> Result<String, SqlError> {
        self.filled(|word, pads| field(word, pads == Pads::Nothing, interval))
    }
}

fn field(word: &str, fill: bool, interval: IntervalMonthDayNano) -> Result<String, SqlError> {
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    let (year, month, day) = (i64::from(months / 12), i64::from(months % 12), i64::from(days));
    let micros = nanoseconds / 1_000;
    let (hour, minute, second) = (micros / 3_600_000_000, micros / 60_000_000 % 60, micros / 1_000_000 % 60);
    let fraction = micros % 1_000_000;
    let number = |value: i64, width: usize| match (fill, value < 0) {
        (true, _) => value.to_string(),
        (false, true) => format!("-{:0width$}", -value),
        (false, false) => format!("{value:0width$}"),
    };
    // Its sign counts among the digits, and all are written.
    let digits = |value: i64, width: usize| format!("{value:0width$}");
    let filled = |value: i64, width: usize| digits(value, if fill { 0 } else { width });
    let of_day = hour % 24;
    let noon = |am: &str, pm: &str| if of_day >= 12 { pm.to_owned() } else { am.to_owned() };
    let day_of_year = (year * 12 + month) * 30 + day;
    Ok(match word {
        "A.M." | "P.M." => noon("A.M.", "P.M."),
        "a.m." | "p.m." => noon("a.m.", "p.m."),
        "AM" | "PM" => noon("AM", "PM"),
        "am" | "pm" => noon("am", "pm"),
        "HH" | "HH12" => {
            let shown = if hour % 12 == 0 { 12 } else { hour % 12 };
            filled(shown, if hour < 0 { 3 } else { 2 })
        }
        "HH24" => number(hour, 2),
        "MI" => number(minute, 2),
        "SS" => number(second, 2),
        "FF1" => digits(fraction / 100_000, 1),
        "FF2" => digits(fraction / 10_000, 2),
        "FF3" | "MS" => digits(fraction / 1_000, 3),
        "FF4" => digits(fraction / 100, 4),
        "FF5" => digits(fraction / 10, 5),
        "FF6" | "US" => digits(fraction, 6),
        "SSSS" | "SSSSS" => (hour * 3_600 + minute * 60 + second).to_string(),
        "MM" => number(month, 2),
        "DDD" => filled(day_of_year, 3),
        "DD" => filled(day, 2),
        "WW" => filled((day_of_year - 1) / 7 + 1, 2),
        "W" => ((day - 1) / 7 + 1).to_string(),
        "Q" if month == 0 => String::new(),
        "Q" => ((month - 1) / 3 + 1).to_string(),
        "CC" if (-99..=99).contains(&(year / 100)) => number(year / 100, 2),
        "CC" => (year / 100).to_string(),
        "Y,YYY" => format!("{},{:03}", year / 1_000, year % 1_000),
        "YYYY" => number(year, 4),
        "YYY" => number(year % 1_000, 3),
        "YY" => number(year % 100, 2),
        "Y" => number(year % 10, 1),
        "FX" => String::new(),
        "IYYY" | "IYY" | "IY" | "I" | "IW" | "IDDD" | "J" | "RM" | "rm" => {
            return Err(SqlError::unsupported(format!("{word} of an interval in to_char")));
        }
        _ => {
            let words = "invalid format specification for an interval value";
            return Err(SqlError::new("22007", words).hint("Intervals are not tied to specific calendar dates."));
        }
    })
}
