//! `percentile_cont`, `percentile_disc` and `median`, exact: over the same values in the same order as the engine has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use dataflow::exact::Percentile;
use dataflow::row::KeyDecoder;
use dataflow::row::varint::{read_unsigned, write_unsigned};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use super::different::encoded;
use crate::error::SqlError;
use crate::types;

/// One of the three.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct PercentileOf {
    name: &'static str,
    signature: Signature,
}

impl PercentileOf {
    /// `percentile_cont(fraction) WITHIN GROUP (ORDER BY value)`: Float64.
    pub fn continuous() -> PercentileOf {
        PercentileOf { name: "percentile_cont", signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// `percentile_disc(fraction) WITHIN GROUP (ORDER BY value)`: one of the values.
    pub fn discrete() -> PercentileOf {
        PercentileOf { name: "percentile_disc", ..PercentileOf::continuous() }
    }

    /// `median(value)`: the continuous percentile of one half.
    pub fn median() -> PercentileOf {
        PercentileOf { name: "median", ..PercentileOf::continuous() }
    }
}

/// What a call with this name and, as its second argument, this fraction asks for.
pub fn asked(name: &str, fraction: Option<&ScalarValue>) -> Result<Percentile, SqlError> {
    let fraction = match (name, fraction) {
        ("median", None) => 0.5,
        (_, Some(fraction)) => match fraction.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(Some(fraction))) if (0.0..=1.0).contains(&fraction) => fraction,
            _ => return Err(SqlError::new("22003", format!("{fraction} is not a fraction between 0 and 1"))),
        },
        (_, None) => {
            return Err(SqlError::new("22023", format!("the fraction of {name} must be a constant")));
        }
    };
    Ok(Percentile { continuous: name != "percentile_disc", fraction })
}

impl AggregateUDFImpl for PercentileOf {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let of = match (self.name, types) {
            ("median", [of]) => of,
            ("median", _) => return plan_err!("median takes one argument, not {}", types.len()),
            (_, [of, fraction]) if fraction.is_numeric() => of,
            _ => return plan_err!("{0} is written {0}(fraction) WITHIN GROUP (ORDER BY value)", self.name),
        };
        let of = match self.name {
            "percentile_disc" => types::canonical(of),
            _ => (of.is_numeric() || of.is_null()).then_some(DataType::Float64),
        };
        match of {
            Some(of) => Ok(std::iter::once(of).chain(types[1..].iter().cloned()).collect()),
            None => {
                let words = format!("function {}({}) does not exist", self.name, types::sql_name(&types[0]));
                Err(SqlError::new("42883", words).hint("It takes numbers.").into())
            }
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.coerce_types(types)?.swap_remove(0))
    }

    fn supports_within_group_clause(&self) -> bool {
        self.name != "median"
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct || args.order_bys.iter().any(|order| order.options.descending) {
            let words = format!("{} of DISTINCT values or in descending order", self.name);
            return Err(SqlError::unsupported(words).into());
        }
        let fraction = args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>());
        let percentile = asked(self.name, fraction.map(Literal::value))?;
        let of = args.expr_fields[0].data_type().clone();
        Ok(Box::new(Ranked { percentile, of, values: BTreeMap::new(), count: 0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[values]", args.name), DataType::Binary, false))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// The values met, in order, with how often each occurs.
#[derive(Debug)]
struct Ranked {
    percentile: Percentile,
    of: DataType,
    values: BTreeMap<Box<[u8]>, u64>,
    count: u64,
}

impl Ranked {
    /// The value at a position.
    fn at(&self, position: u64) -> Result<ScalarValue> {
        let mut passed = 0;
        let mut ends = self.values.iter().map(|(value, times)| {
            passed += times;
            (value, passed)
        });
        let Some((value, _)) = ends.find(|(_, end)| position < *end) else {
            return internal_err!("there is no value at position {position}");
        };
        let decoded = KeyDecoder::new(std::slice::from_ref(&self.of)).decode(std::iter::once(&**value));
        let decoded = decoded.map_err(|error| DataFusionError::Internal(error.to_string()))?;
        ScalarValue::try_from_array(&decoded[0], 0)
    }
}

impl Accumulator for Ranked {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in encoded(&values[0]).iter() {
            match self.values.get_mut(value) {
                Some(times) => *times += 1,
                None => {
                    self.values.insert(value.into(), 1);
                }
            }
            self.count += 1;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return ScalarValue::try_from(&self.of);
        }
        let position = self.percentile.position(self.count);
        let low = self.at(position)?;
        if !self.percentile.continuous {
            return Ok(low);
        }
        match (low, self.at((position + 1).min(self.count - 1))?) {
            (ScalarValue::Float64(Some(low)), ScalarValue::Float64(Some(high))) => {
                Ok(ScalarValue::from(self.percentile.between(low, high, self.count)))
            }
            (low, high) => internal_err!("a percentile between {low} and {high}"),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.keys().map(|value| size_of::<(Box<[u8]>, u64)>() + value.len()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        for (value, times) in &self.values {
            write_unsigned(*times, &mut bytes);
            write_unsigned(value.len() as u64, &mut bytes);
            bytes.extend_from_slice(value);
        }
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let unreadable = || DataFusionError::Internal("ranked values are cut short".into());
        for mut bytes in states[0].as_binary::<i32>().iter().flatten() {
            while !bytes.is_empty() {
                let times = read_unsigned(&mut bytes).ok_or_else(unreadable)?;
                let value = read_unsigned(&mut bytes).and_then(|len| bytes.split_off(..len as usize));
                *self.values.entry(value.ok_or_else(unreadable)?.into()).or_default() += times;
                self.count += times;
            }
        }
        Ok(())
    }
}
