//! A new view is filled beside the running engine, by an engine of its own on a thread of its own.
//!
//! It begins at a pinned epoch: the rows that the sources had then are read in small pieces. Then it catches up: the changes
//! of a stretch of epochs are one step, over the sources as they were before the stretch. What it writes is the view's alone,
//! and unlogged where it is much, so that commits beside it are not held up; a crash loses it together with the view, which
//! nobody was promised. The last step is part of the commit that makes the view known.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use dataflow::{
    Block, Changes, Construction, Direction, Engine, EngineError, Install, KeyRange, Outcome, PlannedView, RelationId,
    RelationSchema, RowCodec, StateError, StateWrite, Step,
};
use storage::{DEFAULT_TENANT, Pin, Reader, Store, TenantScope};

use super::errors::ErrorChanges;
use super::owner::engine_failed;
use super::past::Past;
use super::progress::{Phase, Progress};
use crate::error::SqlError;
use crate::limits::{
    FILL_CAUGHT_UP, FILL_LOGGED_BYTES, FILL_PIECE_ROWS, FILL_RESTS, FILL_STRETCH_BYTES, SPILL_FREE_BYTES_MIN,
};

/// What is to be filled, from which epoch on.
pub(super) struct Task {
    pub store: Store,
    pub view: PlannedView,
    /// The view and its operators' state.
    pub own: BTreeSet<RelationId>,
    pub sources: BTreeMap<RelationId, RelationSchema>,
    /// Of those that are streams: what opens their past, which the log has.
    pub pasts: BTreeMap<RelationId, OpenPast>,
    pub begin: Pin,
    pub progress: Arc<Progress>,
    /// Bytes that are free on the store's disk.
    pub free_bytes: Box<dyn Fn() -> u64 + Send>,
}

/// Opens the past of a stream, up to the epoch that a view is filled from.
pub(super) type OpenPast = Box<dyn FnOnce() -> Result<Past, SqlError> + Send>;

/// A view whose state is as of the last written epoch, but for these writes.
pub(super) struct Caught {
    pub writes: Vec<StateWrite>,
    pub errors: ErrorChanges,
    /// From when on there were rows of the streams that it reads, where the log has dropped older ones.
    pub covers_from_ms: Option<i64>,
}

/// A view while it is filled.
pub(super) struct Filler {
    store: Store,
    engine: Engine,
    state: Rc<Construction>,
    view: RelationId,
    name: String,
    codecs: BTreeMap<RelationId, RowCodec>,
    /// Those that are not filled from yet.
    pasts: BTreeMap<RelationId, OpenPast>,
    covers_from_ms: Option<i64>,
    /// The epoch that the view's state is as of.
    at: Pin,
    /// Later epochs, each with a bounded amount of changes since the one before.
    ahead: VecDeque<Pin>,
    /// Of [`Progress::changed_bytes`], those up to the last epoch of `ahead`.
    pinned_bytes: u64,
    errors: ErrorChanges,
    /// Of keys and values that [`Filler::write`] has written.
    written_bytes: usize,
    progress: Arc<Progress>,
    free_bytes: Box<dyn Fn() -> u64 + Send>,
}

impl Filler {
    pub fn new(task: Task) -> Result<Filler, SqlError> {
        let Task { store, view, own, sources, pasts, begin, progress, free_bytes } = task;
        let state = Rc::new(Construction::new(own, Rc::new(store.clone()), Rc::new(reader(&begin))));
        let mut engine = Engine::new(state.clone(), begin.snapshot().now_ms());
        let (relation, name) = (view.relation, view.name.clone());
        engine.install(begin.epoch(), view, Install::Fresh).map_err(engine_failed)?;
        let codecs = sources.iter().map(|(source, schema)| (*source, RowCodec::new(schema))).collect();
        let (ahead, errors) = (VecDeque::new(), ErrorChanges::default());
        let at = begin;
        Ok(Filler {
            store,
            engine,
            state,
            view: relation,
            name,
            codecs,
            pasts,
            covers_from_ms: None,
            at,
            ahead,
            pinned_bytes: 0,
            errors,
            written_bytes: 0,
            progress,
            free_bytes,
        })
    }

