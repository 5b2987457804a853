//! A table's epoch: events of its topic become changes of its current rows.
//!
//! Events of one key apply in the order in which they came. The same row again changes nothing; another row corrects. With a
//! version column the higher version wins, and a deleted key keeps a tombstone with the highest version that it had.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::DataType;
use dataflow::row::{CorruptRow, KeyEncoder};
use dataflow::{Block, Changes, RelationId, RowCodec, State, StateError, StateWrite, limits::CHANGES_ROWS_MAX};

use super::forget::micros;
use crate::catalog::{Retention, Table};
use crate::decode::Reason;
use crate::relation::Relation;

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A new row.
    Taken,
    /// It replaced the row of its key.
    Corrected,
    /// The row was there already, or a newer one was.
    Unchanged,
    Deleted,
    Quarantined(Reason),
}

/// What an event asks for: a row of the batch of upserts, or a key of the batch of deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Upsert(u32),
    Delete(u32),
}

/// One epoch's events of a table, decoded.
pub struct Asked {
    /// Rows with all the table's columns.
    pub upserts: RecordBatch,
    /// Rows with the key columns alone, in key order.
    pub deletes: RecordBatch,
    /// In the order of arrival.
    pub asks: Vec<Ask>,
}

/// What the epoch does to the table.
#[derive(Debug)]
pub struct Applied {
    pub write: StateWrite,
    pub changes: Vec<Changes>,
    /// One an ask.
    pub verdicts: Vec<Verdict>,
    /// Rows after the epoch less rows before.
    pub rows_added: i64,
}

/// The stored rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("rows of {relation} cannot be read: {source}")]
    Corrupt { relation: RelationId, source: CorruptRow },
}

/// The rules of one table, ready to apply.
pub struct CurrentRows {
    relation: Arc<Relation>,
    codec: RowCodec,
    key: KeyEncoder,
    version: Option<Version>,
    rows_max: Option<u64>,
    retention: Option<Retention>,
}

/// Versions compare as their encoded bytes.
struct Version {
    column: usize,
    encoder: KeyEncoder,
}

/// What is at a key now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held<'a> {
    Nothing,
    /// `upsert`: the row of the batch that it comes from; `None` for the stored one.
    Row {
        upsert: Option<u32>,
        value: &'a [u8],
        version: &'a [u8],
    },
    Tombstone {
        version: &'a [u8],
    },
}

/// The events of an epoch by key, encoded.
struct Encoded {
    values: Block,
    versions: Option<Block>,
    /// Distinct keys, ascending.
    keys: Block,
    /// Asks in the order of their keys, then of arrival.
    order: Vec<u32>,
    /// For each key, its part of `order`.
    groups: Vec<Range<usize>>,
}

impl CurrentRows {
    pub fn new(relation: Arc<Relation>, table: &Table) -> CurrentRows {
        let schema = &relation.schema;
        let type_of = |column: usize| schema.columns.field(column).data_type().clone();
        let key_types: Vec<DataType> = schema.key.iter().map(|&column| type_of(column)).collect();
        let version = table.version.map(|column| Version { column, encoder: KeyEncoder::new(&[type_of(column)]) });
        CurrentRows {
            codec: RowCodec::new(schema),
            key: KeyEncoder::new(&key_types),
            version,
            rows_max: table.rows_max,
            retention: table.retention,
            relation,
        }
    }

    /// Applies the events of an epoch, in which it is `now_ms`, to the rows in `state`, of which there are `rows`.
    pub fn apply(&self, state: &dyn State, asked: &Asked, rows: u64, now_ms: i64) -> Result<Applied, TableError> {
        let encoded = self.encode(asked);
        let found = state.get_many(self.relation.id, &encoded.keys)?;
        let stored: Vec<(usize, &[u8], &[u8])> = (0..encoded.keys.len())
            .filter_map(|at| found.get(at).map(|value| (at, encoded.keys.get(at), value)))
            .collect();
        let (mut held, versions) = self.held(encoded.keys.len(), &stored)?;
        let closing = match self.retention {
            Some(retention) => Some(self.closing(retention, asked, &stored, now_ms)?),
            None => None,
        };
        let mut next_version = versions.iter().flat_map(Block::iter);
        for held in &mut held {
            if let Held::Row { version, .. } = held {
                *version = next_version.next().unwrap_or_default();
            }
        }
        let mut epoch = TableEpoch {
            rules: self,
            asked,
            encoded: &encoded,
            closing,
            rows: rows as i64,
            // Most rows are new and never corrected; one that is was just looked up, and is cached from that.
            write: StateWrite::seldom_read(self.relation.id),
            verdicts: vec![Verdict::Unchanged; asked.asks.len()],
            retracts: Vec::new(),
            inserts: Vec::new(),
        };
        epoch.write.reserve(encoded.keys.len(), encoded.keys.byte_len(), encoded.values.byte_len());
        for (at, before) in held.into_iter().enumerate() {
            epoch.key(at, before);
        }
        let retracts = epoch.retracts.iter().map(|&at| (encoded.keys.get(at), found.values.get(at)));
        let retracted = self.codec.decode(retracts, None).map_err(|source| self.corrupt(source))?.rows;
        let inserted = take_record_batch(&asked.upserts, &UInt32Array::from(epoch.inserts)).expect("rows of the batch");
        let mut changes = in_pieces(&retracted, -1);
        changes.extend(in_pieces(&inserted, 1));
        Ok(Applied { write: epoch.write, changes, verdicts: epoch.verdicts, rows_added: epoch.rows - rows as i64 })
    }

