//! Plain byte rows everywhere: each row is its columns in the key codec, held in place where it is short.
//!
//! Expressions are Arrow's, as in any engine whose planner is DataFusion: an operator that evaluates one decodes its rows,
//! computes, and encodes what comes out. The hand-typed side reads and writes the bytes where they lie instead.

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::filter;
use arrow::compute::kernels::cmp::gt_eq;
use arrow::datatypes::Int64Type;
use dataflow::Block;
use dataflow::row::{KeyDecoder, KeyEncoder};

use super::Representation;
use super::arrow_batches::minute;
use super::job::{GROUP_COLUMNS, Groups, MINUTE_US, TYPES, absorb, columns};

/// Bytes that a row may have without an allocation of its own.
const INLINE: usize = 24;
/// Where the columns lie in a row: each behind its marker.
const AT: std::ops::Range<usize> = 6..14;
const VALUE: std::ops::Range<usize> = 15..23;

/// A row's bytes.
#[derive(Clone)]
pub enum Row {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl Row {
    fn new(bytes: &[u8]) -> Row {
        if bytes.len() > INLINE {
            return Row::Heap(bytes.into());
        }
        let mut inline = [0; INLINE];
        inline[..bytes.len()].copy_from_slice(bytes);
        Row::Inline { len: bytes.len() as u8, bytes: inline }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Row::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Row::Heap(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Row::Inline { len, bytes } => &mut bytes[..usize::from(*len)],
            Row::Heap(bytes) => bytes,
        }
    }
}

/// Rows with their differences.
type Rows = Vec<(Row, i64)>;

fn rows_of(block: &Block) -> Rows {
    block.iter().map(|bytes| (Row::new(bytes), 1)).collect()
}

/// An integer from its bytes in a key.
fn integer(bytes: &[u8]) -> i64 {
    i64::from_be_bytes(bytes.try_into().expect("eight bytes")) ^ i64::MIN
}

fn readings(readings: &RecordBatch) -> Rows {
    rows_of(&KeyEncoder::new(&TYPES).encode(readings, &[0, 1, 2]))
}

/// Byte rows with expressions evaluated by Arrow's kernels.
pub struct Evaluated;

impl Representation for Evaluated {
    const NAME: &'static str = "plain byte rows";
    type Batch = Rows;

    fn batch(batch: &RecordBatch) -> Rows {
        readings(batch)
    }

    fn map_filter(batch: Rows) -> Rows {
        let decoded = KeyDecoder::new(&TYPES).decode(batch.iter().map(|(row, _)| row.bytes())).expect("encoded rows");
        let keep = gt_eq(&decoded[2], &Int64Array::new_scalar(0)).expect("columns of one type");
        let kept: Vec<ArrayRef> =
            decoded.iter().map(|column| filter(column, &keep).expect("a mask of the same length")).collect();
        let columns = [kept[0].clone(), minute(&kept[1]), kept[2].clone()];
        let block = KeyEncoder::new(&TYPES).encode_arrays(&columns, columns[0].len());
        block.iter().zip(keep.values().set_indices()).map(|(bytes, row)| (Row::new(bytes), batch[row].1)).collect()
    }

    fn reduce(batches: Vec<Rows>, groups: &mut Groups) -> Rows {
        let rows = || batches.iter().flatten().map(|(row, _)| row.bytes());
        let decoder = KeyDecoder::new(&TYPES);
        let (mut keys, mut values) = (Block::default(), Vec::new());
        rows().for_each(|row| keys.push(&row[..decoder.prefix_len(row, GROUP_COLUMNS).expect("encoded rows")]));
        let decoded = decoder.decode(rows()).expect("encoded rows");
        values.extend_from_slice(decoded[2].as_primitive::<Int64Type>().values());
        let (keys, changed) = absorb(groups, &keys, &values);
        changed_rows(&keys, &columns(&changed))
    }
}

/// Byte rows whose operators know the columns at compile time.
pub struct HandTyped;

impl Representation for HandTyped {
    const NAME: &'static str = "byte rows, hand-typed";
    type Batch = Rows;

    fn batch(batch: &RecordBatch) -> Rows {
        readings(batch)
    }

    fn map_filter(mut batch: Rows) -> Rows {
        batch.retain_mut(|(row, _)| {
            let bytes = row.bytes_mut();
            let at = integer(&bytes[AT]);
            bytes[AT].copy_from_slice(&((at - at % MINUTE_US) ^ i64::MIN).to_be_bytes());
            integer(&bytes[VALUE]) >= 0
        });
        batch
    }

    fn reduce(batches: Vec<Rows>, groups: &mut Groups) -> Rows {
        let len = batches.iter().map(Vec::len).sum();
        let mut keys = Block::with_capacity(len, len * INLINE);
        let mut values = Vec::with_capacity(len);
        for (row, _) in batches.iter().flatten() {
            keys.push(&row.bytes()[..VALUE.start - 1]);
            values.push(integer(&row.bytes()[VALUE]));
        }
        let (keys, changed) = absorb(groups, &keys, &values);
        changed_rows(&keys, &columns(&changed))
    }
}

/// The changed groups as rows: their keys, then count, sum, min and max.
fn changed_rows(keys: &Block, aggregates: &[ArrayRef; 4]) -> Rows {
    let types = aggregates.each_ref().map(|column| column.data_type().clone());
    let aggregates = KeyEncoder::new(&types).encode_arrays(aggregates, keys.len());
    keys.iter().zip(aggregates.iter()).map(|(key, aggregates)| (Row::new(&[key, aggregates].concat()), 1)).collect()
}
