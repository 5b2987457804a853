//! The accumulator behind `sum`, `avg`, `var` and `stddev`: the engine's exact sums, so that every order of rows gives the
//! same bits.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type, Int32Type, Int64Type};
use dataflow::exact::{FloatSquares, FloatSum, IntSquares, IntSum, OutOfRange, Spread};
use dataflow::row::canonical_f64;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::Accumulator;

use crate::error::SqlError;
use crate::types;

/// Digits of the widest decimal.
const DIGITS_MAX: u8 = 38;

/// Digits behind the point that an average has beyond those of what is averaged.
const MEAN_SCALE_MORE: i8 = 4;

/// What is computed from the sums and the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Sum,
    Mean,
    Variance(Spread),
    /// The square root of the variance.
    Deviation(Spread),
}

impl Answer {
    pub fn name(self) -> &'static str {
        match self {
            Answer::Sum => "sum",
            Answer::Mean => "avg",
            Answer::Variance(Spread::Sample) => "var",
            Answer::Variance(Spread::Population) => "var_pop",
            Answer::Deviation(Spread::Sample) => "stddev",
            Answer::Deviation(Spread::Population) => "stddev_pop",
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
            (Answer::Variance(_) | Answer::Deviation(_), of) if of.is_numeric() => DataType::Float64,
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

/// The fields of a partial state: the sums as they write themselves, and how many values they have.
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
    /// With that of the squares.
    IntegersSquared(IntSum, IntSquares),
    FloatsSquared(Box<(FloatSum, FloatSquares)>),
}

/// Exact sums of values of one type and their number.
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
        let squared = matches!(answer, Answer::Variance(_) | Answer::Deviation(_));
        let sum = match (&of, squared) {
            (DataType::Float64, false) => Sum::Floats(Box::default()),
            (DataType::Float64, true) => Sum::FloatsSquared(Box::default()),
            (_, false) => Sum::Integers(IntSum::default()),
            (_, true) => Sum::IntegersSquared(IntSum::default(), IntSquares::default()),
        };
        Total { answer, of, sum, count: 0 }
    }

    fn add(&mut self, values: &[ArrayRef], diff: i64) -> Result<()> {
        let values = &values[0];
        self.count += diff * (values.len() - values.null_count()) as i64;
        match &mut self.sum {
            Sum::Floats(sum) => each(values.as_primitive::<Float64Type>(), |value| sum.add(value, diff)),
            Sum::FloatsSquared(sums) => each(values.as_primitive::<Float64Type>(), |value| {
                sums.0.add(value, diff);
                sums.1.add(value, diff);
            }),
            Sum::Integers(sum) => each_integer(values, |value| sum.add(value, diff))?,
            Sum::IntegersSquared(sum, squares) => each_integer(values, |value| {
                sum.add(value, diff);
                squares.add(value, diff);
            })?,
        }
        Ok(())
    }

    fn value(&self, of: &DataType) -> Result<ScalarValue, OutOfRange> {
        let (count, given) = (self.count, if let DataType::Decimal128(_, scale) = self.of { scale } else { 0 });
        let spread = |variance: &dyn Fn(Spread) -> f64| match self.answer {
            Answer::Variance(of) => (count >= of.least()).then(|| variance(of)),
            Answer::Deviation(of) => (count >= of.least()).then(|| canonical_f64(variance(of).sqrt())),
            Answer::Sum | Answer::Mean => unreachable!("squares are summed for variances"),
        };
        Ok(match (&self.sum, self.answer, of) {
            (Sum::Floats(sum), Answer::Sum, _) => ScalarValue::from(sum.sum()),
            (Sum::Floats(sum), ..) => ScalarValue::from(sum.avg(count)),
            (Sum::Integers(sum), Answer::Sum, DataType::Decimal128(precision, scale)) => {
                ScalarValue::Decimal128(Some(sum.decimal_sum(*precision, *scale)?), *precision, *scale)
            }
            (Sum::Integers(sum), _, DataType::Decimal128(precision, scale)) => {
                let mean = sum.decimal_avg(count, given, *precision, *scale)?;
                ScalarValue::Decimal128(Some(mean), *precision, *scale)
            }
            (Sum::Integers(sum), Answer::Sum, _) => ScalarValue::from(sum.sum()?),
            (Sum::Integers(sum), ..) => ScalarValue::from(sum.avg(count)),
            (Sum::IntegersSquared(sum, squares), ..) => {
                ScalarValue::Float64(spread(&|of| squares.variance(sum, count, given, of)))
            }
            (Sum::FloatsSquared(sums), ..) => ScalarValue::Float64(spread(&|of| sums.1.variance(&sums.0, count, of))),
        })
    }

    fn read(&mut self, bytes: &mut &[u8]) -> Option<()> {
        match &mut self.sum {
            Sum::Integers(sum) => sum.merge(&IntSum::read(bytes)?),
            Sum::Floats(sum) => sum.merge(&FloatSum::read(bytes)?),
            Sum::IntegersSquared(sum, squares) => {
                sum.merge(&IntSum::read(bytes)?);
                squares.merge(&IntSquares::read(bytes)?);
            }
            Sum::FloatsSquared(sums) => {
                sums.0.merge(&FloatSum::read(bytes)?);
                sums.1.merge(&FloatSquares::read(bytes)?);
            }
        }
        Some(())
    }
}

fn each_integer(values: &ArrayRef, mut add: impl FnMut(i128)) -> Result<()> {
    match values.data_type() {
        DataType::Int32 => each(values.as_primitive::<Int32Type>(), |value| add(value.into())),
        DataType::Int64 => each(values.as_primitive::<Int64Type>(), |value| add(value.into())),
        DataType::Decimal128(_, _) => each(values.as_primitive::<Decimal128Type>(), add),
        other => return internal_err!("a sum of {other}"),
    }
    Ok(())
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
            Sum::FloatsSquared(sums) => size_of_val(&**sums),
            Sum::Integers(_) | Sum::IntegersSquared(..) => 0,
        };
        size_of_val(self) + boxed
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        match &self.sum {
            Sum::Integers(sum) => sum.write(&mut bytes),
            Sum::Floats(sum) => sum.write(&mut bytes),
            Sum::IntegersSquared(sum, squares) => {
                sum.write(&mut bytes);
                squares.write(&mut bytes);
            }
            Sum::FloatsSquared(sums) => {
                sums.0.write(&mut bytes);
                sums.1.write(&mut bytes);
            }
        }
        Ok(vec![ScalarValue::Binary(Some(bytes)), ScalarValue::from(self.count)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let name = self.answer.name();
        let unreadable = || DataFusionError::Internal(format!("a partial {name} cannot be read"));
        for mut bytes in states[0].as_binary::<i32>().iter().flatten() {
            self.read(&mut bytes).ok_or_else(unreadable)?;
        }
        self.count += states[1].as_primitive::<Int64Type>().values().iter().sum::<i64>();
        Ok(())
    }
}
