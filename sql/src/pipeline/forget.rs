//! Forgetting: rows that are older than their table's retention go, a few at a time, and no view is told.
//!
//! A sweep walks a table in the order of its key. Where the time is part of the key it leaps: behind the columns before it rows
//! are in the order of time, so after the first that stays comes the next value of those columns. It reads what it forgets, and
//! one piece more for each of these; any other table is read whole.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use dataflow::state::after_prefix;
use dataflow::{Block, Changes, Direction, KeyRange, RelationId, RelationSchema, RowCodec, State, StateWrite};

use storage::Commit;

use super::owner::{Owner, unreadable};
use super::table::TableError;
use crate::catalog::Retention;
use crate::error::SqlError;
use crate::limits::{SWEEP_PAUSE, SWEEP_PIECE_ROWS, SWEEPS_PER_RETENTION};
use crate::relation::{Relation, Relations};
use crate::system;

/// How far the sweeps of all tables are.
#[derive(Debug, Default)]
pub struct Sweeps {
    by_table: BTreeMap<RelationId, Sweep>,
    /// When the last piece was swept.
    last: Option<Instant>,
}

/// The sweep of one table.
#[derive(Debug, Default)]
struct Sweep {
    /// Where it goes on; `None` between two sweeps.
    from: Option<Vec<u8>>,
    /// When the next one begins, in milliseconds since 1970: the first at once.
    begins_ms: i64,
}

/// A part of a sweep.
pub struct Piece {
    pub write: StateWrite,
    /// The rows that go.
    pub rows: RecordBatch,
    /// Where to go on; `None` at the end.
    pub next: Option<Vec<u8>>,
}

impl Sweep {
    fn is_due(&self, clock_ms: i64) -> bool {
        self.from.is_some() || self.begins_ms <= clock_ms
    }
}

impl Owner {
    /// Sweeps the tables of the catalogue that have a retention, and no others.
    pub(super) fn follow_sweeps(&mut self) {
        let mut known = std::mem::take(&mut self.sweeps.by_table);
        let forgetful =
            self.catalog.entries().filter(|entry| entry.table().is_some_and(|table| table.retention.is_some()));
        self.sweeps.by_table =
            forgetful.map(|entry| (entry.id(), known.remove(&entry.id()).unwrap_or_default())).collect();
    }

    /// How long it is until a piece of a table is swept, if that is before the clock is looked at again.
    pub(super) fn until_sweep(&self) -> Option<Duration> {
        let clock_ms = self.clock_ms();
        let is_due =
            self.sweeps.by_table.iter().any(|(id, sweep)| sweep.is_due(clock_ms) && !self.construction.indexes(*id));
        is_due.then(|| self.sweeps.last.map_or(Duration::ZERO, |last| SWEEP_PAUSE.saturating_sub(last.elapsed())))
    }

    /// What goes of the indexes on a table with its rows.
    fn forgotten_of_indexes(&self, table: &str, rows: &RecordBatch) -> Vec<StateWrite> {
        let of_index = |index: Arc<Relation>| {
            let mut write = StateWrite::seldom_read(index.id);
            self.codecs[&index.id].keys(rows).iter().for_each(|key| write.delete(key));
            write
        };
        self.catalog.indexes(table).into_iter().map(of_index).collect()
    }

    /// Forgets a piece of a table, if one is due.
    pub(super) fn sweep(&mut self) -> Result<(), SqlError> {
        let now_ms = self.clock_ms();
        // The time goes on without the views: nothing of theirs may be due.
        if self.until_sweep() != Some(Duration::ZERO) || self.next_ms()?.is_some_and(|next_ms| next_ms <= now_ms) {
            return Ok(());
        }
        let construction = &self.construction;
        let mut sweeps = self.sweeps.by_table.iter_mut();
        let due = sweeps.find(|(id, sweep)| sweep.is_due(now_ms) && !construction.indexes(**id));
        let Some((&id, sweep)) = due else { return Ok(()) };
        let entry = self.tables[&id].entry.clone();
        let table = entry.table().expect("it is a table");
        let (Some(retention), Some(relation)) = (table.retention, entry.relation.as_ref()) else { return Ok(()) };
        let from = sweep.from.take().unwrap_or_default();
        let cutoff_us = retention.forgotten_before_us(now_ms);
        let piece = piece(&self.shared.store, relation, retention, cutoff_us, &from).map_err(unreadable)?;
        sweep.from = piece.next;
        if sweep.from.is_none() {
            sweep.begins_ms = now_ms.saturating_add(retention.ms / SWEEPS_PER_RETENTION);
        }
        self.sweeps.last = Some(Instant::now());
        if piece.write.is_empty() {
            return Ok(());
        }
        let mut writes = vec![piece.write];
        writes.extend(self.forgotten_of_indexes(entry.name(), &piece.rows));
        let forgotten = piece.rows.num_rows();
        if table.rows_max.is_some() && forgotten > 0 {
            let rows = self.row_count(id)?.checked_sub(forgotten as u64).expect("a table has the rows that it forgets");
            let mut row_counts = StateWrite::new(system::TABLE_ROWS);
            row_counts.put(&id.0.to_be_bytes(), &rows.to_be_bytes());
            writes.push(row_counts);
        }
        let commit = Commit { writes, now_ms, ..self.commit() };
        self.write(commit, Vec::new(), None, None)?;
        self.engine.forget(id, Changes::new(piece.rows, vec![-1; forgotten]));
        Ok(())
    }
}

