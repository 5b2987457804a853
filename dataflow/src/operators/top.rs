//! Top: the first rows of each group in an order, with their numbers if asked.
//!
//! State: (group, order, row) -> how often, in an [`index`](super::index). A change costs one look-up and one put, and once an
//! epoch the first rows of its group are read, as they were and as they are: as many as are wanted, however large the group is;
//! of ranks, as many as share them. Where no row is ever retracted, only the first rows are kept, and a change of what is behind
//! them writes nothing.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::SchemaRef;

use super::batch::pieces;
use super::groups::Groups;
use super::index::deltas::{Delta, Deltas};
use super::index::{Index, Pending};
use super::ordered::Ordered;
use super::rows::{batch, concat};
use super::small::Row;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Reporter;
use crate::plan::{Plan, Ranking};
use crate::state::{Direction, StateWrite};

/// A [`Plan::Top`] and where its state is.
pub(crate) struct Top {
    reporter: Reporter,
    ordered: Ordered,
    index: Index,
    ranking: Ranking,
    skip: u64,
    limit: u64,
    numbered: bool,
    monotonic: bool,
    schema: SchemaRef,
}

/// A row among the first of its group: its item, its number, and how often it is there with that number.
type Entry = (Row, i64, i64);

impl Top {
    pub(crate) fn new(plan: &Plan, reporter: Reporter) -> Top {
        let Plan::Top { input, group, order, ranking, skip, limit, numbered, monotonic, schema, state } = plan else {
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
            monotonic: *monotonic,
            schema: schema.clone(),
        }
    }