    fn encode(&self, asked: &Asked) -> Encoded {
        let upsert_keys = self.codec.keys(&asked.upserts);
        let delete_keys = self.key.encode_arrays(asked.deletes.columns(), asked.deletes.num_rows());
        let key = |ask: u32| match asked.asks[ask as usize] {
            Ask::Upsert(row) => upsert_keys.get(row as usize),
            Ask::Delete(row) => delete_keys.get(row as usize),
        };
        let mut order: Vec<u32> = (0..asked.asks.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| key(a).cmp(key(b)).then(a.cmp(&b)));
        let mut keys = Block::default();
        let mut groups: Vec<Range<usize>> = Vec::new();
        for (at, &ask) in order.iter().enumerate() {
            match groups.last_mut() {
                Some(group) if keys.get(keys.len() - 1) == key(ask) => group.end = at + 1,
                _ => {
                    keys.push(key(ask));
                    groups.push(at..at + 1);
                }
            }
        }
        let versions = self.version.as_ref().map(|version| {
            version.encoder.encode_arrays(&[asked.upserts.column(version.column).clone()], asked.upserts.num_rows())
        });
        Encoded { values: self.codec.values(&asked.upserts), versions, keys, order, groups }
    }

    /// What is stored at each key; versions of rows come apart, one a row in key order.
    fn held<'a>(
        &self,
        keys: usize,
        stored: &[(usize, &'a [u8], &'a [u8])],
    ) -> Result<(Vec<Held<'a>>, Option<Block>), TableError> {
        let mut held = vec![Held::Nothing; keys];
        let mut rows = Vec::new();
        for &(at, key, value) in stored {
            let taken_apart = self.codec.value(value).map_err(|source| self.corrupt(source))?;
            held[at] = match taken_apart.visible {
                true => {
                    rows.push((key, value));
                    Held::Row { upsert: None, value, version: &[] }
                }
                false => Held::Tombstone { version: taken_apart.tail },
            };
        }
        let Some(version) = &self.version else { return Ok((held, None)) };
        let decoded = self.codec.decode(rows.into_iter(), Some(&[version.column]));
        let column = decoded.map_err(|source| self.corrupt(source))?.rows;
        Ok((held, Some(version.encoder.encode_arrays(column.columns(), column.num_rows()))))
    }

    /// The times of the rows that are stored and asked for, where old ones are closed.
    fn closing(
        &self,
        retention: Retention,
        asked: &Asked,
        stored: &[(usize, &[u8], &[u8])],
        now_ms: i64,
    ) -> Result<Closing, TableError> {
        let mut visible = Vec::with_capacity(stored.len());
        for (at, key, value) in stored {
            if self.codec.value(value).map_err(|source| self.corrupt(source))?.visible {
                visible.push((*at, *key, *value));
            }
        }
        let entries = visible.iter().map(|(_, key, value)| (*key, *value));
        let decoded = self.codec.decode(entries, Some(&[retention.column])).map_err(|source| self.corrupt(source))?;
        let stored = visible.iter().map(|(at, ..)| *at).zip(micros(decoded.rows.column(0))).collect();
        let asked = micros(asked.upserts.column(retention.column));
        let reason = format!(
            "table {} keeps rows for {}, and takes none that are as old but for a day",
            self.relation.name,
            retention.words()
        );
        Ok(Closing { before_us: retention.closed_before_us(now_ms), stored, asked, reason: Reason(reason) })
    }

    fn corrupt(&self, source: CorruptRow) -> TableError {
        TableError::Corrupt { relation: self.relation.id, source }
    }
}

/// Which rows are too old to be taken, or changed.
struct Closing {
    /// Those of an earlier time, in microseconds since 1970.
    before_us: i64,
    /// By the position of the key, of those that have a row.
    stored: BTreeMap<usize, Option<i64>>,
    /// Of each row asked for.
    asked: Vec<Option<i64>>,
    reason: Reason,
}

impl Closing {
    /// Whether the row at a key is closed.
    fn is_closed(&self, at: usize, held: Held) -> bool {
        let Held::Row { upsert, .. } = held else { return false };
        let time = match upsert {
            Some(row) => self.asked[row as usize],
            None => self.stored.get(&at).copied().flatten(),
        };
        time.is_some_and(|time| time < self.before_us)
    }
}

