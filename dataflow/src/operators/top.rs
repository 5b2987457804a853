//! Top: the first rows of each group in an order, with their numbers if asked.
//!
//! State: (group, order, row) -> how often, in an [`index`](super::index). A change costs one look-up and one put, and once an
//! epoch the first rows of its group are read, as they were and as they are: as many as are wanted, however large the group is;
//! of ranks, as many as share them.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::SchemaRef;

use super::batch::pieces;
use super::index::{Index, Pending};
use super::ordered::Ordered;
use super::rows::{batch, concat};
use super::small::Row;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Reporter;
use crate::plan::{Plan, Ranking};
use crate::state::Direction;

/// A [`Plan::Top`] and where its state is.
pub(crate) struct Top {
    reporter: Reporter,
    ordered: Ordered,
    index: Index,
    ranking: Ranking,
    skip: u64,
    limit: u64,
    numbered: bool,
    schema: SchemaRef,
}

/// A row among the first of its group: its item, its number, and how often it is there with that number.
type Entry = (Row, i64, i64);

impl Top {
    pub(crate) fn new(plan: &Plan, reporter: Reporter) -> Top {
        let Plan::Top { input, group, order, ranking, skip, limit, numbered, schema, state } = plan else {
            panic!("a Top is made from a Top, not {plan:?}");
        };
        Top {
            reporter,
            ordered: Ordered::new(&input.schema(), group, order),
            index: Index { relation: *state },
            ranking: *ranking,
            skip: *skip,
            limit: *limit,
            numbered: *numbered,
            schema: schema.clone(),
        }
    }

    /// Runs one epoch on all its changes.
    pub(crate) fn run(&self, changes: Vec<Changes>) -> Result<Vec<Changes>, EngineError> {
        let Some(input) = concat(changes) else { return Ok(Vec::new()) };
        let (groups, deltas) = self.ordered.deltas(&input);
        let counts = self.index.count(&self.reporter.shared, &groups, &deltas)?;
        let mut changed: Vec<(usize, Entry)> = Vec::new();
        for pending in Pending::by_group(&deltas, &counts) {
            let group = groups.keys.get(pending.group());
            let (old, new) = (self.first(group, None)?, self.first(group, Some(&pending))?);
            changed.extend(difference(old, new).into_iter().map(|entry| (pending.group(), entry)));
        }
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let items = changed.iter().map(|(group, (item, ..))| (groups.keys.get(*group), item.bytes()));
        let rows = self.ordered.rows(items).map_err(|source| self.corrupt(source))?;
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        if self.numbered {
            columns.push(Arc::new(changed.iter().map(|(_, (_, number, _))| Some(*number)).collect::<Int64Array>()));
        }
        let diffs = changed.iter().map(|(_, (_, _, diff))| *diff).collect();
        Ok(pieces(Changes::new(batch(&self.schema, columns, changed.len()), diffs)))
    }

    fn corrupt(&self, source: crate::row::CorruptRow) -> EngineError {
        EngineError::Corrupt { relation: self.index.relation, source }
    }

    /// The first rows of a group, ascending by item and number. With `pending`: as they are after the epoch.
    fn first(&self, group: &[u8], pending: Option<&Pending>) -> Result<Vec<Entry>, EngineError> {
        let (skip, end) = (self.skip as i64, self.skip.saturating_add(self.limit) as i64);
        let mut first: Vec<Entry> = Vec::new();
        let mut passed = 0_i64;
        // Of ranks: the order of the peers that the walk is at, and their rank.
        let mut peers: Option<(Row, i64)> = None;
        let mut failed = Ok(());
        if end == 0 {
            return Ok(first);
        }
        self.index.walk(
            &*self.reporter.shared.state,
            group,
            None,
            Direction::Ascending,
            pending,
            &mut |item, times| {
                let before = passed;
                passed += times;
                if self.ranking == Ranking::RowNumber {
                    let (from, to) = (before.max(skip), passed.min(end));
                    match self.numbered {
                        true => first.extend((from..to).map(|at| (Row::new(item), at + 1, 1))),
                        false if from < to => first.push((Row::new(item), 0, to - from)),
                        false => (),
                    }
                    return if passed < end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
                }
                let order = match self.ordered.order_of(item) {
                    Ok(order) => order,
                    Err(source) => {
                        failed = Err(self.corrupt(source));
                        return ControlFlow::Break(());
                    }
                };
                let rank = match &peers {
                    Some((known, rank)) if known.bytes() == order => *rank,
                    Some((_, rank)) if self.ranking == Ranking::DenseRank => rank + 1,
                    _ => before + 1,
                };
                if rank > end {
                    return ControlFlow::Break(());
                }
                peers = Some((Row::new(order), rank));
                if rank > skip {
                    first.push((Row::new(item), if self.numbered { rank } else { 0 }, times));
                }
                ControlFlow::Continue(())
            },
        )?;
        failed?;
        Ok(first)
    }
}

/// What has to be added to the one to make the other; both are ascending.
fn difference(old: Vec<Entry>, new: Vec<Entry>) -> Vec<Entry> {
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    let mut difference = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return difference,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => (&old.0, old.1).cmp(&(&new.0, new.1)),
        };
        let gone = if order.is_le() { old.next() } else { None };
        let come = if order.is_ge() { new.next() } else { None };
        let diff = come.as_ref().map_or(0, |come| come.2) - gone.as_ref().map_or(0, |gone| gone.2);
        if diff != 0 {
            difference.extend(come.or(gone).map(|(item, number, _)| (item, number, diff)));
        }
    }
}
