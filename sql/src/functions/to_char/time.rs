//! Moments by PostgreSQL's patterns: `YYYY-MM-DD HH24:MI:SS.MS`, `FMDay, DD Month`, `IYYY-"W"IW`, `TZ`, `OF` and all others.

use std::convert::Infallible;

use chrono::{Datelike, NaiveDateTime, Timelike};

use super::ordinal;

/// A moment, taken apart where it is.
pub struct Moment {
    pub local: NaiveDateTime,
    /// The name that its offset has there, empty where it has no zone, and the offset in seconds east of UTC.
    pub zone: String,
    pub offset: i32,
}

/// What is filled up to its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pads {
    All,
    /// Behind `TM`: not the names of months and days.
    Numbers,
    /// Behind `FM`.
    Nothing,
}

/// What a pattern asks for at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Field { word: &'static str, pads: Pads, ordinal: Option<bool> },
    Literal(String),
}

/// A pattern, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

/// The keywords, longer ones first where one begins another. All but the names of months and days mean the same in small letters.
const WORDS: [&str; 69] = [
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "Day", "Dy", "D", "FF1", "FF2", "FF3",
    "FF4", "FF5", "FF6", "FX", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I", "J", "MI", "MM",
    "MONTH", "MON", "MS", "Month", "Mon", "OF", "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ",
    "US", "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y", "a.d.", "a.m.", "ad", "am", "b.c.", "bc", "day", "dy", "month",
    "mon", "p.m.",
];

/// Keywords whose small letters are seen in what comes out.
const SMALL: [&str; 3] = ["pm", "rm", "tz"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

impl Pattern {
    pub fn read(text: &str) -> Pattern {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let mut pads = Pads::All;
            for (prefix, less) in
                [("FM", Pads::Nothing), ("fm", Pads::Nothing), ("TM", Pads::Numbers), ("tm", Pads::Numbers)]
            {
                if let Some(left) = rest.strip_prefix(prefix) {
                    (pads, rest) = (less, left);
                    break;
                }
            }
            if let Some(word) = keyword(rest) {
                rest = &rest[word.len()..];
                let mut ordinal = None;
                if let Some(left) = ["TH", "th"].iter().find_map(|suffix| rest.strip_prefix(suffix)) {
                    ordinal = Some(rest.starts_with('t'));
                    rest = left;
                } else if let Some(left) = rest.strip_prefix("SP") {
                    rest = left;
                }
                parts.push(Part::Field { word, pads, ordinal });
            } else if let Some(first) = rest.chars().next() {
                let (literal, left) = super::literal(rest, first);
                parts.push(Part::Literal(literal));
                rest = left;
            }
        }
        Pattern(parts)
    }

    pub fn written(&self, moment: &Moment) -> String {
        let Ok(written) = self.filled(|word, pads| Ok::<_, Infallible>(field(word, pads, moment)));
        written
    }

    /// The pattern with what its fields are.
    pub(super) fn filled<E>(&self, field: impl Fn(&str, Pads) -> Result<String, E>) -> Result<String, E> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => out += literal,
                Part::Field { word, pads, ordinal: suffix } => {
                    let text = field(word, *pads)?;
                    let is_number = text.ends_with(|digit: char| digit.is_ascii_digit());
                    out += &text;
                    if let Some(lower) = suffix
                        && is_number
                        && !["TZH", "TZM", "OF"].contains(word)
                    {
                        out += ordinal(&text, *lower);
                    }
                }
            }
        }
        Ok(out)
    }
}

/// The keyword that a text begins with.
fn keyword(text: &str) -> Option<&'static str> {
    let exact = WORDS.iter().chain(&SMALL).copied().find(|word| text.starts_with(word));
    // Small letters of those that do not care; the longest of both.
    let folded = WORDS.iter().copied().find(|word| {
        let seen =
            word.starts_with(['A', 'B', 'P']) || word.starts_with("MON") || ["DAY", "DY", "RM", "TZ"].contains(word);
        !seen && text.starts_with(&word.to_lowercase())
    });
    match (exact, folded) {
        (Some(exact), Some(folded)) if folded.len() > exact.len() => Some(folded),
        (None, folded) => folded,
        (exact, _) => exact,
    }
}

