//! Foreign clients that tests drive: found on this machine, or installed once below the target directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The Python packages that tests use, pinned.
const PYTHON_PACKAGES: &[&str] = &[
    "confluent-kafka==2.16.1",
    "psycopg[binary]==3.3.9",
    "SQLAlchemy==2.1.9",
    "asyncpg==0.32.0",
    "pgcli==4.7.1",
    "pyodbc==5.5.0",
];

/// The driver that tests use with Node.js, pinned.
const NODE_PACKAGE: &str = "pg@8.23.1";

/// The driver that tests use with Java, and what its file must hash to.
const JDBC: (&str, &str) = (
    "https://repo1.maven.org/maven2/org/postgresql/postgresql/42.7.8/postgresql-42.7.8.jar",
    "2a32a9dcbc42d67a50ad3a0de5efd102c8d2be46720045f2cbd6689f160ab7c7",
);

/// Apache Kafka 4.1.2, its broker and its tools: what each file must hash to, and where Maven Central has it.
const KAFKA: &str = include_str!("../tests/kafka/jars");
const MAVEN_CENTRAL: &str = "https://repo1.maven.org/maven2";

/// The foreign broker that is built from crates.io, pinned.
const RUMQTTD: &str = "=0.20.0";

/// kcat, or in words why there is none.
pub fn kcat() -> Result<PathBuf, String> {
    on_path(&["kcat", "kafkacat"]).ok_or_else(|| "kcat is not installed (apt-get install kcat)".into())
}

/// The first program of these names.
fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).flat_map(|dir| names.iter().map(move |name| dir.join(name)));
    found.into_iter().find(|path| path.is_file())
}

/// Mosquitto's publisher, or in words why there is none.
pub fn mosquitto_pub() -> Result<PathBuf, String> {
    on_path(&["mosquitto_pub"])
        .ok_or_else(|| "mosquitto_pub is not installed (apt-get install mosquitto-clients)".into())
}

/// Chromium, or in words why there is none.
pub fn chromium() -> Result<PathBuf, String> {
    on_path(&["chromium"]).ok_or_else(|| "chromium is not installed (apt-get install chromium)".into())
}

/// A Python with the packages that tests use, or in words why there is none. Made once; whoever else asks meanwhile waits.
pub fn python() -> Result<PathBuf, String> {
    let (home, _lock) = locked("python-clients")?;
    let environment = home.join("venv");
    let python = environment.join("bin/python");
    // What is installed is written last, so an installation that was interrupted, or is of other versions, is made again.
    let installed = home.join("installed");
    let wanted = PYTHON_PACKAGES.join("\n");
    if fs::read_to_string(&installed).is_ok_and(|packages| packages == wanted) && python.is_file() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))
        .map_err(|why| format!("python3 with venv is needed (apt-get install python3-venv): {why}"))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PYTHON_PACKAGES))
    .map_err(|why| format!("the Python packages cannot be installed: {why}"))?;
    fs::write(installed, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

/// The file of the ODBC driver, or in words why there is none.
pub fn odbc() -> Result<PathBuf, String> {
    let folders = ["/usr/lib/x86_64-linux-gnu/odbc", "/usr/lib/aarch64-linux-gnu/odbc", "/usr/lib64"];
    let found = folders.iter().map(|folder| Path::new(folder).join("psqlodbcw.so")).find(|file| file.is_file());
    found.ok_or_else(|| "psqlODBC is not installed (apt-get install odbc-postgresql)".into())
}

/// Home Assistant and what its MQTT integration needs; the versions of everything else are those that it was released with.
const HOME_ASSISTANT: &str = "homeassistant==2024.3.3";
const HOME_ASSISTANT_NEEDS: &[&str] = &[
    "paho-mqtt",
    "janus",
    "Pillow",
    "SQLAlchemy",
    "fnv-hash-fast",
    "psutil-home-assistant",
    "home-assistant-frontend",
    "securetar",
    "josepy<2",
];

/// The folder of the programs of a Python in which Home Assistant is installed, or in words why there is none. Made once, which
/// takes minutes.
pub fn home_assistant() -> Result<PathBuf, String> {
    let (home, _lock) = locked("home-assistant")?;
    let programs = home.join("venv/bin");
    let installed = home.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|version| version == HOME_ASSISTANT) {
        return Ok(programs);
    }
    let version = run(Command::new("python3").args(["-c", "import sys; print(*sys.version_info[:2])"]))?;
    if version.stdout.trim_ascii() != b"3 11" {
        return Err(format!("{HOME_ASSISTANT} needs Python 3.11"));
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home.join("venv")))
        .map_err(|why| format!("python3 with venv is needed (apt-get install python3-venv): {why}"))?;
    let pip = |arguments: &[&str]| {
        let mut pip = Command::new(programs.join("python"));
        pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]).args(arguments).current_dir(&home);
        run(&mut pip).map_err(|why| format!("Home Assistant cannot be installed: {why}"))
    };
    // The release says itself which versions belong together; without them pip looks for ever.
    pip(&["install", "--no-deps", HOME_ASSISTANT])?;
    let constraints = home.join("venv/lib/python3.11/site-packages/homeassistant/package_constraints.txt");
    let constraints = constraints.to_str().ok_or("the target directory has a name that is not UTF-8")?;
    pip(&[&["install", "-c", constraints, HOME_ASSISTANT], HOME_ASSISTANT_NEEDS].concat())?;
    fs::write(installed, HOME_ASSISTANT).map_err(|error| error.to_string())?;
    Ok(programs)
}

