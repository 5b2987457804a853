//! The engine: views rendered on one timely worker, stepped an epoch at a time.

pub(crate) mod meter;
mod render;
pub(crate) mod report;
pub(crate) mod residents;
mod unfed;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::worker::Worker;

use crate::changes::Changes;
use crate::operators::batch::Tick;
use crate::plan::{Plan, PlannedView};
use crate::relation::{Epoch, RelationId};
use crate::state::{State, StateError, StateWrite};
use meter::{Clock, ViewFigures};
use render::{render, resident_sides};
use report::Shared;
use residents::Residents;
use unfed::report_unfed_sides;
use view::{Branch, View};

/// An epoch's input.
#[derive(Debug)]
pub struct Step {
    pub epoch: Epoch,
    /// What `now()` is in this epoch: milliseconds since 1970, never less than in the epoch before.
    pub now_ms: i64,
    /// The changes of tables. A relation may come more than once.
    pub inputs: Vec<(RelationId, Changes)>,
}

/// What an epoch did. Deterministic: the same state and step give the same outcome.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The consolidated changes of every view that changed, ascending by relation.
    pub views: Vec<(RelationId, Vec<Changes>)>,
    /// Rows that began (+1) or ceased (-1) to be errors; not consolidated.
    pub errors: Vec<ErrorChange>,
    /// Everything to write for views and operator state, their visible rows included; one entry a relation.
    pub state: Vec<StateWrite>,
}

/// A row that an expression of a view fails on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorChange {
    pub view: RelationId,
    /// The operator's number within its view, in depth-first order of the plan.
    pub operator: u32,
    /// The operator's input row in words: `column = value, ...`.
    pub row: String,
    pub message: String,
    pub diff: i64,
}

/// Whether a view's state is already in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// It is new: constants and global aggregates appear with the first [`Engine::fill`].
    Fresh,
    /// It was installed before a restart.
    Resumed,
}

/// Why a step or an installation failed. Drop the engine and build it again from the last commit.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("state of {relation} cannot be read: {source}")]
    Corrupt { relation: RelationId, source: crate::row::CorruptRow },
    #[error("view {view} reads {relation}, which is neither a table nor an installed view")]
    UnknownSource { view: String, relation: RelationId },
    #[error("view {view} produced more than {limit} changes in one epoch")]
    TooManyChanges { view: String, limit: usize },
}

/// All installed views on one timely worker. One thread owns it.
pub struct Engine {
    shared: Rc<Shared>,
    worker: Worker,
    /// In the order of installation, in which sources come before what reads them.
    views: Vec<View>,
    removed: BTreeSet<RelationId>,
    residents: Residents,
    /// The tick of the last run.
    tick: Tick,
    /// The last epoch that this engine knows of.
    epoch: Epoch,
}

impl Engine {
    /// An engine without views over this state, which is as of an epoch whose `now()` was `now_ms`.
    pub fn new(state: Rc<dyn State>, now_ms: i64) -> Engine {
        Engine::over(state, now_ms, None)
    }

    /// The same, where [`Engine::figures`] have times of this clock.
    pub fn timed(state: Rc<dyn State>, now_ms: i64, clock: Clock) -> Engine {
        Engine::over(state, now_ms, Some(clock))
    }

    fn over(state: Rc<dyn State>, now_ms: i64, clock: Option<Clock>) -> Engine {
        let worker = Worker::new(timely::WorkerConfig::default(), Allocator::Thread(Thread::default()), None);
        Engine {
            shared: Rc::new(Shared::new(state, now_ms, clock)),
            worker,
            views: Vec::new(),
            removed: BTreeSet::new(),
            residents: Residents::default(),
            tick: 0,
            epoch: Epoch::default(),
        }
    }

