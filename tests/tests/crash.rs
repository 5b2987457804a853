//! The whole database, killed at any moment and on a disk that fails at any write or sync: each acknowledged event is counted
//! exactly once, no other twice, published epochs do not go back, and every view equals its recomputation. So it is under publishers of
//! MQTT, who are told by PUBACK.
//!
//! `CAUDAL_FULL=1` kills fifty times and tries every fault; otherwise a few, from a seed that is printed (`CAUDAL_SEED=n` for
//! another).

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tests::fault::{self, Fault, On};
use tests::load;

const KILLS: usize = 5;
const KILLS_FULL: usize = 50;
/// Numbers for one life of a process: more than it can append before it is killed.
const NUMBERS: i64 = 1_000_000;
const EVENTS: i64 = 40;
const FAULTS: usize = 25;
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// The longest that a process lives once it has acknowledged something.
const LIFE_MS_MAX: u64 = 1_500;

fn full() -> bool {
    std::env::var_os("CAUDAL_FULL").is_some()
}

fn seed() -> u64 {
    let seed = std::env::var("CAUDAL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("seed {seed}");
    seed
}

/// What a process said before it ended.
#[derive(Default)]
struct Said {
    acknowledged: Vec<Range<i64>>,
    published: u64,
    /// Whether the wide view was created.
    created: bool,
}

impl Said {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["acknowledged", first, end] => self.acknowledged.push(first.parse().unwrap()..end.parse().unwrap()),
            ["published", epoch] => {
                let epoch = epoch.parse().unwrap();
                assert!(epoch > self.published, "published epochs go on: {epoch} after {}", self.published);
                self.published = epoch;
            }
            ["created"] => self.created = true,
            _ => {}
        }
    }
}

/// A program that has a database under load.
struct Load {
    program: fn(&Path, i64, i64) -> Command,
    /// Whether it sends to the stream as well.
    streams: bool,
}

const LOADED: Load = Load { program: loaded, streams: true };
const LOADED_WITH_VIEWS: Load = Load { program: loaded_with_views, streams: true };
const LOADED_WITH_A_WIDE_VIEW: Load = Load { program: loaded_with_a_wide_view, streams: true };
const PUBLISHED: Load = Load { program: published, streams: false };

fn loaded(data: &Path, first: i64, count: i64) -> Command {
    program(env!("CARGO_BIN_EXE_loaded"), data, first, count)
}

fn loaded_with_views(data: &Path, first: i64, count: i64) -> Command {
    let mut command = loaded(data, first, count);
    command.arg("views");
    command
}

fn loaded_with_a_wide_view(data: &Path, first: i64, count: i64) -> Command {
    let mut command = loaded(data, first, count);
    command.arg("wide");
    command
}

fn published(data: &Path, first: i64, count: i64) -> Command {
    program(env!("CARGO_BIN_EXE_published"), data, first, count)
}

fn program(path: &str, data: &Path, first: i64, count: i64) -> Command {
    let mut command = Command::new(path);
    command.arg(data).arg(first.to_string()).arg(count.to_string());
    command
}

/// Opens what a process left, lets it catch up, and checks it.
fn check(data: &Path, load: &Load, said: &Said, sent: &Range<i64>, what: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let database = load::open(data).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let found = database.published().borrow().0;
        assert!(found >= said.published, "{what}: epoch {} was published, now it is {found}", said.published);
        load::catch_up(&database).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let checked = load::check(&database, &said.acknowledged, sent, load.streams).await;
        checked.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!said.created || load::has_wide(&database).await, "{what}: the view that was created is lost");
        database.close().await;
    });
}

#[test]
fn killed_under_load_it_goes_on_where_it_was() {
    killed(LOADED_WITH_VIEWS);
}

#[test]
fn killed_under_publishers_of_mqtt_it_has_what_they_were_told_it_has() {
    killed(PUBLISHED);
}

