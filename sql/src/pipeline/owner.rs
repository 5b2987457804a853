//! The thread that owns the engine: one epoch after the other, and definitions between them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dataflow::{Engine, Epoch, RelationId, RowCodec, State, StateWrite, Step, ViewFigures};
use storage::{Commit, Fetched, Position, TopicPartition};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::checks::Checks;
use super::define::Change;
use super::errors::ErrorChanges;
use super::filling::{Construction, Word};
use super::forget::Sweeps;
use super::input::{Input, TableReader};
use super::minutes::Minutes;
use super::publisher::{self, Publication, Redefinition};
use super::table::Verdict;
use super::{Shared, quarantine};
use crate::catalog::{Catalog, Entry};
use crate::error::SqlError;
use crate::limits::{COMMITS_UNSYNCED_MAX, EPOCH_BYTES_MAX, FETCH_WAIT_MS, STACK_BYTES, TIMERS_PAUSE};
use crate::metrics::{OfTable, seconds};
use crate::system;

/// What a session asks of the pipeline.
pub enum Command {
    /// Changes the catalogue; answered once the change is published.
    Define { change: Change, reply: oneshot::Sender<Result<super::Defined, SqlError>> },
    /// Asks what a view has done; `None` where it is not installed.
    Figures { view: RelationId, reply: oneshot::Sender<Option<ViewFigures>> },
    /// Ends the pipeline after its current epoch.
    Close,
}

/// Everything that the thread has.
pub struct Owner {
    pub(super) shared: Arc<Shared>,
    pub(super) runtime: Handle,
    pub(super) engine: Engine,
    /// As of the last commit written.
    pub(super) catalog: Catalog,
    pub(super) tables: BTreeMap<RelationId, Arc<TableReader>>,
    pub(super) codecs: BTreeMap<RelationId, RowCodec>,
    /// Views that are indexes.
    pub(super) indexes: BTreeSet<RelationId>,
    pub(super) positions: BTreeMap<TopicPartition, u64>,
    pub(super) epoch: Epoch,
    pub(super) now_ms: i64,
    pub(super) construction: Construction,
    pub(super) minutes: Minutes,
    pub(super) sweeps: Sweeps,
    /// When the last epoch began that nothing but timers asked for.
    timed: Option<Instant>,
    publications: SyncSender<Publication>,
}

/// Starts both threads; returns when the views are installed and what was committed is served.
pub async fn start(shared: Arc<Shared>, commands: mpsc::Receiver<Command>) -> Result<Vec<JoinHandle<()>>, SqlError> {
    let (publications, waiting) = sync_channel(COMMITS_UNSYNCED_MAX);
    let for_publisher = shared.clone();
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(run);
        thread.map_err(|error| SqlError::new("53000", format!("thread {name} cannot start: {error}")))
    };
    let publisher = spawn("publisher", Box::new(move || publisher::run(&for_publisher, &waiting)))?;
    let (started, installed) = oneshot::channel();
    let runtime = Handle::current();
    let run = move || match Owner::resume(shared, runtime, publications) {
        Ok(mut owner) => {
            let _ = started.send(Ok(()));
            owner.run(commands);
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    };
    let pipeline = spawn("pipeline", Box::new(run))?;
    let gone = |_| Err(SqlError::new("XX000", "the pipeline ended while it was starting"));
    let threads = vec![pipeline, publisher];
    if let Err(error) = installed.await.unwrap_or_else(gone) {
        // They let go of the store first: whoever is told may open it again, or end the process.
        let _ = tokio::task::spawn_blocking(move || joined(threads)).await;
        return Err(error);
    }
    Ok(threads)
}

/// Waits for the threads to end.
pub fn joined(threads: Vec<JoinHandle<()>>) {
    if threads.into_iter().filter_map(|thread| thread.join().err()).count() > 0 {
        tracing::error!("a thread of the pipeline has panicked");
    }
}

/// What the pipeline does next.
enum Next {
    Events(Vec<Fetched>),
    /// A timer goes off.
    Timer,
    Command(Command),
    Word(Word),
    /// Looks again.
    Nothing,
}

