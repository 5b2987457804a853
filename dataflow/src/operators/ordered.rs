//! The rows of groups in an order, as the items of an [`Index`](super::index::Index).
//!
//! An item is the order's columns, turned around where they descend, and then all columns but the group's, so that the order is
//! total and the row can be read back from it; or, where just one column is asked for, then that one.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};

use super::groups::Groups;
use super::index::deltas::Deltas;
use super::rows::batch;
use crate::changes::Changes;
use crate::plan::Order;
use crate::row::{Block, CorruptRow, KeyDecoder, KeyEncoder};

/// How the rows of one schema become groups and items, and back.
pub(crate) struct Ordered {
    schema: SchemaRef,
    group: Columns,
    order: Vec<Part>,
    rest: Columns,
}

/// Some columns in the key codec.
struct Columns {
    positions: Vec<usize>,
    encoder: KeyEncoder,
    decoder: KeyDecoder,
}

impl Columns {
    fn new(schema: &SchemaRef, positions: Vec<usize>) -> Columns {
        let types: Vec<DataType> = positions.iter().map(|&column| schema.field(column).data_type().clone()).collect();
        Columns { positions, encoder: KeyEncoder::new(&types), decoder: KeyDecoder::new(&types) }
    }

    fn encode(&self, rows: &RecordBatch) -> Block {
        self.encoder.encode(rows, &self.positions)
    }
}

/// A column of an order. The key codec ascends, NULL last; turned around it descends, NULL first. What else is wanted of NULLs
/// is said by a byte before.
struct Part {
    column: Columns,
    by: Order,
}

impl Part {
    fn says_nulls(&self) -> bool {
        self.by.descending != self.by.nulls_first
    }

    fn write(&self, key: &[u8], is_null: bool, out: &mut Vec<u8>) {
        if self.says_nulls() {
            out.push(u8::from(is_null != self.by.nulls_first));
        }
        let turn = if self.by.descending { u8::MAX } else { 0 };
        out.extend(key.iter().map(|byte| byte ^ turn));
    }

    /// How many bytes of `item` it takes.
    fn len(&self, item: &[u8]) -> Result<usize, CorruptRow> {
        let says = usize::from(self.says_nulls());
        let key = item.get(says..).ok_or_else(|| CorruptRow("an item ends within its order".into()))?;
        let len = match self.by.descending {
            false => self.column.decoder.prefix_len(key, 1)?,
            true => {
                let turned: Vec<u8> = key.iter().map(|byte| !byte).collect();
                self.column.decoder.prefix_len(&turned, 1)?
            }
        };
        Ok(says + len)
    }
}

impl Ordered {
    /// Rows of `schema` in groups by the columns `group`, each in an order.
    pub(crate) fn new(schema: &SchemaRef, group: &[usize], order: &[Order]) -> Ordered {
        let rest = (0..schema.fields().len()).filter(|column| !group.contains(column)).collect();
        Ordered::of(schema, group, order, rest)
    }

    /// The values of one column in an order, in groups that are known otherwise.
    pub(crate) fn of_column(schema: &SchemaRef, order: &[Order], column: usize) -> Ordered {
        Ordered::of(schema, &[], order, vec![column])
    }

    fn of(schema: &SchemaRef, group: &[usize], order: &[Order], rest: Vec<usize>) -> Ordered {
        let part = |by: &Order| Part { column: Columns::new(schema, vec![by.column]), by: *by };
        Ordered {
            schema: schema.clone(),
            group: Columns::new(schema, group.to_vec()),
            order: order.iter().map(part).collect(),
            rest: Columns::new(schema, rest),
        }
    }

    /// The groups of an epoch's rows, and the changes of their items.
    pub(crate) fn deltas(&self, input: &Changes) -> (Groups, Deltas) {
        let groups = Groups::of(&self.group.encode(&input.rows));
        let rows: Vec<u32> = (0..input.len() as u32).collect();
        let deltas = Deltas::consolidated(input, &groups, self.items(&input.rows), &rows);
        (groups, deltas)
    }

    /// The item of each row.
    pub(crate) fn items(&self, rows: &RecordBatch) -> Block {
        let order: Vec<(Block, &ArrayRef)> =
            (self.order.iter()).map(|part| (part.column.encode(rows), rows.column(part.by.column))).collect();
        let rest = self.rest.encode(rows);
        let mut items = Block::with_capacity(rows.num_rows(), 2 * rest.byte_len());
        for row in 0..rows.num_rows() {
            items.push_with(|out| {
                for (part, (keys, column)) in self.order.iter().zip(&order) {
                    part.write(keys.get(row), column.is_null(row), out);
                }
                out.extend_from_slice(rest.get(row));
            });
        }
        items
    }

    /// The beginning of an item that is its order: equal for peers.
    pub(crate) fn order_of<'a>(&self, item: &'a [u8]) -> Result<&'a [u8], CorruptRow> {
        let mut len = 0;
        for part in &self.order {
            len += part.len(&item[len..])?;
        }
        Ok(&item[..len])
    }

    /// The rows of items, each with its group's key.
    pub(crate) fn rows<'a>(
        &self,
        items: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<RecordBatch, CorruptRow> {
        let len = items.len();
        let (mut groups, mut rests) = (Vec::with_capacity(len), Vec::with_capacity(len));
        for (group, item) in items {
            groups.push(group);
            rests.push(&item[self.order_of(item)?.len()..]);
        }
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.schema.fields().len()];
        let of_group = self.group.decoder.decode(groups.into_iter())?;
        let of_rest = self.rest.decoder.decode(rests.into_iter())?;
        let positions = self.group.positions.iter().chain(&self.rest.positions);
        positions.zip(of_group.into_iter().chain(of_rest)).for_each(|(&column, array)| columns[column] = Some(array));
        let columns = columns.into_iter().map(|column| column.expect("every column is the group's or another"));
        Ok(batch(&self.schema, columns.collect(), len))
    }
}
