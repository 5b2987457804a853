//! Nexmark's queries 4, 5, 7, 9 and 20 by hand over dbsp: one worker, in memory or durable.
//!
//! `nexmark-by-hand QUERY EVENTS EPOCH [DIR [tables]]` generates the events, feeds them in epochs of so many, and prints one line of JSON: what
//! the run took, how many rows the answer has, and a digest of them that does not depend on their order. With a directory, which must be empty, each epoch ends with a checkpoint
//! there: what dbsp has for state that must outlive the process. With `tables`, every event is kept too, in a table by key.

mod answer;
mod circuits;
mod events;

use std::path::Path;
use std::time::Instant;

use answer::Answer;
use circuits::Keeping;
use tikv_jemallocator::Jemalloc;

/// The allocator of the other side of the bench.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (numbers, keeping) = match &arguments[..] {
        [query, events, epoch] => ([query, events, epoch], Keeping { storage: None, tables: false }),
        [query, events, epoch, dir] => {
            ([query, events, epoch], Keeping { storage: Some(Path::new(dir)), tables: false })
        }
        [query, events, epoch, dir, tables] if tables == "tables" => {
            ([query, events, epoch], Keeping { storage: Some(Path::new(dir)), tables: true })
        }
        _ => {
            eprintln!("usage: nexmark-by-hand q4|q5|q7|q9|q20 EVENTS EPOCH [DIR [tables]]");
            std::process::exit(2);
        }
    };
    let [query, events, epoch] = numbers;
    let count = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is no number"));
    let mut epochs = events::epochs(count(events), count(epoch));
    let mut circuit =
        circuits::build(query, keeping).unwrap_or_else(|| panic!("{query} is not one of q4, q5, q7, q9, q20"));

    let mut answer = Answer::default();
    let (mut seconds, mut processor) = (0.0, 0.0);
    for epoch in &mut epochs {
        let (started, used) = (Instant::now(), processor_seconds());
        circuit.step(epoch);
        if keeping.storage.is_some() {
            circuit.checkpoint();
        }
        seconds += started.elapsed().as_secs_f64();
        processor += processor_seconds() - used;
        // What came out is looked at outside of the time measured.
        circuit.changes(&mut answer);
    }
    let (rows, digest) = answer.summary();
    println!(
        r#"{{"seconds": {seconds}, "processor_seconds": {processor}, "peak_mib": {}, "rows": {rows}, "digest": "{digest:016x}"}}"#,
        peak_mib()
    );
}

/// Seconds of processor time that all threads of this process have used.
fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes to the struct that it is given and to nothing else.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(outcome, 0, "Linux has this clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The most memory that the process has had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has this file");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") >> 10
}
