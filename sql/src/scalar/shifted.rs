//! A moment and an interval added, without the calendar where the interval has no months.
//!
//! DataFusion takes each moment apart into a date and a time of day for it, which takes longer than all else that most views
//! do with a row. A day is as long as any other where there is no time zone but UTC, so all of it is one sum.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Schema, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::BinaryExpr;

const DAY_MICROS: i64 = 86_400_000_000;

/// Moments up to here, in microseconds before or after 1970, are dates of the calendar as well.
const MOMENT_MICROS_MAX: i64 = 8_000_000_000_000_000_000;

/// `moment + interval` or `moment - interval`.
#[derive(Debug, Eq)]
struct Shifted {
    /// The same as DataFusion has it.
    whole: Arc<dyn PhysicalExpr>,
    moment: Arc<dyn PhysicalExpr>,
    interval: Arc<dyn PhysicalExpr>,
    back: bool,
}

/// The same expression, in which moments are shifted fast.
pub fn shifted(expr: Arc<dyn PhysicalExpr>, input: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let shift = |node: Arc<dyn PhysicalExpr>| {
        let Some(binary) = node.downcast_ref::<BinaryExpr>() else { return Ok(Transformed::no(node)) };
        let back = *binary.op() == Operator::Minus;
        let types = (binary.left().data_type(input)?, binary.right().data_type(input)?);
        let shifts = matches!(types, (DataType::Timestamp(TimeUnit::Microsecond, zone), DataType::Interval(IntervalUnit::MonthDayNano))
            if zone.as_deref().is_none_or(|zone| matches!(zone, "+00:00" | "UTC")));
        if !shifts || !(back || *binary.op() == Operator::Plus) {
            return Ok(Transformed::no(node));
        }
        let (moment, interval) = (binary.left().clone(), binary.right().clone());
        Ok(Transformed::yes(Arc::new(Shifted { whole: node, moment, interval, back }) as Arc<dyn PhysicalExpr>))
    };
    Ok(expr.transform_up(shift)?.data)
}

impl Shifted {
    /// `None` where it takes the calendar, or fails.
    fn fast(&self, batch: &RecordBatch) -> Option<ArrayRef> {
        let ColumnarValue::Array(moments) = self.moment.evaluate(batch).ok()? else { return None };
        let micros = moments.as_primitive_opt::<TimestampMicrosecondType>()?;
        let (intervals, constant);
        let interval: &dyn Fn(usize) -> IntervalMonthDayNano = match self.interval.evaluate(batch).ok()? {
            ColumnarValue::Array(array) => {
                intervals = array;
                let values = intervals.as_primitive_opt::<IntervalMonthDayNanoType>()?.values().clone();
                &move |row| values[row]
            }
            ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(value))) => {
                constant = value;
                intervals = moments.clone();
                &move |_| constant
            }
            ColumnarValue::Scalar(_) => return None,
        };
        let nulls = NullBuffer::union(micros.nulls(), intervals.nulls());
        let mut sums = Vec::with_capacity(micros.len());
        for (row, &moment) in micros.values().iter().enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                sums.push(0);
                continue;
            }
            let IntervalMonthDayNano { months, days, nanoseconds } = interval(row);
            if months != 0 || moment.unsigned_abs() > MOMENT_MICROS_MAX as u64 {
                return None;
            }
            let (days, nanoseconds) = match self.back {
                true => (-i64::from(days), nanoseconds.checked_neg()?),
                false => (i64::from(days), nanoseconds),
            };
            // Less than a microsecond counts backwards, as it does where moments have nanoseconds.
            let sum = moment.checked_add(days.checked_mul(DAY_MICROS)?)?.checked_add(nanoseconds.div_euclid(1_000))?;
            if sum.unsigned_abs() > MOMENT_MICROS_MAX as u64 {
                return None;
            }
            sums.push(sum);
        }
        let sums = TimestampMicrosecondArray::new(sums.into(), nulls);
        Some(Arc::new(sums.with_data_type(moments.data_type().clone())))
    }
}

impl PartialEq for Shifted {
    fn eq(&self, other: &Shifted) -> bool {
        self.whole.as_ref() == other.whole.as_ref()
    }
}

