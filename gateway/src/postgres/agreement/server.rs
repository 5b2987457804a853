//! A PostgreSQL server of one test, in a directory of its own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::skipping::skip;

/// Where Debian and others install servers, one folder a version.
const INSTALLED: [&str; 2] = ["/usr/lib/postgresql", "/usr/local/pgsql"];
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Stopped and removed when dropped.
pub(super) struct Server {
    port: u16,
    process: Child,
    stop: Command,
    _directory: TempDir,
}

impl Server {
    /// `None` where no server is installed.
    pub(super) fn start() -> Option<Server> {
        let Some(programs) = programs() else {
            skip("no PostgreSQL server is installed to compare with (apt-get install postgresql)");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let user = user();
        if let Some((user, group)) = user {
            chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let data = directory.path().join("data");
        let mut initdb = as_user(&programs.join("initdb"), user);
        initdb
            .args(["--no-sync", "--no-locale", "--encoding=UTF8", "--username=caudal", "--auth=trust", "-D"])
            .arg(&data);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut postgres = as_user(&programs.join("postgres"), user);
        postgres.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]);
        let process = postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut stop = as_user(&programs.join("pg_ctl"), user);
        stop.args(["stop", "--mode=immediate", "-D"]).arg(&data).stdout(Stdio::null()).stderr(Stdio::null());
        Some(Server { port, process, stop, _directory: directory })
    }

    /// Waits until the server accepts connections.
    pub(super) async fn connect(&self) -> Client {
        let url = format!("host=127.0.0.1 port={} user=caudal dbname=postgres options='-c TimeZone=UTC'", self.port);
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match tokio_postgres::connect(&url, NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) if Instant::now() > deadline => panic!("PostgreSQL did not start: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not killed: a server that stops by itself gives its shared memory back.
        let _ = self.stop.status();
        let _ = self.process.wait();
    }
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let versions = INSTALLED.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.extend(INSTALLED.iter().map(|folder| Path::new(folder).join("bin")));
    folders.retain(|folder| folder.join("postgres").exists() && folder.join("initdb").exists());
    folders.sort();
    folders.pop()
}

/// PostgreSQL does not run as root: then it runs as the user that Debian's package makes, by id.
fn user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let fields = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    fields("postgres").or_else(|| fields("nobody"))
}

fn as_user(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}
