//! What is measured, each a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use gateway::credentials::Credentials;
use gateway::mqtt::{Options, Transport};
use sql::Cancel;
use tokio_postgres::NoTls;

const TABLE: &str = "CREATE TABLE readings (customer text, circuit int, at timestamptz, power_w double precision, \
     volts double precision, PRIMARY KEY (customer, circuit, at)) WITH (mqtt = 'casa/{customer}/power/{circuit}')";
/// Open files that the node needs for as many connections as it takes.
const FILES: u64 = 60_000;
/// Of these, those that are not for connections, with some to spare.
const FILES_SPARED: u64 = 2_500;
const START_MAX: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// Serves until it is killed.
pub async fn serve(dir: &Path) -> anyhow::Result<()> {
    more_files();
    let database = benches::database::open(dir).await?;
    benches::database::run(&database, TABLE).await?;
    let listen = || tokio::net::TcpListener::bind("127.0.0.1:0");
    let (mqtt, postgres) = (listen().await?, listen().await?);
    println!("{} {}", mqtt.local_addr()?, postgres.local_addr()?);
    let asking = gateway::postgres::serve(postgres, Arc::clone(&database), Credentials::default(), Cancel::new());
    tokio::spawn(asking);
    gateway::mqtt::serve(vec![(Transport::Tcp, mqtt)], database, Options::default(), Cancel::new()).await?;
    Ok(())
}

/// Raises the limit of open files as far as the system lets it.
fn more_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let more = libc::rlimit { rlim_cur: FILES, rlim_max: FILES };
    // SAFETY: the structs are read or written by their call, and nothing else is.
    unsafe {
        libc::setrlimit(libc::RLIMIT_NOFILE, &more);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
    }
    limit.rlim_cur
}

/// How many connections the node has open files for, three each, beside those that it needs for itself.
pub fn connections_max() -> usize {
    (more_files().saturating_sub(FILES_SPARED) / 3) as usize
}

/// A node.
pub struct Served {
    process: Child,
    pub mqtt: SocketAddr,
    postgres: SocketAddr,
}

impl Served {
    pub fn start(dir: &Path) -> anyhow::Result<Served> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.arg("--serve").arg(dir).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
        let (mqtt, postgres) = line.trim().split_once(' ').context("two addresses")?;
        Ok(Served { process, mqtt: mqtt.parse()?, postgres: postgres.parse()? })
    }

    /// The readings in the table, once there are as many as expected or no more come.
    pub async fn counted(&self, expected: usize) -> anyhow::Result<usize> {
        let mut settings = tokio_postgres::Config::new();
        settings.host("127.0.0.1").port(self.postgres.port()).user("caudal").password("caudal").dbname("caudal");
        let (client, connection) = settings.connect(NoTls).await?;
        tokio::spawn(connection);
        let (mut found, mut since) = (0, Instant::now());
        while since.elapsed() < START_MAX {
            let count: i64 = client.query_one("SELECT count(*) FROM readings", &[]).await?.get(0);
            if count as usize != found {
                (found, since) = (count as usize, Instant::now());
            }
            if found >= expected {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(found)
    }

    /// What the process holds in memory now.
    pub fn memory_mib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("Linux says it")?;
        Ok(held.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends with the bench, whatever came before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
