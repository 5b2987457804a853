//! Join: the pairs of rows whose join columns are equal, and what outer, semi and anti joins make of them.
//!
//! State: an index of each side that is found neither in its stored relation nor in memory ([`index`]); for each row of a
//! side that comes out with or without a pair, in how many it is ([`super::sided`]). The old rows of a side are looked up by
//! the join columns. The changes of an epoch are dA with B's old, A's old with dB, and dA with dB: a change costs one look-up
//! in the other side, and each pair that it makes or unmakes.

pub(crate) mod arrangement;
mod flat;
pub(crate) mod index;
pub(crate) mod lookup;
mod pairs;
pub(crate) mod stored;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};

use self::lookup::Lookup;
use self::pairs::Pairing;
use super::filter::Filter;
use super::groups::consolidated;
use super::rows::{batch, concat, non_null};
use super::sided::{Sided, Turned};
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Reporter;
use crate::plan::{JoinKind, Matches, Plan, Side};

/// A join on equal columns.
pub(crate) struct Join {
    pairing: Pairing,
    filter: Option<Filter>,
    kind: Kind,
    sides: [Lookup; 2],
    /// From which sides the pairs are found while the view is filled.
    drive: [bool; 2],
    /// The columns of either side.
    schemas: [SchemaRef; 2],
    schema: SchemaRef,
    reporter: Reporter,
}

/// A [`JoinKind`] with its counts.
enum Kind {
    Inner,
    Left(Sided),
    Full([Sided; 2]),
    Semi(Sided),
    Anti(Sided),
    Mark(Sided),
}

impl Join {
    /// The operator of a [`Plan::Join`]. `view`: the view's name, for messages.
    pub(crate) fn new(plan: &Plan, operator: u32, sides: [Lookup; 2], reporter: Reporter, view: String) -> Join {
        let Plan::Join { left, right, on, filter, kind, left_side, right_side, schema } = plan else {
            panic!("a Join is made from a Join, not {plan:?}");
        };
        let schemas = [left.schema(), right.schema()];
        let fields = schemas.iter().flat_map(|schema| schema.fields());
        let both = Schema::new(fields.map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>());
        let (left_on, right_on) = on.iter().copied().unzip();
        let sided = |matches: &Matches, side: usize| Sided::new(matches.state, &schemas[side], &matches.key);
        let kind = match kind {
            JoinKind::Inner => Kind::Inner,
            JoinKind::Left { left } => Kind::Left(sided(left, 0)),
            JoinKind::Full { left, right } => Kind::Full([sided(left, 0), sided(right, 1)]),
            JoinKind::Semi { left } => Kind::Semi(sided(left, 0)),
            JoinKind::Anti { left } => Kind::Anti(sided(left, 0)),
            JoinKind::Mark { left } => Kind::Mark(sided(left, 0)),
        };
        Join {
            pairing: Pairing::new(left_on, right_on, Arc::new(both), view),
            filter: filter.as_ref().map(|predicate| Filter { operator, predicate: predicate.clone() }),
            kind,
            sides,
            drive: Side::drive(left_side, right_side),
            schemas,
            schema: schema.clone(),
            reporter,
        }
    }

    /// Runs one epoch on the changes of both sides.
    pub(crate) fn run(&self, left: Vec<Changes>, right: Vec<Changes>) -> Result<Vec<Changes>, EngineError> {
        let mut sides = [concat(left), concat(right)];
        if self.pairing.left_on.is_empty() {
            // A change meets every row of the other side: none is made twice, nor one that is taken back.
            sides = sides.map(|changes| changes.as_ref().map(consolidated).filter(|changes| !changes.is_empty()));
        }
        let [left, right] = sides;
        let joins = |changes: &Option<Changes>, on: &[usize]| {
            changes.clone().map(|changes| non_null(changes, on)).filter(|changes| !changes.is_empty())
        };
        let pairing = &self.pairing;
        let joining = [joins(&left, &pairing.left_on), joins(&right, &pairing.right_on)];
        let mut pairs = self.pairs(&joining)?;
        if let Some(filter) = &self.filter {
            let passed = pairs.into_iter().map(|changes| filter.apply(changes, Some(&self.reporter)));
            pairs = passed.filter(|changes| !changes.is_empty()).collect();
        }
        for (side, changes) in self.sides.iter().zip(&joining) {
            if let (Lookup::Indexed { index, .. }, Some(changes)) = (side, changes) {
                index.write(&self.reporter.shared, changes)?;
            }
        }
        self.made(left, right, pairs)
    }