/// The epoch of a table while it is applied, key by key.
struct TableEpoch<'a> {
    rules: &'a CurrentRows,
    asked: &'a Asked,
    encoded: &'a Encoded,
    closing: Option<Closing>,
    /// How many rows the table has by now.
    rows: i64,
    write: StateWrite,
    verdicts: Vec<Verdict>,
    /// Keys whose stored row goes.
    retracts: Vec<usize>,
    /// Upserts whose row comes.
    inserts: Vec<u32>,
}

impl<'a> TableEpoch<'a> {
    /// Applies the events of one key and writes what is left of them.
    fn key(&mut self, at: usize, before: Held<'a>) {
        let encoded = self.encoded;
        let mut now = before;
        for &ask in &encoded.order[encoded.groups[at].clone()] {
            let rows = self.rows;
            let (mut next, mut verdict) = match self.asked.asks[ask as usize] {
                Ask::Upsert(row) => self.upsert(now, row),
                Ask::Delete(_) => self.delete(now),
            };
            // What changes nothing may be as old as it likes.
            if let Some(closing) = &self.closing
                && matches!(verdict, Verdict::Taken | Verdict::Corrected | Verdict::Deleted)
                && (closing.is_closed(at, now) || closing.is_closed(at, next))
            {
                (next, verdict) = (now, Verdict::Quarantined(closing.reason.clone()));
                self.rows = rows;
            }
            now = next;
            self.verdicts[ask as usize] = verdict;
        }
        self.settle(at, before, now);
    }

    fn upsert(&mut self, now: Held<'a>, row: u32) -> (Held<'a>, Verdict) {
        let encoded = self.encoded;
        let value = encoded.values.get(row as usize);
        let version = encoded.versions.as_ref().map_or(&[][..], |versions| versions.get(row as usize));
        let next = Held::Row { upsert: Some(row), value, version };
        match now {
            Held::Tombstone { version: highest } if version <= highest => (now, Verdict::Unchanged),
            Held::Nothing | Held::Tombstone { .. } => match self.rules.rows_max {
                Some(rows_max) if self.rows >= rows_max as i64 => {
                    let name = &self.rules.relation.name;
                    let words = format!("table {name} holds {rows_max} rows already, its max_rows");
                    (now, Verdict::Quarantined(Reason(words)))
                }
                _ => {
                    self.rows += 1;
                    (next, Verdict::Taken)
                }
            },
            Held::Row { value: same, .. } if same == value => (now, Verdict::Unchanged),
            Held::Row { version: highest, .. } if self.rules.version.is_some() => match version.cmp(highest) {
                Ordering::Greater => (next, Verdict::Corrected),
                Ordering::Less => (now, Verdict::Unchanged),
                Ordering::Equal => {
                    let words =
                        "the same version of this row is there already with other values: send a higher version";
                    (now, Verdict::Quarantined(Reason(words.to_owned())))
                }
            },
            Held::Row { .. } => (next, Verdict::Corrected),
        }
    }

    fn delete(&mut self, now: Held<'a>) -> (Held<'a>, Verdict) {
        let Held::Row { version, .. } = now else { return (now, Verdict::Unchanged) };
        self.rows -= 1;
        let left = if self.rules.version.is_some() { Held::Tombstone { version } } else { Held::Nothing };
        (left, Verdict::Deleted)
    }

    /// Only the difference between the first and the last state of a key is written and flows on.
    fn settle(&mut self, at: usize, before: Held<'a>, now: Held<'a>) {
        let key = self.encoded.keys.get(at);
        let same_row = match (before, now) {
            (Held::Row { value: old, .. }, Held::Row { value: new, .. }) => old == new,
            _ => before == now,
        };
        if same_row {
            return;
        }
        if let Held::Row { .. } = before {
            self.retracts.push(at);
        }
        match now {
            Held::Nothing => self.write.delete(key),
            Held::Row { upsert, value, .. } => {
                self.inserts.push(upsert.expect("a row that was not there is an event's"));
                self.write.put(key, value);
            }
            Held::Tombstone { version } => {
                let mut value = Vec::new();
                self.rules.codec.write_hidden(&mut value);
                value.extend_from_slice(version);
                self.write.put(key, &value);
            }
        }
    }
}

/// The rows with one difference, in batches that the engine takes.
pub(super) fn in_pieces(rows: &RecordBatch, diff: i64) -> Vec<Changes> {
    let starts = (0..rows.num_rows()).step_by(CHANGES_ROWS_MAX);
    let piece = |start: usize| {
        let len = CHANGES_ROWS_MAX.min(rows.num_rows() - start);
        Changes::new(rows.slice(start, len), vec![diff; len])
    };
    starts.map(piece).collect()
}
