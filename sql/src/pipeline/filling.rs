//! Views under construction, as the owner of the engine sees them: one is filled at a time, the others wait for it.

use std::collections::{BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use arrow::datatypes::DataType;
use bytes::Bytes;
use dataflow::{PlannedView, RelationId};
use storage::{TopicPartition, turns};
use tokio::sync::{mpsc, oneshot};

use super::Defined;
use super::define::Failure;
use super::fill::{Caught, Filler, OpenPast, Task};
use super::new_view::NewView;
use super::owner::Owner;
use super::past::Past;
use super::progress::Progress;
use crate::catalog::Catalog;
use crate::error::SqlError;
use crate::limits::{FILLS_WAITING_MAX, RESIDENT_ROWS_ALL_MAX, STACK_BYTES};
use crate::query::Making;
use crate::relation::RelationKind;
use crate::system;

/// How bad what an alert tells can be.
const ALERT_LEVELS: [&str; 3] = ["info", "warning", "critical"];

/// Who asked, and waits until the view is there.
pub(super) type Reply = oneshot::Sender<Result<Defined, SqlError>>;

/// What a filling thread says to the owner.
pub enum Word {
    /// It has caught up, but for what the owner lets it take while no epoch runs.
    Ready(RelationId),
    Failed(RelationId, SqlError),
}

/// A view that waits for its turn.
struct Waiting {
    new: NewView,
    reply: Reply,
    progress: Arc<Progress>,
}

/// A view that is planned, with the numbers that it and its operators have.
pub(super) struct Numbered {
    pub new: NewView,
    pub id: RelationId,
    pub states: Vec<RelationId>,
    pub view: PlannedView,
    pub fingerprint: u128,
    /// See [`crate::catalog::Materialized`].
    pub covers_from_ms: Option<i64>,
}

/// The view that is filled now.
struct Filling {
    numbered: Numbered,
    reply: Reply,
    progress: Arc<Progress>,
    /// Relations whose changes it reads.
    sources: BTreeSet<RelationId>,
    /// Tells the thread to take the last step; dropped, it ends the thread.
    go: SyncSender<()>,
    caught: Receiver<Result<Caught, SqlError>>,
}

/// All views under construction.
pub(super) struct Construction {
    running: Option<Filling>,
    waiting: VecDeque<Waiting>,
    /// Those that end by themselves, the running one's among them.
    threads: Vec<JoinHandle<()>>,
    words: mpsc::Sender<Word>,
    heard: mpsc::Receiver<Word>,
}

impl Numbered {
    /// Relations that are the view's own in the store.
    fn owned(&self) -> Vec<RelationId> {
        self.states.iter().copied().chain([self.id]).collect()
    }
}

impl Default for Construction {
    fn default() -> Construction {
        // A thread says two words at most, and the next is started when they have been heard.
        let (words, heard) = mpsc::channel(2);
        Construction { running: None, waiting: VecDeque::new(), threads: Vec::new(), words, heard }
    }
}

/// No thread goes on without an owner: the store would stay open.
impl Drop for Construction {
    fn drop(&mut self) {
        if let Some(filling) = self.running.take() {
            filling.progress.cancel();
        }
        super::joined(std::mem::take(&mut self.threads));
    }
}

impl Construction {
    /// The next word of the filling thread, or that whoever asked for the view has gone.
    pub async fn next(&mut self) -> Option<Word> {
        let Construction { running, heard, .. } = self;
        let Some(filling) = running else { return std::future::pending().await };
        tokio::select! {
            word = heard.recv() => word,
            () = filling.reply.closed(), if !filling.progress.cancelled() => {
                filling.progress.cancel();
                None
            }
        }
    }

    /// Whether a view of this name is under construction.
    pub fn has(&self, name: &str) -> bool {
        self.wanted().any(|new| new.name == name)
    }

    /// What is under construction by that name is called so.
    pub fn kind(&self, name: &str) -> &'static str {
        self.wanted().find(|new| new.name == name).map_or("materialized view", NewView::kind)
    }

    /// Whether an index on a relation is being filled: until it is there it does not hear of rows that are forgotten.
    pub fn indexes(&self, relation: RelationId) -> bool {
        self.running
            .as_ref()
            .is_some_and(|filling| filling.numbered.new.index.is_some() && filling.sources.contains(&relation))
    }

    /// Whether the view of this name that there is is being built anew.
    pub fn rebuilds(&self, name: &str) -> bool {
        self.wanted().any(|new| new.name == name && new.is_rebuilt())
    }

    /// Names of views under construction.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.wanted().map(|new| new.name.as_str())
    }

    /// Names of views under construction that read a relation.
    pub fn readers(&self, name: &str) -> Vec<&str> {
        self.wanted().filter(|new| new.reads.contains(name)).map(|new| new.name.as_str()).collect()
    }

    /// Those that somebody waits for: one that was cancelled may have yet to end, and holds nothing any more.
    fn wanted(&self) -> impl Iterator<Item = &NewView> {
        let is = |progress: &Progress, reply: &Reply| !progress.cancelled() && !reply.is_closed();
        let running = self.running.iter().filter(move |filling| is(&filling.progress, &filling.reply));
        let waiting = self.waiting.iter().filter(move |waiting| is(&waiting.progress, &waiting.reply));
        running.map(|filling| &filling.numbered.new).chain(waiting.map(|waiting| &waiting.new))
    }

    /// Whether the view that is filled reads a relation.
    pub fn reads(&self, relation: RelationId) -> bool {
        self.running.as_ref().is_some_and(|filling| filling.sources.contains(&relation))
    }

    /// Counts the changes of an epoch that the view that is filled has yet to take.
    pub fn count(&self, changes: &[(RelationId, Bytes)]) {
        let Some(filling) = &self.running else { return };
        let read = changes.iter().filter(|(relation, _)| filling.sources.contains(relation));
        let bytes: usize = read.map(|(_, change)| change.len()).sum();
        filling.progress.changed_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Owner {
    /// Begins to make a materialized view; whoever asked is told when it is published, or why it is not.
    pub(super) fn begin_view(&mut self, new: NewView, reply: Reply) -> Result<(), SqlError> {
        match self.acceptable(&new, new.kind()) {
            Ok(true) if self.construction.waiting.len() < FILLS_WAITING_MAX => {
                self.wait_for_turn(new, reply);
                self.next_view()
            }
            Ok(true) => {
                let words = format!("{FILLS_WAITING_MAX} views wait to be filled already");
                let _ = reply.send(Err(SqlError::new("53400", words).hint("Create it when some of them are there.")));
                Ok(())
            }
            Ok(false) => {
                let _ = reply.send(Ok(Defined::Skipped));
                Ok(())
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                Ok(())
            }
        }
    }

    pub(super) fn wait_for_turn(&mut self, new: NewView, reply: Reply) {
        let progress = self.shared.queries.fills.begin(&new.name, self.shared.now_ms());
        self.construction.waiting.push_back(Waiting { new, reply, progress });
    }

    /// Stops the construction of a view; its name is free from here on.
    pub(super) fn cancel_view(&mut self, name: &str) {
        let construction = &mut self.construction;
        // What is running ends with its next piece, and says so.
        if let Some(filling) = construction.running.as_ref().filter(|filling| filling.numbered.new.name == name) {
            filling.progress.cancel();
        }
        let named = |waiting: &Waiting| waiting.new.name == name;
        while let Some(at) = construction.waiting.iter().position(named) {
            let Waiting { reply, progress, .. } = construction.waiting.remove(at).expect("it was just found");
            self.shared.queries.fills.end(name, &progress);
            let _ = reply.send(Err(cancelled_view(name)));
        }
    }

    /// Starts the next view whose turn it is.
    pub(super) fn next_view(&mut self) -> Result<(), SqlError> {
        while self.construction.running.is_none()
            && let Some(Waiting { new, reply, progress }) = self.construction.waiting.pop_front()
        {
            let name = new.name.clone();
            let cancelled = progress.cancelled() || reply.is_closed();
            let started = match cancelled {
                true => Err(Failure::Refused(cancelled_view(&name))),
                // What it reads may have gone while it waited.
                false => self.start_view(new, &progress),
            };
            match started {
                Ok((numbered, sources, go, caught)) => {
                    let filling = Filling { numbered, reply, progress, sources, go, caught };
                    self.construction.running = Some(filling);
                }
                Err(failure) => {
                    self.shared.queries.fills.end(&name, &progress);
                    let (Failure::Refused(error) | Failure::Stopped(error)) = &failure;
                    let _ = reply.send(Err(error.clone()));
                    if let Failure::Stopped(error) = failure {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    fn start_view(
        &mut self,
        new: NewView,
        progress: &Arc<Progress>,
    ) -> Result<(Numbered, BTreeSet<RelationId>, SyncSender<()>, Receiver<Result<Caught, SqlError>>), Failure> {
        let numbered = self.number(new)?;
        self.check_dependants(&numbered)?;
        self.check_residents(&numbered)?;
        let withheld = numbered.view.plan.sources().into_iter().find(|id| !self.shared.queries.fills.serves(*id));
        if let Some(source) = withheld {
            return Err(super::withheld(&self.name(source)).into());
        }
        if numbered.view.plan.sources().contains(&system::CLOCK) && !self.minutes.is_read() {
            self.minutes.start();
            self.epoch(Vec::new()).map_err(Failure::Stopped)?;
        }
        if numbered.covers_from_ms.is_some() {
            tracing::warn!(
                view = numbered.new.name,
                "it counts what is kept: rows that its tables have forgotten are left out"
            );
        }
        let task = self.task(&numbered, progress.clone()).map_err(Failure::Stopped)?;
        let sources = task.sources.keys().copied().collect();
        let (go, may_go) = sync_channel(1);
        let (catch, caught) = sync_channel(1);
        let (words, id) = (self.construction.words.clone(), numbered.id);
        let work = move || {
            turns::go_aside();
            let fill = || {
                let mut filler = Filler::new(task)?;
                filler.fill()?;
                filler.catch_up()?;
                Ok(filler)
            };
            // A broken invariant ends this view alone.
            let broken = |_| Err(SqlError::new("XX000", "the thread that fills views has panicked"));
            let filled = std::panic::catch_unwind(AssertUnwindSafe(fill)).unwrap_or_else(broken);
            let (word, filler) = match filled {
                Ok(filler) => (Word::Ready(id), Some(filler)),
                Err(error) => (Word::Failed(id, error), None),
            };
            // Where nobody listens any more, the pipeline has ended.
            if words.blocking_send(word).is_ok()
                && let Some(filler) = filler
                && may_go.recv().is_ok()
            {
                let _ = catch.send(filler.last());
            }
        };
        let threads = &mut self.construction.threads;
        threads.retain(|thread| !thread.is_finished());
        let thread = std::thread::Builder::new().name("fill".to_owned()).stack_size(STACK_BYTES).spawn(work);
        threads.push(thread.map_err(|error| SqlError::new("53000", format!("thread fill cannot start: {error}")))?);
        Ok((numbered, sources, go, caught))
    }

    /// Refuses a view whose joins would hold more rows in memory than all views together may.
    fn check_residents(&self, numbered: &Numbered) -> Result<(), SqlError> {
        let rows = |relations: Vec<RelationId>| relations.into_iter().map(|id| self.rows_max(id)).sum::<u64>();
        let missing = self.engine.residents_missing(&numbered.view.plan);
        let tables: BTreeSet<String> = missing.iter().map(|table| self.name(*table)).collect();
        let (held, asked) = (rows(self.engine.residents()), rows(missing));
        if asked == 0 || held + asked <= RESIDENT_ROWS_ALL_MAX {
            return Ok(());
        }
        let tables = tables.into_iter().collect::<Vec<_>>().join(", ");
        let words = format!(
            "the joins of \"{}\" would hold up to {asked} rows of {tables} in memory, and those of other views hold \
             up to {held} of {RESIDENT_ROWS_ALL_MAX}",
            numbered.new.name
        );
        Err(SqlError::new("53200", words).hint(
            "Rows of tables with max_rows are held, to join them by other columns than their key. A table made without \
             max_rows is looked up on the disk, by an index on these columns; a smaller max_rows takes less.",
        ))
    }

    /// How many rows a table may have that joins hold in memory.
    fn rows_max(&self, table: RelationId) -> u64 {
        let relation = self.catalog.by_id(table).and_then(|entry| entry.relation.as_ref());
        match relation.map(|relation| &relation.kind) {
            Some(RelationKind::Table { rows_max: Some(rows), .. }) => *rows,
            _ => 0,
        }
    }

    /// Plans a view and gives it numbers that no relation has or had.
    pub(super) fn number(&mut self, mut new: NewView) -> Result<Numbered, SqlError> {
        let mut catalog = self.catalog.clone();
        let id = catalog.allocate();
        let mut states = Vec::new();
        let as_of = new.as_of.unwrap_or(id.0);
        let making = Making { query: &new.query, index: new.index.as_deref(), as_of };
        let planned = self.plan_view(&new.name, making, id, &mut || {
            let state = catalog.allocate();
            states.push(state);
            state
        })?;
        // An index that a join finds its rows by cannot be dropped before it.
        new.reads.extend(planned.view.plan.looked_up().into_iter().filter_map(|read| {
            let entry = self.catalog.by_id(read).filter(|entry| entry.index().is_some())?;
            Some(entry.name().to_owned())
        }));
        check_alert(&new, &planned.view)?;
        // They are taken at once: others come and go while the view is filled.
        self.catalog.reserve(&catalog);
        let counts = new.index.is_none();
        let covers_from_ms = counts.then(|| self.covers_from_ms(&planned.view.plan.sources())).flatten();
        Ok(Numbered { new, id, states, view: planned.view, fingerprint: planned.fingerprint, covers_from_ms })
    }

    /// From when on there are rows of all these relations, where some are forgotten.
    fn covers_from_ms(&self, sources: &[RelationId]) -> Option<i64> {
        let covers = |id: &RelationId| {
            let entry = self.catalog.by_id(*id)?;
            let table = entry.table().and_then(|table| table.retention);
            let forgotten = table.map(|retention| retention.forgotten_before_us(self.clock_ms()) / 1_000);
            forgotten.or_else(|| entry.materialized()?.covers_from_ms)
        };
        sources.iter().filter_map(covers).max()
    }

    /// The work of filling a view from the last written epoch.
    pub(super) fn task(&self, numbered: &Numbered, progress: Arc<Progress>) -> Result<Task, SqlError> {
        let read = numbered.view.plan.sources().into_iter();
        let sources = read.filter_map(|id| Some((id, self.catalog.by_id(id)?.relation.as_ref()?.schema.clone())));
        let pasts = numbered.view.plan.sources().into_iter().filter_map(|id| Some((id, self.past(id)?)));
        let shared = self.shared.clone();
        Ok(Task {
            store: shared.store.clone(),
            view: numbered.view.clone(),
            own: numbered.owned().into_iter().collect(),
            sources: sources.collect(),
            pasts: pasts.collect(),
            begin: shared.store.pin()?,
            progress,
            free_bytes: Box::new(move || shared.room.disk_space().free),
        })
    }

    /// What opens the past of a stream, as of the last written epoch.
    fn past(&self, stream: RelationId) -> Option<OpenPast> {
        let reader = self.tables.get(&stream)?.clone();
        let table = reader.entry.table().filter(|table| table.stream)?;
        let of_stream = |(partition, _): &(&TopicPartition, &u64)| partition.topic == table.topic;
        let to = self.positions.iter().filter(of_stream).map(|(partition, &to)| (partition.clone(), to)).collect();
        let (log, runtime, now_ms) = (self.shared.log.clone(), self.runtime.clone(), self.clock_ms());
        Some(Box::new(move || Past::new(reader, &log, runtime, to, now_ms)))
    }

    /// Goes on with the view that a word is of.
    pub(super) fn heard(&mut self, word: Word) -> Result<(), SqlError> {
        let (Word::Ready(of) | Word::Failed(of, _)) = &word;
        let running = self.construction.running.take().filter(|filling| filling.numbered.id == *of);
        let Filling { numbered, reply, progress, go, caught, .. } = running.expect("one view is filled at a time");
        let done = match word {
            Word::Failed(_, error) => Err(error),
            Word::Ready(_) if progress.cancelled() || reply.is_closed() => Err(cancelled_view(&numbered.new.name)),
            Word::Ready(_) => {
                let ended = || SqlError::new("XX000", "the thread that fills views has ended");
                let take = || go.send(()).map_err(|_| ended()).and_then(|()| caught.recv().map_err(|_| ended())?);
                // What reads the one that it replaces may be new.
                self.check_dependants(&numbered).and_then(|()| take())
            }
        };
        self.shared.queries.fills.end(&numbered.new.name, &progress);
        match done {
            Ok(caught) => {
                let worked = self.introduce(numbered, caught)?;
                self.commit_definition(worked, Some(reply))?;
            }
            Err(error) => {
                self.shared.store.remove(&numbered.owned())?;
                let _ = reply.send(Err(error));
            }
        }
        self.next_view()?;
        self.rest_clock()
    }
}

fn cancelled_view(name: &str) -> SqlError {
    SqlError::new("57014", format!("the creation of {name} was cancelled"))
}

/// Of the views that read a relation, directly or through others, those for which `which` is true.
pub(super) fn dependants<'a>(
    catalog: &'a Catalog,
    name: &str,
    which: &dyn Fn(&crate::catalog::Entry) -> bool,
) -> Vec<&'a str> {
    let mut found: BTreeSet<&str> = catalog.readers(name).into_iter().collect();
    let mut open: Vec<&str> = found.iter().copied().collect();
    while let Some(name) = open.pop() {
        open.extend(catalog.readers(name).into_iter().filter(|reader| found.insert(reader)));
    }
    found.into_iter().filter(|name| catalog.get(name).is_some_and(|entry| which(entry))).collect()
}

/// Refuses an alert whose rows have no key, and one that names neither a level nor a column that can say one.
fn check_alert(new: &NewView, view: &PlannedView) -> Result<(), SqlError> {
    let Some(alert) = &new.alert else { return Ok(()) };
    if view.schema.counted {
        let words = format!("alert \"{}\" has no key by which what is wrong is known again", new.name);
        return Err(SqlError::unsupported(words).hint("Group it by what its rows are about."));
    }
    let levels = ALERT_LEVELS.join(", ");
    let column = view.schema.columns.field_with_name(alert).ok();
    match column.map(|column| column.data_type()) {
        _ if ALERT_LEVELS.contains(&alert.as_str()) => Ok(()),
        Some(DataType::Utf8) => Ok(()),
        Some(_) => Err(SqlError::new("42804", format!("column \"{alert}\", the alert's level, is not text"))),
        None => {
            let words = format!("option alert is one of {levels}, or a column of the view, not \"{alert}\"");
            Err(SqlError::new("22023", words))
        }
    }
}
