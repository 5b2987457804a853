//! The accumulator behind `sum` and `avg`: the engine's exact sums, so that every order of rows gives the same bits.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type, Int32Type, Int64Type};
use dataflow::exact::{FloatSum, IntSum, OutOfRange};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::Accumulator;

use crate::error::SqlError;
use crate::types;

/// Digits of the widest decimal.
const DIGITS_MAX: u8 = 38;

/// Digits behind the point that an average has beyond those of what is averaged.
const MEAN_SCALE_MORE: i8 = 4;

/// Which of the two is computed from the sum and the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Sum,
    Mean,
}

impl Answer {
    pub fn name(self) -> &'static str {
        match self {
            Answer::Sum => "sum",
            Answer::Mean => "avg",
        }
    }

    /// The type of the answer over values of type `of`, which [`summed`] gave.
    pub fn of(self, of: &DataType) -> Result<DataType> {
        Ok(match (self, of) {
            (Answer::Sum, DataType::Int32 | DataType::Int64) => DataType::Int64,
            (Answer::Sum, DataType::Decimal128(_, scale)) => DataType::Decimal128(DIGITS_MAX, *scale),
            (Answer::Mean, DataType::Decimal128(precision, scale)) => DataType::Decimal128(
                DIGITS_MAX.min(precision + MEAN_SCALE_MORE as u8),
                (DIGITS_MAX as i8).min(scale + MEAN_SCALE_MORE),
            ),
            (Answer::Mean, DataType::Int32 | DataType::Int64) | (_, DataType::Float64) => DataType::Float64,
            (_, other) => return internal_err!("{} of {other}", self.name()),
        })
    }
}

/// The type in which values are summed; an error for those that are not numbers.
pub fn summed(answer: Answer, types: &[DataType]) -> Result<Vec<DataType>> {
    let [of] = types else { return plan_err!("{} takes one argument, not {}", answer.name(), types.len()) };
    let canonical = match of {
        DataType::Null => Some(DataType::Int64),
        of if of.is_numeric() => types::canonical(of),
        DataType::Dictionary(_, values) if values.is_numeric() => types::canonical(values),
        _ => None,
    };
    match canonical {
        Some(canonical) => Ok(vec![canonical]),
        None => {
            let words = format!("function {}({}) does not exist", answer.name(), types::sql_name(of));
            Err(SqlError::new("42883", words).hint("It takes numbers.").into())
        }
    }
}

/// The fields of a partial state: the sum as it writes itself, and how many values it has.
pub fn state_fields(name: &str) -> Vec<FieldRef> {
    vec![
        Arc::new(Field::new(format!("{name}[sum]"), DataType::Binary, false)),
        Arc::new(Field::new(format!("{name}[count]"), DataType::Int64, false)),
    ]
}

#[derive(Debug)]
enum Sum {
    Integers(IntSum),
    /// Large, and a query may have one for each of a million groups: those of integers need not have its room.
    Floats(Box<FloatSum>),
}

/// An exact sum of values of one type and their number.
#[derive(Debug)]
pub struct Total {
    answer: Answer,
    of: DataType,
    sum: Sum,
    count: i64,
}

impl Total {
    /// Nothing yet, of values of type `of`.
    pub fn new(answer: Answer, of: DataType) -> Total {
        let sum = match of {
            DataType::Float64 => Sum::Floats(Box::default()),
            _ => Sum::Integers(IntSum::default()),
        };
        Total { answer, of, sum, count: 0 }
    }

    fn add(&mut self, values: &[ArrayRef], diff: i64) -> Result<()> {
        let values = &values[0];
        self.count += diff * (values.len() - values.null_count()) as i64;
        match (&mut self.sum, values.data_type()) {
            (Sum::Floats(sum), DataType::Float64) => {
                each(values.as_primitive::<Float64Type>(), |value| sum.add(value, diff));
            }
            (Sum::Integers(sum), DataType::Int32) => {
                each(values.as_primitive::<Int32Type>(), |value| sum.add(value.into(), diff));
            }
            (Sum::Integers(sum), DataType::Int64) => {
                each(values.as_primitive::<Int64Type>(), |value| sum.add(value.into(), diff));
            }
            (Sum::Integers(sum), DataType::Decimal128(_, _)) => {
                each(values.as_primitive::<Decimal128Type>(), |value| sum.add(value, diff));
            }
            (_, other) => return internal_err!("{} of {other}", self.answer.name()),
        }
        Ok(())
    }

    fn value(&self, of: &DataType) -> Result<ScalarValue, OutOfRange> {
        let count = self.count;
        Ok(match (&self.sum, self.answer, of) {
            (Sum::Floats(sum), Answer::Sum, _) => ScalarValue::from(sum.sum()),
            (Sum::Floats(sum), Answer::Mean, _) => ScalarValue::from(sum.avg(count)),
            (Sum::Integers(sum), Answer::Sum, DataType::Decimal128(precision, scale)) => {
                ScalarValue::Decimal128(Some(sum.decimal_sum(*precision, *scale)?), *precision, *scale)
            }
            (Sum::Integers(sum), Answer::Mean, DataType::Decimal128(precision, scale)) => {
                let DataType::Decimal128(_, given) = self.of else { unreachable!("decimals have decimal averages") };
                let mean = sum.decimal_avg(count, given, *precision, *scale)?;
                ScalarValue::Decimal128(Some(mean), *precision, *scale)
            }
            (Sum::Integers(sum), Answer::Sum, _) => ScalarValue::from(sum.sum()?),
            (Sum::Integers(sum), Answer::Mean, _) => ScalarValue::from(sum.avg(count)),
        })
    }
}

fn each<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, mut add: impl FnMut(T::Native)) {
    match values.null_count() {
        0 => values.values().iter().for_each(|value| add(*value)),
        _ => values.iter().flatten().for_each(add),
    }
}

impl Accumulator for Total {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let of = self.answer.of(&self.of)?;
        if self.count == 0 {
            return ScalarValue::try_from(&of);
        }
        self.value(&of).map_err(|error| SqlError::new("22003", error.to_string()).into())
    }

    fn size(&self) -> usize {
        let boxed = match &self.sum {
            Sum::Floats(sum) => size_of_val(sum.as_ref()),
            Sum::Integers(_) => 0,
        };
        size_of_val(self) + boxed
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        match &self.sum {
            Sum::Integers(sum) => sum.write(&mut bytes),
            Sum::Floats(sum) => sum.write(&mut bytes),
        }
        Ok(vec![ScalarValue::Binary(Some(bytes)), ScalarValue::from(self.count)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let unreadable = || DataFusionError::Internal(format!("a partial {} cannot be read", self.answer.name()));
        for mut bytes in states[0].as_binary::<i32>().iter().flatten() {
            match &mut self.sum {
                Sum::Integers(sum) => sum.merge(&IntSum::read(&mut bytes).ok_or_else(unreadable)?),
                Sum::Floats(sum) => sum.merge(&FloatSum::read(&mut bytes).ok_or_else(unreadable)?),
            }
        }
        self.count += states[1].as_primitive::<Int64Type>().values().iter().sum::<i64>();
        Ok(())
    }
}
