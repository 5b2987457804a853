//! Runs a program on a disk that fails: the shim of `shim/fault.c` stands between it and the C library.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What the disk does. See `shim/fault.c` for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Kill,
    Eio,
    EioOnce,
    Enospc,
    EnospcOnce,
    Drop,
    Tear,
}

/// Which calls are counted up to the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Write,
    Sync,
}

/// The `at`-th write or sync fails, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub mode: Mode,
    pub on: On,
    pub at: u64,
}

/// How a run went.
#[derive(Debug)]
pub struct Run {
    /// Lines of standard output, whole ones only.
    pub lines: Vec<String>,
    pub errors: String,
    pub status: ExitStatus,
    /// Writes and syncs that were counted.
    pub writes: u64,
    pub syncs: u64,
    /// Whether the fault happened.
    pub happened: bool,
}

impl Mode {
    pub const ALL: [Mode; 7] =
        [Mode::Kill, Mode::Eio, Mode::EioOnce, Mode::Enospc, Mode::EnospcOnce, Mode::Drop, Mode::Tear];

    fn name(self) -> &'static str {
        match self {
            Mode::Kill => "kill",
            Mode::Eio => "eio",
            Mode::EioOnce => "eio-once",
            Mode::Enospc => "enospc",
            Mode::EnospcOnce => "enospc-once",
            Mode::Drop => "drop",
            Mode::Tear => "tear",
        }
    }

    /// Whether the process dies of it.
    pub fn kills(self) -> bool {
        matches!(self, Mode::Kill | Mode::Drop | Mode::Tear)
    }
}

impl Fault {
    /// Every fault of a run that had so many writes and syncs without one.
    pub fn all(writes: u64, syncs: u64) -> Vec<Fault> {
        let of = |on: On, count: u64| {
            Mode::ALL.into_iter().flat_map(move |mode| (1..=count).map(move |at| Fault { mode, on, at }))
        };
        of(On::Write, writes).chain(of(On::Sync, syncs)).collect()
    }
}

/// Runs a program that keeps its data in `data`, and ends it after `limit`. What the fault took is gone from `data` afterwards.
pub fn run(command: &mut Command, data: &Path, fault: Option<Fault>, limit: Duration) -> Run {
    let beside = tempfile::tempdir().expect("a directory for the shim");
    let (counters, shadow) = (beside.path().join("counters"), beside.path().join("shadow"));
    let survived = beside.path().join("survived");
    fs::create_dir_all(data).expect("the data directory");
    fs::create_dir(&shadow).expect("the shim's copy of what is synced");
    command
        .env("LD_PRELOAD", library())
        .env("CAUDAL_FAULT_DIR", data)
        .env("CAUDAL_FAULT_COUNTERS", &counters)
        .env("CAUDAL_FAULT_SHADOW", &shadow)
        .env("CAUDAL_FAULT_SURVIVED", &survived)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(Fault { mode, on, at }) = fault {
        let on = if on == On::Sync { "sync" } else { "write" };
        command.env("CAUDAL_FAULT_MODE", mode.name()).env("CAUDAL_FAULT_ON", on).env("CAUDAL_FAULT_AT", at.to_string());
    }
    let (status, output, errors) = run_to_end(command, limit);
    let counters = fs::read(&counters).expect("the shim counts");
    let counter = |index: usize| u64::from_ne_bytes(counters[8 * index..][..8].try_into().expect("three counters"));
    if survived.exists() {
        fs::remove_dir_all(data).expect("removing what did not survive");
        copy_dir(&survived, data);
    }
    let whole = output.rfind('\n').map_or("", |end| &output[..end]);
    Run {
        lines: whole.lines().map(str::to_owned).collect(),
        errors,
        status,
        writes: counter(0),
        syncs: counter(1),
        happened: counter(2) != 0,
    }
}

fn run_to_end(command: &mut Command, limit: Duration) -> (ExitStatus, String, String) {
    let mut child = command.spawn().expect("starting the program");
    let read = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).expect("reading a pipe");
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let output = read(Box::new(child.stdout.take().expect("a pipe")));
    let errors = read(Box::new(child.stderr.take().expect("a pipe")));
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().expect("waiting for the program") {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().expect("ending the program");
            let status = child.wait().expect("waiting for the program");
            panic!("{command:?} did not end within {limit:?}: {status}\n{}", errors.join().expect("its errors"));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    (status, output.join().expect("its output"), errors.join().expect("its errors"))
}

/// Copies a directory and all below it.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("making a directory");
    for entry in fs::read_dir(from).expect("listing a directory") {
        let entry = entry.expect("listing a directory");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("the kind of an entry").is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copying a file");
        }
    }
}

/// The shim, compiled once a process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim/fault.c");
        let library = std::env::temp_dir().join(format!("caudal-fault-{}.so", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .status()
            .expect("cc compiles the fault shim");
        assert!(compiled.success(), "cc compiles the fault shim");
        library
    })
}
