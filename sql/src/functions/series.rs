//! `generate_series` of a row's own numbers, as the array whose items become its rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;

use super::rowwise::number;
use super::rowwise::pure::strict;
use crate::error::SqlError;
use crate::limits::SERIES_ITEMS_MAX;

/// What the function is called: PostgreSQL has no array of this kind, people write `FROM t, generate_series(1, t.n)`.
pub const NAME: &str = "_pg_series";

/// From the first number to the last, both included, by the third where there is one.
pub fn series() -> ScalarUDF {
    let of = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
    strict(NAME, of, |args| {
        let whole = |at: usize| {
            let value = &args[at];
            let is_whole = matches!(value.data_type(), DataType::Int16 | DataType::Int32 | DataType::Int64);
            number(value).filter(|_| is_whole).ok_or_else(|| {
                let of = crate::types::sql_name(&value.data_type());
                SqlError::unsupported(format!("generate_series of {of} beside other tables"))
                    .hint("It is of whole numbers there: add them to a date or multiply an interval by them.")
            })
        };
        let (from, to) = (whole(0)?, whole(1)?);
        let step = if args.len() > 2 { whole(2)? } else { 1 };
        if step == 0 {
            return Err(SqlError::new("22023", "step size cannot equal zero").into());
        }
        items(from, to, step)
    })
}

fn items(from: i64, to: i64, step: i64) -> Result<ScalarValue> {
    let within = |number: &i64| if step > 0 { *number <= to } else { *number >= to };
    let series = std::iter::successors(Some(from).filter(within), |number| number.checked_add(step).filter(within));
    let numbers: Vec<ScalarValue> =
        series.take(SERIES_ITEMS_MAX + 1).map(|number| ScalarValue::Int64(Some(number))).collect();
    if numbers.len() > SERIES_ITEMS_MAX {
        let words = format!("generate_series({from}, {to}, {step}) has more than {SERIES_ITEMS_MAX} items of a row");
        return Err(SqlError::new("54000", words).into());
    }
    Ok(ScalarValue::List(ScalarValue::new_list(&numbers, &DataType::Int64, true)))
}
