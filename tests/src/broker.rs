//! Apache Kafka itself: one broker in KRaft mode, in a directory that goes with it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::server::{Server, free_address};

/// An id as clusters have it: any UUID.
const CLUSTER: &str = "bm8ta25vZGVub2Rlbm9kZQ";

/// A broker that runs until it is dropped.
pub struct Broker {
    pub address: SocketAddr,
    server: Server,
    dir: TempDir,
}

impl Broker {
    /// Starts a broker from a class path (see [`crate::clients::kafka`]); in words, why there is none.
    pub fn start(class_path: &str) -> Result<Broker, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let (address, controller) = (free_address(), free_address());
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@{controller}\n\
             listeners=PLAINTEXT://{address},CONTROLLER://{controller}\ncontroller.listener.names=CONTROLLER\n\
             log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=4\ngroup.initial.rebalance.delay.ms=0\n",
            dir.path().join("data").display()
        );
        fs::write(properties_of(&dir), properties).map_err(|error| error.to_string())?;
        let format = java(class_path, &dir, "kafka.tools.StorageTool")?
            .args(["format", "-t", CLUSTER, "-c"])
            .arg(properties_of(&dir))
            .status();
        if !format.is_ok_and(|status| status.success()) {
            return Err(format!("Kafka cannot format its directory: {}", said(&dir)));
        }
        let mut kafka = java(class_path, &dir, "kafka.Kafka")?;
        kafka.arg(properties_of(&dir));
        let server = Server::start(kafka, address).map_err(|why| format!("Kafka: {why}: {}", said(&dir)))?;
        Ok(Broker { address, server, dir })
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.server.end(libc::SIGKILL);
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.server.start_again().unwrap_or_else(|why| panic!("Kafka: {why}: {}", said(&self.dir)));
    }
}

fn java(class_path: &str, dir: &TempDir, class: &str) -> Result<Command, String> {
    let log =
        File::options().create(true).append(true).open(dir.path().join("said")).map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    let mut command = Command::new("java");
    command
        .args(["-Xmx512m", "-XX:+UseSerialGC", "-cp", class_path, class])
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    Ok(command)
}

fn properties_of(dir: &TempDir) -> PathBuf {
    dir.path().join("server.properties")
}

/// The last that it said.
fn said(dir: &TempDir) -> String {
    let text = fs::read_to_string(dir.path().join("said")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
