//! Runs a side as a process.
//!
//! The peer is built by `cargo build --release --manifest-path benches/dbsp/Cargo.toml`: its 450 crates are no part of what the
//! workspace builds and tests.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::Run;

/// The peer's program; `CAUDAL_NEXMARK_PEER` names another.
pub fn program() -> anyhow::Result<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("dbsp/target/release/nexmark-by-hand");
    let program = std::env::var_os("CAUDAL_NEXMARK_PEER").map_or(built, PathBuf::from);
    anyhow::ensure!(
        program.exists(),
        "the peer is not built: cargo build --release --manifest-path benches/dbsp/Cargo.toml (takes about 20 minutes)"
    );
    Ok(program)
}

/// Runs a side; its last line says what that took.
pub fn run(program: &Path, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<Run> {
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(output.status.success(), "{} ended with {}", program.display(), output.status);
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().last().with_context(|| format!("{} printed nothing", program.display()))?;
    serde_json::from_str(line).with_context(|| format!("{} printed {line}", program.display()))
}
