//! Views over tables that only gain rows keep less, and are the same.

use dataflow::{AggregateFunction, Extremes, JoinKind, Plan, RelationId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::plans::{DEVICES, Generator, READINGS};
use crate::value::{Row, Value};
use crate::world::{World, random_row};

/// Whether no row of what a plan gives is ever retracted, where the tables only gain rows.
fn gains(plan: &Plan) -> bool {
    let passes = match plan {
        Plan::Get { relation, .. } => [READINGS, DEVICES].contains(relation),
        Plan::Constant { .. } | Plan::Map { .. } | Plan::Filter { .. } => true,
        Plan::Union { .. } | Plan::Unnest { .. } => true,
        Plan::Join { kind, .. } => matches!(kind, JoinKind::Inner | JoinKind::Semi { .. }),
        _ => false,
    };
    passes && plan.inputs().into_iter().all(gains)
}

/// Has the operators of a plan keep no more than they need where their rows never go; how many do.
fn relieve(plan: &mut Plan) -> usize {
    match plan {
        Plan::Get { .. } | Plan::Constant { .. } => 0,
        Plan::Map { input, .. } | Plan::Filter { input, .. } | Plan::Temporal { input, .. } => relieve(input),
        Plan::Unnest { input, .. } | Plan::Neighbours { input, .. } => relieve(input),
        Plan::Union { inputs, .. } => inputs.iter_mut().map(relieve).sum(),
        Plan::Join { left, right, .. } | Plan::Combine { left, right, .. } => relieve(left) + relieve(right),
        Plan::Top { input, monotonic, .. } => {
            *monotonic = gains(input);
            usize::from(*monotonic) + relieve(input)
        }
        Plan::Reduce { input, aggregates, .. } => {
            let mut relieved = 0;
            for aggregate in aggregates.iter_mut().filter(|_| gains(input)) {
                if let AggregateFunction::Min(extremes) | AggregateFunction::Max(extremes) = &mut aggregate.function {
                    *extremes = Extremes::Monotonic;
                    relieved += 1;
                }
            }
            relieved + relieve(input)
        }
    }
}

/// New rows of both tables.
fn arrivals(random: &mut ChaCha8Rng, world: &World) -> Vec<(RelationId, Vec<(Row, i64)>)> {
    let mut inputs = Vec::new();
    for table in &world.tables {
        let count = random.random_range(0..if table.relation == READINGS { 12 } else { 3 });
        let known = world.relations.get(&table.relation).map_or(0, |bag| bag.len());
        let row = |at: usize| {
            let mut row = random_row(random, &table.schema);
            match table.relation {
                READINGS => row[1] = Value::Time((known + at) as i64 * 20),
                _ => row[0] = Value::Int((known + at) as i64),
            }
            (row, 1)
        };
        let rows: Vec<(Row, i64)> = (0..count).map(row).collect();
        inputs.extend((!rows.is_empty()).then_some((table.relation, rows)));
    }
    inputs
}

#[test]
fn views_of_what_only_gains_rows_equal_their_recomputation() {
    let mut relieved = 0;
    for seed in 0..300 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut world = World::new();
        let mut next_id = 10;
        eprintln!("seed {seed}");
        for _ in 0..random.random_range(5..20) {
            if world.views.len() < 4 && random.random_range(0..3) == 0 {
                let sources = world.sources();
                let mut generator = Generator { random: &mut random, next_id };
                let mut view = generator.random_view(&sources);
                next_id = generator.next_id;
                relieved += relieve(&mut view.plan);
                world.install(view, &mut random);
            }
            if random.random_range(0..5) == 0 {
                world.restart();
            }
            let arrivals = arrivals(&mut random, &world);
            world.step(arrivals);
        }
    }
    assert!(relieved > 100, "only {relieved} operators kept less");
}
