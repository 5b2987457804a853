//! What an epoch reads: as much as it changes, however much is kept.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dataflow::exact::Percentile;
use dataflow::{
    Aggregate, AggregateFunction, Block, Changes, Direction, Engine, EngineError, Epoch, Extremes, Found, Install,
    KeyRange, Neighbour, Order, Plan, PlannedView, Ranking, RelationId, RelationSchema, Rescan, Root, Sequence, State,
    StateError, Step, Taken,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::plans::{DEVICES, READINGS, above_limit, expiring, joined, named, readings, rolled_up};
use crate::value::{Row, Value, batch};
use crate::world::World;

fn reading(device: i64, at: i64, value: i64) -> Row {
    let (temp, price) = (Value::Float(1.0), Value::Decimal(100));
    vec![Value::Int(device), Value::Time(at), Value::Int(value), temp, price, Value::Text("a".into())]
}

fn device(device: i64) -> Row {
    vec![Value::Int(device), Value::Text("meter".into()), Value::Int(device % 3), Value::Int(5)]
}

fn extremes() -> Vec<AggregateFunction> {
    let source = readings();
    let rescan = Rescan { relation: READINGS, schema: source.schema, prefix: vec![0], window: Some((1, 60)) };
    let (rescan, index) = (Extremes::Rescan(rescan), Extremes::Index(RelationId(99)));
    vec![AggregateFunction::Count, AggregateFunction::Min(rescan), AggregateFunction::Max(index)]
}

/// Keys looked up and entries scanned by an epoch.
fn reads(world: &mut World, inputs: Vec<(RelationId, Vec<(Row, i64)>)>) -> (usize, usize) {
    world.state.gets.set(0);
    world.state.scanned.set(0);
    world.step(inputs);
    (world.state.gets.get(), world.state.scanned.get())
}

/// So many readings more, of four devices in turn, each 20 later than the one before.
fn goes_by(world: &mut World, readings: usize, at: &mut i64) {
    let rows = (0..readings).map(|_| {
        *at += 20;
        (reading(*at / 20 % 4, *at, *at), 1)
    });
    world.step(vec![(READINGS, rows.collect())]);
}

#[test]
fn reads_per_change_do_not_grow_with_history() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut world = World::new();
    world.install(rolled_up(RelationId(50), &extremes()), &mut random);
    world.install(joined(RelationId(60)), &mut random);
    world.step(vec![(DEVICES, (0..4).map(|id| (device(id), 1)).collect())]);
    let mut at = 0;
    let mut read = Vec::new();
    for history in [10, 200, 800] {
        goes_by(&mut world, history, &mut at);
        // One row more, and one corrected which is neither the least nor the greatest of its group.
        at += 60;
        let insert = reads(&mut world, vec![(READINGS, vec![(reading(1, at, 7), 1)])]);
        let more = vec![(reading(1, at + 1, 9), 1), (reading(1, at + 2, 8), 1)];
        world.step(vec![(READINGS, more)]);
        let correct = vec![(reading(1, at + 2, 8), -1), (reading(1, at + 2, 8), 1)];
        let correct = reads(&mut world, vec![(READINGS, correct)]);
        // The least goes: its group is scanned again, which is a window of one device.
        let retract = reads(&mut world, vec![(READINGS, vec![(reading(1, at, 7), -1)])]);
        at += 60;
        read.push((insert, correct, retract));
    }
    assert_eq!(read[0], read[1]);
    assert_eq!(read[1], read[2]);
}

#[test]
fn an_outer_join_by_an_index_reads_what_it_changes_before_and_after_a_restart() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let mut world = World::new();
    world.install(named(RelationId(70)), &mut random);
    let mut at = 0;
    let mut read = Vec::new();
    for history in [10, 200, 800] {
        goes_by(&mut world, history, &mut at);
        world.restart();
        // The device that the last reading names comes, changes its name and goes.
        let [old, mut new] = [device(at), device(at)];
        new[1] = Value::Text("renamed".into());
        let comes = reads(&mut world, vec![(DEVICES, vec![(old.clone(), 1)])]);
        let changes = reads(&mut world, vec![(DEVICES, vec![(old, -1), (new.clone(), 1)])]);
        let goes = reads(&mut world, vec![(DEVICES, vec![(new, -1)])]);
        at += 20;
        let alone = reads(&mut world, vec![(READINGS, vec![(reading(1, at, at), 1)])]);
        read.push((comes, changes, goes, alone));
    }
    // One row of the index, and its count of matches where that changes; of a reading the device besides.
    assert_eq!(read[0], ((1, 1), (0, 1), (1, 1), (2, 0)));
    assert_eq!(read[0], read[1]);
    assert_eq!(read[1], read[2]);
}

/// Values in the order of their times.
fn in_time(taken: Taken, index: RelationId) -> Sequence {
    let order = vec![Order { column: 1, descending: false, nulls_first: false }];
    Sequence { taken, order, nulls: true, among: None, index }
}

