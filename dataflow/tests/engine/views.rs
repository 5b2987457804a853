//! Every view is what its plan says, after every epoch and every restart, however and whenever it was filled.

use dataflow::RelationId;
use dataflow::limits::SEQUENCE_VALUES_MAX;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::plans::{Generator, READINGS, readings};
use crate::value::Value;
use crate::world::{World, random_changes};

/// Prints the seed of a history that failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

/// Histories in a quick run. `CAUDAL_TEST_HISTORIES` asks for more.
const HISTORIES: u64 = 100;

fn histories() -> u64 {
    std::env::var("CAUDAL_TEST_HISTORIES").map_or(HISTORIES, |count| count.parse().expect("a number of histories"))
}

fn history(seed: u64) {
    let _seed = Seed(seed);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::new();
    let mut next_id = 10;
    for _ in 0..random.random_range(5..25) {
        if world.views.len() < 5 && random.random_range(0..3) == 0 {
            let sources = world.sources();
            let mut generator = Generator { random: &mut random, next_id };
            let view = generator.random_view(&sources);
            next_id = generator.next_id;
            world.install(view, &mut random);
        }
        if random.random_range(0..5) == 0 {
            world.restart();
        }
        if random.random_range(0..20) == 0 {
            world.remove_last();
        }
        let changes = match random.random_range(0..3) {
            0 => Vec::new(),
            _ => random_changes(&mut random, &world.relations),
        };
        if random.random_range(0..4) > 0 {
            let most = if random.random_range(0..5) == 0 { 1_000 } else { 40 };
            let to_ms = world.now_ms + random.random_range(0..most);
            world.pass(to_ms);
        }
        world.step(changes);
    }
}

#[test]
fn every_view_equals_its_recomputation_after_every_epoch_and_restart() {
    (0..histories()).for_each(history);
}

#[test]
fn a_group_of_which_too_many_values_would_be_put_together_is_an_error_until_it_has_fewer() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut world = World::new();
    world.install(crate::plans::tags(RelationId(50)), &mut random);
    let tag = |at: i64| {
        let (temp, price) = (Value::Float(1.0), Value::Decimal(100));
        vec![Value::Int(1), Value::Time(at), Value::Int(0), temp, price, Value::Text(format!("tag {}", at % 7))]
    };
    let most = SEQUENCE_VALUES_MAX as i64;
    // The world compares rows and errors after every step.
    world.step(vec![(READINGS, (0..most).map(|at| (tag(at), 1)).collect())]);
    assert!(world.step(vec![(READINGS, vec![(tag(most), 1)])]).errors.len() == 1);
    world.step(vec![(READINGS, vec![(tag(most + 1), 1)])]);
    world.restart();
    assert!(world.step(vec![(READINGS, vec![(tag(3), -1), (tag(4), -1)])]).errors.len() == 1);
}

#[test]
fn the_same_history_gives_the_same_outcome() {
    let run = || {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut world = World::new();
        let mut next_id = 10;
        for _ in 0..4 {
            let sources = world.sources();
            let mut generator = Generator { random: &mut random, next_id };
            let view = generator.random_view(&sources);
            next_id = generator.next_id;
            world.install(view, &mut random);
        }
        let outcomes = (0..10).map(|_| {
            let changes = random_changes(&mut random, &world.relations);
            format!("{:?}", world.step(changes))
        });
        outcomes.collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_view_that_nothing_touches_does_not_run() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut world = World::new();
    for next_id in [10, 30, 50] {
        let view = Generator { random: &mut random, next_id }.random_view(&[readings()]);
        world.install(view, &mut random);
    }
    world.state.gets.set(0);
    world.state.scanned.set(0);
    for _ in 0..5 {
        let mut changes = random_changes(&mut random, &world.relations);
        changes.retain(|(relation, _)| *relation == crate::plans::DEVICES);
        let outcome = world.step(changes);
        assert!(outcome.views.is_empty() && outcome.state.is_empty() && outcome.errors.is_empty());
    }
    assert_eq!((world.state.gets.get(), world.state.scanned.get()), (0, 0));
}
