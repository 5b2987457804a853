//! A relation's rows as keys and values, and back to Arrow.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};

use super::added::Added;
use super::builder::ColumnBuilder;
use super::column::{Column, Kind};
use super::native::Native;
use super::value::{self, Layout, ValueRow};
use super::{Block, KeyDecoder, KeyEncoder, Value, ValueWriter, varint};
use crate::relation::RelationSchema;

/// Encodes and decodes the rows of one relation.
#[derive(Clone, Debug)]
pub struct RowCodec {
    columns: SchemaRef,
    counted: bool,
    /// Positions of the columns in the key, in key order.
    key: Vec<usize>,
    /// Positions of the other columns, ascending.
    rest: Vec<usize>,
    /// Positions of the columns that were added later, ascending.
    added: Vec<usize>,
    encoder: KeyEncoder,
    decoder: KeyDecoder,
    layout: Layout,
}

/// Rows read back.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The visible rows (of a bag, each once), in the order given, with the columns asked for.
    pub rows: RecordBatch,
    /// How often each row occurs: 1 but for a bag.
    pub counts: Vec<i64>,
}

/// Stored bytes that this version cannot read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("stored row cannot be read: {0}")]
pub struct CorruptRow(pub String);

impl RowCodec {
    /// The codec of a relation; panics on a type that [`super::supported`] refuses.
    pub fn new(schema: &RelationSchema) -> RowCodec {
        let width = schema.columns.fields().len();
        let key: Vec<usize> = if schema.counted { (0..width).collect() } else { schema.key.clone() };
        let others = (0..width).filter(|column| !key.contains(column));
        let later = others.clone().filter_map(|column| Some((column, Added::of(&schema.columns, column)?)));
        let (added, later): (Vec<usize>, Vec<Added>) = later.unzip();
        let rest: Vec<usize> = others.filter(|column| !added.contains(column)).collect();
        let key_types: Vec<DataType> =
            key.iter().map(|&column| schema.columns.field(column).data_type().clone()).collect();
        let kinds = rest.iter().map(|&column| Kind::expect(schema.columns.field(column).data_type())).collect();
        RowCodec {
            columns: schema.columns.clone(),
            counted: schema.counted,
            encoder: KeyEncoder::new(&key_types),
            decoder: KeyDecoder::new(&key_types),
            layout: Layout::new(kinds, later),
            key,
            rest,
            added,
        }
    }

    /// The relation's columns.
    pub fn columns(&self) -> &SchemaRef {
        &self.columns
    }

    /// Whether the relation is a bag.
    pub fn counted(&self) -> bool {
        self.counted
    }

    /// One key a row; `rows` has all the relation's columns.
    pub fn keys(&self, rows: &RecordBatch) -> Block {
        self.encoder.encode(rows, &self.key)
    }

    /// The prefixes of keys that these columns make: the relation's first key columns, in key order.
    pub fn key_prefixes(&self, arrays: &[ArrayRef], rows: usize) -> Block {
        self.encoder.encode_arrays(arrays, rows)
    }

    /// One value a row with an empty tail; key columns are not repeated in it.
    pub fn values(&self, rows: &RecordBatch) -> Block {
        let writer = self.writer(rows);
        let mut block = Block::with_capacity(rows.num_rows(), writer.room(rows.num_rows()));
        (0..rows.num_rows()).for_each(|row| block.push_with(|out| writer.write(row, out)));
        block
    }

    /// Writes values of single rows of a batch that has all the relation's columns.
    pub fn writer<'a>(&'a self, rows: &'a RecordBatch) -> ValueWriter<'a> {
        let column = |&column: &usize| Column::new(rows.column(column));
        let added = self.added.iter().map(column).zip(self.layout.added());
        ValueWriter::new(self.rest.iter().map(column).collect(), added.collect())
    }

    /// Appends the visible value of row `index` to `out`; the caller may append a tail behind it. Many rows of a batch are
    /// cheaper through [`RowCodec::writer`].
    pub fn write_value(&self, rows: &RecordBatch, index: usize, out: &mut Vec<u8>) {
        self.writer(rows).write(index, out);
    }

    /// Appends a value without a row to `out`: a tombstone, or the state of a group whose row is an error.
    pub fn write_hidden(&self, out: &mut Vec<u8>) {
        value::write_hidden(out);
    }

    /// Appends the value of a row that occurs `count` times in a bag.
    pub fn write_counted(&self, count: i64, out: &mut Vec<u8>) {
        assert!(self.counted, "the rows of a keyed relation are not counted");
        ValueWriter::new(Vec::new(), Vec::new()).write(0, out);
        varint::write_signed(count, out);
    }

    /// How often a bag's row with this value occurs.
    pub fn read_count(&self, value: &[u8]) -> Result<i64, CorruptRow> {
        assert!(self.counted, "the rows of a keyed relation are not counted");
        count_in(self.value(value)?.tail)
    }

