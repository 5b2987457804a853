//! A plan as a dataflow: every operator becomes one of timely's, maps and filters in a row become one together.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Capability, Concatenate, Input as _, Operator, Probe};
use timely::dataflow::{Scope, Stream};
use timely::progress::frontier::MutableAntichain;
use timely::worker::Worker;

use super::meter::Meter;
use super::report::{Reporter, Shared};
use super::residents::Residents;
use super::view::{Branch, Feed, Input, View};
use super::{EngineError, Install};
use crate::changes::Changes;
use crate::operators::batch::{Batch, Ready, Tick, send};
use crate::operators::chain::Chain;
use crate::operators::combine::Combine;
use crate::operators::join::Join;
use crate::operators::join::index::Index;
use crate::operators::join::lookup::{Keyed, Lookup};
use crate::operators::map::Map;
use crate::operators::neighbours::Neighbours;
use crate::operators::reduce::{OwnRows, Reduce};
use crate::operators::rows::with_schema;
use crate::operators::temporal::Temporal;
use crate::operators::temporal::timers::Timers;
use crate::operators::top::Top;
use crate::operators::unnest::Unnest;
use crate::plan::{Plan, PlannedView, Root, Side};
use crate::row::RowCodec;

type Rows<'scope> = Stream<'scope, Tick, Batch>;

/// Renders a view as a dataflow of its own, so that it costs nothing while nothing it reads changes.
pub(crate) fn render(
    worker: &mut Worker,
    shared: &Rc<Shared>,
    residents: &Residents,
    planned: PlannedView,
    how: Install,
) -> View {
    let dataflow = worker.next_dataflow_index();
    let output = Rc::new(RefCell::new(Vec::new()));
    let (inputs, start, clock, timers, probe, meters) = worker.dataflow_named::<Tick, _, _>(&planned.name, |scope| {
        let reporter = Reporter { shared: shared.clone(), view: planned.relation };
        let mut renderer = Renderer {
            scope,
            reporter,
            residents,
            view: &planned,
            meters: Vec::new(),
            inputs: BTreeMap::new(),
            start: None,
            clock: None,
            timers: Vec::new(),
        };
        let rows = renderer.root();
        let (probe, _) = collect(rows, output.clone()).probe();
        let inputs = renderer.inputs.into_iter().map(|(feed, (input, _, meter))| (feed, input, meter));
        let start = renderer.start.map(|(input, _)| input);
        let clock = renderer.clock.map(|(input, _)| input);
        (inputs.collect(), start, clock, renderer.timers, probe, renderer.meters)
    });
    View {
        codec: RowCodec::new(&planned.schema),
        filled: how == Install::Resumed,
        planned,
        dataflow,
        inputs,
        start,
        clock,
        timers,
        probe,
        output,
        meter: Meter::default(),
        meters,
    }
}

