//! `width_bucket`: which of some equal parts of a range a number is in, or how many of some thresholds it has reached.

use std::cmp::Ordering;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;

use super::rowwise::number;
use super::rowwise::pure::strict;
use crate::error::SqlError;

pub fn functions() -> Vec<ScalarUDF> {
    vec![strict("width_bucket", DataType::Int32, |args| {
        let bucket = match args {
            [value, ScalarValue::List(thresholds)] => reached(value, &thresholds.value(0))?,
            [value, low, high, count] => within(value, low, high, count)?,
            _ => return Err(SqlError::new("42883", "width_bucket takes a number, a range and a count").into()),
        };
        Ok(ScalarValue::Int32(Some(bucket)))
    })]
}

fn refused(words: &str) -> SqlError {
    SqlError::new("2201G", words)
}

fn within(value: &ScalarValue, low: &ScalarValue, high: &ScalarValue, count: &ScalarValue) -> Result<i32> {
    let count = number(count).and_then(|count| i32::try_from(count).ok()).filter(|count| *count > 0);
    let count = count.ok_or_else(|| refused("count must be greater than zero"))?;
    let float = |value: &ScalarValue| value.data_type().is_floating();
    let exact = !float(value) && !float(low) && !float(high);
    if exact && let Some(bucket) = of_decimals(value, low, high, count)? {
        return Ok(bucket);
    }
    Ok(of_doubles(double(value)?, double(low)?, double(high)?, count)?)
}

fn double(value: &ScalarValue) -> Result<f64> {
    match value.cast_to(&DataType::Float64)? {
        ScalarValue::Float64(Some(value)) => Ok(value),
        _ => Err(SqlError::new("42883", "width_bucket takes numbers").into()),
    }
}

/// Digits and scale of a number that has them.
fn decimal(value: &ScalarValue) -> Option<(i128, u32)> {
    match value {
        ScalarValue::Decimal128(Some(digits), _, scale) => Some((*digits, u32::try_from(*scale).ok()?)),
        value if value.data_type().is_integer() => Some((number(value)?.into(), 0)),
        _ => None,
    }
}

/// None where the numbers are too long to be exact.
fn of_decimals(value: &ScalarValue, low: &ScalarValue, high: &ScalarValue, count: i32) -> Result<Option<i32>> {
    let numbers = [value, low, high].map(decimal);
    let Some(scale) = numbers.iter().map(|number| number.map(|(_, scale)| scale)).max().flatten() else {
        return Ok(None);
    };
    let at_scale = |number: Option<(i128, u32)>| {
        let (digits, own) = number?;
        digits.checked_mul(10_i128.checked_pow(scale - own)?)
    };
    let [Some(value), Some(low), Some(high)] = numbers.map(at_scale) else { return Ok(None) };
    let outside = match low.cmp(&high) {
        Ordering::Equal => return Err(refused("lower bound cannot equal upper bound").into()),
        Ordering::Less => (value < low, value >= high),
        Ordering::Greater => (value > low, value <= high),
    };
    Ok(match outside {
        (true, _) => Some(0),
        (_, true) => Some(count.checked_add(1).ok_or_else(|| SqlError::new("22003", "integer out of range"))?),
        _ => {
            let (part, whole) = (value.checked_sub(low), high.checked_sub(low));
            let part = part.and_then(|part| part.checked_mul(count.into()));
            part.zip(whole).map(|(part, whole)| (part / whole) as i32 + 1)
        }
    })
}

fn of_doubles(value: f64, low: f64, high: f64, count: i32) -> Result<i32, SqlError> {
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(refused("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(refused("lower and upper bounds must be finite"));
    }
    let (outside, part) = match low.partial_cmp(&high) {
        Some(Ordering::Less) => ((value < low, value >= high), (value - low) / (high - low)),
        Some(Ordering::Greater) => ((value > low, value <= high), (low - value) / (low - high)),
        _ => return Err(refused("lower bound cannot equal upper bound")),
    };
    match outside {
        (true, _) => Ok(0),
        (_, true) => count.checked_add(1).ok_or_else(|| SqlError::new("22003", "integer out of range")),
        // The quotient may have been rounded to 1.
        _ => Ok(((f64::from(count) * part) as i32).min(count - 1) + 1),
    }
}

/// How many of the thresholds, which are in order, are not above a value.
fn reached(value: &ScalarValue, thresholds: &arrow::array::ArrayRef) -> Result<i32> {
    if thresholds.null_count() > 0 {
        return Err(SqlError::new("22004", "thresholds array must not contain NULLs").into());
    }
    let same = value.data_type() == *thresholds.data_type();
    let (mut from, mut to) = (0, thresholds.len());
    while from < to {
        let middle = (from + to) / 2;
        let threshold = ScalarValue::try_from_array(thresholds, middle)?;
        let below = match same {
            true => value.partial_cmp(&threshold) == Some(Ordering::Less),
            false => double(value)? < double(&threshold)?,
        };
        (from, to) = if below { (from, middle) } else { (middle + 1, to) };
    }
    Ok(from as i32)
}