impl Owner {
    /// An owner as of the last commit, without tables and views. `minutes`: the clock, as far as it has come.
    pub(super) fn new(
        shared: Arc<Shared>,
        runtime: Handle,
        publications: SyncSender<Publication>,
        catalog: Catalog,
        minutes: Minutes,
    ) -> Result<Owner, SqlError> {
        let last = shared.store.last();
        let mut owner = Owner {
            engine: Engine::timed(Rc::new(shared.store.clone()), last.now_ms, nanos),
            runtime,
            catalog,
            tables: BTreeMap::new(),
            codecs: BTreeMap::new(),
            indexes: BTreeSet::new(),
            positions: last.positions.into_iter().map(|position| (position.partition, position.offset)).collect(),
            epoch: last.epoch,
            now_ms: last.now_ms,
            construction: Construction::default(),
            minutes,
            sweeps: Sweeps::default(),
            timed: None,
            publications,
            shared,
        };
        let entries: Vec<Arc<Entry>> = owner.catalog.entries().cloned().collect();
        entries.iter().try_for_each(|entry| owner.know(entry))?;
        owner.follow_sweeps();
        Ok(owner)
    }

    /// Makes ready what every epoch needs of a relation.
    pub(super) fn know(&mut self, entry: &Arc<Entry>) -> Result<(), SqlError> {
        if let Some(relation) = &entry.relation {
            self.codecs.insert(relation.id, RowCodec::new(&relation.schema));
        }
        if let Some(table) = entry.table() {
            let relation = entry.relation.as_ref().expect("a table has rows");
            let checks = self.runtime.block_on(Checks::plan(relation, &table.checks))?;
            self.tables.insert(entry.id(), Arc::new(TableReader::new(entry.clone(), checks)));
        }
        if entry.index().is_some() {
            self.indexes.insert(entry.id());
        }
        Ok(())
    }

    /// Works until it is closed or something fails that a person must look at.
    fn run(&mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let done = match self.next(&mut commands) {
                Ok(Next::Events(fetched)) => self.epoch(fetched),
                Ok(Next::Timer) => self.epoch(Vec::new()),
                Ok(Next::Command(Command::Define { change, reply })) => self.define(change, reply),
                Ok(Next::Command(Command::Figures { view, reply })) => {
                    let _ = reply.send(self.engine.has(view).then(|| self.engine.figures(view)));
                    Ok(())
                }
                Ok(Next::Command(Command::Close)) => return,
                Ok(Next::Word(word)) => self.heard(word),
                Ok(Next::Nothing) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = done.and_then(|()| self.sweep()).and_then(|()| self.shared.writable()) {
                return self.shared.halt(error);
            }
        }
    }