struct Renderer<'a, 'scope> {
    scope: Scope<'scope, Tick>,
    reporter: Reporter,
    residents: &'a Residents,
    view: &'a PlannedView,
    /// Of the operators so far; they are numbered in depth-first order.
    meters: Vec<Rc<Meter>>,
    inputs: BTreeMap<Feed, (Input, Rows<'scope>, Rc<Meter>)>,
    start: Option<(Input, Rows<'scope>)>,
    clock: Option<(Input, Rows<'scope>)>,
    timers: Vec<Rc<Timers>>,
}

impl<'scope> Renderer<'_, 'scope> {
    /// The whole plan. A Reduce whose state is the view's own rows takes the Map above it along.
    fn root(&mut self) -> Rows<'scope> {
        let view = self.view;
        if view.root != Root::Reduced {
            return self.plan(&view.plan, Branch::Filled);
        }
        match &view.plan {
            Plan::Map { input, columns, schema } => {
                let above = Map { operator: self.number(), columns: columns.clone(), schema: schema.clone() };
                self.reduce(input, Some(OwnRows { schema: view.schema.clone(), above: Some(above) }), Branch::Filled)
            }
            plan => self.reduce(plan, Some(OwnRows { schema: view.schema.clone(), above: None }), Branch::Filled),
        }
    }

    fn plan(&mut self, plan: &Plan, branch: Branch) -> Rows<'scope> {
        match plan {
            Plan::Get { relation, schema } => {
                let operator = self.number();
                let feed = Feed { relation: *relation, branch, columns: schema.fields().len() };
                self.input(feed, operator)
            }
            Plan::Constant { rows } => {
                let operator = self.number();
                let rows = Changes::inserts(rows.clone());
                let start = self.start();
                self.map_batches(start, "Constant", operator, move |batch| match batch {
                    Batch::Start => rows.clone(),
                    batch => unreachable!("{batch:?} is not what starts a view"),
                })
            }
            Plan::Map { .. } | Plan::Filter { .. } => self.chain(plan, branch),
            Plan::Temporal { input, .. } => {
                let operator = self.number();
                let temporal = Temporal::new(plan, operator, self.reporter.clone());
                self.timers.push(temporal.timers.clone());
                let (rows, clock) = (self.plan(input, branch), self.clock());
                let rows = self.scope.concatenate([rows, clock]);
                self.each_epoch(rows, "Temporal", operator, move |changes, _| temporal.run(changes))
            }
            Plan::Union { inputs, schema } => {
                let operator = self.number();
                let inputs: Vec<Rows> = inputs.iter().map(|input| self.plan(input, branch)).collect();
                let schema = schema.clone();
                let all = self.scope.concatenate(inputs);
                self.map_batches(all, "Union", operator, move |batch| match batch {
                    Batch::Rows(changes) => Changes::new(with_schema(&changes.rows, &schema), changes.diffs),
                    batch => unreachable!("{batch:?} is not rows"),
                })
            }
            Plan::Unnest { input, lists, outer, schema } => {
                let operator = self.number();
                let unnest = Unnest { lists: lists.clone(), outer: *outer, schema: schema.clone() };
                let rows = self.plan(input, branch);
                self.map_batches(rows, "Unnest", operator, move |batch| match batch {
                    Batch::Rows(changes) => unnest.apply(&changes),
                    batch => unreachable!("{batch:?} is not rows"),
                })
            }
            Plan::Reduce { .. } => self.reduce(plan, None, branch),
            Plan::Top { input, .. } => {
                let operator = self.number();
                let top = Top::new(plan, self.reporter.clone());
                let rows = self.plan(input, branch);
                self.each_epoch(rows, "Top", operator, move |changes, _| top.run(changes))
            }
            Plan::Neighbours { input, .. } => {
                let operator = self.number();
                let neighbours = Neighbours::new(plan, self.reporter.clone());
                let rows = self.plan(input, branch);
                self.each_epoch(rows, "Neighbours", operator, move |changes, _| neighbours.run(changes))
            }
            Plan::Join { left, right, on, kind, left_side, right_side, .. } => {
                let operator = self.number();
                let left_on: Vec<usize> = on.iter().map(|(left, _)| *left).collect();
                let right_on: Vec<usize> = on.iter().map(|(_, right)| *right).collect();
                let left_lookup = self.lookup(left, left_side, &left_on, &right_on);
                let right_lookup = self.lookup(right, right_side, &right_on, &left_on);
                let [left_fed, right_fed] = kind.fed(left_side, right_side);
                let left = self.plan(left, if left_fed { branch } else { Branch::Read });
                let right = self.plan(right, if right_fed { branch } else { Branch::Read });
                let name = self.view.name.clone();
                let join = Join::new(plan, operator, [left_lookup, right_lookup], self.reporter.clone(), name);
                self.binary("Join", operator, left, right, move |left, right| join.run(left, right))
            }
            Plan::Combine { left, right, operation, state, schema } => {
                let operator = self.number();
                let combine = Combine::new(*operation, *state, schema.clone());
                let (left, right) = (self.plan(left, branch), self.plan(right, branch));
                let shared = self.reporter.shared.clone();
                self.binary("Combine", operator, left, right, move |left, right| {
                    Ok(combine.run(&shared, left, right)?.into_iter().collect())
                })
            }
        }
    }

    fn number(&mut self) -> u32 {
        self.meters.push(Rc::default());
        self.meters.len() as u32 - 1
    }

