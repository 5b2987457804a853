//! What operators share with the engine that runs them: state to read, and where errors, writes and failures go.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::meter::Clock;
use super::{EngineError, ErrorChange};
use crate::changes::Changes;
use crate::operators::rows::words;
use crate::relation::RelationId;
use crate::scalar::EvalError;
use crate::state::{State, StateWrite};

/// One engine's. Timely's operators run by themselves and return nothing, so what they have to say is left here.
pub(crate) struct Shared {
    pub(crate) state: Rc<dyn State>,
    /// What `now()` is, in milliseconds since 1970.
    pub(crate) now_ms: Cell<i64>,
    clock: Option<Clock>,
    /// Whether present rows are being fed to a fresh view, which are in the store already.
    pub(crate) filling: Cell<bool>,
    errors: RefCell<Vec<ErrorChange>>,
    writes: RefCell<BTreeMap<RelationId, StateWrite>>,
    failure: RefCell<Option<EngineError>>,
}

impl Shared {
    pub(crate) fn new(state: Rc<dyn State>, now_ms: i64, clock: Option<Clock>) -> Shared {
        Shared {
            state,
            now_ms: Cell::new(now_ms),
            clock,
            filling: Cell::new(false),
            errors: RefCell::default(),
            writes: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    /// Nanoseconds of the clock; always 0 without one.
    pub(crate) fn now(&self) -> u64 {
        self.clock.map_or(0, |clock| clock())
    }

    /// Keeps the first failure; operators that run after it do nothing.
    pub(crate) fn fail(&self, error: EngineError) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    pub(crate) fn failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// The failure, if there was one.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        self.failure.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// Adds an epoch's writes of one relation, which come from one operator.
    pub(crate) fn write(&self, write: StateWrite) {
        if write.is_empty() {
            return;
        }
        let relation = write.relation;
        let twice = self.writes.borrow_mut().insert(relation, write).is_some();
        assert!(!twice, "{relation} is written by two operators");
    }

    pub(crate) fn take_writes(&self) -> Vec<StateWrite> {
        std::mem::take(&mut *self.writes.borrow_mut()).into_values().collect()
    }

    /// The error rows since the last call, in an order that does not depend on the order in which operators ran.
    pub(crate) fn take_errors(&self) -> Vec<ErrorChange> {
        let mut errors = std::mem::take(&mut *self.errors.borrow_mut());
        errors.sort_unstable();
        errors
    }
}

/// Reports the error rows of one view.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) shared: Rc<Shared>,
    pub(crate) view: RelationId,
}

impl Reporter {
    /// Reports failing rows of an operator's input.
    pub(crate) fn rows(&self, operator: u32, input: &Changes, failures: &[(usize, EvalError)]) {
        for (row, error) in failures {
            self.error(operator, words(&input.rows, *row), error.0.clone(), input.diffs[*row]);
        }
    }

    pub(crate) fn error(&self, operator: u32, row: String, message: String, diff: i64) {
        self.shared.errors.borrow_mut().push(ErrorChange { view: self.view, operator, row, message, diff });
    }
}
