//! Moments and the local times of zones: `timezone`, which is AT TIME ZONE.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, FixedOffset, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{OffsetComponents, OffsetName, Tz};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::session_zone::shown_offset;
use crate::error::SqlError;
use crate::types;

/// A zone of the IANA database, or an offset from UTC that never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// By its name in any case, or by its offset in hours and minutes. An offset counts as in POSIX, west of Greenwich
    /// positive: `+02` is what ISO 8601 calls `-02:00`.
    pub fn of(name: &str) -> Result<Zone, SqlError> {
        // As SHOW has what was set by a number: `<+02>-02`.
        let name = name.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(name, |(_, posix)| posix);
        let any_case = || chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)).copied();
        if let Some(zone) = Tz::from_str(name).ok().or_else(any_case) {
            return Ok(Zone::Named(zone));
        }
        let west = offset(name).and_then(|east_s| FixedOffset::east_opt(-east_s));
        west.map(Zone::Fixed).ok_or_else(|| {
            SqlError::new("22023", format!("time zone \"{name}\" not recognized"))
                .hint("Zones are called as in the IANA database, such as Europe/Madrid.")
        })
    }

    /// The zones of the IANA database by name.
    pub fn all() -> impl Iterator<Item = (&'static str, Zone)> {
        chrono_tz::TZ_VARIANTS.iter().map(|zone| (zone.name(), Zone::Named(*zone)))
    }

    /// Seconds east of UTC at a moment, and whether its clocks are put forward for the summer.
    pub fn clock_at(&self, utc: &NaiveDateTime) -> (i32, bool) {
        let summer = match self {
            Zone::Named(zone) => !zone.offset_from_utc_datetime(utc).dst_offset().is_zero(),
            Zone::Fixed(_) => false,
        };
        (self.offset_at(utc), summer)
    }

    /// Seconds east of UTC at a moment.
    pub fn offset_at(&self, utc: &NaiveDateTime) -> i32 {
        match self {
            Zone::Named(zone) => zone.offset_from_utc_datetime(utc).fix().local_minus_utc(),
            Zone::Fixed(offset) => offset.local_minus_utc(),
        }
    }

    /// What its offset at a moment is called there, `name` being the zone's: `CEST`, or as many digits as the offset has. A
    /// zone that is no more than an offset has no other name for it.
    pub fn abbreviation_at(&self, name: &str, utc: &NaiveDateTime) -> String {
        match self {
            Zone::Named(zone) => {
                let called = zone.offset_from_utc_datetime(utc).abbreviation().map(str::to_owned);
                called.unwrap_or_else(|| shown_offset(self.offset_at(utc)).replace(':', ""))
            }
            Zone::Fixed(offset) if name.starts_with('<') => shown_offset(offset.local_minus_utc()),
            Zone::Fixed(_) => String::new(),
        }
    }

    /// The zone that SET TimeZone says, and its name as SHOW has it: a number is hours east of Greenwich, all else as in
    /// [`Zone::of`].
    pub fn set(text: &str) -> Result<(Zone, String), SqlError> {
        let written = text.trim();
        if let Ok(hours) = written.parse::<f64>()
            && let Some(east) = FixedOffset::east_opt((hours * 3600.0).round() as i32)
            && hours.abs() < 16.0
        {
            let east_s = east.local_minus_utc();
            let name = format!("<{}>{}", shown_offset(east_s), shown_offset(-east_s));
            return Ok((Zone::Fixed(east), name));
        }
        if written.eq_ignore_ascii_case("z") {
            return Ok((Zone::Named(Tz::UTC), "UTC".to_owned()));
        }
        let zone = Zone::of(written)?;
        let name = if let Zone::Named(zone) = zone { zone.name().to_owned() } else { written.to_owned() };
        Ok((zone, name))
    }

    /// Local time of a moment; both in microseconds since 1970.
    pub fn to_local(self, micros: i64) -> Result<i64, SqlError> {
        let offset_s = self.offset_at(&naive(micros)?);
        micros.checked_add(i64::from(offset_s) * 1_000_000).ok_or_else(out_of_range)
    }

    /// The moment of a local time, as PostgreSQL has it: of one that comes twice it is the later, and one that is left out is
    /// counted on from before.
    pub fn to_moment(self, local: i64) -> Result<i64, SqlError> {
        let time = naive(local)?;
        let offset_s = match self {
            Zone::Fixed(offset) => offset.local_minus_utc(),
            Zone::Named(zone) => match zone.offset_from_local_datetime(&time) {
                LocalResult::Single(offset) | LocalResult::Ambiguous(_, offset) => offset.fix().local_minus_utc(),
                LocalResult::None => self.offset_at(&naive(local - DAY_MICROS)?),
            },
        };
        local.checked_sub(i64::from(offset_s) * 1_000_000).ok_or_else(out_of_range)
    }
}

