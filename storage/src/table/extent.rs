//! How large a relation is: counted while it is small, estimated from RocksDB's files beyond.

use dataflow::{Block, Direction, KeyRange, RelationId, StateError};
use rocksdb::Range;

use super::key;
use super::reader::Reader;

/// Rows of a relation and their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub rows: u64,
    /// Keys and values where they are counted, else the files that hold them.
    pub bytes: u64,
    /// Counted, not estimated.
    pub exact: bool,
}

impl Reader {
    /// Reads up to `rows_max` rows. With more the rest is taken to be like them; rows that are in no file yet are then
    /// left out.
    pub fn extent(&self, relation: RelationId, rows_max: usize) -> Result<Extent, StateError> {
        let (mut keys, mut values) = (Block::default(), Block::default());
        let mut cursor = self.cursor(relation, KeyRange::all(), Direction::Ascending);
        cursor.next(&mut keys, &mut values, rows_max)?;
        let rows = keys.len() as u64;
        let bytes: usize = keys.iter().zip(values.iter()).map(|(key, value)| key.len() + value.len()).sum();
        if keys.len() < rows_max {
            return Ok(Extent { rows, bytes: bytes as u64, exact: true });
        }
        let prefix = key::row_prefix(relation, self.tenant());
        let last = [&prefix[..], keys.get(keys.len() - 1)].concat();
        let end = key::after_row_prefix(prefix);
        let rocks = self.rocks();
        let sizes = rocks.db.get_approximate_sizes_cf(
            rocks.family(key::ROWS),
            &[Range::new(&prefix, &last), Range::new(&prefix, &end)],
        );
        let (read, all) = (sizes[0].max(1), sizes[1]);
        let estimated = (u128::from(rows) * u128::from(all) / u128::from(read)) as u64;
        // Blocks are the least that RocksDB tells apart: what was read may be none of them.
        let rows = if sizes[0] == 0 { rows } else { estimated.max(rows) };
        Ok(Extent { rows, bytes: all.max(bytes as u64), exact: false })
    }
}
