//! The key codec: byte order is row order.
//!
//! Each column is a marker and then, unless it is NULL, its value; a key is its columns end to end. Fixed-width values are
//! big-endian with the sign turned so that bytes compare as numbers. Text and binary end with a terminator, and a zero byte
//! in them is escaped, so that the key of a row's first columns is a prefix of the row's key and sorts with it.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;

use super::builder::ColumnBuilder;
use super::codec::CorruptRow;
use super::column::{Column, Kind, Values, for_values};
use super::native::Native;
use super::{Block, column};

/// A value follows.
const VALUE: u8 = 0x01;
/// NULL: sorts after every value.
const NULL: u8 = 0x02;
/// Begins what stands for a zero byte and what ends a text, by the byte that follows.
const ESCAPE: u8 = 0x00;
const ESCAPED_ZERO: u8 = 0xff;
const TERMINATOR: u8 = 0x01;

/// Encodes chosen columns of batches of one schema as keys.
#[derive(Clone, Debug)]
pub struct KeyEncoder {
    types: Vec<DataType>,
}

impl KeyEncoder {
    /// An encoder of columns of these types, in key order; panics on a type that [`super::supported`] refuses.
    pub fn new(types: &[DataType]) -> KeyEncoder {
        types.iter().for_each(|data_type| assert!(column::supported(data_type), "{data_type} cannot be in a key"));
        KeyEncoder { types: types.to_vec() }
    }

    /// One key a row, from the columns at `columns` of `rows` (types as given to `new`). Fewer columns than types give the
    /// prefixes that those columns make.
    pub fn encode(&self, rows: &RecordBatch, columns: &[usize]) -> Block {
        self.encode_each(columns.iter().map(|&column| rows.column(column)), rows.num_rows())
    }

    /// One key for each of `rows` rows, from these columns.
    pub fn encode_arrays(&self, arrays: &[ArrayRef], rows: usize) -> Block {
        self.encode_each(arrays.iter(), rows)
    }

    fn encode_each<'a>(&self, arrays: impl ExactSizeIterator<Item = &'a ArrayRef>, rows: usize) -> Block {
        assert!(arrays.len() <= self.types.len(), "{} columns for a key of {}", arrays.len(), self.types.len());
        let columns: Vec<Column> = arrays
            .zip(&self.types)
            .map(|(array, data_type)| {
                assert_eq!(array.data_type(), data_type, "type of a key column");
                assert_eq!(array.len(), rows, "rows of a key column");
                Column::new(array)
            })
            .collect();

        // offsets[i + 1] is first the length of key i, then where it is written next, and in the end where it ends.
        let mut offsets = vec![0; rows + 1];
        let ends = &mut offsets[1..];
        columns.iter().for_each(|column| add_lengths(column, ends));
        let mut total = 0;
        for end in ends.iter_mut() {
            let len = std::mem::replace(end, total);
            total += len;
        }
        let mut bytes = vec![0; total];
        columns.iter().for_each(|column| write_column(column, &mut bytes, ends));
        Block::from_parts(bytes, offsets)
    }
}

/// Adds the encoded length of each row of a column.
fn add_lengths(column: &Column, lengths: &mut [usize]) {
    for_values!(column.values,
        get => {
            let width = width_of(&get);
            for (row, len) in lengths.iter_mut().enumerate() {
                *len += if column.is_null(row) { 1 } else { 1 + width };
            }
        },
        bytes => for (row, len) in lengths.iter_mut().enumerate() {
            if column.is_null(row) {
                *len += 1;
            } else {
                let value = bytes.get(row);
                *len += 3 + value.len() + value.iter().filter(|&&byte| byte == ESCAPE).count();
            }
        }
    );
}

fn width_of<N: Native>(_: &impl Fn(usize) -> N) -> usize {
    N::WIDTH
}

/// Writes each row of a column at `ends[row]` and moves that behind what was written.
fn write_column(column: &Column, out: &mut [u8], ends: &mut [usize]) {
    match &column.values {
        Values::Bytes(bytes) => {
            let escapes = bytes.all().contains(&ESCAPE);
            for (row, end) in ends.iter_mut().enumerate() {
                *end += if column.is_null(row) {
                    out[*end] = NULL;
                    1
                } else {
                    write_bytes(bytes.get(row), escapes, &mut out[*end..])
                };
            }
        }
        values => for_values!(*values, get => write_fixed(get, column, out, ends), _bytes => unreachable!()),
    }
}

fn write_fixed<N: Native>(get: impl Fn(usize) -> N, column: &Column, out: &mut [u8], ends: &mut [usize]) {
    for (row, end) in ends.iter_mut().enumerate() {
        if column.is_null(row) {
            out[*end] = NULL;
            *end += 1;
        } else {
            let entry = &mut out[*end..*end + 1 + N::WIDTH];
            entry[0] = VALUE;
            entry[1..].copy_from_slice(get(row).ordered().as_ref());
            *end += 1 + N::WIDTH;
        }
    }
}

/// Writes a text or binary value and returns how long it is. `escapes`: there may be zero bytes in it.
fn write_bytes(value: &[u8], escapes: bool, out: &mut [u8]) -> usize {
    out[0] = VALUE;
    let mut at = 1;
    if escapes {
        for &byte in value {
            out[at] = byte;
            at += 1;
            if byte == ESCAPE {
                out[at] = ESCAPED_ZERO;
                at += 1;
            }
        }
    } else {
        out[at..at + value.len()].copy_from_slice(value);
        at += value.len();
    }
    out[at..at + 2].copy_from_slice(&[ESCAPE, TERMINATOR]);
    at + 2
}

