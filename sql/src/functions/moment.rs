//! Casts of timestamps to text as PostgreSQL has them: `2026-01-02 03:04:05.678`, and `+00` behind it where there is a zone.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;

use super::session_zone::written;
use crate::error::SqlError;

/// Whether a cast between these types is ours.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    matches!(from, DataType::Timestamp(..)) && to.is_string()
}

/// Timestamps as text, those with a zone in UTC: a session in another zone asks for its own.
pub fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let DataType::Timestamp(_, zone) = array.data_type() else { unreachable!("it is a cast of timestamps") };
    let offset = if zone.is_some() { "+00" } else { "" };
    let micros = compute::cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>().iter();
    let texts = micros.map(|micros| micros.map(|micros| written(micros, offset)).transpose());
    let texts: ArrayRef = Arc::new(texts.collect::<Result<StringArray, SqlError>>()?);
    Ok(compute::cast(&texts, to)?)
}