#[test]
fn what_needs_a_groups_values_reads_no_more_however_many_there_are() {
    let index = RelationId(99);
    let functions = [
        AggregateFunction::Percentile(Percentile { continuous: false, fraction: 0.5 }, index),
        AggregateFunction::CountDistinct(index),
        AggregateFunction::Max(Extremes::Index(index)),
        AggregateFunction::Sequence(in_time(Taken::First, index)),
        AggregateFunction::Sequence(in_time(Taken::Last, index)),
    ];
    for function in functions {
        let mut random = ChaCha8Rng::seed_from_u64(6);
        let mut world = World::new();
        let aggregate = Aggregate { function, input: Some(2) };
        world.install(crate::plans::global(RelationId(50), vec![aggregate.clone()]), &mut random);
        let mut at = 0;
        let mut read = Vec::new();
        for history in [20, 100, 1_000] {
            let rows = (0..history).map(|_| {
                at += 1;
                (reading(1, at, at), 1)
            });
            let rows: Vec<_> = rows.collect();
            world.step(vec![(READINGS, rows)]);
            world.restart();
            // Below and above the middle, and the greatest goes.
            read.push([
                reads(&mut world, vec![(READINGS, vec![(reading(2, at, -at), 1)])]),
                reads(&mut world, vec![(READINGS, vec![(reading(2, -at, at + 1), 1)])]),
                reads(&mut world, vec![(READINGS, vec![(reading(2, -at, at + 1), -1)])]),
                reads(&mut world, vec![(READINGS, vec![(reading(1, at, at), -1)])]),
            ]);
        }
        let most = |read: &[(usize, usize)]| read.iter().map(|(gets, scanned)| gets + scanned).max().unwrap();
        assert!(read.iter().all(|read| most(read) <= 8), "{aggregate:?}: {read:?}");
    }
}

/// A view of readings, each device in an order.
fn ordered(plan: impl FnOnce(Box<Plan>, Vec<Order>, SchemaRef) -> Plan) -> PlannedView {
    let columns = readings().schema.columns;
    let order = vec![Order { column: 2, descending: true, nulls_first: true }];
    let plan = plan(Plan::Get { relation: READINGS, schema: columns.clone() }.into(), order, columns);
    let schema = RelationSchema { columns: plan.schema(), key: vec![0, 1], counted: false };
    PlannedView { relation: RelationId(50), name: "ordered".into(), plan, schema, root: Root::Keyed }
}

/// Holds what a change reads of a device with ever more rows against a bound, at both ends and in the middle.
fn reads_at_most(most: usize, view: PlannedView) {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let mut world = World::new();
    world.install(view, &mut random);
    let mut at = 0;
    for history in [20, 100, 1_000] {
        let rows = (0..history).map(|_| {
            at += 1;
            (reading(1, at, at), 1)
        });
        let rows: Vec<_> = rows.collect();
        world.step(vec![(READINGS, rows)]);
        world.restart();
        for value in [at, at / 2, 1] {
            for diff in [-1, 1] {
                let (gets, scanned) = reads(&mut world, vec![(READINGS, vec![(reading(1, value, value), diff)])]);
                assert!(gets == 1 && scanned <= most, "{gets} keys looked up, {scanned} rows scanned of {at}");
            }
        }
    }
}

#[test]
fn the_first_rows_are_read_and_no_others() {
    // The three rows before and the three after.
    reads_at_most(
        8,
        ordered(|input, order, schema| Plan::Top {
            input,
            group: vec![0],
            order,
            ranking: Ranking::RowNumber,
            skip: 0,
            limit: 3,
            numbered: false,
            monotonic: false,
            schema,
            state: RelationId(51),
        }),
    );
}

#[test]
fn the_neighbours_are_read_and_no_others() {
    // Twice the reach to either side, and the row itself.
    reads_at_most(
        10,
        ordered(|input, order, schema| {
            let fields = schema.fields().iter().cloned();
            let fields = fields.chain([Field::new("before", DataType::Int64, true).into()]);
            Plan::Neighbours {
                input,
                group: vec![0],
                order,
                functions: vec![Neighbour { column: 2, offset: -2 }],
                schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
                state: RelationId(51),
            }
        }),
    );
}

#[test]
fn a_range_among_the_conditions_of_a_join_is_all_that_is_read() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let mut world = World::new();
    world.install(above_limit(RelationId(70)), &mut random);
    // The limit of a device is 5. Two readings are above it, ever more are not.
    world.step(vec![(READINGS, vec![(reading(1, 1, 6), 1), (reading(1, 2, 7), 1)])]);
    for history in [10, 200, 800] {
        let at = history * 20;
        let rows = (0..history).map(|number| (reading(1, at + number * 20, number % 6), 1));
        world.step(vec![(READINGS, rows.collect())]);
        world.restart();
        assert_eq!(reads(&mut world, vec![(DEVICES, vec![(device(1), 1)])]), (0, 2));
        assert_eq!(reads(&mut world, vec![(DEVICES, vec![(device(1), -1)])]), (0, 2));
        let rows = (0..history).map(|number| (reading(1, at + number * 20, number % 6), -1));
        world.step(vec![(READINGS, rows.collect())]);
    }
}