    /// Feeds the rows that the sources had when it was begun.
    pub fn fill(&mut self) -> Result<(), SqlError> {
        self.progress.enter(Phase::Filling);
        self.piece(vec![])?;
        let sources = self.engine.fill_sources(self.view);
        let from = reader(&self.at);
        for (read, source) in sources.iter().enumerate() {
            if let Some(open) = self.pasts.remove(source) {
                self.fill_from_log(*source, open()?, read, sources.len())?;
                continue;
            }
            let mut cursor = from.cursor(*source, KeyRange::all(), Direction::Ascending);
            for piece in 1u64.. {
                let (mut keys, mut values) = (Block::default(), Block::default());
                if cursor.next(&mut keys, &mut values, FILL_PIECE_ROWS).map_err(unreadable)? == 0 {
                    break;
                }
                let decoded = self.codecs[source].decode(keys.iter().zip(values.iter()), None);
                let decoded = decoded
                    .map_err(|error| engine_failed(EngineError::Corrupt { relation: *source, source: error }))?;
                self.progress.rows.fetch_add(keys.len() as u64, Ordering::Relaxed);
                self.piece(vec![(*source, Changes::new(decoded.rows, decoded.counts))])?;
                if piece.is_power_of_two() || piece.is_multiple_of(PIECES_PER_MEASUREMENT) {
                    let share = self.store.share_before(*source, keys.get(keys.len() - 1)).unwrap_or(0.0);
                    self.progress.share((read as f64 + share) / sources.len() as f64);
                }
            }
        }
        self.progress.share(1.0);
        Ok(())
    }

    /// Feeds the rows of a stream that the log had when it was begun: the `read`th of so many sources.
    fn fill_from_log(
        &mut self,
        stream: RelationId,
        mut past: Past,
        read: usize,
        sources: usize,
    ) -> Result<(), SqlError> {
        while let Some(rows) = past.next()? {
            for changes in rows {
                self.progress.rows.fetch_add(changes.len() as u64, Ordering::Relaxed);
                for start in (0..changes.len()).step_by(FILL_PIECE_ROWS) {
                    let len = FILL_PIECE_ROWS.min(changes.len() - start);
                    let diffs = changes.diffs[start..start + len].to_vec();
                    self.piece(vec![(stream, Changes::new(changes.rows.slice(start, len), diffs))])?;
                }
            }
            self.progress.share((read as f64 + past.share()) / sources as f64);
            // Also where nothing came.
            self.keep_up()?;
        }
        self.covers_from_ms = self.covers_from_ms.max(past.covers_from_ms());
        Ok(())
    }

    /// Follows what has changed meanwhile, until little is left.
    pub fn catch_up(&mut self) -> Result<(), SqlError> {
        self.progress.enter(Phase::CatchingUp);
        self.follow(Filler::write)?;
        if self.is_logged() {
            return Ok(());
        }
        self.store.flush_filled()?;
        // From here on nothing may be lost that the view's commit speaks for.
        self.follow(|filler, writes| filler.store.fill(writes))
    }

    fn follow(
        &mut self,
        write: fn(&mut Filler, Vec<StateWrite>) -> Result<(), storage::StoreError>,
    ) -> Result<(), SqlError> {
        let mut allowance = FILL_CAUGHT_UP;
        for round in 1.. {
            let started = Instant::now();
            let (to, last) = match self.ahead.pop_front() {
                Some(to) => (to, false),
                None => (self.store.pin()?, true),
            };
            let writes = self.advance(to)?;
            write(self, writes)?;
            if last && started.elapsed() <= allowance {
                break;
            }
            // One epoch may take the view longer than that, and then it would never end.
            if round % ROUNDS_PER_ALLOWANCE == 0 {
                allowance *= 2;
            }
            self.keep_up()?;
        }
        Ok(())
    }