    /// Adds a view whose sources are tables or views installed before, as of `at`, the last epoch written. Refills the
    /// resident sides it is first to need.
    pub fn install(&mut self, at: Epoch, view: PlannedView, how: Install) -> Result<(), EngineError> {
        assert!(at >= self.epoch, "a view is installed as of epoch {at}, but epoch {} ran", self.epoch);
        let known = self.views.iter().any(|installed| installed.planned.relation == view.relation);
        assert!(!known && !self.removed.contains(&view.relation), "{} was installed before", view.relation);
        for relation in view.plan.sources() {
            let is_state = self.views.iter().any(|installed| installed.planned.state_tables().contains(&relation));
            if relation == view.relation || is_state || self.removed.contains(&relation) {
                return Err(EngineError::UnknownSource { view: view.name, relation });
            }
        }
        self.epoch = at;
        let (worker, shared, residents) = (&mut self.worker, &self.shared, &mut self.residents);
        let tick = self.tick;
        resident_sides(&view.plan, &mut |plan, side, on| residents.install(worker, shared, tick, plan, side, on))?;
        self.views.push(render(worker, shared, residents, view, how));
        Ok(())
    }

    /// Whether a view is installed.
    pub fn has(&self, view: RelationId) -> bool {
        self.views.iter().any(|installed| installed.planned.relation == view)
    }

    /// The relations whose rows joins hold in memory, each as often as they do.
    pub fn residents(&self) -> Vec<RelationId> {
        self.residents.relations().collect()
    }

    /// The relations whose rows joins would hold besides if a view of this plan were installed, each as often.
    pub fn residents_missing(&self, plan: &Plan) -> Vec<RelationId> {
        self.residents.missing(plan)
    }

    /// What an installed view has done since it was installed.
    pub fn figures(&self, view: RelationId) -> ViewFigures {
        self.view(view).figures()
    }

    /// Whether a view takes changes of a relation.
    pub fn reads(&self, relation: RelationId) -> bool {
        self.views.iter().any(|view| view.reads(relation))
    }

    /// Rows of a table, each with -1, that the state no longer has, without being retracted: no view changes, and joins do
    /// not find them any more.
    pub fn forget(&mut self, relation: RelationId, rows: Changes) {
        self.tick += 1;
        self.residents.feed(&mut self.worker, self.tick, &by_relation(vec![(relation, rows)]));
    }

