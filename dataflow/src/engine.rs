//! The engine: views rendered on one timely worker, stepped an epoch at a time.

use std::rc::Rc;

use crate::changes::Changes;
use crate::plan::PlannedView;
use crate::relation::{Epoch, RelationId};
use crate::state::{State, StateError, StateWrite};

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
pub struct Engine {}

impl Engine {
    /// An engine without views over this state.
    pub fn new(_state: Rc<dyn State>) -> Engine {
        todo!()
    }

    /// Adds a view whose sources are tables or views installed before, as of `at`, the last epoch written. Refills the
    /// resident sides it is first to need.
    pub fn install(&mut self, _at: Epoch, _view: PlannedView, _how: Install) -> Result<(), EngineError> {
        todo!()
    }

    /// The relations whose present rows a fresh view must be filled with; the other sides of its joins are read from state.
    pub fn fill_sources(&self, _view: RelationId) -> Vec<RelationId> {
        todo!()
    }

    /// Feeds present rows of its [`Engine::fill_sources`] to a fresh view, and to no other. Call it at least once, with each
    /// row exactly once over all calls, and make the outcome's state readable before the next call.
    pub fn fill(&mut self, _view: RelationId, _rows: Vec<(RelationId, Changes)>) -> Result<Outcome, EngineError> {
        todo!()
    }

    /// Removes a view. Views that read it must be removed first.
    pub fn remove(&mut self, _view: RelationId) {
        todo!()
    }

    /// Runs one epoch. Its state must be written before the next step.
    pub fn step(&mut self, _step: Step) -> Result<Outcome, EngineError> {
        todo!()
    }
}