impl Hash for Shifted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.whole.hash(state);
    }
}

impl fmt::Display for Shifted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.fmt(f)
    }
}

impl PhysicalExpr for Shifted {
    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.whole.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        match self.fast(batch) {
            Some(sums) => Ok(ColumnarValue::Array(sums)),
            None => self.whole.evaluate(batch),
        }
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.whole]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let Some(whole) = children.into_iter().next() else { return internal_err!("a shifted moment has one child") };
        let Some(binary) = whole.downcast_ref::<BinaryExpr>() else { return Ok(whole) };
        let (moment, interval) = (binary.left().clone(), binary.right().clone());
        Ok(Arc::new(Shifted { moment, interval, back: self.back, whole }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.fmt_sql(f)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::IntervalMonthDayNanoArray;
    use arrow::datatypes::Field;
    use datafusion::physical_expr::expressions::{Literal, binary, col};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Both ways, over moments and intervals among which are none, the far ends, and those with months where asked.
    fn compared(seed: u64, months: bool, zone: Option<&str>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut moment = || match random.random_range(0..12) {
            0 => None,
            1 => Some(random.random_range(-9_000_000_000_000_000_000..9_000_000_000_000_000_000)),
            _ => Some(random.random_range(-4_000_000_000_000_000..4_000_000_000_000_000)),
        };
        let far = seed.is_multiple_of(2);
        let moments: TimestampMicrosecondArray = (0..50)
            .map(|_| moment().map(|micros: i64| if far { micros } else { micros % 4_000_000_000_000_000 }))
            .collect();
        let mut interval = || {
            let months = if months && random.random_bool(0.1) { random.random_range(-30..30) } else { 0 };
            let nanoseconds = match random.random_range(0..3) {
                0 => random.random_range(-5_000..5_000),
                1 => random.random_range(-10_000_000_000_000..10_000_000_000_000),
                _ => random.random_range(-5_000..5_000) * 1_000_000,
            };
            let days = if random.random_bool(0.1) { random.random() } else { random.random_range(-400..400) };
            let value = IntervalMonthDayNano::new(months, days, nanoseconds);
            random.random_bool(0.9).then_some(value)
        };
        let constant = interval();
        let intervals: IntervalMonthDayNanoArray = (0..50).map(|_| interval()).collect();
        let moments = moments.with_data_type(DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into)));
        let schema = Arc::new(Schema::new(vec![
            Field::new("moment", moments.data_type().clone(), true),
            Field::new("interval", intervals.data_type().clone(), true),
        ]));
        let rows = RecordBatch::try_new(schema.clone(), vec![Arc::new(moments), Arc::new(intervals)]).unwrap();
        let literal: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::IntervalMonthDayNano(constant)));
        for of in [col("interval", &schema).unwrap(), literal] {
            for operator in [Operator::Plus, Operator::Minus] {
                let whole = binary(col("moment", &schema).unwrap(), operator, of.clone(), &schema).unwrap();
                let fast = shifted(whole.clone(), &schema).unwrap();
                assert!(fast.downcast_ref::<Shifted>().is_some());
                let [whole, fast] = [whole, fast].map(|expr| match expr.evaluate(&rows) {
                    Ok(value) => format!("{:?}", value.into_array(50).unwrap()),
                    Err(error) => error.to_string(),
                });
                assert_eq!(fast, whole, "seed {seed}, {operator} {constant:?}");
            }
        }
    }

    #[test]
    fn moments_are_shifted_as_datafusion_shifts_them() {
        for seed in 0..200 {
            compared(seed, false, None);
            compared(seed, true, None);
            compared(seed, false, Some("+00:00"));
        }
    }

    #[test]
    fn where_another_zone_has_days_of_its_own_it_is_left_as_it_is() {
        let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Madrid".into()));
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        let schema = Schema::new(vec![Field::new("moment", moment, true), Field::new("interval", interval, true)]);
        let [moment, interval] = ["moment", "interval"].map(|name| col(name, &schema).unwrap());
        let whole = binary(moment, Operator::Plus, interval, &schema).unwrap();
        assert!(shifted(whole, &schema).unwrap().downcast_ref::<Shifted>().is_none());
    }
}