pub const DAY_MICROS: i64 = 86_400_000_000;

/// `[+-]h[h][:mm]` in seconds.
fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let number = |text: &str| (!text.is_empty() && text.len() <= 2).then(|| text.parse::<i32>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 15 && minutes < 60 && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b':'))
        .then_some(sign * (hours * 3600 + minutes * 60))
}

/// The civil time of microseconds since 1970.
pub fn naive(micros: i64) -> Result<NaiveDateTime, SqlError> {
    DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc()).ok_or_else(out_of_range)
}

pub fn out_of_range() -> SqlError {
    SqlError::new("22008", "timestamp out of range")
}

/// `timezone(zone, stamp)`, which AT TIME ZONE is: of a moment its local time, of a local time its moment.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct AtTimeZone {
    signature: Signature,
}

impl AtTimeZone {
    pub(crate) fn new() -> AtTimeZone {
        AtTimeZone { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &str {
        "timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if let [zone, stamp] = types
            && (zone.is_string() || zone.is_null())
        {
            match types::canonical(stamp) {
                Some(stamp @ DataType::Timestamp(..)) => return Ok(vec![DataType::Utf8, stamp]),
                // A date is a moment first, as in PostgreSQL.
                Some(DataType::Date32) => return Ok(vec![DataType::Utf8, types::timestamptz()]),
                _ => {}
            }
        }
        let named: Vec<String> = types.iter().map(types::sql_name).collect();
        Err(SqlError::new("42883", format!("function timezone({}) does not exist", named.join(", ")))
            .hint("AT TIME ZONE stands behind a timestamp, and before the name of a zone.")
            .into())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types[1] {
            DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, None),
            _ => types::timestamptz(),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (zones, stamps) = (arrays[0].as_string::<i32>(), arrays[1].as_primitive::<TimestampMicrosecondType>());
        let of_moments = stamps.timezone().is_some();
        let mut known = Known::default();
        let shifted = stamps.iter().zip(zones).map(|(stamp, name)| match (stamp, name) {
            (Some(stamp), Some(name)) => {
                let zone = known.zone(name)?;
                if of_moments { zone.to_local(stamp) } else { zone.to_moment(stamp) }.map(Some)
            }
            _ => Ok(None),
        });
        let shifted: TimestampMicrosecondArray = shifted.collect::<Result<Vec<Option<i64>>, SqlError>>()?.into();
        Ok(ColumnarValue::Array(match of_moments {
            true => Arc::new(shifted),
            false => Arc::new(shifted.with_timezone(types::UTC)) as ArrayRef,
        }))
    }
}

/// The zone that was asked for last: mostly there is one.
#[derive(Default)]
pub struct Known(Option<(String, Zone)>);

impl Known {
    pub fn zone(&mut self, name: &str) -> Result<Zone, SqlError> {
        if let Some((known, zone)) = &self.0
            && known == name
        {
            return Ok(*zone);
        }
        let zone = Zone::of(name)?;
        self.0 = Some((name.to_owned(), zone));
        Ok(zone)
    }
}