/// A folder in which Node.js finds its PostgreSQL driver, or in words why there is none.
pub fn node() -> Result<PathBuf, String> {
    let (home, _lock) = locked("node-clients")?;
    let installed = home.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|package| package == NODE_PACKAGE) {
        return Ok(home);
    }
    run(Command::new("node").arg("--version")).map_err(|why| format!("Node.js is not installed: {why}"))?;
    let arguments = ["install", "--silent", "--no-audit", "--no-fund", "--no-save", NODE_PACKAGE];
    run(Command::new("npm").current_dir(&home).args(arguments))
        .map_err(|why| format!("the package of Node.js cannot be installed: {why}"))?;
    fs::write(installed, NODE_PACKAGE).map_err(|error| error.to_string())?;
    Ok(home)
}

/// The file of Java's PostgreSQL driver, or in words why there is none.
pub fn jdbc() -> Result<PathBuf, String> {
    run(Command::new("java").arg("-version")).map_err(|why| format!("Java is not installed: {why}"))?;
    let (home, _lock) = locked("java-clients")?;
    let (address, hash) = JDBC;
    let file = home.join(format!("{hash}.jar"));
    if !file.is_file() {
        let loading = home.join("loading");
        run(Command::new("curl")
            .args(["--silent", "--fail", "--max-time", "60", "--output"])
            .arg(&loading)
            .arg(address))
        .map_err(|why| format!("{address} cannot be loaded: {why}"))?;
        let sum = run(Command::new("sha256sum").arg(&loading))?;
        if !sum.stdout.starts_with(hash.as_bytes()) {
            return Err(format!("{address} is another file than it was"));
        }
        fs::rename(loading, &file).map_err(|error| error.to_string())?;
    }
    Ok(file)
}

/// A Java class path with Apache Kafka, or in words why there is none.
pub fn kafka() -> Result<String, String> {
    run(Command::new("java").arg("-version")).map_err(|why| format!("Java is not installed: {why}"))?;
    let (home, _lock) = locked("kafka")?;
    let jars = home.join("jars");
    let class_path = format!("{}/*", jars.display());
    let installed = home.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|files| files == KAFKA) {
        return Ok(class_path);
    }
    fs::create_dir_all(&jars).map_err(|error| error.to_string())?;
    let mut requests = String::new();
    let mut sums = String::new();
    for (sum, path) in KAFKA.lines().filter_map(|line| line.split_once("  ")) {
        let file = path.rsplit('/').next().expect("a path has a last part");
        requests += &format!("url = {MAVEN_CENTRAL}/{path}\noutput = {}/{file}\n", jars.display());
        sums += &format!("{sum}  {file}\n");
    }
    let (list, expected) = (home.join("requests"), home.join("sums"));
    fs::write(&list, requests).map_err(|error| error.to_string())?;
    fs::write(&expected, sums).map_err(|error| error.to_string())?;
    let curl = ["--silent", "--show-error", "--fail", "--parallel", "--max-time", "300", "--config"];
    run(Command::new("curl").args(curl).arg(&list)).map_err(|why| format!("Kafka cannot be loaded: {why}"))?;
    run(Command::new("sha256sum").args(["--quiet", "--check"]).arg(&expected).current_dir(&jars))
        .map_err(|why| format!("Kafka's files are others than they were: {why}"))?;
    fs::write(installed, KAFKA).map_err(|error| error.to_string())?;
    Ok(class_path)
}

/// A Java program of a class path, in a small and quickly started machine.
pub fn java(class_path: &str, class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", class_path, class]);
    command
}

/// A folder for one kind of client, and the lock on it: whoever else wants it waits.
fn locked(name: &str) -> Result<(PathBuf, File), String> {
    let home = target_dir().join(name);
    fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    let lock = File::create(home.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    Ok((home, lock))
}

/// Where this build's files are.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
    }
}

/// The broker rumqttd, or in words why there is none. It is built once, with nothing of this workspace.
pub fn rumqttd() -> Result<PathBuf, String> {
    let (home, _lock) = locked("rumqttd")?;
    let program = home.join("bin/rumqttd");
    if !program.is_file() {
        let mut install = Command::new("cargo");
        // Not its own lock file, which names a crate that today's compiler refuses.
        install.args(["install", "rumqttd", "--version", RUMQTTD, "--no-default-features", "--debug", "--quiet"]);
        // What is said of this build is not for that one.
        install.arg("--root").arg(&home).current_dir(&home);
        install.env_remove("RUSTC_WORKSPACE_WRAPPER").env_remove("CARGO_TARGET_DIR");
        run(&mut install).map_err(|why| format!("rumqttd cannot be built: {why}"))?;
    }
    Ok(program)
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it failed without a word").to_string())
}
