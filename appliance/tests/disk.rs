//! On a disk that fills up a node stops acknowledging, answers reads, and goes on by itself once there is room; on a slow one it
//! acknowledges late, answers reads, and holds little. What it has acknowledged is there once.

mod process;
#[path = "../../tests/src/skipping.rs"]
mod skipping;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use process::{Caudal, caudal, text, within};
use skipping::skip_what_cannot_be_had;

/// The whole disk.
const DISK_MIB: u64 = 384;
/// What is left of it when it is filled.
const LEFT_BYTES: u64 = 3 << 20;
const ROWS: u64 = 2_000;

/// A node whose data is on a disk of its own, which nobody else sees; in words why there is none.
fn on_small_disk(data: &Path) -> Result<(Caudal, PathBuf), String> {
    let disk = data.parent().unwrap();
    let mut probe = Command::new("unshare");
    probe.args(["-Urm", "mount", "-t", "tmpfs", "tmpfs"]).arg(disk);
    match probe.output() {
        Err(error) => return Err(format!("unshare: {error}")),
        Ok(output) if !output.status.success() => return Err(text(&output.stderr)),
        Ok(_) => {}
    }
    let mut program = Command::new("unshare");
    let script = format!("mount -t tmpfs -o size={DISK_MIB}m tmpfs \"$0\" && exec \"$@\"");
    program.args(["-Urm", "sh", "-c", &script]).arg(disk).arg(caudal().get_program());
    let node = Caudal::start_as(program, "run", data, &[]);
    let seen = PathBuf::from(format!("/proc/{}/root{}", node.id(), disk.display()));
    Ok((node, seen))
}

/// Sends numbered rows from `from` on, one statement each; how many were acknowledged until one is refused, and why.
fn send(node: &Caudal, from: u64, count: u64) -> (u64, Option<String>) {
    for number in from..from + count {
        let insert =
            format!("INSERT INTO events SELECT {number}, i, repeat('x', 400) FROM generate_series(1, 100) AS t(i)");
        let output = node.sql("table", &insert);
        if !output.status.success() {
            return (number, Some(text(&output.stderr)));
        }
    }
    (from + count, None)
}

fn readiness(node: &Caudal) -> String {
    let output = Command::new("curl").args(["-sS", "-i", &format!("http://{}/readyz", node.doors["http"])]).output();
    text(&output.unwrap().stdout)
}

#[test]
fn a_full_disk_stops_acknowledging_and_room_brings_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let (node, seen) = match on_small_disk(&disk.join("data")) {
        Ok(started) => started,
        Err(reason) => {
            return skip_what_cannot_be_had(format_args!("no disk of its own can be mounted here: {reason}"));
        }
    };
    node.execute("CREATE TABLE events (batch BIGINT, i BIGINT, padding TEXT, PRIMARY KEY (batch, i))");
    node.execute("CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n, sum(batch) AS batches FROM events");
    let (sent, refused) = send(&node, 0, 20);
    assert_eq!((sent, refused), (20, None));

    // Somebody else's file takes the room.
    let ballast = seen.join("ballast");
    let free = storage::disk_space(&seen).unwrap().free;
    let mut file = fs::File::create(&ballast).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(7), free - LEFT_BYTES), &mut file).unwrap();
    drop(file);
    let (acknowledged, refused) = send(&node, sent, ROWS);
    let refused = refused.expect("the disk is full before all is sent");
    assert!(refused.contains("No space left"), "{refused}");

    // Reads go on, and the node says what is the matter.
    let counted = || (node.cell("SELECT n FROM totals"), node.cell("SELECT count(*) FROM events"));
    let (of_view, of_table) = counted();
    assert_eq!(of_view, of_table);
    let said = readiness(&node);
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("No space left"), "{said}");
    let (still, refused) = send(&node, acknowledged, 1);
    assert!(still == acknowledged && refused.is_some());

    fs::remove_file(&ballast).unwrap();
    within(process::DEADLINE, || readiness(&node).starts_with("HTTP/1.1 200").then_some(()));
    // What was refused may be in the log all the same where only its answer was lost: it is sent again, and counts once.
    let (sent, refused) = send(&node, acknowledged, 10);
    assert_eq!((sent, refused), (acknowledged + 10, None));
    let of_batches = (sent * (sent - 1) / 2 * 100).to_string();
    assert_eq!(node.rows("SELECT n, batches FROM totals"), [[(sent * 100).to_string(), of_batches]], "{}", node.log());
    assert_eq!(node.cell("SELECT count(*) FROM events"), (sent * 100).to_string());
    let (status, _) = node.interrupt();
    assert!(status.success());
}

