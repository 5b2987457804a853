//! A `caudal` process, as a person or an init system runs it.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long anything in these tests may take before it counts as never.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A node of its own, on ports that the system chose.
pub struct Caudal {
    child: Child,
    /// Door to address, from the ready line.
    pub doors: BTreeMap<String, String>,
    log: PathBuf,
}

/// The binary, with nothing of this shell's settings.
pub fn caudal() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CAUDAL_")) {
        command.env_remove(name);
    }
    command
}

impl Caudal {
    /// `caudal run` on a data directory, ready.
    pub fn run(data: &Path) -> Caudal {
        Caudal::start("run", data, &[])
    }

    /// A command that runs a node, ready. `more` follows the flags for the data directory and the doors.
    pub fn start(command: &str, data: &Path, more: &[&str]) -> Caudal {
        Caudal::start_as(caudal(), command, data, more)
    }

    /// The same, by a program that becomes the node.
    pub fn start_as(mut program: Command, command: &str, data: &Path, more: &[&str]) -> Caudal {
        let log = data.with_extension("log");
        let written = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut child = program
            .args([command, "--pg", "127.0.0.1:0", "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0"])
            .args(["--mqtt", "off"].iter().filter(|_| !more.contains(&"--mqtt")))
            .arg("--data")
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(written)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, first) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = sender.send(lines.next());
            // Whatever else it says must not fill the pipe.
            lines.for_each(drop);
        });
        let mut node = Caudal { child, doors: BTreeMap::new(), log };
        let line = match first.recv_timeout(DEADLINE) {
            Ok(Some(Ok(line))) => line,
            other => panic!("no ready line but {other:?}; standard error:\n{}", node.log()),
        };
        let doors = line.strip_prefix("ready ").unwrap_or_else(|| panic!("not a ready line: {line}"));
        node.doors =
            doors.split(' ').map(|door| door.split_once('=').unwrap()).map(|(n, a)| (n.into(), a.into())).collect();
        node
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// A client command for this node.
    pub fn client(&self, command: &str) -> Command {
        let mut client = caudal();
        client.args([command, "--pg", &self.doors["pg"]]).stdin(Stdio::null());
        client
    }

    /// `caudal sql -c`, whatever comes of it.
    pub fn sql(&self, format: &str, sql: &str) -> Output {
        self.client("sql").args(["--format", format, "-c", sql]).output().unwrap()
    }

    /// Runs statements that must succeed.
    pub fn execute(&self, sql: &str) {
        let output = self.sql("table", sql);
        assert!(output.status.success(), "{sql}: {}", text(&output.stderr));
    }

    /// The rows of a query.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let output = self.sql("csv", sql);
        assert!(output.status.success(), "{sql}: {}\n{}", text(&output.stderr), self.log());
        let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
        reader.records().map(|row| row.unwrap().iter().map(str::to_string).collect()).collect()
    }

    /// The only cell of a query's only row. Empty if it is NULL: an only NULL is an empty line, which the reader passes over.
    pub fn cell(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert!(rows.len() <= 1 && rows.iter().all(|row| row.len() == 1), "{sql}: {rows:?}");
        rows.into_iter().flatten().next().unwrap_or_default()
    }

    /// `caudal import`; what it printed, which must be a success.
    pub fn import(&self, table: &str, file: &Path, select: Option<&str>) -> Summary {
        let mut import = self.client("import");
        import.arg(table).arg(file).args(select.iter().flat_map(|select| ["--select", select]));
        let output = import.output().unwrap();
        assert!(output.status.success(), "importing {}: {}", file.display(), text(&output.stderr));
        Summary { text: text(&output.stdout) }
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ctrl-C; how it ended, and after how long.
    pub fn interrupt(self) -> (ExitStatus, Duration) {
        self.signal("INT")
    }

    /// A signal that asks it to end; how it ended, and after how long.
    pub fn signal(mut self, name: &str) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let status = within(DEADLINE, || self.child.try_wait().unwrap());
        (status, asked.elapsed())
    }
}

impl Drop for Caudal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an import printed.
#[derive(Debug)]
pub struct Summary {
    pub text: String,
}

impl Summary {
    /// taken, corrected, unchanged, quarantined.
    pub fn counts(&self) -> [u64; 4] {
        ["taken", "corrected", "unchanged", "quarantined"].map(|name| {
            let line = self.text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {}", self.text)).trim().parse().unwrap()
        })
    }
}

/// Asks again until there is an answer.
pub fn within<T>(limit: Duration, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no answer within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