/// The rows of a stretch of a table's keys whose time is before the cutoff.
pub fn piece(
    state: &dyn State,
    relation: &Relation,
    retention: Retention,
    cutoff_us: i64,
    from: &[u8],
) -> Result<Piece, TableError> {
    let schema = &relation.schema;
    let codec = RowCodec::new(schema);
    let corrupt = |source| TableError::Corrupt { relation: relation.id, source };
    let in_key = schema.key.iter().position(|&column| column == retention.column);
    let mut write = StateWrite::seldom_read(relation.id);
    let (mut gone_keys, mut gone_values) = (Block::default(), Block::default());
    let mut next = Some(from.to_vec());
    let mut read = 0;
    while let Some(start) = next.take_if(|_| read < SWEEP_PIECE_ROWS) {
        let (mut keys, mut values) = (Block::default(), Block::default());
        let range = KeyRange { start, end: None };
        state.scan(relation.id, &range, Direction::Ascending, &mut |key, value| {
            keys.push(key);
            values.push(value);
            if keys.len() < READ_ROWS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        read += keys.len().max(1);
        let mut ended = keys.len() < READ_ROWS;
        let times = times(&codec, schema, retention, in_key, &keys, &values).map_err(corrupt)?;
        let is_old = |time: &Option<i64>| time.is_some_and(|time| time < cutoff_us);
        let stays = in_key.and_then(|_| times.iter().position(|time| !is_old(time)));
        let seen = stays.unwrap_or(keys.len());
        for at in (0..seen).filter(|&at| is_old(&times[at])) {
            write.delete(keys.get(at));
            if codec.value(values.get(at)).map_err(corrupt)?.visible {
                gone_keys.push(keys.get(at));
                gone_values.push(values.get(at));
            }
        }
        let last = keys.len().checked_sub(1).map(|last| keys.get(last));
        next = match (stays, in_key) {
            // Behind the same first columns all others are younger.
            (Some(at), Some(place)) => {
                ended = false;
                let columns = codec.decode_keys([keys.get(at)].into_iter(), place).map_err(corrupt)?;
                after_prefix(codec.key_prefixes(&columns, 1).get(0)).filter(|_| place > 0)
            }
            // The least key after one is that key and a zero byte.
            _ => last.map(|last| [last, &[0]].concat()),
        }
        .filter(|_| !ended);
    }
    let gone = codec.decode(gone_keys.iter().zip(gone_values.iter()), None).map_err(corrupt)?;
    Ok(Piece { write, rows: gone.rows, next })
}

/// The time of each entry, microseconds since 1970; `None` of one that has none.
fn times(
    codec: &RowCodec,
    schema: &RelationSchema,
    retention: Retention,
    in_key: Option<usize>,
    keys: &Block,
    values: &Block,
) -> Result<Vec<Option<i64>>, dataflow::row::CorruptRow> {
    if let Some(place) = in_key {
        let columns = codec.decode_keys(keys.iter(), place + 1)?;
        return Ok(micros(&columns[place]));
    }
    // What a deleted row leaves has no time.
    let mut visible = Vec::with_capacity(keys.len());
    for value in values.iter() {
        visible.push(codec.value(value)?.visible);
    }
    let column = schema.columns.field(retention.column).name();
    let rows = codec.decode(keys.iter().zip(values.iter()), Some(&[retention.column]))?.rows;
    let mut times = micros(rows.column_by_name(column).expect("the column asked for")).into_iter();
    Ok(visible.into_iter().map(|visible| if visible { times.next().flatten() } else { None }).collect())
}

/// A column of times or dates as microseconds since 1970.
pub fn micros(column: &ArrayRef) -> Vec<Option<i64>> {
    let stamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    let stamps = match column.data_type() {
        DataType::Date32 => cast(column, &stamp).expect("a date is a time"),
        _ => column.clone(),
    };
    let micros = cast(&stamps, &DataType::Int64).expect("a time is a number");
    micros.as_primitive::<Int64Type>().iter().collect()
}

/// Entries that are read at once, before it is decided how to go on.
const READ_ROWS: usize = 64;
