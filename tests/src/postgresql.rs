//! A real PostgreSQL, where one is installed, to compare with.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::node::eventually;
use crate::skip;

/// A server of its own, on a socket in a directory of its own.
pub struct PostgreSql {
    server: Child,
    directory: TempDir,
    port: u16,
}

impl PostgreSql {
    /// Starts one; `None`, said, where it is not installed. What it writes is not synced.
    pub fn start() -> Option<PostgreSql> {
        PostgreSql::start_on(5432, &["listen_addresses=", "fsync=off"])
    }

    /// Starts one of this port with these settings; `None`, said, where it is not installed.
    pub fn start_on(port: u16, settings: &[&str]) -> Option<PostgreSql> {
        let Some(binaries) = binaries() else {
            skip("PostgreSQL is not installed (apt-get install postgresql)");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let user = account();
        if let Some((user, group)) = user {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let run = |name: &str| {
            let mut command = Command::new(binaries.join(name));
            command.current_dir(directory.path()).stdout(Stdio::null()).stderr(Stdio::null()).env("TZ", "UTC");
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            command
        };
        let data = directory.path().join("data");
        let made = run("initdb")
            .arg("-D")
            .arg(&data)
            .args(["-U", "caudal", "-A", "trust", "--no-locale", "-E", "UTF8", "-N"])
            .status();
        assert!(made.unwrap().success(), "initdb");
        let mut server = run("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(directory.path());
        server
            .arg("-p")
            .arg(port.to_string())
            .args(["-c", "timezone=UTC"])
            .args(settings.iter().flat_map(|setting| ["-c", *setting]));
        Some(PostgreSql { server: server.spawn().unwrap(), directory, port })
    }

    /// Where its socket is, and its port.
    pub fn place(&self) -> (&Path, u16) {
        (self.directory.path(), self.port)
    }

    /// A client, once it answers.
    pub async fn connect(&self) -> Client {
        self.connect_to("postgres").await
    }

    /// A client of this database.
    pub async fn connect_to(&self, database: &str) -> Client {
        let mut settings = tokio_postgres::Config::new();
        settings.host_path(self.directory.path()).port(self.port).user("caudal").dbname(database);
        let connected = async || settings.connect(NoTls).await.ok();
        let (client, connection) = eventually("PostgreSQL answers", connected).await;
        tokio::spawn(connection);
        client
    }
}

impl Drop for PostgreSql {
    fn drop(&mut self) {
        // SAFETY: the process is this one's child and has not been waited for.
        unsafe { libc::kill(self.server.id() as i32, libc::SIGQUIT) };
        let _ = self.server.wait();
    }
}

/// Where the newest server is, as Debian installs it.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions.filter_map(|version| Some(version.ok()?.path().join("bin"))).collect();
    found.retain(|binaries| binaries.join("initdb").exists());
    found.sort();
    found.pop()
}

/// Who the server runs as where this is root, which it refuses.
fn account() -> Option<(u32, u32)> {
    // SAFETY: it has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        return None;
    }
    let accounts = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap();
    let line = accounts.lines().find(|line| line.starts_with("nobody:"))?;
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    Some((fields.next()?, fields.next()?))
}
