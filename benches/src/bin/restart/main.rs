//! Start again with a hundred thousand, a million and ten million groups: nothing of them may be read.
//!
//! A child process loads a table with a view that has a group a row, keeps taking events and is killed with SIGKILL. A
//! second one opens what is left, answers a query by key and measures itself: seconds, bytes read, peak memory. Then it ends
//! cleanly and a third does the same, once with what the system had cached of the files dropped, where it lets us.

mod child;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use benches::report::Report;
use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;

const TARGET_SECONDS: f64 = 1.0;
const TARGET_PEAK_BYTES: u64 = 512 << 20;

#[derive(Parser)]
struct Arguments {
    /// Groups, one part of the bench each.
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000,10000000")]
    groups: Vec<u64>,
    /// What the bench runs itself with.
    #[command(subcommand)]
    child: Option<child::Child>,
}

/// What opening took.
#[derive(Serialize, Deserialize)]
pub struct Opened {
    seconds: f64,
    read_bytes: u64,
    peak_bytes: u64,
    /// Rows of the table, as the view's answer and a count by key say.
    found: i64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(child) = arguments.child {
        return child::run(child);
    }
    let columns = ["groups", "after", "ms", "MiB read", "peak MiB"];
    let mut report = Report::new("restart", &columns);
    for &groups in &arguments.groups {
        let dir = tempfile::tempdir()?;
        load_and_kill(dir.path(), groups)?;
        for (after, cold) in [("SIGKILL", false), ("a clean end", false), ("a clean end, cold", true)] {
            if cold && !drop_file_cache() {
                report.note(format!("{groups} groups, cold: skipped, the system does not let us drop its cache."));
                continue;
            }
            let opened = open(dir.path(), groups)?;
            let ms = opened.seconds * 1e3;
            let mib = |bytes: u64| json!(bytes as f64 / f64::from(1 << 20));
            report.row(vec![json!(groups), json!(after), json!(ms), mib(opened.read_bytes), mib(opened.peak_bytes)]);
            let met = opened.seconds <= TARGET_SECONDS && opened.peak_bytes <= TARGET_PEAK_BYTES;
            if !met {
                report.note(format!("Target of {TARGET_SECONDS} s and 512 MiB MISSED: {groups} groups after {after}."));
            }
        }
    }
    report.note("Open to the answer of a first query by key; bytes that the process read, from files or their cache.");
    report.finish()?;
    Ok(())
}

/// Loads in a child that is killed while it takes events.
fn load_and_kill(dir: &Path, groups: u64) -> anyhow::Result<()> {
    let mut child = myself("load", dir, groups)?.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    let loaded = lines.next().transpose()?;
    child.kill()?;
    child.wait()?;
    anyhow::ensure!(loaded.as_deref() == Some("loaded"), "loading {groups} groups failed");
    Ok(())
}

fn open(dir: &Path, groups: u64) -> anyhow::Result<Opened> {
    let output = myself("open", dir, groups)?.stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(output.status.success(), "opening {groups} groups failed");
    let opened: Opened = serde_json::from_slice(&output.stdout)?;
    anyhow::ensure!(opened.found == 1, "the group asked for is counted {} times", opened.found);
    Ok(opened)
}

fn myself(what: &str, dir: &Path, groups: u64) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(what).arg(dir).arg(groups.to_string());
    Ok(command)
}

/// Makes the system forget what it has cached of files; false where it refuses.
fn drop_file_cache() -> bool {
    // Only what is on disk can be dropped.
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::sync() };
    std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}