    /// The relations whose present rows a fresh view must be filled with; the other sides of its joins are read from state.
    pub fn fill_sources(&self, view: RelationId) -> Vec<RelationId> {
        let inputs = &self.view(view).inputs;
        let filled = inputs.iter().map(|(feed, ..)| feed).filter(|feed| feed.branch == Branch::Filled);
        filled.map(|feed| feed.relation).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Feeds present rows of its [`Engine::fill_sources`] to a fresh view, and to no other. Call it at least once, with each
    /// row exactly once over all calls, and make the outcome's state readable before the next call.
    pub fn fill(&mut self, view: RelationId, rows: Vec<(RelationId, Changes)>) -> Result<Outcome, EngineError> {
        let rows = by_relation(rows);
        self.tick += 1;
        let (tick, shared) = (self.tick, &self.shared);
        let index = self.views.iter().position(|installed| installed.planned.relation == view);
        let view = &mut self.views[index.expect("a view that is filled is installed")];
        let inserts = rows.values().flatten().all(|changes| changes.diffs.iter().all(|diff| *diff > 0));
        assert!(inserts, "a view is filled with present rows");
        shared.filling.set(true);
        if !view.filled {
            report_unfed_sides(&view.planned, shared)?;
        }
        let changes = view.run(&mut self.worker, shared, tick, |relation, branch| match branch {
            Branch::Filled => rows.get(&relation).map_or(&[], Vec::as_slice),
            Branch::Read => &[],
        })?;
        view.filled = true;
        shared.filling.set(false);
        let relation = view.planned.relation;
        self.finish(BTreeMap::from([(relation, changes)]), BTreeSet::from([relation]))
    }

    /// Removes a view. Views that read it must be removed first.
    pub fn remove(&mut self, view: RelationId) {
        let reader = self.views.iter().find(|installed| installed.reads(view));
        assert!(reader.is_none(), "{view} is read by {}", reader.map_or(view, |reader| reader.planned.relation));
        let index = self.views.iter().position(|installed| installed.planned.relation == view);
        let removed = self.views.remove(index.expect("a view that is removed is installed"));
        self.worker.drop_dataflow(removed.dataflow);
        drop(removed);
        self.residents.drop_unused(&mut self.worker);
        self.removed.insert(view);
    }

    /// Runs one epoch. Its state must be written before the next step.
    pub fn step(&mut self, step: Step) -> Result<Outcome, EngineError> {
        assert!(step.epoch > self.epoch, "epoch {} after epoch {}", step.epoch, self.epoch);
        let before_ms = self.shared.now_ms.replace(step.now_ms);
        assert!(step.now_ms >= before_ms, "the time goes back from {before_ms} to {}", step.now_ms);
        self.epoch = step.epoch;
        self.tick += 1;
        let mut changed = by_relation(step.inputs);
        let mut ran = BTreeSet::new();
        for view in &mut self.views {
            let relation = view.planned.relation;
            assert!(!changed.contains_key(&relation), "{relation} is a view, its changes come from its plan");
            let touched = changed.keys().any(|source| view.reads(*source));
            if !touched && !view.is_due(&*self.shared.state, step.now_ms)? {
                continue;
            }
            assert!(view.filled, "{} was not filled before the first step that touches it", view.planned.name);
            let output = view.run(&mut self.worker, &self.shared, self.tick, |source, _| {
                changed.get(&source).map_or(&[], Vec::as_slice)
            })?;
            if !output.is_empty() {
                changed.insert(relation, output);
                ran.insert(relation);
            }
        }
        self.finish(changed, ran)
    }

    /// When the next timer goes off, in milliseconds since 1970, as of the last epoch written. An epoch that is not
    /// before that and has no input changes views all the same.
    pub fn next_timer_ms(&self) -> Result<Option<i64>, EngineError> {
        let timers = self.views.iter().flat_map(|view| &view.timers);
        let next = timers.map(|timers| timers.next(&*self.shared.state, i64::MAX)).collect::<Result<Vec<_>, _>>()?;
        Ok(next.into_iter().flatten().min())
    }

    /// The latest time up to `now_ms` that the next epoch can have without more timers going off in it than are good for
    /// it: they may be many after a long silence, or when the clock is set forward.
    pub fn reach_ms(&self, now_ms: i64) -> Result<i64, EngineError> {
        let mut reach_ms = now_ms;
        for timers in self.views.iter().flat_map(|view| &view.timers) {
            reach_ms = timers.reach(&*self.shared.state, reach_ms)?;
        }
        Ok(reach_ms)
    }

    /// Ends a tick: the changes go into the resident arrangements, which from here on show them, and out.
    fn finish(
        &mut self,
        mut changed: BTreeMap<RelationId, Vec<Changes>>,
        views: BTreeSet<RelationId>,
    ) -> Result<Outcome, EngineError> {
        self.residents.feed(&mut self.worker, self.tick, &changed);
        changed.retain(|relation, changes| views.contains(relation) && !changes.is_empty());
        let (errors, state) = (self.shared.take_errors(), self.shared.take_writes());
        Ok(Outcome { views: changed.into_iter().collect(), errors, state })
    }

    fn view(&self, relation: RelationId) -> &View {
        let view = self.views.iter().find(|installed| installed.planned.relation == relation);
        view.unwrap_or_else(|| panic!("{relation} is not an installed view"))
    }
}

/// The changes that are any, by relation.
fn by_relation(inputs: Vec<(RelationId, Changes)>) -> BTreeMap<RelationId, Vec<Changes>> {
    let mut changed: BTreeMap<RelationId, Vec<Changes>> = BTreeMap::new();
    for (relation, changes) in inputs {
        if !changes.is_empty() {
            changed.entry(relation).or_default().push(changes);
        }
    }
    changed
}