/// The library that stands between a program and a failing disk.
fn shim(directory: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/shim/fault.c");
    let library = directory.join("fault.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).args(["-ldl", "-lpthread"]);
    assert!(cc.status().unwrap().success(), "cc compiles the fault shim");
    library
}

/// A node whose disk does as it is told below a directory of its data.
fn on_faulty_disk(directory: &Path, watched: &str, fault: &[(&str, &str)]) -> Caudal {
    fs::create_dir(directory.join("shadow")).unwrap();
    fs::create_dir_all(directory.join(watched)).unwrap();
    let mut program = caudal();
    program
        .env("LD_PRELOAD", shim(directory))
        .env("CAUDAL_FAULT_DIR", directory.join(watched))
        .env("CAUDAL_FAULT_COUNTERS", directory.join("counters"))
        .env("CAUDAL_FAULT_SHADOW", directory.join("shadow"))
        .env("CAUDAL_FAULT_SURVIVED", directory.join("survived"))
        .envs(fault.iter().copied());
    Caudal::start_as(program, "run", &directory.join("data"), &[])
}

#[test]
fn tables_that_could_not_be_written_once_are_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let fault = [("CAUDAL_FAULT_MODE", "enospc-once"), ("CAUDAL_FAULT_ON", "sync"), ("CAUDAL_FAULT_AT", "40")];
    let node = on_faulty_disk(directory.path(), "data/table", &fault);
    node.execute("CREATE TABLE events (batch BIGINT, i BIGINT, padding TEXT, PRIMARY KEY (batch, i))");
    node.execute("CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n, sum(batch) AS batches FROM events");
    let (failed, refused) = send(&node, 0, 100);
    let refused = refused.expect("a sync of the tables fails");
    assert!(refused.contains("No space left"), "{refused}");
    within(process::DEADLINE, || node.log().contains("events are acknowledged again").then_some(()));
    let (sent, refused) = send(&node, failed, 10);
    assert_eq!((sent, refused), (failed + 10, None));
    let of_batches = (sent * (sent - 1) / 2 * 100).to_string();
    assert_eq!(node.rows("SELECT n, batches FROM totals"), [[(sent * 100).to_string(), of_batches]], "{}", node.log());
}

/// How long a slow disk takes to sync.
const SYNC: Duration = Duration::from_millis(150);

/// Inserts row after row, and meanwhile reads time after time: how long each took, the reads in the order of that. With nothing
/// else to do, only what waits for a sync takes as long as one.
fn beside_each_other(node: &Caudal) -> (Vec<Duration>, Vec<Duration>) {
    const ROWS: u64 = 10;
    let insert = |row: u64| {
        let begun = Instant::now();
        node.execute(&format!("INSERT INTO events VALUES (-1, {row}, '')"));
        begun.elapsed()
    };
    let settings = format!("postgresql://caudal:caudal@{}/caudal", node.doors["pg"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::scope(|scope| {
        let inserts = scope.spawn(|| (0..ROWS).map(insert).collect());
        let mut reads = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&settings, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let mut reads = Vec::new();
            while !inserts.is_finished() {
                let begun = Instant::now();
                client.simple_query("SELECT n FROM totals").await.unwrap();
                reads.push(begun.elapsed());
            }
            reads
        });
        reads.sort();
        (inserts.join().unwrap(), reads)
    })
}

#[test]
fn on_a_slow_disk_acknowledgements_wait_and_reads_do_not() {
    const FILES: u64 = 3;
    const ROWS: u64 = 40_000;
    let directory = tempfile::tempdir().unwrap();
    let node = on_faulty_disk(directory.path(), "data", &[("CAUDAL_FAULT_SYNC_MS", &SYNC.as_millis().to_string())]);
    node.execute("CREATE TABLE events (batch BIGINT, i BIGINT, padding TEXT, PRIMARY KEY (batch, i))");
    node.execute("CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM events");
    let files: Vec<PathBuf> = (0..FILES).map(|number| directory.path().join(format!("{number}.csv"))).collect();
    for (number, file) in files.iter().enumerate() {
        let rows: String = (0..ROWS).map(|row| format!("{number},{row},{}\n", "x".repeat(500))).collect();
        fs::write(file, format!("batch,i,padding\n{rows}")).unwrap();
    }
    let mut reads = 0;
    std::thread::scope(|scope| {
        let imports: Vec<_> = files.iter().map(|file| scope.spawn(|| node.import("events", file, None))).collect();
        while !imports.iter().all(|import| import.is_finished()) {
            // The view and its table agree at any moment, and both are answered without waiting for a sync.
            let seen = node.rows("SELECT n, (SELECT count(*) FROM events) FROM totals");
            assert!(seen.is_empty() || seen[0][0] == seen[0][1], "{seen:?}");
            reads += 1;
        }
        imports.into_iter().for_each(|import| drop(import.join().unwrap()));
    });
    assert!(reads > 3, "{reads} reads beside {FILES} imports");
    assert_eq!(node.cell("SELECT n FROM totals"), (FILES * ROWS).to_string());
    let (acknowledged, reads) = beside_each_other(&node);
    assert!(acknowledged.iter().all(|took| *took >= SYNC), "{acknowledged:?} for a row, with syncs of {SYNC:?}");
    let median = reads[reads.len() / 2];
    assert!(median < SYNC / 4, "{median:?} for most of {} reads, with syncs of {SYNC:?}", reads.len());
    let status = fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    let peak_mib = peak.parse::<u64>().unwrap() >> 10;
    assert!(peak_mib < 512, "{peak_mib} MiB at the most, with syncs of 150 ms");
}
