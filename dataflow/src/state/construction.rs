//! State as a view under construction sees it: its own tables as it writes them, what it reads as of one epoch.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::{Direction, Found, KeyRange, State, StateError};
use crate::relation::RelationId;
use crate::row::Block;

/// The state of an engine that only fills one view, while the relations that the view reads go on elsewhere.
pub struct Construction {
    own: BTreeSet<RelationId>,
    built: Rc<dyn State>,
    sources: RefCell<Rc<dyn State>>,
}

impl Construction {
    /// `own`: what is under construction, found in `built`; everything else is found in `sources`.
    pub fn new(own: BTreeSet<RelationId>, built: Rc<dyn State>, sources: Rc<dyn State>) -> Construction {
        Construction { own, built, sources: RefCell::new(sources) }
    }

    /// From here on the sources are seen as of a later epoch, whose changes the view has taken.
    pub fn advance(&self, sources: Rc<dyn State>) {
        *self.sources.borrow_mut() = sources;
    }

    fn of(&self, relation: RelationId) -> Rc<dyn State> {
        if self.own.contains(&relation) { self.built.clone() } else { self.sources.borrow().clone() }
    }
}

impl State for Construction {
    fn get_many(&self, relation: RelationId, keys: &Block) -> Result<Found, StateError> {
        self.of(relation).get_many(relation, keys)
    }

    fn scan(
        &self,
        relation: RelationId,
        range: &KeyRange,
        direction: Direction,
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        self.of(relation).scan(relation, range, direction, each)
    }

    fn scan_each(
        &self,
        relation: RelationId,
        ranges: &[KeyRange],
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        self.of(relation).scan_each(relation, ranges, each)
    }
}
