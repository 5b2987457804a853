//! An installed view: its dataflow, the inputs that feed it, and what comes out at its root.

use std::cell::RefCell;
use std::rc::Rc;

use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use super::EngineError;
use super::meter::{Meter, ViewFigures};
use super::report::Shared;
use crate::changes::Changes;
use crate::limits::STEP_ROWS_MAX;
use crate::operators::batch::{Batch, Ready, Tick, pieces};
use crate::operators::counted::counted;
use crate::operators::keyed::keyed;
use crate::operators::temporal::timers::Timers;
use crate::plan::{PlannedView, Root};
use crate::relation::RelationId;
use crate::row::RowCodec;
use crate::state::State;

/// The engine's end of an input of a dataflow.
pub(crate) type Input = InputHandle<Tick, Ready>;

/// Which branch of a plan an input feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Branch {
    /// Fed in every epoch and when the view is filled.
    Filled,
    /// The side of a join that is in the store: fed in every epoch, read from state when the view is filled.
    Read,
}

/// What goes into an input of a dataflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Feed {
    pub(crate) relation: RelationId,
    pub(crate) branch: Branch,
    /// How many of the relation's columns the plan knows: the first ones; a table may have got more since.
    pub(crate) columns: usize,
}

/// A view on the worker.
pub(crate) struct View {
    pub(crate) planned: PlannedView,
    pub(crate) filled: bool,
    pub(crate) dataflow: usize,
    pub(crate) inputs: Vec<(Feed, Input, Rc<Meter>)>,
    /// Where [`Batch::Start`] goes in, if something in the plan waits for it.
    pub(crate) start: Option<Input>,
    /// Where [`Batch::Clock`] goes in, if something in the plan waits for it.
    pub(crate) clock: Option<Input>,
    /// Of each operator that waits for the time.
    pub(crate) timers: Vec<Rc<Timers>>,
    pub(crate) probe: ProbeHandle<Tick>,
    /// What came out and was not yet taken.
    pub(crate) output: Rc<RefCell<Vec<Changes>>>,
    pub(crate) codec: RowCodec,
    /// Of the view as a whole.
    pub(crate) meter: Meter,
    /// Of its operators, by number.
    pub(crate) meters: Vec<Rc<Meter>>,
}

impl View {
    /// Whether the plan takes changes of this relation.
    pub(crate) fn reads(&self, relation: RelationId) -> bool {
        self.inputs.iter().any(|(feed, ..)| feed.relation == relation)
    }

    /// Whether a timer goes off by this time.
    pub(crate) fn is_due(&self, state: &dyn State, now_ms: i64) -> Result<bool, EngineError> {
        for timers in &self.timers {
            if timers.next(state, now_ms)?.is_some_and(|next| next <= now_ms) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs the dataflow for one tick on what `feed` has for each input, and returns the view's consolidated changes.
    pub(crate) fn run<'a>(
        &mut self,
        worker: &mut Worker,
        shared: &Shared,
        tick: Tick,
        feed: impl Fn(RelationId, Branch) -> &'a [Changes],
    ) -> Result<Vec<Changes>, EngineError> {
        let (begun, mut fed) = (shared.now(), 0);
        for (Feed { relation, branch, columns }, input, meter) in &mut self.inputs {
            input.advance_to(tick);
            let changes = feed(*relation, *branch);
            let rows = changes.iter().map(Changes::len).sum();
            fed += rows;
            if rows > 0 {
                meter.add(rows, rows, 0);
            }
            for piece in changes.iter().flat_map(|changes| pieces(changes.narrowed(*columns))) {
                input.send_batch(&mut Batch::Rows(piece));
            }
            input.advance_to(tick + 1);
        }
        if let Some(start) = &mut self.start {
            start.advance_to(tick);
            if !self.filled {
                start.send_batch(&mut Batch::Start);
            }
            start.advance_to(tick + 1);
        }
        if let Some(clock) = &mut self.clock {
            clock.advance_to(tick);
            clock.send_batch(&mut Batch::Clock);
            clock.advance_to(tick + 1);
        }
        while self.probe.less_than(&(tick + 1)) {
            worker.step();
        }
        let changes = std::mem::take(&mut *self.output.borrow_mut());
        shared.check()?;
        self.check_size(&changes)?;
        let changes = self.root(shared, changes)?;
        self.meter.add(fed, changes.iter().map(Changes::len).sum(), shared.now() - begun);
        Ok(changes)
    }

    pub(crate) fn figures(&self) -> ViewFigures {
        ViewFigures {
            whole: self.meter.figures(),
            operators: self.meters.iter().map(|meter| meter.figures()).collect(),
        }
    }

    fn check_size(&self, changes: &[Changes]) -> Result<(), EngineError> {
        match changes.iter().map(Changes::len).sum::<usize>() {
            rows if rows <= STEP_ROWS_MAX => Ok(()),
            _ => Err(EngineError::TooManyChanges { view: self.planned.name.clone(), limit: STEP_ROWS_MAX }),
        }
    }

    /// Consolidates the plan's changes and hands over the writes that they mean.
    fn root(&self, shared: &Shared, changes: Vec<Changes>) -> Result<Vec<Changes>, EngineError> {
        let relation = self.planned.relation;
        let (write, changes) = match self.planned.root {
            Root::Reduced => return Ok(changes),
            Root::Keyed => keyed(relation, &self.codec, changes),
            Root::Counted => counted(relation, &self.codec, &*shared.state, changes)?,
        };
        shared.write(write);
        Ok(changes)
    }
}
