//! `generate_series` of a row's own numbers, and of timestamps, as the array whose items become its rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;

use super::OwnCast;
use super::interval::{INTERVAL, span};
use super::rowwise::pure::typed;
use super::rowwise::{number, text};
use super::session_zone::plus;
use super::zone::Zone;
use crate::error::SqlError;
use crate::limits::SERIES_ITEMS_MAX;
use crate::types;

/// What the function is called: PostgreSQL has no array of this kind, people write `FROM t, generate_series(1, t.n)`.
pub const NAME: &str = "_pg_series";

/// From the first value to the last, both included, by the third: numbers by one where there is none. Of moments a fourth argument is
/// the zone of their days and months.
pub fn series() -> ScalarUDF {
    let item = |types: &[DataType]| match types.first() {
        Some(DataType::Timestamp(_, None)) => stamp(None),
        Some(DataType::Timestamp(..) | DataType::Date32) => types::timestamptz(),
        _ => DataType::Int64,
    };
    let of = move |types: &[DataType]| Ok(DataType::List(Arc::new(Field::new_list_field(item(types), true))));
    typed(NAME, of, move |args| {
        let types: Vec<DataType> = args.iter().map(ScalarValue::data_type).collect();
        let item = item(&types);
        if args.iter().any(ScalarValue::is_null) {
            return ScalarValue::try_from(&DataType::List(Arc::new(Field::new_list_field(item, true))));
        }
        match &item {
            DataType::Int64 => of_numbers(args),
            of => of_moments(args, of),
        }
    })
}

fn stamp(zone: Option<Arc<str>>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone)
}

fn of_numbers(args: &[ScalarValue]) -> Result<ScalarValue> {
    let whole = |at: usize| {
        let value = args.get(at);
        let is_whole = |of: DataType| matches!(of, DataType::Int16 | DataType::Int32 | DataType::Int64);
        value.filter(|value| is_whole(value.data_type())).and_then(number).ok_or_else(|| {
            let of = value.map_or("one value".to_owned(), |value| types::sql_name(&value.data_type()));
            SqlError::unsupported(format!("generate_series of {of}"))
                .hint("It is of whole numbers, or of timestamps and an interval.")
        })
    };
    let (from, to) = (whole(0)?, whole(1)?);
    let step = if args.len() > 2 { whole(2)? } else { 1 };
    if step == 0 {
        return Err(no_step().into());
    }
    let within = |number: &i64| if step > 0 { *number <= to } else { *number >= to };
    let series = std::iter::successors(Some(from).filter(within), |number| number.checked_add(step).filter(within));
    let numbers: Vec<ScalarValue> =
        series.take(SERIES_ITEMS_MAX + 1).map(|number| ScalarValue::Int64(Some(number))).collect();
    listed(numbers, &DataType::Int64)
}

fn of_moments(args: &[ScalarValue], of: &DataType) -> Result<ScalarValue> {
    let read = |at: usize, to: &DataType| {
        let missing = || SqlError::new("42883", "generate_series of timestamps takes two and an interval");
        let value = args.get(at).ok_or_else(missing)?;
        let value = match OwnCast::between(&value.data_type(), to, false) {
            Some(cast) => ScalarValue::try_from_array(&cast.cast(&value.to_array()?)?, 0)?,
            None => value.cast_to(to)?,
        };
        Ok::<_, DataFusionError>(value)
    };
    let micros = |at: usize| match read(at, of)? {
        ScalarValue::TimestampMicrosecond(Some(micros), _) => Ok(micros),
        other => Err(DataFusionError::from(SqlError::new("42883", format!("{other} is no timestamp")))),
    };
    let (from, to) = (micros(0)?, micros(1)?);
    let ScalarValue::IntervalMonthDayNano(Some(step)) = read(2, &INTERVAL)? else {
        unreachable!("it was cast to an interval")
    };
    let zone = Zone::of(args.get(3).and_then(text).as_deref().unwrap_or("UTC"))?;
    let forward = span(step).signum();
    if forward == 0 {
        return Err(no_step().into());
    }
    let mut items = Vec::new();
    let (mut at, zone_name) = (from, if *of == types::timestamptz() { Some(types::UTC.into()) } else { None });
    while if forward > 0 { at <= to } else { at >= to } {
        items.push(ScalarValue::TimestampMicrosecond(Some(at), zone_name.clone()));
        if items.len() > SERIES_ITEMS_MAX {
            break;
        }
        at = plus(at, step, zone)?;
    }
    listed(items, of)
}

fn no_step() -> SqlError {
    SqlError::new("22023", "step size cannot equal zero")
}

fn listed(items: Vec<ScalarValue>, of: &DataType) -> Result<ScalarValue> {
    if items.len() > SERIES_ITEMS_MAX {
        let words = format!("this generate_series has more than {SERIES_ITEMS_MAX} items");
        return Err(SqlError::new("54000", words).into());
    }
    Ok(ScalarValue::List(ScalarValue::new_list(&items, of, true)))
}
