//! Apache Kafka itself: one broker in KRaft mode, in a directory that goes with it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// An id as clusters have it: any UUID.
const CLUSTER: &str = "bm8ta25vZGVub2Rlbm9kZQ";
/// How long a broker may take until it takes connections.
const START_MAX: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// A broker that runs until it is dropped.
pub struct Broker {
    pub address: SocketAddr,
    class_path: String,
    process: Child,
    dir: TempDir,
}

impl Broker {
    /// Starts a broker from a class path (see [`crate::clients::kafka`]); in words, why there is none.
    pub fn start(class_path: &str) -> Result<Broker, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let (address, controller) = (free_address()?, free_address()?);
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
        let process = run(class_path, &dir)?;
        let mut broker = Broker { address, class_path: class_path.to_owned(), process, dir };
        broker.wait()?;
        Ok(broker)
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill().expect("a broker that runs can be killed");
        self.process.wait().expect("a killed broker ends");
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.process = run(&self.class_path, &self.dir).expect("Java was there before");
        self.wait().expect("Kafka starts again");
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(self.address).is_err() {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("Kafka ended: {status}: {}", said(&self.dir)));
            }
            if Instant::now() > deadline {
                return Err(format!("Kafka takes no connections after {START_MAX:?}: {}", said(&self.dir)));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(class_path: &str, dir: &TempDir) -> Result<Child, String> {
    java(class_path, dir, "kafka.Kafka")?.arg(properties_of(dir)).spawn().map_err(|error| error.to_string())
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

/// An address that nobody listened on a moment ago.
fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(|error| error.to_string())
}