    /// The input that `operator` reads; what is read twice is fed once.
    fn input(&mut self, feed: Feed, operator: u32) -> Rows<'scope> {
        let scope = self.scope;
        let (_, rows, meter) = self.inputs.entry(feed).or_insert_with(|| {
            let (input, rows) = scope.new_input_with_builder();
            (input, rows, Rc::default())
        });
        self.meters[operator as usize] = meter.clone();
        rows.clone()
    }

    fn start(&mut self) -> Rows<'scope> {
        let scope = self.scope;
        self.start.get_or_insert_with(|| scope.new_input_with_builder()).1.clone()
    }

    fn clock(&mut self) -> Rows<'scope> {
        let scope = self.scope;
        self.clock.get_or_insert_with(|| scope.new_input_with_builder()).1.clone()
    }

    fn chain(&mut self, plan: &Plan, branch: Branch) -> Rows<'scope> {
        let first = self.meters.len() as u32;
        let (chain, below, next) = Chain::peel(plan, first);
        self.meters.resize_with(next as usize, Rc::default);
        let input = self.plan(below, branch);
        let reporter = self.reporter.clone();
        self.map_batches(input, "MapFilter", first, move |batch| match batch {
            Batch::Rows(changes) => chain.apply(changes, Some(&reporter)),
            batch => unreachable!("{batch:?} is not rows"),
        })
    }

    fn reduce(&mut self, plan: &Plan, own: Option<OwnRows>, branch: Branch) -> Rows<'scope> {
        let Plan::Reduce { input, group, .. } = plan else {
            panic!("a view whose state is its own rows is a Reduce or a Map over one, not {plan:?}");
        };
        let operator = self.number();
        let reduce = Reduce::new(plan, operator, own, self.reporter.clone());
        let mut rows = self.plan(input, branch);
        if group.is_empty() {
            let start = self.start();
            rows = self.scope.concatenate([rows, start]);
        }
        self.each_epoch(rows, "Reduce", operator, move |changes, start| reduce.run(changes, start))
    }

    /// An operator that runs once an epoch, on all its changes; its second argument says whether the view starts.
    fn each_epoch(
        &mut self,
        rows: Rows<'scope>,
        name: &str,
        operator: u32,
        run: impl Fn(Vec<Changes>, bool) -> Result<Vec<Changes>, EngineError> + 'static,
    ) -> Rows<'scope> {
        let (shared, meter) = (self.reporter.shared.clone(), self.meters[operator as usize].clone());
        rows.unary_frontier::<Ready, _, _, _>(Pipeline, name, move |_, _| {
            let mut pending = Pending::default();
            move |(input, frontier), output| {
                input.for_each(|capability, batch| pending.push(|| capability.retain(0), std::mem::take(batch)));
                if let Some((capability, changes, start)) = pending.complete(&[frontier])
                    && !shared.failed()
                {
                    let (taken, begun) = (count(&changes), shared.now());
                    match run(changes, start) {
                        Ok(changes) => {
                            meter.add(taken, count(&changes), shared.now() - begun);
                            changes.into_iter().for_each(|changes| send(output, &capability, changes));
                        }
                        Err(error) => shared.fail(error),
                    }
                }
            }
        })
    }

    /// An operator that makes changes of each batch by itself.
    fn map_batches(
        &mut self,
        rows: Rows<'scope>,
        name: &str,
        operator: u32,
        mut logic: impl FnMut(Batch) -> Changes + 'static,
    ) -> Rows<'scope> {
        let (shared, meter) = (self.reporter.shared.clone(), self.meters[operator as usize].clone());
        rows.unary::<Ready, _, _, _>(Pipeline, name, move |_, _| {
            move |input, output| {
                input.for_each(|capability, batch| {
                    let batch = std::mem::take(batch);
                    let taken = if let Batch::Rows(changes) = &batch { changes.len() } else { 0 };
                    let begun = shared.now();
                    let changes = logic(batch);
                    meter.add(taken, changes.len(), shared.now() - begun);
                    send(output, &capability, changes);
                });
            }
        })
    }

    fn lookup(&mut self, plan: &Plan, side: &Side, on: &[usize], of_other: &[usize]) -> Lookup {
        match side {
            Side::Stored { relation, schema, prefix, within } => {
                let probe = prefix.iter().map(|&pair| of_other[pair]).collect();
                let (chain, _) = Chain::over_stored(plan, 0);
                Lookup::Stored { table: Keyed::new(*relation, schema, probe, within.clone()), chain }
            }
            Side::Resident { relation, schema } => {
                let columns = schema.columns.fields().len();
                let resident =
                    self.residents.get(plan, *relation, columns, on).expect("residents are installed before views");
                Lookup::Resident(resident)
            }
            Side::Reduced { prefix } => {
                let probe = prefix.iter().map(|&pair| of_other[pair]).collect();
                let (chain, below, _) = Chain::peel(plan, 0);
                Lookup::Reduced { groups: Reduce::new(below, 0, None, self.reporter.clone()), probe, chain }
            }
            Side::Indexed { state, schema, columns, within } => {
                let pair = |column: &usize| on.iter().position(|on| on == column);
                let probe = columns.iter().map_while(pair).map(|pair| of_other[pair]).collect();
                let index = Index::new(*state, schema, columns, plan.schema());
                Lookup::Indexed { table: Keyed::new(*state, schema, probe, within.clone()), index }
            }
        }
    }

    /// An operator that runs once a tick on all changes of two inputs.
    fn binary(
        &mut self,
        name: &str,
        operator: u32,
        left: Rows<'scope>,
        right: Rows<'scope>,
        run: impl Fn(Vec<Changes>, Vec<Changes>) -> Result<Vec<Changes>, EngineError> + 'static,
    ) -> Rows<'scope> {
        let (shared, meter) = (self.reporter.shared.clone(), self.meters[operator as usize].clone());
        left.binary_frontier::<_, Ready, _, _, _, _>(right, Pipeline, Pipeline, name, move |_, _| {
            let (mut left, mut right) = (Pending::default(), Pending::default());
            move |(left_input, left_frontier), (right_input, right_frontier), output| {
                left_input.for_each(|capability, batch| left.push(|| capability.retain(0), std::mem::take(batch)));
                right_input.for_each(|capability, batch| right.push(|| capability.retain(0), std::mem::take(batch)));
                let frontiers = [left_frontier, right_frontier];
                let (left, right) = (left.complete(&frontiers), right.complete(&frontiers));
                let Some(capability) = left.as_ref().or(right.as_ref()).map(|(capability, ..)| capability.clone())
                else {
                    return;
                };
                if shared.failed() {
                    return;
                }
                let rows =
                    |side: Option<(Capability<Tick>, Vec<Changes>, bool)>| side.map_or(Vec::new(), |side| side.1);
                let (left, right) = (rows(left), rows(right));
                let (taken, begun) = (count(&left) + count(&right), shared.now());
                match run(left, right) {
                    Ok(changes) => {
                        meter.add(taken, count(&changes), shared.now() - begun);
                        changes.into_iter().for_each(|changes| send(output, &capability, changes));
                    }
                    Err(error) => shared.fail(error),
                }
            }
        })
    }
}

