//! `sum`, `avg`, `var` and `stddev`, exact: the answer does not depend on the order of rows, and what does not fit is an error.

use arrow::datatypes::{DataType, FieldRef};
use dataflow::exact::Spread;
use datafusion::common::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, ReversedUDAF, Signature, Volatility};

use super::different::{self, Different};
use super::total::{Answer, Total, state_fields, summed};

/// `sum`: Int64 of integers, Decimal128(38, s) of decimals, Float64 of floats. `avg`: Float64 of integers and floats, of
/// decimals one with four more digits. `var`, `var_pop`, `stddev`, `stddev_pop`: Float64, the variance rounded once.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Exact {
    answer: Answer,
    aliases: Vec<String>,
    signature: Signature,
}

impl Exact {
    pub fn sum() -> Exact {
        Exact { answer: Answer::Sum, aliases: vec![], signature: Signature::user_defined(Volatility::Immutable) }
    }

    pub fn avg() -> Exact {
        Exact { answer: Answer::Mean, aliases: vec!["mean".into()], ..Exact::sum() }
    }

    /// All four.
    pub fn spreads() -> [Exact; 4] {
        [
            (Answer::Variance(Spread::Sample), &["var_samp", "var_sample", "variance"][..]),
            (Answer::Variance(Spread::Population), &["var_population"]),
            (Answer::Deviation(Spread::Sample), &["stddev_samp"]),
            (Answer::Deviation(Spread::Population), &[]),
        ]
        .map(|(answer, aliases)| {
            let aliases = aliases.iter().map(|alias| alias.to_string()).collect();
            Exact { answer, aliases, ..Exact::sum() }
        })
    }

    fn total(&self, args: &AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let of = args.expr_fields[0].data_type();
        let total = Total::new(self.answer, of.clone());
        Ok(match args.is_distinct {
            true => Box::new(Different::new(of, total)),
            false => Box::new(total),
        })
    }
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        self.answer.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        summed(self.answer, types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.answer.of(&summed(self.answer, types)?[0])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.total(&args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.total(&args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(if args.is_distinct { different::state_fields(args.name) } else { state_fields(args.name) })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}
