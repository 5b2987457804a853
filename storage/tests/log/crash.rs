//! Killed at any moment, the log has each acknowledged record exactly once, where it was said to be.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use storage::log::embedded::{Embedded, TopicSettings};

use crate::harness::{PATIENCE, child_dir, child_of, event, partition, read_from, runtime};

const KILLS: u32 = 12;
const APPENDERS: u32 = 8;
const PARTITIONS: i32 = 2;

#[test]
fn each_acknowledged_record_is_there_exactly_once() {
    if let Some(dir) = child_dir() {
        return runtime().block_on(append_until_killed(&dir));
    }
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let dir = tempfile::TempDir::new().unwrap();
    let mut acknowledged: HashMap<String, (i32, u64)> = HashMap::new();
    for _ in 0..KILLS {
        let lifetime = Duration::from_millis(random.random_range(5..150));
        run_and_kill(dir.path(), lifetime, &mut acknowledged);
        runtime().block_on(check(dir.path(), &acknowledged));
    }
    assert!(acknowledged.len() > KILLS as usize, "the writers got somewhere");
}

/// Lets a child append; once it has acknowledged something, it lives on for `lifetime`.
fn run_and_kill(dir: &Path, lifetime: Duration, acknowledged: &mut HashMap<String, (i32, u64)>) {
    let name = "crash::each_acknowledged_record_is_there_exactly_once";
    let mut child = child_of(name, dir).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (lines, received) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    let mut take = |line: String| {
        // The first line may share its line with what the test runner says.
        let Some((_, record)) = line.split_once("acknowledged ") else { return false };
        let [partition, offset, value] = record.split(' ').collect::<Vec<_>>()[..] else { return false };
        acknowledged.insert(value.into(), (partition.parse().unwrap(), offset.parse().unwrap()));
        true
    };
    let begun = Instant::now();
    while !take(received.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())).expect("the child acknowledges")) {}
    let until = Instant::now() + lifetime;
    while let Ok(line) = received.recv_timeout(until.saturating_duration_since(Instant::now())) {
        take(line);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    received.iter().for_each(|line| {
        take(line);
    });
    reader.join().unwrap().unwrap();
}

async fn check(dir: &Path, acknowledged: &HashMap<String, (i32, u64)>) {
    let log = Embedded::open(dir, Default::default()).unwrap();
    let mut found: HashMap<String, (i32, u64)> = HashMap::new();
    for number in 0..PARTITIONS {
        for record in read_from(&log, &partition("t", number), 0).await {
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            let twice = found.insert(value.clone(), (number, record.offset));
            assert_eq!(twice, None, "{value} is there twice");
        }
    }
    for (value, place) in acknowledged {
        assert_eq!(found.get(value), Some(place), "{value} was acknowledged");
    }
}

async fn append_until_killed(dir: &Path) {
    let log = Arc::new(Embedded::open(dir, Default::default()).unwrap());
    let settings = TopicSettings { segment_bytes: 20_000, ..TopicSettings::default() };
    if log.topic("t").is_none() {
        log.create_topic("t", PARTITIONS, settings).await.unwrap();
    }
    let run = std::process::id();
    let appenders: Vec<_> = (0..APPENDERS)
        .map(|appender| {
            let log = log.clone();
            tokio::spawn(async move {
                for number in 0u64.. {
                    let value = format!("{run}-{appender}-{number}");
                    let position = log.append(vec![event("t", &value)]).await.unwrap().remove(0);
                    let line = format!("acknowledged {} {} {value}\n", position.partition.partition, position.offset);
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for appender in appenders {
        appender.await.unwrap();
    }
}
