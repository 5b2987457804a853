//! The resident sides of joins: arrangements in memory, each built once and shared by all views that join it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use timely::worker::Worker;

use super::EngineError;
use super::render::resident_sides;
use super::report::Shared;
use crate::changes::Changes;
use crate::operators::batch::Tick;
use crate::operators::chain::Chain;
use crate::operators::join::arrangement::Arrangement;
use crate::operators::join::stored::Reader;
use crate::plan::{Plan, Side};
use crate::relation::RelationId;
use crate::row::RowCodec;
use crate::state::KeyRange;

/// The same relation, known by as many columns, the same maps and filters over it, the same columns to find rows by.
type Identity = (RelationId, usize, u128, Vec<usize>);

fn identity(plan: &Plan, relation: RelationId, columns: usize, on: Vec<usize>) -> Identity {
    (relation, columns, Chain::over_get(plan, 0, relation).fingerprint(relation), on)
}

/// A side of joins that is held in memory.
pub(crate) struct Resident {
    chain: Chain,
    pub(crate) arrangement: RefCell<Arrangement>,
}

/// All arrangements of an engine.
#[derive(Default)]
pub(crate) struct Residents {
    arranged: BTreeMap<Identity, Rc<Resident>>,
}

impl Residents {
    /// Makes sure that a side is arranged; if it was not, fills it from the relation's state.
    pub(crate) fn install(
        &mut self,
        worker: &mut Worker,
        shared: &Shared,
        tick: Tick,
        plan: &Plan,
        side: &Side,
        on: Vec<usize>,
    ) -> Result<(), EngineError> {
        let Side::Resident { relation, schema } = side else {
            panic!("{side:?} is not resident");
        };
        let identity = identity(plan, *relation, schema.columns.fields().len(), on);
        if self.arranged.contains_key(&identity) {
            return Ok(());
        }
        let mut arrangement = Arrangement::new(worker, tick, &plan.schema(), identity.3.clone());
        let (codec, chain) = (RowCodec::new(schema), Chain::over_get(plan, 0, *relation));
        let mut feed = |rows| {
            arrangement.push(&chain.apply(rows, None));
            Ok(())
        };
        let mut reader = Reader::new(&*shared.state, *relation, &codec, &mut feed);
        reader.scan(&KeyRange::all())?;
        reader.finish()?;
        arrangement.seal(worker, tick);
        self.arranged.insert(identity, Rc::new(Resident { chain, arrangement: RefCell::new(arrangement) }));
        Ok(())
    }

    /// The arrangement of a side that is a relation of so many columns.
    pub(crate) fn get(&self, plan: &Plan, relation: RelationId, columns: usize, on: &[usize]) -> Option<Rc<Resident>> {
        self.arranged.get(&identity(plan, relation, columns, on.to_vec())).cloned()
    }

    /// The relations that are arranged, each as often as it is.
    pub(crate) fn relations(&self) -> impl Iterator<Item = RelationId> {
        self.arranged.keys().map(|(relation, ..)| *relation)
    }

    /// The relations that a plan would have arranged besides, each as often.
    pub(crate) fn missing(&self, plan: &Plan) -> Vec<RelationId> {
        let mut missing = BTreeSet::new();
        let found = resident_sides(plan, &mut |plan, side, on| {
            if let Side::Resident { relation, schema } = side {
                missing.insert(identity(plan, *relation, schema.columns.fields().len(), on));
            }
            Ok(())
        });
        found.expect("nothing is read");
        missing.into_iter().filter(|identity| !self.arranged.contains_key(identity)).map(|(id, ..)| id).collect()
    }

    /// Brings a tick's changes into every arrangement that they concern.
    pub(crate) fn feed(&self, worker: &mut Worker, tick: Tick, changed: &BTreeMap<RelationId, Vec<Changes>>) {
        for ((relation, columns, ..), resident) in &self.arranged {
            let Some(changes) = changed.get(relation) else {
                continue;
            };
            let mut arrangement = resident.arrangement.borrow_mut();
            for changes in changes {
                arrangement.push(&resident.chain.apply(changes.narrowed(*columns), None));
            }
            arrangement.seal(worker, tick);
        }
    }

    /// Drops the arrangements that no view looks into any more.
    pub(crate) fn drop_unused(&mut self, worker: &mut Worker) {
        self.arranged.retain(|_, resident| {
            let used = Rc::strong_count(resident) > 1;
            if !used {
                worker.drop_dataflow(resident.arrangement.borrow().dataflow());
            }
            used
        });
    }
}