fn killed(load: Load) {
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    let dir = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    let kills = if full() { KILLS_FULL } else { KILLS };
    for kill in 0..kills {
        let first = kill as i64 * NUMBERS;
        let mut process = (load.program)(dir.path(), first, NUMBERS).stdout(Stdio::piped()).spawn().unwrap();
        let id = process.id();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // Now and then while it opens, which is when it is most likely to be in two minds.
        let opening = random.random_bool(0.3);
        let life = Duration::from_millis(random.random_range(0..LIFE_MS_MAX));
        let (begun, begins) = std::sync::mpsc::channel();
        let killer = std::thread::spawn(move || {
            if !opening {
                begins.recv_timeout(RUN_LIMIT).expect("the process takes events");
            }
            let deadline = Instant::now() + life;
            while let Some(left) = deadline.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(left);
            }
            process.kill().unwrap();
            process.wait().unwrap()
        });
        let before = said.acknowledged.len();
        for line in lines.map_while(Result::ok) {
            assert!(!line.starts_with("refused") && !line.starts_with("failed"), "{line}");
            said.line(&line);
            if said.acknowledged.len() == before + 1 {
                let _ = begun.send(());
            }
        }
        drop(begun);
        killer.join().unwrap();
        let acknowledged: i64 = said.acknowledged[before..].iter().map(|range| range.end - range.start).sum();
        println!("process {id} killed, {acknowledged} events acknowledged, epoch {}", said.published);
        check(dir.path(), &load, &said, &(0..first + NUMBERS), &format!("kill {kill}"));
    }
}

#[test]
fn whatever_write_or_sync_fails_no_event_is_lost_or_counted_twice() {
    on_failing_disks(LOADED, None);
}

#[test]
fn whatever_write_or_sync_fails_a_view_that_was_created_is_whole() {
    on_failing_disks(LOADED_WITH_A_WIDE_VIEW, Some(LOADED));
}

#[test]
fn whatever_write_or_sync_fails_no_publisher_of_mqtt_is_told_what_is_not_so() {
    on_failing_disks(PUBLISHED, None);
}

/// On each disk that fails, from where the load has done what another does, which is its beginning.
fn on_failing_disks(load: Load, beginning: Option<Load>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    let dir = tempfile::tempdir().unwrap();
    let sound = |load: &Load, name: &str| {
        let data = dir.path().join(name);
        let sound = fault::run(&mut (load.program)(&data, 0, EVENTS), &data, None, RUN_LIMIT);
        let acknowledged = sound.lines.iter().filter(|line| line.starts_with("acknowledged")).count();
        assert!(acknowledged > 0 && sound.status.success(), "{:?} {}", sound.lines, sound.errors);
        println!("{name}: {} writes, {} syncs", sound.writes, sound.syncs);
        sound
    };
    let whole = sound(&load, "whole");
    let mut faults = Fault::all(whole.writes, whole.syncs);
    if let Some(beginning) = beginning {
        let before = sound(&beginning, "beginning");
        faults.retain(|fault| fault.at > if fault.on == On::Write { before.writes } else { before.syncs });
    }
    println!("{} faults", faults.len());
    faults.shuffle(&mut random);
    // A run is not the same call by call, so a fault may not come: then another is tried.
    let wanted = if full() { faults.len() } else { FAULTS };
    let (mut happened, mut tried) = (0, 0);
    for (index, fault) in faults.iter().enumerate() {
        if happened == wanted {
            break;
        }
        tried += 1;
        let (data, what) = (dir.path().join(index.to_string()), format!("{fault:?}"));
        let run = fault::run(&mut (load.program)(&data, 0, EVENTS), &data, Some(*fault), RUN_LIMIT);
        if run.happened {
            happened += 1;
            assert_eq!(run.status.success(), !fault.mode.kills(), "{what}: {} {}", run.status, run.errors);
        }
        let mut said = Said::default();
        run.lines.iter().for_each(|line| said.line(line));
        check(&data, &load, &said, &(0..EVENTS), &what);
        std::fs::remove_dir_all(&data).unwrap();
    }
    println!("{happened} of {tried} faults happened");
    assert!(happened >= FAULTS.max(tried / 2), "{happened} of {tried} faults happened");
}

#[test]
fn a_database_that_is_dropped_unclosed_has_let_go_of_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for first in 0..3 {
            let database = load::open(dir.path()).await.unwrap_or_else(|error| panic!("{error}"));
            load::append(&database, first..first + 1).await.unwrap();
            drop(database);
        }
        let database = load::open(dir.path()).await.unwrap();
        load::catch_up(&database).await.unwrap();
        assert_eq!(load::run(&database, "SELECT count(*) FROM sent").await.unwrap(), [["3"]]);
    });
}