    /// Waits for events, a timer, a command or a view that is filled. Without tables there is nothing to fetch.
    fn next(&mut self, commands: &mut mpsc::Receiver<Command>) -> Result<Next, SqlError> {
        let from = self.read_positions();
        let wait = Duration::from_millis(FETCH_WAIT_MS);
        let timer = [self.until_timer()?, self.until_sweep()].into_iter().flatten().min();
        let Owner { runtime, shared, construction, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                command = commands.recv() => Ok(Next::Command(command.unwrap_or(Command::Close))),
                word = construction.next() => Ok(word.map_or(Next::Nothing, Next::Word)),
                fetched = shared.log.fetch_ahead(&from, EPOCH_BYTES_MAX, wait), if !from.is_empty() => {
                    Ok(Next::Events(fetched?))
                }
                () = tokio::time::sleep(timer.unwrap_or(wait)), if timer.is_some() => Ok(Next::Timer),
            }
        })
    }

    /// How long it is until a timer goes off, or the clock is looked at again, which may be set; `None` where there is none.
    fn until_timer(&self) -> Result<Option<Duration>, SqlError> {
        let Some(next_ms) = self.next_ms()? else { return Ok(None) };
        let until_ms = next_ms.saturating_sub(self.shared.now_ms()).max(0).unsigned_abs();
        // Many that go off one after the other share epochs.
        let pause = self.timed.map_or(Duration::ZERO, |timed| TIMERS_PAUSE.saturating_sub(timed.elapsed()));
        Ok(Some(Duration::from_millis(until_ms.min(FETCH_WAIT_MS)).max(pause)))
    }

    /// What the clock says; the views' time does not follow it back.
    pub(super) fn clock_ms(&self) -> i64 {
        self.now_ms.max(self.shared.now_ms())
    }

    /// When something happens because of the time: a timer of a view's, or a minute that views read.
    pub(super) fn next_ms(&self) -> Result<Option<i64>, SqlError> {
        let timer_ms = self.engine.next_timer_ms().map_err(engine_failed)?;
        Ok(timer_ms.into_iter().chain(self.minutes.next_ms()).min())
    }

    /// Where to read on, of every partition that feeds a table.
    pub(super) fn read_positions(&self) -> Vec<Position> {
        let is_read = |partition: &TopicPartition| self.catalog.table_of_topic(&partition.topic).is_some();
        self.positions.iter().filter(|(partition, _)| is_read(partition)).map(position).collect()
    }

    /// One epoch, from events to a written commit. Without events and timers there is none.
    pub(super) fn epoch(&mut self, fetched: Vec<Fetched>) -> Result<(), SqlError> {
        let now_ms = self.engine.reach_ms(self.clock_ms()).map_err(engine_failed)?;
        let due = self.next_ms()?.is_some_and(|next_ms| next_ms <= now_ms);
        let moved = |fetched: &Fetched| self.positions.get(&fetched.partition) != Some(&fetched.next);
        if !due && !fetched.iter().any(moved) {
            return Ok(());
        }
        let started = Instant::now();
        if fetched.is_empty() {
            self.timed = Some(started);
        }
        let mut input = Input::read(fetched, &self.catalog, &self.tables, &self.shared.interests);
        let (mut inputs, mut writes) = self.apply_tables(&mut input, now_ms)?;
        let mut forgotten = None;
        if let Some(turn) = self.minutes.turn(now_ms) {
            inputs.push((system::CLOCK, turn.come));
            writes.push(turn.write);
            forgotten = Some(turn.gone);
        }
        let mut commit = Commit { now_ms, ..self.commit() };
        for of_one in inputs.chunk_by(|(one, _), (other, _)| one == other) {
            let table = of_one[0].0;
            // Nobody follows a stream but the view that is being filled.
            if self.is_stream(table) && !self.construction.reads(table) {
                continue;
            }
            let changes = self.codecs[&table].encode_changes(of_one.iter().map(|(_, changes)| changes));
            commit.changes.push((table, changes));
        }
        if due || !inputs.is_empty() {
            let step = Step { epoch: commit.epoch, now_ms: commit.now_ms, inputs };
            let outcome = self.engine.step(step).map_err(engine_failed)?;
            writes.extend(outcome.state);
            let mut errors = ErrorChanges::default();
            errors.add(outcome.errors, |view| self.name(view));
            writes.extend(errors.writes(&self.codecs[&system::ERRORS], &self.shared.store, None).map_err(unreadable)?);
            for (view, changes) in &outcome.views {
                // Nobody follows an index.
                if self.indexes.contains(view) {
                    continue;
                }
                let rows: usize = changes.iter().map(dataflow::Changes::len).sum();
                self.shared.metrics.view_changes.inc_by(rows as u64);
                commit.changes.push((*view, self.codecs[view].encode_changes(changes)));
            }
        }
        self.construction.count(&commit.changes);
        writes.extend(quarantine::writes(&self.codecs[&system::QUARANTINE], &input.quarantined));
        self.measure(&input, started);
        commit.writes = writes;
        commit.positions = input.positions();
        let first = input.fetched.iter().filter_map(|fetched| fetched.records.first());
        let oldest_ms = first.map(|record| record.timestamp_ms).min();
        // The epoch was computed while the log synced its events; nothing of it is kept before they are durable.
        self.runtime.block_on(self.shared.log.durable(&commit.positions))?;
        self.write(commit, input.verdicts, None, oldest_ms)?;
        if let Some(gone) = forgotten {
            self.engine.forget(system::CLOCK, gone);
        }
        Ok(())
    }

    /// Has the clock stand still where no view reads it any more.
    pub(super) fn rest_clock(&mut self) -> Result<(), SqlError> {
        let read = self.engine.reads(system::CLOCK) || self.construction.reads(system::CLOCK);
        if read || !self.minutes.is_read() {
            return Ok(());
        }
        let commit = Commit { writes: vec![self.minutes.stop()], ..self.commit() };
        self.write(commit, Vec::new(), None, None)
    }

    /// Applies the events to the tables: the engine's input, and what to write of the tables.
    fn apply_tables(
        &mut self,
        input: &mut Input,
        now_ms: i64,
    ) -> Result<(Vec<(RelationId, dataflow::Changes)>, Vec<StateWrite>), SqlError> {
        let mut changes = Vec::new();
        let mut writes = Vec::new();
        let mut row_counts = StateWrite::new(system::TABLE_ROWS);
        for (id, mut table) in std::mem::take(&mut input.tables) {
            let reader = &self.tables[&id];
            input.check(reader, &mut table, now_ms);
            let bounded = reader.entry.table().is_some_and(|table| table.rows_max.is_some());
            let rows = if bounded { self.row_count(id)? } else { 0 };
            let applied = reader.apply(&self.shared.store, &table.asked, rows, now_ms).map_err(unreadable)?;
            if bounded && applied.rows_added != 0 {
                let rows = rows.checked_add_signed(applied.rows_added).expect("a table has no fewer than no rows");
                row_counts.put(&id.0.to_be_bytes(), &rows.to_be_bytes());
            }
            changes.extend(applied.changes.into_iter().map(|changes| (id, changes)));
            writes.push(applied.write);
            input.judge(&reader.entry, &table.places, applied.verdicts);
        }
        writes.push(row_counts);
        writes.retain(|write| !write.is_empty());
        Ok((changes, writes))
    }

    /// How many rows a bounded table has.
    pub(super) fn row_count(&self, table: RelationId) -> Result<u64, SqlError> {
        let mut key = dataflow::Block::default();
        key.push(&table.0.to_be_bytes());
        let found = self.shared.store.get_many(system::TABLE_ROWS, &key).map_err(|error| unreadable(error.into()))?;
        Ok(found.get(0).map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("a count of eight bytes"))))
    }

    fn is_stream(&self, table: RelationId) -> bool {
        self.tables.get(&table).is_some_and(|reader| reader.entry.is_stream())
    }

    fn measure(&self, input: &Input, started: Instant) {
        let metrics = &self.shared.metrics;
        metrics.compute_s.observe(seconds(started.elapsed()));
        metrics.events.inc_by(input.records());
        metrics.quarantined.inc_by(input.quarantined.len() as u64);
        metrics.epoch_rows.observe(input.records() as f64);
        let mut bytes = 0;
        let mut lags: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for fetched in &input.fetched {
            let lengths =
                fetched.records.iter().map(|record| record.value.as_ref().map_or(0, bytes::Bytes::len) as u64);
            let taken: u64 = lengths.sum();
            bytes += taken;
            let behind = fetched.end.saturating_sub(fetched.next);
            let Some(table) = self.catalog.table_of_topic(&fetched.partition.topic) else { continue };
            let lag = lags.entry(table.name()).or_default();
            lag.0 += behind;
            lag.1 += behind * taken / (fetched.records.len() as u64).max(1);
        }
        for (table, (events, bytes)) in lags {
            let of = OfTable { table: table.to_owned() };
            metrics.lag_events.get_or_create(&of).set(events as i64);
            metrics.lag_bytes.get_or_create(&of).set(bytes as i64);
        }
        metrics.epoch_bytes.set(bytes as i64);
    }

    /// An empty commit for the next epoch. The time stays what it is for the views, which do not run.
    pub(super) fn commit(&self) -> Commit {
        Commit { epoch: self.epoch.next(), now_ms: self.now_ms, ..Commit::default() }
    }

    /// Writes a commit and hands it over to be made durable.
    pub(super) fn write(
        &mut self,
        commit: Commit,
        verdicts: Vec<(TopicPartition, u64, Verdict)>,
        definition: Option<Redefinition>,
        oldest_ms: Option<i64>,
    ) -> Result<(), SqlError> {
        let started = Instant::now();
        let (epoch, now_ms, positions) = (commit.epoch, commit.now_ms, commit.positions.clone());
        let written = self.shared.store.write(commit)?;
        self.shared.metrics.write_s.observe(seconds(started.elapsed()));
        self.shared.metrics.epochs.inc();
        self.positions.extend(positions.iter().map(|position| (position.partition.clone(), position.offset)));
        self.epoch = epoch;
        self.now_ms = now_ms;
        let publication = Publication { written, epoch, positions, verdicts, definition, oldest_ms };
        let ended = |_| SqlError::new("58030", "commits are no longer made durable");
        self.publications.send(publication).map_err(ended)
    }

    pub(super) fn name(&self, view: RelationId) -> String {
        self.catalog.by_id(view).map_or_else(|| view.to_string(), |entry| entry.name().to_owned())
    }
}

/// Nanoseconds since the first call.
pub(super) fn nanos() -> u64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGUN.elapsed().as_nanos() as u64
}

fn position((partition, &offset): (&TopicPartition, &u64)) -> Position {
    Position { partition: partition.clone(), offset }
}

pub(super) fn unreadable(error: super::table::TableError) -> SqlError {
    SqlError::new("XX001", error.to_string())
}

pub(super) fn engine_failed(error: dataflow::EngineError) -> SqlError {
    SqlError::new("XX000", format!("the engine stopped: {error}"))
}