fn field(word: &str, pads: Pads, moment: &Moment) -> String {
    let at = &moment.local;
    let fill = pads == Pads::Nothing;
    let number = |value: i64, width: usize| match (fill, value < 0) {
        (true, _) => value.to_string(),
        (false, true) => format!("-{:0width$}", -value),
        (false, false) => format!("{value:0width$}"),
    };
    let micros = i64::from(at.nanosecond() / 1_000);
    let (year, iso_year) = (i64::from(at.year()), i64::from(at.iso_week().year()));
    let adjusted = |year: i64| if year <= 0 { 1 - year } else { year };
    let hour = i64::from(at.hour());
    let noon = |am: &str, pm: &str| if at.hour() >= 12 { pm.to_owned() } else { am.to_owned() };
    let era = |bc: &str, ad: &str| if year <= 0 { bc.to_owned() } else { ad.to_owned() };
    let weekday = at.weekday().num_days_from_sunday() as usize;
    let padded = |name: String| if pads == Pads::All { format!("{name:<9}") } else { name };
    let (month, day) = (MONTHS[at.month0() as usize], DAYS[weekday]);
    let east = if moment.offset < 0 { '-' } else { '+' };
    let (offset_hours, offset_minutes) = (moment.offset.abs() / 3600, moment.offset.abs() / 60 % 60);
    match word {
        "A.M." | "P.M." => noon("A.M.", "P.M."),
        "a.m." | "p.m." => noon("a.m.", "p.m."),
        "AM" | "PM" => noon("AM", "PM"),
        "am" | "pm" => noon("am", "pm"),
        "A.D." | "B.C." => era("B.C.", "A.D."),
        "a.d." | "b.c." => era("b.c.", "a.d."),
        "AD" | "BC" => era("BC", "AD"),
        "ad" | "bc" => era("bc", "ad"),
        "HH" | "HH12" => number((hour + 11) % 12 + 1, 2),
        "HH24" => number(hour, 2),
        "MI" => number(at.minute().into(), 2),
        "SS" => number(at.second().into(), 2),
        "FF1" => format!("{:01}", micros / 100_000),
        "FF2" => format!("{:02}", micros / 10_000),
        "FF3" | "MS" => format!("{:03}", micros / 1_000),
        "FF4" => format!("{:04}", micros / 100),
        "FF5" => format!("{:05}", micros / 10),
        "FF6" | "US" => format!("{micros:06}"),
        "SSSS" | "SSSSS" => at.num_seconds_from_midnight().to_string(),
        "MONTH" => padded(month.to_uppercase()),
        "Month" => padded(month.to_owned()),
        "month" => padded(month.to_lowercase()),
        "MON" => month[..3].to_uppercase(),
        "Mon" => month[..3].to_owned(),
        "mon" => month[..3].to_lowercase(),
        "MM" => number(at.month().into(), 2),
        "RM" | "rm" => {
            let roman = ROMAN[at.month0() as usize];
            let roman = if word == "rm" { roman.to_lowercase() } else { roman.to_owned() };
            if fill { roman } else { format!("{roman:<4}") }
        }
        "DAY" => padded(day.to_uppercase()),
        "Day" => padded(day.to_owned()),
        "day" => padded(day.to_lowercase()),
        "DY" => day[..3].to_uppercase(),
        "Dy" => day[..3].to_owned(),
        "dy" => day[..3].to_lowercase(),
        "DDD" => number(at.ordinal().into(), 3),
        "IDDD" => number(i64::from((at.iso_week().week() - 1) * 7 + at.weekday().number_from_monday()), 3),
        "DD" => number(at.day().into(), 2),
        "D" => (weekday + 1).to_string(),
        "ID" => at.weekday().number_from_monday().to_string(),
        "W" => ((at.day() - 1) / 7 + 1).to_string(),
        "WW" => number(i64::from((at.ordinal() - 1) / 7 + 1), 2),
        "IW" => number(at.iso_week().week().into(), 2),
        "Q" => (at.month0() / 3 + 1).to_string(),
        "CC" => match year {
            1.. => number((year - 1) / 100 + 1, 2),
            _ => number(year / 100 - 1, 2),
        },
        "J" => (i64::from(at.date().to_epoch_days()) + 2_440_588).to_string(),
        "Y,YYY" => format!("{},{:03}", adjusted(year) / 1000, adjusted(year) % 1000),
        "YYYY" => number(adjusted(year), 4),
        "YYY" => number(adjusted(year) % 1000, 3),
        "YY" => number(adjusted(year) % 100, 2),
        "Y" => (adjusted(year) % 10).to_string(),
        "IYYY" => number(adjusted(iso_year), 4),
        "IYY" => number(adjusted(iso_year) % 1000, 3),
        "IY" => number(adjusted(iso_year) % 100, 2),
        "I" => (adjusted(iso_year) % 10).to_string(),
        "TZ" => moment.zone.clone(),
        "tz" => moment.zone.to_lowercase(),
        "TZH" => format!("{east}{offset_hours:02}"),
        "TZM" => format!("{offset_minutes:02}"),
        "OF" => {
            let hours = if fill { offset_hours.to_string() } else { format!("{offset_hours:02}") };
            let minutes = if offset_minutes > 0 { format!(":{offset_minutes:02}") } else { String::new() };
            format!("{east}{hours}{minutes}")
        }
        // FX is for reading.
        _ => String::new(),
    }
}
