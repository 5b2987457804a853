//! Neighbours: each row with values of the rows so many places before or after it in its group's order (`lag`, `lead`).
//!
//! State: (group, order, row) -> how often, in an [`index`](super::index). A change costs one look-up and one put, and a short
//! scan to either side: a row that comes, goes or moves changes those within the farthest reach of the functions, and their
//! values are within that reach again. How large the group is does not matter.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;

use super::batch::pieces;
use super::index::{Index, Pending};
use super::ordered::Ordered;
use super::rows::{batch, concat};
use super::small::Row;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Reporter;
use crate::plan::{Neighbour, Plan};
use crate::row::Block;
use crate::state::Direction;

/// A [`Plan::Neighbours`] and where its state is.
pub(crate) struct Neighbours {
    reporter: Reporter,
    ordered: Ordered,
    index: Index,
    functions: Vec<Neighbour>,
    /// How far the functions look, either way.
    reach: i64,
    schema: SchemaRef,
}

/// An item with the items that its functions look at.
type Looked = (Row, Vec<Option<Row>>);

/// A stretch of a group's items around changes, before and after the epoch.
struct Stretch {
    /// (item, how often before the epoch, how often after it), ascending.
    items: Vec<(Row, i64, i64)>,
    /// Whether there is nothing before, nothing behind.
    begins: bool,
    ends: bool,
}

impl Neighbours {
    pub(crate) fn new(plan: &Plan, reporter: Reporter) -> Neighbours {
        let Plan::Neighbours { input, group, order, functions, schema, state } = plan else {
            panic!("a Neighbours is made from a Neighbours, not {plan:?}");
        };
        Neighbours {
            reporter,
            ordered: Ordered::new(&input.schema(), group, order),
            index: Index { relation: *state },
            functions: functions.clone(),
            reach: functions.iter().map(|function| function.offset.abs()).max().unwrap_or(0),
            schema: schema.clone(),
        }
    }

    /// Runs one epoch on all its changes.
    pub(crate) fn run(&self, changes: Vec<Changes>) -> Result<Vec<Changes>, EngineError> {
        let Some(input) = concat(changes) else { return Ok(Vec::new()) };
        let (groups, deltas) = self.ordered.deltas(&input);
        let counts = self.index.count(&self.reporter.shared, &groups, &deltas)?;
        let mut changed: Vec<(usize, Looked, i64)> = Vec::new();
        for pending in Pending::by_group(&deltas, &counts) {
            let mut net: BTreeMap<Looked, i64> = BTreeMap::new();
            for stretch in self.stretches(groups.keys.get(pending.group()), &pending)? {
                self.look(&stretch, |(_, before, _)| *before, |looked| *net.entry(looked).or_default() -= 1);
                self.look(&stretch, |(_, _, after)| *after, |looked| *net.entry(looked).or_default() += 1);
            }
            let net = net.into_iter().filter(|(_, diff)| *diff != 0);
            changed.extend(net.map(|(looked, diff)| (pending.group(), looked, diff)));
        }
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        self.rows(&groups.keys, changed)
            .map_err(|source| EngineError::Corrupt { relation: self.index.relation, source })
    }

    /// The stretches of a group in which values may change: each change with twice the reach to either side, as values
    /// change within the reach and come from within the reach of that.
    fn stretches(&self, group: &[u8], pending: &Pending) -> Result<Vec<Stretch>, EngineError> {
        let state = &*self.reporter.shared.state;
        let enough = 2 * self.reach;
        let mut stretches: Vec<Stretch> = Vec::new();
        for (item, ..) in pending.iter() {
            let known = stretches.last().and_then(|stretch| stretch.items.last());
            if known.is_some_and(|(last, ..)| item <= last.bytes()) {
                continue;
            }
            let mut items = Vec::new();
            let mut passed = 0;
            // What is before the first change of a stretch is the same before and after the epoch.
            let reached = known.map_or(&[][..], |(last, ..)| last.bytes());
            let mut meets = false;
            self.index.walk_both(
                state,
                group,
                Some(item),
                Direction::Descending,
                Some(pending),
                &mut |item, before, after| {
                    if item <= reached {
                        meets = true;
                        return ControlFlow::Break(());
                    }
                    items.push((Row::new(item), before, after));
                    passed += after;
                    if passed < enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                },
            )?;
            let begins = !meets && passed < enough;
            items.reverse();
            let mut stretch = match stretches.pop_if(|_| meets) {
                Some(mut stretch) => {
                    stretch.items.extend(items);
                    stretch
                }
                None => Stretch { items, begins, ends: true },
            };
            let from = stretch.items.last().map(|(item, ..)| item.clone());
            passed = 0;
            stretch.ends = true;
            let from = from.as_ref().map(Row::bytes);
            self.index.walk_both(
                state,
                group,
                from,
                Direction::Ascending,
                Some(pending),
                &mut |item, before, after| {
                    passed = if before == after { passed + after } else { 0 };
                    stretch.items.push((Row::new(item), before, after));
                    stretch.ends = passed < enough;
                    if stretch.ends { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                },
            )?;
            stretches.push(stretch);
        }
        Ok(stretches)
    }

    /// The rows of a stretch, as often as `times` says, with what they look at; those left out whose neighbours are out of it,
    /// which are the same before and after.
    fn look(&self, stretch: &Stretch, times: impl Fn(&(Row, i64, i64)) -> i64, mut each: impl FnMut(Looked)) {
        let entries = stretch.items.iter().flat_map(|entry| std::iter::repeat_n(&entry.0, times(entry) as usize));
        let rows: Vec<&Row> = entries.collect();
        let from = if stretch.begins { 0 } else { self.reach as usize };
        let to = if stretch.ends { rows.len() } else { rows.len() - self.reach as usize };
        for at in from..to {
            let neighbour = |function: &Neighbour| {
                let there = usize::try_from(at as i64 + function.offset).ok()?;
                rows.get(there).map(|row| (*row).clone())
            };
            each((rows[at].clone(), self.functions.iter().map(neighbour).collect()));
        }
    }

    /// The changes of rows with their looked-at values.
    fn rows(&self, groups: &Block, changed: Vec<(usize, Looked, i64)>) -> Result<Vec<Changes>, crate::row::CorruptRow> {
        let own = changed.iter().map(|(group, (item, _), _)| (groups.get(*group), item.bytes()));
        let mut columns: Vec<ArrayRef> = self.ordered.rows(own)?.columns().to_vec();
        for (place, function) in self.functions.iter().enumerate() {
            let mut there = Vec::new();
            let mut positions = Vec::with_capacity(changed.len());
            for (group, (_, looked), _) in &changed {
                positions.push(looked[place].as_ref().map(|item| {
                    there.push((groups.get(*group), item.bytes()));
                    there.len() as u32 - 1
                }));
            }
            let there = self.ordered.rows(there.into_iter())?;
            let values = take(there.column(function.column), &UInt32Array::from(positions), None);
            columns.push(values.expect("positions within the rows"));
        }
        let diffs = changed.iter().map(|(.., diff)| *diff).collect();
        Ok(pieces(Changes::new(batch(&self.schema, columns, changed.len()), diffs)))
    }
}