    /// Takes a value apart. `Err` says what is wrong with the bytes.
    pub fn value<'a>(&self, value: &'a [u8]) -> Result<Value<'a>, CorruptRow> {
        Ok(self.layout.row(value)?.1)
    }

    /// Decodes (key, value) pairs to Arrow, hidden ones left out. `projection`: the columns wanted, `None` for all.
    pub fn decode<'a>(
        &self,
        entries: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        projection: Option<&[usize]>,
    ) -> Result<Decoded, CorruptRow> {
        let mut keys = Vec::with_capacity(entries.size_hint().0);
        let mut values = Vec::with_capacity(entries.size_hint().0);
        let mut counts = Vec::with_capacity(entries.size_hint().0);
        for (key, value) in entries {
            if let (Some(row), Value { tail, .. }) = self.layout.row(value)? {
                keys.push(key);
                values.push(row);
                counts.push(if self.counted { count_in(tail)? } else { 1 });
            }
        }
        Ok(Decoded { rows: self.decode_rows(keys, values, projection)?, counts })
    }

    /// Decodes the first `columns` key columns of keys, whether or not there are rows.
    pub fn decode_keys<'a>(
        &self,
        keys: impl Iterator<Item = &'a [u8]>,
        columns: usize,
    ) -> Result<Vec<ArrayRef>, CorruptRow> {
        let mut keys: Vec<&[u8]> = keys.collect();
        let decoded = self.decoder.decode_some(&mut keys, |place| place < columns)?;
        Ok(decoded.into_iter().flatten().collect())
    }

    /// A value that must have a row.
    pub(super) fn visible<'a>(&self, value: &'a [u8]) -> Result<ValueRow<'a>, CorruptRow> {
        self.layout.row(value)?.0.ok_or_else(|| CorruptRow("a value without a row among changes".into()))
    }

    /// The columns wanted of visible rows.
    pub(super) fn decode_rows(
        &self,
        mut keys: Vec<&[u8]>,
        mut values: Vec<ValueRow>,
        projection: Option<&[usize]>,
    ) -> Result<RecordBatch, CorruptRow> {
        let all: Vec<usize> = (0..self.columns.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let len = keys.len();
        let mut columns: Vec<Option<ArrayRef>> = vec![None; all.len()];

        let of_keys = self.decoder.decode_some(&mut keys, |place| projection.contains(&self.key[place]))?;
        self.key.iter().zip(of_keys).for_each(|(&column, array)| columns[column] = array);
        let read = self.rest.iter().rposition(|column| projection.contains(column)).map_or(0, |last| last + 1);
        for (place, &column) in self.rest[..read].iter().enumerate() {
            let kind = self.layout.kinds()[place];
            if projection.contains(&column) {
                let data_type = self.columns.field(column).data_type();
                columns[column] = Some(decode_column(kind, data_type, place, &mut values)?);
            } else {
                values.iter_mut().try_for_each(|row| row.skip(place, kind))?;
            }
        }

        for (&column, added) in self.added.iter().zip(self.layout.added()) {
            if projection.contains(&column) {
                let data_type = self.columns.field(column).data_type();
                columns[column] = Some(decode_added(added, data_type, &mut values)?);
            } else {
                values.iter_mut().try_for_each(|row| added.take(&mut row.added).map(drop))?;
            }
        }

        let schema = Arc::new(self.columns.project(projection).expect("a projection of the relation's columns"));
        let arrays = projection.iter().map(|&column| columns[column].clone().expect("every wanted column is decoded"));
        let options = RecordBatchOptions::new().with_row_count(Some(len));
        RecordBatch::try_new_with_options(schema, arrays.collect(), &options)
            .map_err(|error| CorruptRow(error.to_string()))
    }
}

/// The count that is the tail of a bag's value.
fn count_in(mut tail: &[u8]) -> Result<i64, CorruptRow> {
    match (varint::read_signed(&mut tail), tail) {
        (Some(count), []) => Ok(count),
        _ => Err(CorruptRow("the count of a row of a bag".into())),
    }
}

/// Takes the next added column of every value.
fn decode_added(added: &Added, data_type: &DataType, rows: &mut [ValueRow]) -> Result<ArrayRef, CorruptRow> {
    fn fixed<N: Native>(value: Option<&[u8]>, values: &mut Vec<N>) {
        values.push(value.map(N::from_stored).unwrap_or_default());
    }
    let mut builder = ColumnBuilder::new(added.kind, rows.len());
    let mut valid = Vec::with_capacity(rows.len());
    for row in rows {
        let value = added.take(&mut row.added)?;
        match &mut builder {
            ColumnBuilder::Boolean(values) => fixed(value, values),
            ColumnBuilder::I32(values) => fixed(value, values),
            ColumnBuilder::I64(values) => fixed(value, values),
            ColumnBuilder::F64(values) => fixed(value, values),
            ColumnBuilder::I128(values) => fixed(value, values),
            ColumnBuilder::Bytes(values) => {
                values.extend(value.unwrap_or_default());
                values.end_value();
            }
        }
        valid.push(value.is_some());
    }
    builder.finish(data_type, &valid)
}

/// Takes the next column of every value.
fn decode_column(
    kind: Kind,
    data_type: &DataType,
    place: usize,
    rows: &mut [ValueRow],
) -> Result<ArrayRef, CorruptRow> {
    fn fixed<N: Native>(place: usize, rows: &mut [ValueRow], values: &mut Vec<N>) -> Vec<bool> {
        let mut take = |row: &mut ValueRow| {
            let value = row.take_fixed(place);
            values.push(value.unwrap_or_default());
            value.is_some()
        };
        rows.iter_mut().map(&mut take).collect()
    }
    let mut builder = ColumnBuilder::new(kind, rows.len());
    let valid = match &mut builder {
        ColumnBuilder::Boolean(values) => fixed(place, rows, values),
        ColumnBuilder::I32(values) => fixed(place, rows, values),
        ColumnBuilder::I64(values) => fixed(place, rows, values),
        ColumnBuilder::F64(values) => fixed(place, rows, values),
        ColumnBuilder::I128(values) => fixed(place, rows, values),
        ColumnBuilder::Bytes(values) => {
            let mut valid = Vec::with_capacity(rows.len());
            for row in rows {
                let value = row.take_bytes(place)?;
                values.extend(value.unwrap_or_default());
                values.end_value();
                valid.push(value.is_some());
            }
            valid
        }
    };
    builder.finish(data_type, &valid)
}