    /// Runs one epoch on all its changes.
    pub(crate) fn run(&self, changes: Vec<Changes>) -> Result<Vec<Changes>, EngineError> {
        let Some(input) = concat(changes) else { return Ok(Vec::new()) };
        let (groups, deltas) = self.ordered.deltas(&input);
        let changed = if self.monotonic { self.gained(&groups, &deltas)? } else { self.changed(&groups, &deltas)? };
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

    /// The changes of the first rows, each with the position of its group.
    fn changed(&self, groups: &Groups, deltas: &Deltas) -> Result<Vec<(usize, Entry)>, EngineError> {
        let counts = self.index.count(&self.reporter.shared, groups, deltas)?;
        let mut changed: Vec<(usize, Entry)> = Vec::new();
        for pending in Pending::by_group(deltas, &counts) {
            let group = groups.keys.get(pending.group());
            let (old, new) = (self.first(group, None)?, self.first(group, Some(&pending))?);
            changed.extend(difference(old, new).into_iter().map(|entry| (pending.group(), entry)));
        }
        Ok(changed)
    }

    /// The same where no row ever goes: nothing is kept of what is behind the first rows.
    fn gained(&self, groups: &Groups, deltas: &Deltas) -> Result<Vec<(usize, Entry)>, EngineError> {
        let mut write = StateWrite::seldom_read(self.index.relation);
        let mut changed: Vec<(usize, Entry)> = Vec::new();
        for of_group in deltas.by_group() {
            let at = of_group[0].group as usize;
            let group = groups.keys.get(at);
            let items = self.items_with(group, deltas, of_group)?;
            let (mut old, mut new) = (First::default(), First::default());
            let mut going = [true; 2];
            for Item { item, before, after } in &items {
                if going[0] && *before > 0 {
                    going[0] = self.take(&mut old, item.bytes(), *before)?.is_continue();
                }
                let behind = !going[1] || {
                    going[1] = self.take(&mut new, item.bytes(), *after)?.is_continue();
                    new.beyond
                };
                match (behind, *before) {
                    (true, 0) => (),
                    (true, _) => write.delete(&[group, item.bytes()].concat()),
                    (false, before) if before == *after => (),
                    (false, _) => self.index.put(&mut write, group, item.bytes(), *after),
                }
            }
            changed.extend(difference(old.entries, new.entries).into_iter().map(|entry| (at, entry)));
        }
        self.reporter.shared.write(write);
        Ok(changed)
    }

    /// What is kept of a group and what comes to it, ascending.
    fn items_with(&self, group: &[u8], deltas: &Deltas, of_group: &[Delta]) -> Result<Vec<Item>, EngineError> {
        let mut coming = of_group.iter().peekable();
        let come = |delta: &Delta| {
            assert!(delta.net > 0, "a row is retracted of what only gains rows");
            Item { item: Row::new(deltas.bytes(delta)), before: 0, after: delta.net }
        };
        let mut items: Vec<Item> = Vec::new();
        let (mut kept, end) = (0, self.skip.saturating_add(self.limit) as i64);
        let state = &*self.reporter.shared.state;
        self.index.walk(state, group, None, Direction::Ascending, None, &mut |item, times| {
            while let Some(delta) = coming.next_if(|delta| deltas.bytes(delta) < item) {
                items.push(come(delta));
            }
            let more = coming.next_if(|delta| deltas.bytes(delta) == item).map_or(0, |delta| come(delta).after);
            items.push(Item { item: Row::new(item), before: times, after: times + more });
            kept += times;
            // Behind the last there is nothing but what was deleted; of ranks, how many there are is not known before.
            let is_last = self.ranking == Ranking::RowNumber && kept >= end;
            if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        items.extend(coming.map(come));
        Ok(items)
    }

    /// The first rows of a group, ascending by item and number. With `pending`: as they are after the epoch.
    fn first(&self, group: &[u8], pending: Option<&Pending>) -> Result<Vec<Entry>, EngineError> {
        let mut first = First::default();
        let mut failed = Ok(());
        let state = &*self.reporter.shared.state;
        self.index.walk(state, group, None, Direction::Ascending, pending, &mut |item, times| {
            self.take(&mut first, item, times).unwrap_or_else(|error| {
                failed = Err(error);
                ControlFlow::Break(())
            })
        })?;
        failed?;
        Ok(first.entries)
    }

    /// Takes the next item of a group, which is there so often; breaks after the last that can be among the first rows.
    fn take(&self, first: &mut First, item: &[u8], times: i64) -> Result<ControlFlow<()>, EngineError> {
        let (skip, end) = (self.skip as i64, self.skip.saturating_add(self.limit) as i64);
        if end == 0 {
            first.beyond = true;
            return Ok(ControlFlow::Break(()));
        }
        let before = first.passed;
        first.passed += times;
        if self.ranking == Ranking::RowNumber {
            let (from, to) = (before.max(skip), first.passed.min(end));
            match self.numbered {
                true => first.entries.extend((from..to).map(|at| (Row::new(item), at + 1, 1))),
                false if from < to => first.entries.push((Row::new(item), 0, to - from)),
                false => (),
            }
            return Ok(if first.passed < end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
        }
        let order = self.ordered.order_of(item).map_err(|source| self.corrupt(source))?;
        let rank = match &first.peers {
            Some((known, rank)) if known.bytes() == order => *rank,
            Some((_, rank)) if self.ranking == Ranking::DenseRank => rank + 1,
            _ => before + 1,
        };
        if rank > end {
            first.beyond = true;
            return Ok(ControlFlow::Break(()));
        }
        first.peers = Some((Row::new(order), rank));
        if rank > skip {
            first.entries.push((Row::new(item), if self.numbered { rank } else { 0 }, times));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The first rows of a group while its items are walked.
#[derive(Default)]
struct First {
    entries: Vec<Entry>,
    /// How many rows there have been.
    passed: i64,
    /// Of ranks: the order of the peers that the walk is at, and their rank.
    peers: Option<(Row, i64)>,
    /// Whether the last item taken was behind the first rows.
    beyond: bool,
}

/// How often an item is there before and after an epoch.
struct Item {
    item: Row,
    before: i64,
    after: i64,
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