#[test]
fn an_extreme_replaced_in_the_same_epoch_needs_no_look() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut world = World::new();
    world.install(rolled_up(RelationId(50), &extremes()), &mut random);
    world.step(vec![(READINGS, (0..3).map(|at| (reading(1, at, 10 + at), 1)).collect())]);
    let corrected = vec![(reading(1, 0, 10), -1), (reading(1, 0, 9), 1)];
    assert_eq!(reads(&mut world, vec![(READINGS, corrected)]).1, 0);
    let retracted = vec![(reading(1, 0, 9), -1)];
    assert!(reads(&mut world, vec![(READINGS, retracted)]).1 > 0);
}

/// A store that cannot read.
struct Broken;

impl State for Broken {
    fn get_many(&self, relation: RelationId, _keys: &Block) -> Result<Found, StateError> {
        Err(StateError { relation, reason: "the disk is gone".into() })
    }

    fn scan(
        &self,
        relation: RelationId,
        _range: &KeyRange,
        _direction: Direction,
        _each: &mut dyn FnMut(&[u8], &[u8]) -> std::ops::ControlFlow<()>,
    ) -> Result<(), StateError> {
        Err(StateError { relation, reason: "the disk is gone".into() })
    }
}

#[test]
fn a_store_that_cannot_read_fails_the_step_and_not_the_process() {
    let mut engine = Engine::new(Rc::new(Broken), 0);
    let view = rolled_up(RelationId(50), &[AggregateFunction::Count]);
    engine.install(Epoch(1), view, Install::Resumed).unwrap();
    let rows = Changes::inserts(batch(&readings().schema.columns, &[reading(1, 0, 1)]));
    let step = Step { epoch: Epoch(2), now_ms: 0, inputs: vec![(READINGS, rows)] };
    match engine.step(step) {
        Err(EngineError::State(error)) => assert_eq!(error.relation, RelationId(50)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_view_on_another_views_operator_state_is_refused() {
    let mut engine = Engine::new(Rc::new(Broken), 0);
    engine.install(Epoch(1), rolled_up(RelationId(50), &extremes()), Install::Resumed).unwrap();
    let schema = RelationSchema { columns: readings().schema.columns, key: vec![0, 1], counted: false };
    let plan = Plan::Get { relation: RelationId(99), schema: schema.columns.clone() };
    let view = PlannedView { relation: RelationId(70), name: "peeking".into(), plan, schema, root: Root::Keyed };
    match engine.install(Epoch(1), view, Install::Fresh) {
        Err(EngineError::UnknownSource { view, relation }) => {
            assert_eq!((view.as_str(), relation), ("peeking", RelationId(99)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sum_over_nothing_is_one_row_from_the_first_fill() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut world = World::new();
    let total = Aggregate { function: AggregateFunction::Sum, input: Some(2) };
    world.install(crate::plans::global(RelationId(50), vec![total]), &mut random);
    assert_eq!(world.relations[&RelationId(50)].keys().collect::<Vec<_>>(), [&vec![Value::Null]]);
}

#[test]
fn a_timer_costs_nothing_until_it_goes_off_and_is_not_moved_by_a_later_one() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut world = World::new();
    world.install(expiring(RelationId(50)), &mut random);
    let (rows, timers) = (RelationId(51), RelationId(52));
    let mut at = 0;
    for history in [10, 200] {
        let many = (0..history).map(|_| {
            at += 20;
            (reading(1, at, 1_000_000 + at), 1)
        });
        let many: Vec<_> = many.collect();
        world.step(vec![(READINGS, many)]);
        // An epoch in which nothing is due asks for nothing; a new row is looked up.
        assert_eq!(reads(&mut world, vec![(DEVICES, vec![(device(at), 1)])]), (0, 0));
        assert_eq!(reads(&mut world, vec![(READINGS, vec![(reading(2, at, 500_000), 1)])]), (1, 0));
        let written =
            |outcome: &dataflow::Outcome| outcome.state.iter().map(|write| write.relation).collect::<Vec<_>>();
        let later = vec![(reading(2, at, 500_000), -1), (reading(2, at, 600_000), 1)];
        let outcome = world.step(vec![(READINGS, later)]);
        assert_eq!(written(&outcome), [RelationId(50), rows], "its timer stays");
        let earlier = vec![(reading(2, at, 600_000), -1), (reading(2, at, 400_000 + history), 1)];
        assert_eq!(written(&world.step(vec![(READINGS, earlier)])), [RelationId(50), rows, timers]);
        let later = vec![(reading(2, at, 400_000 + history), -1), (reading(2, at, 700_000), 1)];
        world.step(vec![(READINGS, later)]);
        assert_eq!(world.engine.next_timer_ms().unwrap(), Some(400_000 + history));
        // It goes off for nothing, is read with the one behind it, and is set anew.
        world.now_ms = 400_000 + history;
        assert_eq!(reads(&mut world, vec![]), (1, 2));
        assert_eq!(world.engine.next_timer_ms().unwrap(), Some(700_000));
        world.step(vec![(READINGS, vec![(reading(2, at, 700_000), -1)])]);
    }
    assert_eq!(world.engine.next_timer_ms().unwrap(), Some(1_000_020));
}