/// The changes of the tick at hand, until all of them have come.
#[derive(Default)]
struct Pending {
    capability: Option<Capability<Tick>>,
    changes: Vec<Changes>,
    start: bool,
}

impl Pending {
    fn push(&mut self, capability: impl FnOnce() -> Capability<Tick>, batch: Batch) {
        self.capability.get_or_insert_with(capability);
        match batch {
            Batch::Rows(changes) => self.changes.push(changes),
            Batch::Start => self.start = true,
            Batch::Clock => (),
            Batch::Taken => unreachable!("an empty batch is not sent"),
        }
    }

    /// Everything of the tick, once no frontier lets more of it come.
    fn complete(&mut self, frontiers: &[&MutableAntichain<Tick>]) -> Option<(Capability<Tick>, Vec<Changes>, bool)> {
        let time = *self.capability.as_ref()?.time();
        if frontiers.iter().any(|frontier| frontier.less_equal(&time)) {
            return None;
        }
        let capability = self.capability.take()?;
        Some((capability, std::mem::take(&mut self.changes), std::mem::take(&mut self.start)))
    }
}

fn count(changes: &[Changes]) -> usize {
    changes.iter().map(Changes::len).sum()
}

/// Puts what comes out where the engine takes it.
fn collect<'scope>(rows: Rows<'scope>, output: Rc<RefCell<Vec<Changes>>>) -> Rows<'scope> {
    rows.unary::<Ready, _, _, _>(Pipeline, "Root", move |_, _| {
        move |input, _| {
            input.for_each(|_, batch| {
                if let Batch::Rows(changes) = std::mem::take(batch) {
                    output.borrow_mut().push(changes);
                }
            });
        }
    })
}

/// Every resident side of a plan: the side's plan, its relation and the join columns.
pub(crate) fn resident_sides<'a>(
    plan: &'a Plan,
    each: &mut dyn FnMut(&'a Plan, &'a Side, Vec<usize>) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    if let Plan::Join { left, right, on, left_side, right_side, .. } = plan {
        if let Side::Resident { .. } = left_side {
            each(left, left_side, on.iter().map(|(left, _)| *left).collect())?;
        }
        if let Side::Resident { .. } = right_side {
            each(right, right_side, on.iter().map(|(_, right)| *right).collect())?;
        }
    }
    plan.inputs().into_iter().try_for_each(|input| resident_sides(input, each))
}
