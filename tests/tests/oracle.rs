//! Every view equals the same plan run in batch, after every epoch and every restart, whatever happened; and what PostgreSQL
//! answers to its query.

#[path = "oracle/beside_postgresql.rs"]
mod beside_postgresql;

use tests::oracle::{Case, Node, Simulation, Stored, minimal};

/// Histories over a BTreeMap; `CAUDAL_FULL=1` runs many more.
const SIMULATED: (u64, u64) = (1_000, 20_000);

/// Histories in which rows are forgotten.
const FORGETFUL: (u64, u64) = (200, 5_000);

/// Histories of tables and streams.
const STREAMING: (u64, u64) = (500, 10_000);

/// Histories over RocksDB and the log on disk.
const ON_DISK: (u64, u64) = (12, 300);

/// The seeds to run: from `CAUDAL_SEED`, that one alone; else short or in full.
fn seeds((short, full): (u64, u64)) -> std::ops::Range<u64> {
    if let Ok(seed) = std::env::var("CAUDAL_SEED") {
        let seed: u64 = seed.parse().expect("CAUDAL_SEED is a number");
        return seed..seed + 1;
    }
    0..if std::env::var_os("CAUDAL_FULL").is_some() { full } else { short }
}

#[test]
fn views_equal_batch_over_simulated_histories() {
    for seed in seeds(SIMULATED) {
        minimal(seed, Case::random(seed), &|| Box::new(Simulation::default()) as Box<dyn Node>);
    }
}

#[test]
fn views_count_what_was_forgotten_since_they_were_made() {
    for seed in seeds(FORGETFUL) {
        minimal(seed, Case::forgetful(seed), &|| Box::new(Simulation::default()) as Box<dyn Node>);
    }
}

#[test]
fn views_over_streams_equal_batch_over_all_events() {
    for seed in seeds(STREAMING) {
        minimal(seed, Case::streaming(seed), &|| Box::new(Simulation::default()) as Box<dyn Node>);
    }
}

#[test]
fn views_equal_batch_over_histories_on_disk() {
    for seed in seeds(ON_DISK) {
        minimal(seed, Case::random(seed), &|| Box::new(Stored::default()) as Box<dyn Node>);
        minimal(seed, Case::streaming(seed), &|| Box::new(Stored::default()) as Box<dyn Node>);
    }
}
