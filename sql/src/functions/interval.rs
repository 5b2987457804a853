//! An interval times or divided by a number, which DataFusion does not have, and how long one is next to another, which
//! it gets wrong: 30 hours are more than a day.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, IntervalMonthDayNanoArray};
use arrow::compute;
use arrow::datatypes::{
    DataType, DurationMicrosecondType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    TimeUnit,
};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::date_part::DatePart;
use crate::decode::interval;
use crate::error::SqlError;

pub const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const DAYS_A_MONTH: f64 = 30.0;
const NANOS_A_DAY: f64 = 86_400e9;

/// `interval_mul(interval, number)` and `interval_div`, named as PostgreSQL names what its operators call. What is left of a
/// month becomes days, thirty a month, and what is left of a day becomes time.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Scaled {
    divides: bool,
    signature: Signature,
}

impl Scaled {
    pub fn all() -> [Scaled; 2] {
        [Scaled::new(false), Scaled::new(true)]
    }

    fn new(divides: bool) -> Scaled {
        let signature = Signature::exact(vec![INTERVAL, DataType::Float64], Volatility::Immutable);
        Scaled { divides, signature }
    }

    fn scale(&self, interval: IntervalMonthDayNano, number: f64) -> Result<IntervalMonthDayNano> {
        if self.divides && number == 0.0 {
            return Err(SqlError::new("22012", "division by zero").into());
        }
        let scaled = |part: f64| if self.divides { part / number } else { part * number };
        let months = scaled(f64::from(interval.months));
        let days = scaled(f64::from(interval.days)) + months.fract() * DAYS_A_MONTH;
        // To the microsecond, as a product of floats is rarely whole.
        let nanos = scaled(interval.nanoseconds as f64) + days.fract() * NANOS_A_DAY;
        let nanos = (nanos / 1e3).round() * 1e3;
        let (months, days) = (months.trunc(), days.trunc());
        let fits = |value: f64, most: f64| value.abs() < most;
        if !fits(months, f64::from(i32::MAX)) || !fits(days, f64::from(i32::MAX)) || !fits(nanos, i64::MAX as f64) {
            return Err(beyond().into());
        }
        Ok(IntervalMonthDayNano::new(months as i32, days as i32, nanos as i64))
    }
}

impl ScalarUDFImpl for Scaled {
    fn name(&self) -> &str {
        if self.divides { "interval_div" } else { "interval_mul" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let intervals: &IntervalMonthDayNanoArray = arrays[0].as_primitive::<IntervalMonthDayNanoType>();
        let numbers: &Float64Array = arrays[1].as_primitive::<Float64Type>();
        let pairs = intervals.iter().zip(numbers);
        let scaled = pairs.map(|(interval, number)| match (interval, number) {
            (Some(interval), Some(number)) => self.scale(interval, number).map(Some),
            _ => Ok(None),
        });
        let scaled: ArrayRef = Arc::new(scaled.collect::<Result<IntervalMonthDayNanoArray>>()?);
        Ok(ColumnarValue::Array(scaled))
    }
}

/// `interval_span(interval)`: what intervals are compared by, as in PostgreSQL: nanoseconds, of days with 24 hours and months
/// with 30 days.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Span {
    signature: Signature,
}

impl Default for Span {
    fn default() -> Span {
        Span { signature: Signature::exact(vec![INTERVAL], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Span {
    fn name(&self) -> &str {
        "interval_span"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, 0))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let intervals: &IntervalMonthDayNanoArray = arrays[0].as_primitive::<IntervalMonthDayNanoType>();
        let spans: Decimal128Array = intervals.iter().map(|interval| interval.map(span)).collect();
        Ok(ColumnarValue::Array(Arc::new(spans.with_precision_and_scale(38, 0)?)))
    }
}

pub fn beyond() -> SqlError {
    SqlError::new("22008", "interval out of range")
}

/// Nanoseconds, of days with 24 hours and months with 30 days.
pub fn span(interval: IntervalMonthDayNano) -> i128 {
    const NANOS_A_DAY: i128 = 86_400_000_000_000;
    let days = i128::from(interval.months) * 30 + i128::from(interval.days);
    days * NANOS_A_DAY + i128::from(interval.nanoseconds)
}

/// Intervals of what lies between two moments, whole days and the rest; intervals as they are.
pub fn of_durations(array: &ArrayRef) -> Result<ArrayRef> {
    if !matches!(array.data_type(), DataType::Duration(_)) {
        return Ok(compute::cast(array, &INTERVAL)?);
    }
    let micros = compute::cast(array, &DataType::Duration(TimeUnit::Microsecond))?;
    let of = |micros: i64| interval::of_micros(micros).ok_or_else(beyond);
    let micros = micros.as_primitive::<DurationMicrosecondType>().iter().map(|micros| micros.map(of).transpose());
    Ok(Arc::new(micros.collect::<Result<IntervalMonthDayNanoArray, SqlError>>()?))
}

/// Plans `interval * number`, `number * interval` and `interval / number`, `date + interval`, and EXTRACT.
#[derive(Debug)]
pub struct Intervals;

impl ExprPlanner for Intervals {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(ScalarUDF::from(DatePart::default()).call(args)))
    }

    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        // A day and an interval make a time, as there may be hours in it.
        if matches!(expr.op, BinaryOperator::Plus | BinaryOperator::Minus) {
            let RawBinaryExpr { op, left, right } = expr;
            let of = |expr: &Expr| expr.get_type(schema).ok();
            let is_interval = |of: &Option<DataType>| matches!(of, Some(DataType::Interval(_)));
            let time = |expr: Expr| expr.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, None), schema);
            let (left, right) = match (of(&left), of(&right)) {
                (Some(DataType::Date32), interval) if is_interval(&interval) => (time(left)?, right),
                (interval, Some(DataType::Date32)) if is_interval(&interval) => (left, time(right)?),
                _ => (left, right),
            };
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let divides = expr.op == BinaryOperator::Divide;
        if !divides && expr.op != BinaryOperator::Multiply {
            return Ok(PlannerResult::Original(expr));
        }
        let is_interval = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Interval(_)));
        let is_number = |expr: &Expr| expr.get_type(schema).is_ok_and(|of| of.is_numeric());
        let (interval, number) = match (is_interval(&expr.left), is_interval(&expr.right)) {
            (true, false) if is_number(&expr.right) => (expr.left, expr.right),
            (false, true) if is_number(&expr.left) && !divides => (expr.right, expr.left),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let number = number.cast_to(&DataType::Float64, schema)?;
        let call = ScalarUDF::from(Scaled::new(divides)).call(vec![interval, number]);
        Ok(PlannerResult::Planned(call))
    }
}
