//! A node under load keeps within 1 GiB of memory: imports, views of every kind, queries larger than what they may hold, and a
//! follower that does not read.
//!
//! Where this machine lets us, the kernel sets the limit and would kill the node; everywhere the node's own peak is looked at.
//! `CAUDAL_FULL=1` sends two million rows.

mod process;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use process::{Caudal, text, within};

const LIMIT_BYTES: u64 = 1 << 30;
/// Files that are imported at the same time.
const FILES: u64 = 3;
/// Who ask for more than a query may hold, at the same time.
const ASKERS: u64 = 4;

/// A control group with the limit, removed once nobody is in it.
struct Cap(PathBuf);

impl Cap {
    /// Puts a process under the limit, or says in words why not.
    fn over(pid: u32) -> Result<Cap, String> {
        let dir = PathBuf::from(format!("/sys/fs/cgroup/memory/caudal-test-{}", std::process::id()));
        fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let cap = Cap(dir);
        let write =
            |name: &str, value: String| fs::write(cap.0.join(name), value).map_err(|error| format!("{name}: {error}"));
        write("memory.limit_in_bytes", LIMIT_BYTES.to_string())?;
        write("cgroup.procs", pid.to_string())?;
        Ok(cap)
    }

    fn peak_bytes(&self) -> u64 {
        fs::read_to_string(self.0.join("memory.max_usage_in_bytes")).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Cap {
    fn drop(&mut self) {
        // Left behind where a process is still in it.
        let _ = fs::remove_dir(&self.0);
    }
}

/// The most memory that a process has had at a time.
fn peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Rows of one file; each second row corrects one that another file has.
fn file(dir: &Path, number: u64, rows: u64) -> PathBuf {
    let path = dir.join(format!("{number}.csv"));
    let mut out = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    writeln!(out, "circuit,at,power_w,note").unwrap();
    for row in 0..rows {
        let at = if row % 2 == 0 { row * FILES + number } else { row };
        let (circuit, second) = (at % 1_000, at / 1_000);
        let (hour, minute, second) = (second / 3_600 % 24, second / 60 % 60, second % 60);
        let note = format!("{:x>200}", row * FILES + number);
        writeln!(out, "c{circuit},2026-01-01T{hour:02}:{minute:02}:{second:02}Z,{}.5,{note}", row % 5_000).unwrap();
    }
    out.flush().unwrap();
    path
}

fn client(node: &Caudal, command: &str, arguments: &[&str]) -> Child {
    node.client(command).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn under_load_it_keeps_within_a_gibibyte() {
    let dir = tempfile::tempdir().unwrap();
    let rows: u64 = if std::env::var_os("CAUDAL_FULL").is_some() { 2_000_000 } else { 150_000 } / FILES;
    let files: Vec<PathBuf> = (0..FILES).map(|number| file(dir.path(), number, rows)).collect();
    let node = Caudal::run(&dir.path().join("data"));
    let cap = Cap::over(node.id());
    if let Err(why) = &cap {
        println!("no limit by the kernel: {why}");
    }
    for definition in [
        "CREATE TABLE readings (circuit TEXT, at TIMESTAMPTZ, power_w DOUBLE PRECISION, note TEXT, PRIMARY KEY (circuit, at))",
        "CREATE MATERIALIZED VIEW minutes AS SELECT circuit, date_bin(INTERVAL '1 minute', at) AS minute, count(*) AS n, \
         sum(power_w) AS w, max(power_w) AS high FROM readings GROUP BY circuit, date_bin(INTERVAL '1 minute', at)",
        "CREATE MATERIALIZED VIEW notes AS SELECT note, count(*) AS n, count(DISTINCT circuit) AS circuits FROM readings GROUP BY note",
        "CREATE MATERIALIZED VIEW highest AS SELECT circuit, at, power_w FROM readings ORDER BY power_w DESC LIMIT 1000",
        "CREATE MATERIALIZED VIEW neighbours AS SELECT r.circuit, r.at, m.n FROM readings r JOIN minutes m \
         ON m.circuit = r.circuit AND m.minute = date_bin(INTERVAL '1 minute', r.at)",
    ] {
        node.execute(definition);
    }
    // Nobody reads what it says.
    let mut follower = client(&node, "sql", &["-c", "SUBSCRIBE readings"]);
    let imports: Vec<Child> =
        files.iter().map(|path| client(&node, "import", &["readings", path.to_str().unwrap()])).collect();
    let busy = std::sync::atomic::AtomicBool::new(true);
    let (imported, queries) = std::thread::scope(|scope| {
        let ask = || {
            let mut asked = 0;
            while busy.load(std::sync::atomic::Ordering::Relaxed) {
                let all = "SELECT count(*) AS n FROM (SELECT *, row_number() OVER (ORDER BY note DESC, power_w) AS p FROM readings) AS r \
                           WHERE p > 0";
                let output = node.sql("csv", all);
                // Beyond what a query may hold it is refused, and that is well too.
                let bounded = output.status.success() || text(&output.stderr).contains("53200");
                assert!(bounded, "{}", text(&output.stderr));
                asked += 1;
            }
            asked
        };
        let asking: Vec<_> = (0..ASKERS).map(|_| scope.spawn(ask)).collect();
        let imported: Vec<_> = imports.into_iter().map(|import| import.wait_with_output().unwrap()).collect();
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
        (imported, asking.into_iter().map(|asker| asker.join().unwrap()).sum::<u64>())
    });
    for output in imported {
        assert!(output.status.success(), "{}\n{}", text(&output.stderr), node.log());
    }
    let sent = node.cell("SELECT count(*) AS n FROM readings");
    assert_eq!(node.cell("SELECT sum(n) AS n FROM minutes"), sent);
    assert_eq!(node.cell("SELECT sum(n) AS n FROM notes"), sent);
    assert_eq!(node.cell("SELECT count(*) AS n FROM neighbours"), sent);
    assert_eq!(node.cell("SELECT count(*) AS n FROM highest"), "1000");
    let resident = peak_bytes(node.id());
    println!(
        "{sent} rows of {} events, {queries} queries over all of them, at most {} MiB resident",
        rows * FILES,
        resident >> 20
    );
    if let Ok(cap) = &cap {
        println!("{} MiB of 1,024 with the page cache, and it was not killed", cap.peak_bytes() >> 20);
    }
    assert!(resident < LIMIT_BYTES, "{} MiB", resident >> 20);
    follower.kill().unwrap();
    follower.wait().unwrap();
    let (status, _) = node.interrupt();
    assert!(status.success(), "{status}");
    if let Ok(cap) = cap {
        within(process::DEADLINE, || fs::remove_dir(&cap.0).ok());
    }
}
