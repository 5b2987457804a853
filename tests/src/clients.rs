//! Foreign clients that tests drive: found on this machine, or installed once below the target directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The Python packages that tests use, pinned.
const PYTHON_PACKAGES: &[&str] = &["confluent-kafka==2.16.1"];

/// kcat, or in words why there is none.
pub fn kcat() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).flat_map(|dir| [dir.join("kcat"), dir.join("kafkacat")]);
    found.into_iter().find(|path| path.is_file()).ok_or_else(|| "kcat is not installed (apt-get install kcat)".into())
}

/// A Python with the packages that tests use, or in words why there is none. Made once; whoever else asks meanwhile waits.
pub fn python() -> Result<PathBuf, String> {
    let home = target_dir().join("python-clients");
    fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    let lock = File::create(home.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
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

/// Where this build's files are.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
    }
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it failed without a word").to_string())
}