    /// The last step, while no epoch runs: what is to be written of it, and all the view's errors.
    pub fn last(mut self) -> Result<Caught, SqlError> {
        let now = self.store.pin()?;
        let writes = self.advance(now)?;
        Ok(Caught { writes, errors: self.errors, covers_from_ms: self.covers_from_ms })
    }

    fn piece(&mut self, rows: Vec<(RelationId, Changes)>) -> Result<(), SqlError> {
        let (started, began) = (Instant::now(), self.store.snapshot().epoch());
        let outcome = self.engine.fill(self.view, rows).map_err(engine_failed)?;
        let writes = self.taken(outcome);
        self.write(writes)?;
        // Where epochs run beside it, they get the processors and the disk for longer than it had them. A lower priority would
        // leave it without a processor while it holds what they wait for.
        if self.store.snapshot().epoch() > began {
            std::thread::sleep(started.elapsed() * FILL_RESTS);
        }
        self.keep_up()
    }

    /// What is much would fill the write-ahead log, which is synced with the commits beside it. What is little goes there: the
    /// flush that makes the rest durable is one of everybody's rows.
    fn write(&mut self, writes: Vec<StateWrite>) -> Result<(), storage::StoreError> {
        self.written_bytes += writes.iter().map(|write| write.keys.byte_len() + write.values.byte_len()).sum::<usize>();
        if self.is_logged() { self.store.fill(writes) } else { self.store.fill_unlogged(writes) }
    }

    /// Whether all that was written is in the write-ahead log.
    fn is_logged(&self) -> bool {
        self.written_bytes <= FILL_LOGGED_BYTES
    }

    /// Takes the changes of the sources up to an epoch.
    fn advance(&mut self, to: Pin) -> Result<Vec<StateWrite>, SqlError> {
        if to.epoch() == self.at.epoch() {
            return Ok(vec![]);
        }
        let mut inputs = Vec::new();
        for (source, codec) in &self.codecs {
            let changes = to.snapshot().changes(*source, self.at.epoch());
            for change in changes.map_err(|trimmed| SqlError::new("XX000", trimmed.to_string()))? {
                let (_, change) = change?;
                let decoded = codec.decode_changes(&change, None);
                let corrupt = |error| engine_failed(EngineError::Corrupt { relation: *source, source: error });
                inputs.extend(decoded.map_err(corrupt)?.into_iter().map(|changes| (*source, changes)));
            }
        }
        let step = Step { epoch: to.epoch(), now_ms: to.snapshot().now_ms(), inputs };
        let outcome = self.engine.step(step).map_err(engine_failed)?;
        self.state.advance(Rc::new(reader(&to)));
        self.at = to;
        Ok(self.taken(outcome))
    }

    fn taken(&mut self, outcome: Outcome) -> Vec<StateWrite> {
        self.errors.add(outcome.errors, |_| self.name.clone());
        outcome.state
    }

    /// Between two pieces: stops where it must, and pins an epoch where enough has changed since the last one.
    fn keep_up(&mut self) -> Result<(), SqlError> {
        if self.progress.cancelled() {
            return Err(SqlError::new("57014", format!("the creation of {} was cancelled", self.name)));
        }
        let changed_bytes = self.progress.changed_bytes.load(Ordering::Relaxed);
        if changed_bytes >= self.pinned_bytes + FILL_STRETCH_BYTES {
            if (self.free_bytes)() < SPILL_FREE_BYTES_MIN {
                return Err(SqlError::new("53100", format!("{} cannot be filled: the disk is full", self.name)));
            }
            self.ahead.push_back(self.store.pin()?);
            self.pinned_bytes = changed_bytes;
        }
        Ok(())
    }
}

/// Rounds of catching up after which the last step may take twice as long.
const ROUNDS_PER_ALLOWANCE: u32 = 4;

/// How often the share that is done is worked out, which costs more than a counter.
const PIECES_PER_MEASUREMENT: u64 = 64;

fn reader(pin: &Pin) -> Reader {
    pin.snapshot().scoped(TenantScope::One(DEFAULT_TENANT))
}

fn unreadable(error: StateError) -> SqlError {
    engine_failed(error.into())
}
