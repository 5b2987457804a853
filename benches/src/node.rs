//! The pipeline from decoded rows to a commit, for benches that choose their epochs themselves: a table's current rows, the
//! engine, the store. The log, decoding and the threads around them are left out.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use dataflow::limits::CHANGES_ROWS_MAX;
use dataflow::row::sorted_order;
use dataflow::{Block, Changes, Engine, Epoch, Install, PlannedView, RelationId, RowCodec, State, StateWrite, Step};
use sql::{Relation, RelationKind};
use storage::{Commit, Store, StoreOptions, Written};

/// Budgets of the store in benches: those of a machine with 4 GiB.
const OPTIONS: StoreOptions = StoreOptions { cache_bytes: 256 << 20, changelog_bytes: 256 << 20 };

/// Tables and views on one thread.
pub struct Node {
    pub store: Store,
    engine: Engine,
    codecs: Vec<(RelationId, RowCodec)>,
    streams: Vec<RelationId>,
    epoch: Epoch,
}

impl Node {
    /// Opens the store in `dir` with these tables and installs the views, in an order in which each reads what comes before.
    pub fn open(dir: &Path, tables: &[Arc<Relation>], views: Vec<PlannedView>) -> anyhow::Result<Node> {
        let store = Store::open(dir, OPTIONS)?;
        let epoch = store.last().epoch;
        let how = if epoch == Epoch(0) { Install::Fresh } else { Install::Resumed };
        let streams = tables.iter().filter(|table| table.kind == RelationKind::Stream).map(|table| table.id).collect();
        let tables = tables.iter().map(|table| (table.id, RowCodec::new(&table.schema)));
        let of_views = views.iter().map(|view| (view.relation, RowCodec::new(&view.schema)));
        let codecs = tables.chain(of_views).collect();
        let mut node =
            Node { engine: Engine::new(Rc::new(store.clone()), epoch.0 as i64), store, codecs, streams, epoch };
        for view in views {
            let relation = view.relation;
            node.engine.install(epoch, view, how)?;
            if how == Install::Fresh {
                let filled = node.engine.fill(relation, Vec::new())?;
                node.store.fill(filled.state)?;
            }
        }
        Ok(node)
    }

    /// Applies rows of a table, no key twice, as one epoch, and writes it. It is durable once synced.
    pub fn apply(&mut self, table: RelationId, rows: &RecordBatch) -> anyhow::Result<Written> {
        self.apply_all(&[(table, rows)])
    }

    /// Applies rows of tables and streams, each of them and in it each key once, as one epoch, and writes it. It is durable once
    /// synced.
    pub fn apply_all(&mut self, tables: &[(RelationId, &RecordBatch)]) -> anyhow::Result<Written> {
        let epoch = self.epoch.next();
        let mut commit = Commit { epoch, now_ms: epoch.0 as i64, ..Commit::default() };
        let mut inputs = Vec::new();
        for (table, rows) in tables {
            if self.streams.contains(table) {
                inputs.extend(pieces((*rows).clone(), 1).into_iter().map(|changes| (*table, changes)));
                continue;
            }
            let (write, changes) = self.current_rows(*table, rows)?;
            commit.writes.push(write);
            if changes.is_empty() {
                continue;
            }
            commit.changes.push((*table, self.codec(*table).encode_changes(&changes)));
            inputs.extend(changes.into_iter().map(|changes| (*table, changes)));
        }
        if !inputs.is_empty() {
            let outcome = self.engine.step(Step { epoch, now_ms: commit.now_ms, inputs })?;
            anyhow::ensure!(outcome.errors.is_empty(), "rows failed: {:?}", outcome.errors[0]);
            commit.writes.extend(outcome.state);
            for (view, changes) in &outcome.views {
                commit.changes.push((*view, self.codec(*view).encode_changes(changes)));
            }
        }
        self.epoch = epoch;
        Ok(self.store.write(commit)?)
    }

    /// The codec of a table or view.
    pub fn codec(&self, relation: RelationId) -> &RowCodec {
        let found = self.codecs.iter().find(|(id, _)| *id == relation);
        &found.expect("a relation that the node was opened with").1
    }

    /// What the rows change: nothing where they are stored already, else the stored row goes and the new one comes.
    fn current_rows(&self, table: RelationId, rows: &RecordBatch) -> anyhow::Result<(StateWrite, Vec<Changes>)> {
        let codec = self.codec(table);
        let (keys, values) = (codec.keys(rows), codec.values(rows));
        let order = sorted_order(&keys);
        let mut sorted = Block::with_capacity(keys.len(), keys.byte_len());
        order.iter().for_each(|&row| sorted.push(keys.get(row as usize)));
        let found = self.store.get_many(table, &sorted)?;

        let mut write = StateWrite::seldom_read(table);
        write.reserve(keys.len(), keys.byte_len(), values.byte_len());
        let (mut retracted, mut inserted) = (Vec::new(), Vec::new());
        for (at, &row) in order.iter().enumerate() {
            let (key, value) = (sorted.get(at), values.get(row as usize));
            match found.get(at) {
                Some(stored) if stored == value => continue,
                Some(stored) => retracted.push((key, stored)),
                None => {}
            }
            write.put(key, value);
            inserted.push(row);
        }
        let mut changes = pieces(codec.decode(retracted.into_iter(), None)?.rows, -1);
        changes.extend(pieces(take_record_batch(rows, &UInt32Array::from(inserted))?, 1));
        Ok((write, changes))
    }
}

/// Rows with one difference, within the bound on a batch.
fn pieces(rows: RecordBatch, diff: i64) -> Vec<Changes> {
    let starts = (0..rows.num_rows()).step_by(CHANGES_ROWS_MAX);
    let piece = |start: usize| rows.slice(start, CHANGES_ROWS_MAX.min(rows.num_rows() - start));
    starts.map(piece).map(|piece| Changes::new(piece.clone(), vec![diff; piece.num_rows()])).collect()
}
