//! `string_agg`, `array_agg`, `first_value` and `last_value`: of values in an order, which [`crate::rules`] make total.
//!
//! DataFusion's own want their input sorted, so that a query has one order for all of them; these sort what they gather.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, Rows, SortField};
use dataflow::row::varint::{read_unsigned, write_unsigned};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, ReversedUDAF, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use crate::error::SqlError;
use crate::types;

/// The names of the functions, whose answer hangs on an order.
pub const NAMES: [&str; 4] = ["string_agg", "array_agg", "first_value", "last_value"];

/// One of the four.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct InOrder {
    name: &'static str,
    signature: Signature,
}

impl InOrder {
    pub fn all() -> [InOrder; 4] {
        NAMES.map(|name| InOrder { name, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

/// The separator that `string_agg` is called with: none where it is NULL.
pub fn separator(constant: Option<&ScalarValue>) -> Result<String, SqlError> {
    match constant {
        Some(value) if value.is_null() => Ok(String::new()),
        Some(value) if value.try_as_str().is_some() => Ok(value.try_as_str().flatten().unwrap_or_default().into()),
        _ => Err(SqlError::unsupported("string_agg with a separator that is no constant text")),
    }
}

impl AggregateUDFImpl for InOrder {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let text = |of: &DataType| of.is_null() || types::canonical(of) == Some(DataType::Utf8);
        match (self.name, types) {
            ("string_agg", [value, separator]) if text(value) && text(separator) => Ok(vec![DataType::Utf8; 2]),
            ("string_agg", _) => {
                let named: Vec<String> = types.iter().map(types::sql_name).collect();
                let words = format!("function string_agg({}) does not exist", named.join(", "));
                Err(SqlError::new("42883", words)
                    .hint("It takes text and a separator: string_agg(CAST(x AS text), ', ').")
                    .into())
            }
            (_, [of]) => Ok(vec![of.clone()]),
            (name, _) => plan_err!("{name} takes one argument, not {}", types.len()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.name {
            "string_agg" => DataType::Utf8,
            "array_agg" => DataType::List(Arc::new(Field::new_list_field(types[0].clone(), true))),
            _ => types[0].clone(),
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let constant = args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>());
        let take = match self.name {
            "string_agg" => Take::Text(separator(constant.map(Literal::value))?),
            "array_agg" => Take::Array,
            "first_value" => Take::First,
            _ => Take::Last,
        };
        let of = args.expr_fields[0].data_type().clone();
        let mut fields = Vec::with_capacity(args.order_bys.len() + 1);
        for by in args.order_bys {
            fields.push(SortField::new_with_options(by.expr.data_type(args.schema)?, by.options));
        }
        fields.push(SortField::new_with_options(of.clone(), SortOptions { descending: false, nulls_first: false }));
        Ok(Box::new(Gathered {
            nulls: !args.ignore_nulls && !matches!(take, Take::Text(_)),
            ordered: !args.order_bys.is_empty(),
            distinct: args.is_distinct,
            columns: args.exprs.len()..args.exprs.len() + args.order_bys.len(),
            take,
            of,
            converter: RowConverter::new(fields)?,
            items: VecDeque::new(),
            bytes: 0,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[values]", args.name), DataType::Binary, false))])
    }

    /// It wants the columns of its order and no sorted input.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Beneficial
    }

    fn with_beneficial_ordering(self: Arc<Self>, _sorted: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.name != "string_agg"
    }
}

/// What is made of the values.
#[derive(Debug)]
enum Take {
    First,
    Last,
    Text(String),
    Array,
}

/// The values met, each behind the columns of its order, in arrow's row format. It is of this process only.
#[derive(Debug)]
struct Gathered {
    take: Take,
    /// Whether NULL is a value like others.
    nulls: bool,
    distinct: bool,
    /// Else values are taken as they come: those of a window's frame do so in its order.
    ordered: bool,
    /// Where the order's columns are among the arguments.
    columns: std::ops::Range<usize>,
    of: DataType,
    converter: RowConverter,
    items: VecDeque<Box<[u8]>>,
    /// Bytes of the items.
    bytes: usize,
}

impl Gathered {
    fn add(&mut self, item: &[u8]) {
        let better = |known: &[u8]| match self.take {
            Take::First => self.ordered && item < known,
            Take::Last => !self.ordered || item > known,
            Take::Text(_) | Take::Array => unreachable!("all are kept"),
        };
        let one = matches!(self.take, Take::First | Take::Last);
        match self.items.front_mut() {
            Some(known) if one && better(known) => {
                self.bytes = item.len();
                *known = item.into();
            }
            Some(_) if one => {}
            _ => {
                self.bytes += item.len();
                self.items.push_back(item.into());
            }
        }
    }

    fn sort(&mut self) {
        if !self.ordered && !self.distinct {
            return;
        }
        let mut items: Vec<Box<[u8]>> = std::mem::take(&mut self.items).into();
        items.sort_unstable();
        if self.distinct {
            items.dedup();
            self.bytes = items.iter().map(|item| item.len()).sum();
        }
        self.items = items.into();
    }

    fn has_value(&self, values: &ArrayRef, row: usize) -> bool {
        self.nulls || values.is_valid(row)
    }
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut columns = if self.ordered { values[self.columns.clone()].to_vec() } else { Vec::new() };
        columns.push(values[0].clone());
        let rows: Rows = self.converter.convert_columns(&columns)?;
        for row in (0..values[0].len()).filter(|&row| self.has_value(&values[0], row)).collect::<Vec<_>>() {
            self.add(rows.row(row).as_ref());
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.sort();
        if self.items.is_empty() {
            let none = match self.take {
                Take::Text(_) => DataType::Utf8,
                Take::Array => DataType::List(Arc::new(Field::new_list_field(self.of.clone(), true))),
                Take::First | Take::Last => self.of.clone(),
            };
            return ScalarValue::try_from(&none);
        }
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(self.items.iter().map(|item| parser.parse(item)))?;
        let Some(values) = columns.last() else { return internal_err!("a sequence without its values") };
        match &self.take {
            Take::First | Take::Last => ScalarValue::try_from_array(values, 0),
            Take::Array => Ok(ScalarValue::List(Arc::new(
                datafusion::common::utils::SingleRowListArrayBuilder::new(values.clone()).build_list_array(),
            ))),
            Take::Text(separator) => {
                let texts: Vec<&str> = values.as_string::<i32>().iter().flatten().collect();
                Ok(ScalarValue::Utf8(Some(texts.join(separator))))
            }
        }
    }

    fn size(&self) -> usize {
        let items = self.items.capacity() * size_of::<Box<[u8]>>() + self.bytes;
        size_of_val(self) + self.converter.size() + items
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.sort();
        let mut bytes = Vec::new();
        for item in &self.items {
            write_unsigned(item.len() as u64, &mut bytes);
            bytes.extend_from_slice(item);
        }
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for mut bytes in states[0].as_binary::<i32>().iter().flatten() {
            while !bytes.is_empty() {
                let item = read_unsigned(&mut bytes).and_then(|len| bytes.split_off(..len as usize));
                let item = item.ok_or_else(|| DataFusionError::Internal("gathered values are cut short".into()))?;
                self.add(item);
            }
        }
        Ok(())
    }

    /// A window's frame moves on.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let gone = (0..values[0].len()).filter(|&row| self.has_value(&values[0], row)).count();
        self.bytes -= self.items.drain(..gone).map(|item| item.len()).sum::<usize>();
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        !self.ordered && !self.distinct && matches!(self.take, Take::Text(_) | Take::Array)
    }
}
