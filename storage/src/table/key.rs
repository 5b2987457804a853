//! Keys of the table store: which column family holds what, under which bytes.
//!
//! Numbers are big-endian, so that bytes order as numbers do. Everything here is persisted: a number or a name is spelled
//! out, never reused, and pinned by the golden bytes below.

use dataflow::RelationId;

use crate::log::TopicPartition;

/// The column family of [`Space`]s; RocksDB insists on this name for the first one.
pub(super) const META: &str = "default";
/// The column family of rows and operator state: `relation u32 | tenant u32 | key` -> value.
pub(super) const ROWS: &str = "rows";
/// The column family of changes: `relation u32 | epoch u64 | seq u32` -> encoded changes.
pub(super) const CHANGELOG: &str = "changelog";

/// The tenant of every row while there is only one.
pub const DEFAULT_TENANT: u32 = 1;

/// Bytes before the key of a row.
pub(super) const ROW_PREFIX_BYTES: usize = 8;

/// What the first byte of a key in [`META`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Space {
    /// The last commit: see [`super::head`].
    Head = 1,
    /// Where to read on in the log: `topic | 0 | partition u32` -> offset u64.
    Position = 2,
    /// The catalogue: name -> entry.
    Catalog = 3,
    /// Effects to deliver: number u64 -> effect.
    Outbox = 4,
    /// Closed stretches of the changelog: first epoch u64 -> bytes u64.
    ChangelogStretch = 5,
}

impl Space {
    /// A key in this space.
    pub(super) fn key(self, rest: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + rest.len());
        key.push(self as u8);
        key.extend_from_slice(rest);
        key
    }

    /// From the first key of this space to the first after it.
    pub(super) fn range(self) -> (Vec<u8>, Vec<u8>) {
        (vec![self as u8], vec![self as u8 + 1])
    }
}

/// What stands before the key of a row.
pub(super) fn row_prefix(relation: RelationId, tenant: u32) -> [u8; ROW_PREFIX_BYTES] {
    let mut prefix = [0; ROW_PREFIX_BYTES];
    prefix[..4].copy_from_slice(&relation.0.to_be_bytes());
    prefix[4..].copy_from_slice(&tenant.to_be_bytes());
    prefix
}

/// The first key after those of `prefix`: one that no relation has when it was the last.
pub(super) fn after_row_prefix(prefix: [u8; ROW_PREFIX_BYTES]) -> Vec<u8> {
    match u64::from_be_bytes(prefix).checked_add(1) {
        Some(next) => next.to_be_bytes().to_vec(),
        None => vec![0xff; ROW_PREFIX_BYTES + 1],
    }
}

/// From the first key of a relation to the first after it, in [`ROWS`] and in [`CHANGELOG`].
pub(super) fn relation_range(relation: RelationId) -> (Vec<u8>, Vec<u8>) {
    let end = match relation.0.checked_add(1) {
        Some(next) => next.to_be_bytes().to_vec(),
        None => vec![0xff; ROW_PREFIX_BYTES + 1],
    };
    (relation.0.to_be_bytes().to_vec(), end)
}

/// The relation of a key in [`ROWS`] or [`CHANGELOG`].
pub(super) fn relation_of(key: &[u8]) -> Option<RelationId> {
    key.first_chunk().map(|bytes| RelationId(u32::from_be_bytes(*bytes)))
}

/// The first key of a relation's changes of an epoch and later ones.
pub(super) fn changes_from(relation: RelationId, epoch: u64) -> Vec<u8> {
    let mut key = relation.0.to_be_bytes().to_vec();
    key.extend_from_slice(&epoch.to_be_bytes());
    key
}

/// The key of one entry of the changelog.
pub(super) fn change(relation: RelationId, epoch: u64, seq: u32) -> Vec<u8> {
    let mut key = changes_from(relation, epoch);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

/// The epoch in a key of [`CHANGELOG`].
pub(super) fn change_epoch(key: &[u8]) -> Option<u64> {
    key.get(4..12)?.try_into().ok().map(u64::from_be_bytes)
}

/// The key of a reading position. Topic names have no zero byte.
pub(super) fn position(partition: &TopicPartition) -> Vec<u8> {
    let mut key = Space::Position.key(partition.topic.as_bytes());
    key.push(0);
    key.extend_from_slice(&partition.partition.to_be_bytes());
    key
}

/// The partition in a key made by [`position`].
pub(super) fn position_partition(key: &[u8]) -> Option<TopicPartition> {
    let (topic, partition) = key.get(1..)?.split_last_chunk::<4>()?;
    let topic = std::str::from_utf8(topic.strip_suffix(&[0])?).ok()?;
    Some(TopicPartition { topic: topic.into(), partition: i32::from_be_bytes(*partition) })
}

/// The number in a key of [`Space::Outbox`] or the epoch in one of [`Space::ChangelogStretch`].
pub(super) fn number(key: &[u8]) -> Option<u64> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_these_bytes_in_format_1() {
        assert_eq!(row_prefix(RelationId(0x0102), DEFAULT_TENANT), [0, 0, 1, 2, 0, 0, 0, 1]);
        assert_eq!(change(RelationId(7), 9, 3), [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3]);
        let partition = TopicPartition { topic: "ab".into(), partition: 5 };
        assert_eq!(position(&partition), [2, b'a', b'b', 0, 0, 0, 0, 5]);
        assert_eq!(Space::Head.key(b""), [1]);
        assert_eq!(Space::Catalog.key(b"t"), [3, b't']);
        assert_eq!(Space::Outbox.key(&7u64.to_be_bytes()), [4, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(Space::ChangelogStretch.key(&1u64.to_be_bytes()), [5, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn keys_are_read_back() {
        let partition = TopicPartition { topic: "meters.v1".into(), partition: 11 };
        assert_eq!(position_partition(&position(&partition)), Some(partition));
        let key = change(RelationId(4_000_000_000), u64::MAX - 1, 0);
        assert_eq!((relation_of(&key), change_epoch(&key)), (Some(RelationId(4_000_000_000)), Some(u64::MAX - 1)));
        assert_eq!(number(&Space::Outbox.key(&77u64.to_be_bytes())), Some(77));
        assert_eq!(position_partition(b"\x02short"), None);
    }

    #[test]
    fn a_relation_ends_where_the_next_begins() {
        assert_eq!(after_row_prefix(row_prefix(RelationId(3), u32::MAX)), row_prefix(RelationId(4), 0));
        assert_eq!(relation_range(RelationId(3)).1, relation_range(RelationId(4)).0);
        let last = row_prefix(RelationId(u32::MAX), u32::MAX);
        assert!(after_row_prefix(last).as_slice() > last.as_slice());
        assert!(relation_range(RelationId(u32::MAX)).1 > last.to_vec());
    }
}