    /// The changes of all pairs with equal join columns.
    fn pairs(&self, [left, right]: &[Option<Changes>; 2]) -> Result<Vec<Changes>, EngineError> {
        let (state, pairing) = (&*self.reporter.shared.state, &self.pairing);
        let [left_side, right_side] = &self.sides;
        // Rows that were in the store before the view are found from the other side: fed themselves, they pair no more.
        let drives = |side: usize| !self.reporter.shared.filling.get() || self.drive[side];
        let [left, right] = [left.as_ref().filter(|_| drives(0)), right.as_ref().filter(|_| drives(1))];
        let mut pairs = pairing.none();
        if let Some(left) = left {
            let built = pairing.build(left, &pairing.left_on);
            right_side.old_rows(state, left, &pairing.left_on, &mut |old| pairs.with_right(&built, left, &old))?;
            if let Some(right) = right {
                pairs.with_right(&built, left, right)?;
            }
        }
        if let Some(right) = right {
            let built = pairing.build(right, &pairing.right_on);
            left_side.old_rows(state, right, &pairing.right_on, &mut |old| pairs.with_left(&built, right, &old))?;
        }
        Ok(pairs.done)
    }

    /// What the kind of join makes of the changes of its sides and its pairs.
    fn made(
        &self,
        left: Option<Changes>,
        right: Option<Changes>,
        pairs: Vec<Changes>,
    ) -> Result<Vec<Changes>, EngineError> {
        let turned = |counts: &Sided, side: usize, changes: Option<Changes>| {
            counts.run(&self.reporter.shared, changes, self.of_side(side, &pairs))
        };
        let unmatched = |turned: Turned| turned.changes(|counts| if counts.right == 0 { counts.left } else { 0 });
        let matched = |turned: Turned| turned.changes(|counts| if counts.right > 0 { counts.left } else { 0 });
        let made = match &self.kind {
            Kind::Inner => return Ok(self.renamed(pairs)),
            Kind::Left(counts) => {
                let alone = turned(counts, 0, left)?.map(unmatched).map(|rows| self.padded(0, rows));
                return Ok(self.renamed(pairs.into_iter().chain(alone).collect()));
            }
            Kind::Full([of_left, of_right]) => {
                let left = turned(of_left, 0, left)?.map(unmatched).map(|rows| self.padded(0, rows));
                let right = turned(of_right, 1, right)?.map(unmatched).map(|rows| self.padded(1, rows));
                return Ok(self.renamed(pairs.into_iter().chain(left).chain(right).collect()));
            }
            Kind::Semi(counts) => turned(counts, 0, left)?.map(matched),
            Kind::Anti(counts) => turned(counts, 0, left)?.map(unmatched),
            Kind::Mark(counts) => turned(counts, 0, left)?.map(|turned| {
                let marked = |mark| {
                    let times = |counts: super::sided::Counts| if (counts.right > 0) == mark { counts.left } else { 0 };
                    self.marked(mark, turned.changes(times))
                };
                concat(vec![marked(false), marked(true)]).expect("two batches")
            }),
        };
        Ok(self.renamed(made.into_iter().collect()))
    }

    /// The columns of one side of the pairs.
    fn of_side(&self, side: usize, pairs: &[Changes]) -> Option<Changes> {
        let first = side * self.schemas[0].fields().len();
        let width = self.schemas[side].fields().len();
        let rows = pairs.iter().map(|pairs| {
            let columns = pairs.rows.columns()[first..first + width].to_vec();
            Changes::new(batch(&self.schemas[side], columns, pairs.len()), pairs.diffs.clone())
        });
        concat(rows.collect())
    }

    /// Rows of one side with NULL in the columns of the other.
    fn padded(&self, side: usize, rows: Changes) -> Changes {
        let nulls = |side: usize| {
            let fields = self.schemas[side].fields().iter();
            fields.map(|field| new_null_array(field.data_type(), rows.len())).collect::<Vec<ArrayRef>>()
        };
        let columns = match side {
            0 => [rows.rows.columns(), &nulls(1)].concat(),
            _ => [&nulls(0), rows.rows.columns()].concat(),
        };
        Changes::new(batch(&self.pairing.schema, columns, rows.len()), rows.diffs)
    }

    /// Left rows with the mark behind their columns.
    fn marked(&self, mark: bool, rows: Changes) -> Changes {
        let mut columns = rows.rows.columns().to_vec();
        columns.push(Arc::new(BooleanArray::from(vec![mark; rows.len()])));
        Changes::new(batch(&self.schema, columns, rows.len()), rows.diffs)
    }

    /// The changes that are any, under the names of the join's columns.
    fn renamed(&self, changes: Vec<Changes>) -> Vec<Changes> {
        let named = changes.into_iter().filter(|changes| !changes.is_empty()).map(|changes| {
            let columns = changes.rows.columns().to_vec();
            Changes::new(batch(&self.schema, columns, changes.len()), changes.diffs)
        });
        named.collect()
    }
}
