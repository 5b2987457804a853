//! A node of one door, as a process.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::Context;
use benches::database::open;
use gateway::credentials::Credentials;
use sql::Cancel;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The process, ended when this is dropped.
pub struct Served {
    pub port: u16,
    child: Child,
    _output: BufReader<ChildStdout>,
    _directory: TempDir,
}

impl Served {
    /// Starts one with a new database; it answers on return.
    pub fn start() -> anyhow::Result<Served> {
        let directory = tempfile::tempdir()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve").arg(directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("its output is a pipe")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let port = line.trim().parse().with_context(|| format!("a port, not {line:?}"))?;
        Ok(Served { port, child, _output: output, _directory: directory })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Serves a new database in a directory, says its port, and ends with its input.
pub async fn serve(directory: &Path) -> anyhow::Result<()> {
    let database = open(directory).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let shutdown = Cancel::new();
    let door =
        tokio::spawn(gateway::postgres::serve(listener, database.clone(), Credentials::default(), shutdown.clone()));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    shutdown.cancel();
    door.await??;
    database.close().await;
    Ok(())
}
