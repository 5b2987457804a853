//! Log and store on a disk that fails: whatever write or sync it is, no acknowledged event is lost and none counted twice.
//!
//! `CAUDAL_FULL=1` tries every fault at every write and sync; otherwise a sample of them, from a seed that is printed
//! (`CAUDAL_SEED=n` for another).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use tests::fault::{self, Fault, Run};
use tests::tally::Tally;

const EVENTS: u32 = 40;
const SAMPLED: usize = 60;
const RUN_LIMIT: Duration = Duration::from_secs(60);

fn run(data: &Path, fault: Option<Fault>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tally"));
    fault::run(command.arg(data).arg(EVENTS.to_string()), data, fault, RUN_LIMIT)
}

/// What the program said: which events were acknowledged, and the last published epoch.
fn said(run: &Run) -> (Vec<u32>, u64) {
    let (mut acknowledged, mut published) = (Vec::new(), 0);
    for line in &run.lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "acknowledged" => acknowledged.extend(words[1].parse::<u32>().unwrap()..words[2].parse().unwrap()),
            "published" => {
                let epoch = words[1].parse().unwrap();
                assert!(epoch > published, "epochs go on: {:?}", run.lines);
                published = epoch;
            }
            _ => {}
        }
    }
    (acknowledged, published)
}

fn check(data: &Path, run: &Run, what: &str) {
    let (acknowledged, published) = said(run);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut tally = Tally::open(data).await.unwrap_or_else(|failure| panic!("{what}: {failure}"));
        assert!(tally.store.last().epoch.0 >= published, "{what}: published epochs do not go back");
        tally.counted().unwrap_or_else(|failure| panic!("{what}, found: {failure}"));
        while let Some(written) = tally.count().await.unwrap() {
            tally.store.sync(written).unwrap();
        }
        let counted = tally.counted().unwrap_or_else(|failure| panic!("{what}, caught up: {failure}"));
        assert!(counted.values().all(|count| *count == 1), "{what}: an event is counted twice: {counted:?}");
        for number in &acknowledged {
            assert!(counted.contains_key(number), "{what}: acknowledged event {number} is lost: {counted:?}");
        }
        let beyond = counted.keys().find(|number| **number > EVENTS + 3);
        assert_eq!(beyond, None, "{what}: an event that nobody sent");
    });
}

#[test]
fn acknowledged_events_are_counted_once_whatever_write_or_sync_fails() {
    let dir = tempfile::tempdir().unwrap();
    let sound = run(&dir.path().join("sound"), None);
    assert!(sound.status.success(), "{}", sound.errors);
    assert_eq!(said(&sound).0, (0..EVENTS).collect::<Vec<_>>());
    check(&dir.path().join("sound"), &sound, "no fault");

    let mut faults = Fault::all(sound.writes, sound.syncs);
    if std::env::var_os("CAUDAL_FULL").is_none() {
        let seed = std::env::var("CAUDAL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        println!("{SAMPLED} of {} faults, seed {seed}", faults.len());
        faults = faults.sample(&mut ChaCha8Rng::seed_from_u64(seed), SAMPLED).copied().collect();
    }
    let mut happened = BTreeMap::<String, u32>::new();
    for (index, fault) in faults.iter().enumerate() {
        let data = dir.path().join(index.to_string());
        let run = run(&data, Some(*fault));
        let what = format!("{fault:?}");
        // A run is not the same call by call, so one of the last faults may not come.
        if run.happened {
            *happened.entry(format!("{:?} {:?}", fault.on, fault.mode)).or_default() += 1;
            assert_eq!(run.status.success(), !fault.mode.kills(), "{what}: {} {}", run.status, run.errors);
        }
        check(&data, &run, &what);
        std::fs::remove_dir_all(&data).unwrap();
    }
    println!("faults that happened: {happened:?}");
    let happened: u32 = happened.values().sum();
    assert!(happened as usize >= faults.len() * 9 / 10, "{happened} of {} faults happened", faults.len());
}
