//! The accumulator behind DISTINCT: every value once into another accumulator, when it is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use dataflow::Block;
use dataflow::row::varint::{read_unsigned, write_unsigned};
use dataflow::row::{KeyDecoder, KeyEncoder};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::total::Total;

/// The field of a partial state: the values in the key codec, each after its length.
pub fn state_fields(name: &str) -> Vec<FieldRef> {
    vec![Arc::new(Field::new(format!("{name}[values]"), DataType::Binary, false))]
}

/// The different values met, in the key codec.
#[derive(Debug)]
pub struct Different {
    of: DataType,
    values: BTreeSet<Box<[u8]>>,
    total: Total,
}

impl Different {
    /// None yet, of type `of`; `total` is still empty.
    pub fn new(of: &DataType, total: Total) -> Different {
        Different { of: of.clone(), values: BTreeSet::new(), total }
    }
}

/// The values of a column that are not NULL, in the key codec.
pub fn encoded(values: &ArrayRef) -> Block {
    let keys = KeyEncoder::new(&[values.data_type().clone()]).encode_arrays(std::slice::from_ref(values), values.len());
    let mut present = Block::with_capacity(keys.len(), keys.byte_len());
    keys.iter().enumerate().filter(|(row, _)| values.is_valid(*row)).for_each(|(_, key)| present.push(key));
    present
}

impl Accumulator for Different {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in
            encoded(&values[0]).iter().filter(|value| !self.values.contains(*value)).map(Box::from).collect::<Vec<_>>()
        {
            self.values.insert(value);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let decoder = KeyDecoder::new(std::slice::from_ref(&self.of));
        let values = decoder.decode(self.values.iter().map(|value| &**value));
        self.total.update_batch(&values.map_err(|error| DataFusionError::Internal(error.to_string()))?)?;
        self.values.clear();
        self.total.evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.iter().map(|value| size_of_val(value) + value.len()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        for value in &self.values {
            write_unsigned(value.len() as u64, &mut bytes);
            bytes.extend_from_slice(value);
        }
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for mut bytes in states[0].as_binary::<i32>().iter().flatten() {
            while !bytes.is_empty() {
                let value = read_unsigned(&mut bytes).and_then(|len| bytes.split_off(..len as usize));
                let value = value.ok_or_else(|| DataFusionError::Internal("different values are cut short".into()))?;
                self.values.insert(value.into());
            }
        }
        Ok(())
    }
}
