//! The rows of an arrangement's batch, end to end in one run of bytes.

use differential_dataflow::trace::implementations::BatchContainer;
use timely::container::PushInto;

use crate::operators::small::Row;
use crate::row::Block;

/// The rows of a batch in one run of bytes.
#[derive(Default)]
pub(crate) struct FlatRows(Block);

impl PushInto<Row> for FlatRows {
    fn push_into(&mut self, row: Row) {
        self.0.push(row.bytes());
    }
}

impl BatchContainer for FlatRows {
    type Owned = Row;
    type ReadItem<'a> = &'a [u8];

    fn into_owned(item: &[u8]) -> Row {
        Row::new(item)
    }

    fn push_ref(&mut self, item: &[u8]) {
        self.0.push(item);
    }

    fn push_own(&mut self, item: &Row) {
        self.0.push(item.bytes());
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    fn with_capacity(size: usize) -> FlatRows {
        FlatRows(Block::with_capacity(size, 0))
    }

    fn merge_capacity(left: &FlatRows, right: &FlatRows) -> FlatRows {
        FlatRows(Block::with_capacity(left.0.len() + right.0.len(), left.0.byte_len() + right.0.byte_len()))
    }

    fn reborrow<'b, 'a: 'b>(item: &'a [u8]) -> &'b [u8] {
        item
    }

    fn index(&self, index: usize) -> &[u8] {
        self.0.get(index)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl PartialEq<Row> for [u8] {
    fn eq(&self, other: &Row) -> bool {
        self == other.bytes()
    }
}
