//! What an operator has done since its view was installed: two additions and two readings of a clock each time it runs.

use std::cell::Cell;

/// A clock that only goes forward, in nanoseconds from any beginning. The engine has none of its own.
pub type Clock = fn() -> u64;

/// What an operator, or a view as a whole, has done since the engine has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Times that it had something to do.
    pub runs: u64,
    pub changes_in: u64,
    pub changes_out: u64,
    /// Time that it took; 0 without a clock.
    pub nanos: u64,
}

/// One operator's figures, as they grow.
#[derive(Debug, Default)]
pub(crate) struct Meter(Cell<Figures>);

impl Meter {
    pub(crate) fn add(&self, changes_in: usize, changes_out: usize, nanos: u64) {
        let Figures { runs, changes_in: all_in, changes_out: all_out, nanos: all } = self.0.get();
        self.0.set(Figures {
            runs: runs + 1,
            changes_in: all_in + changes_in as u64,
            changes_out: all_out + changes_out as u64,
            nanos: all + nanos,
        });
    }

    pub(crate) fn figures(&self) -> Figures {
        self.0.get()
    }
}

/// The figures of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewFigures {
    /// From what its sources changed by to its own consolidated changes.
    pub whole: Figures,
    /// By the number of the operator. Maps and filters that run as one are counted under the first of them.
    pub operators: Vec<Figures>,
}