/// Decodes keys of one sequence of column types.
#[derive(Clone, Debug)]
pub struct KeyDecoder {
    types: Vec<DataType>,
    kinds: Vec<Kind>,
}

impl KeyDecoder {
    /// The decoder of what a [`KeyEncoder`] of the same types encodes.
    pub fn new(types: &[DataType]) -> KeyDecoder {
        KeyDecoder { types: types.to_vec(), kinds: types.iter().map(Kind::expect).collect() }
    }

    /// The columns of whole keys, in key order.
    pub fn decode<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, CorruptRow> {
        let mut rests: Vec<&[u8]> = keys.collect();
        let columns = self.decode_some(&mut rests, |_| true)?;
        match rests.iter().all(|rest| rest.is_empty()) {
            true => Ok(columns.into_iter().map(|column| column.expect("all are wanted")).collect()),
            false => Err(CorruptRow("a key is longer than its columns".into())),
        }
    }

    /// How many bytes of a key its first `columns` columns take.
    pub fn prefix_len(&self, key: &[u8], columns: usize) -> Result<usize, CorruptRow> {
        let mut rest = key;
        self.kinds[..columns].iter().try_for_each(|&kind| skip(kind, &mut rest))?;
        Ok(key.len() - rest.len())
    }

    /// The columns for which `wanted` is true, and `None` for the others. What follows the last wanted one stays in `rests`.
    pub(super) fn decode_some(
        &self,
        rests: &mut [&[u8]],
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<ArrayRef>>, CorruptRow> {
        let mut columns = vec![None; self.kinds.len()];
        let read = (0..self.kinds.len()).rposition(&wanted).map_or(0, |last| last + 1);
        for (index, &kind) in self.kinds[..read].iter().enumerate() {
            if wanted(index) {
                columns[index] = Some(decode_column(kind, &self.types[index], rests)?);
            } else {
                rests.iter_mut().try_for_each(|rest| skip(kind, rest))?;
            }
        }
        Ok(columns)
    }
}

/// Takes one column off the front of every key.
fn decode_column(kind: Kind, data_type: &DataType, rests: &mut [&[u8]]) -> Result<ArrayRef, CorruptRow> {
    fn fixed<N: Native>(rests: &mut [&[u8]], values: &mut Vec<N>) -> Result<Vec<bool>, CorruptRow> {
        let mut valid = Vec::with_capacity(rests.len());
        for rest in rests {
            let present = take_marker(rest)?;
            values.push(if present { N::from_ordered(take(rest, N::WIDTH)?) } else { N::default() });
            valid.push(present);
        }
        Ok(valid)
    }
    let mut builder = ColumnBuilder::new(kind, rests.len());
    let valid = match &mut builder {
        ColumnBuilder::Boolean(values) => fixed(rests, values)?,
        ColumnBuilder::I32(values) => fixed(rests, values)?,
        ColumnBuilder::I64(values) => fixed(rests, values)?,
        ColumnBuilder::F64(values) => fixed(rests, values)?,
        ColumnBuilder::I128(values) => fixed(rests, values)?,
        ColumnBuilder::Bytes(values) => {
            let mut valid = Vec::with_capacity(rests.len());
            for rest in rests {
                let present = take_marker(rest)?;
                if present {
                    take_bytes(rest, |piece| values.extend(piece))?;
                }
                values.end_value();
                valid.push(present);
            }
            valid
        }
    };
    builder.finish(data_type, &valid)
}

/// Takes one column off the front of a key without reading it.
fn skip(kind: Kind, rest: &mut &[u8]) -> Result<(), CorruptRow> {
    match (take_marker(rest)?, kind.width()) {
        (false, _) => Ok(()),
        (true, Some(width)) => take(rest, width).map(|_| ()),
        (true, None) => take_bytes(rest, |_| ()),
    }
}

/// Whether the column has a value.
fn take_marker(rest: &mut &[u8]) -> Result<bool, CorruptRow> {
    match take(rest, 1)?[0] {
        VALUE => Ok(true),
        NULL => Ok(false),
        other => Err(CorruptRow(format!("marker {other:#04x} in a key"))),
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], CorruptRow> {
    let (taken, left) = rest.split_at_checked(len).ok_or_else(|| CorruptRow("a key ends within a column".into()))?;
    *rest = left;
    Ok(taken)
}

/// Hands over a text or binary value in pieces that need no unescaping.
fn take_bytes(rest: &mut &[u8], mut each: impl FnMut(&[u8])) -> Result<(), CorruptRow> {
    loop {
        let zero = rest.iter().position(|&byte| byte == ESCAPE);
        let zero = zero.ok_or_else(|| CorruptRow("a text in a key does not end".into()))?;
        match rest.get(zero + 1) {
            Some(&ESCAPED_ZERO) => {
                each(&rest[..zero + 1]);
                *rest = &rest[zero + 2..];
            }
            Some(&TERMINATOR) => {
                each(&rest[..zero]);
                *rest = &rest[zero + 2..];
                return Ok(());
            }
            _ => return Err(CorruptRow("a zero byte in a key is not escaped".into())),
        }
    }
}
