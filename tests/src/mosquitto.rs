//! Mosquitto as the broker of others: one user, what it keeps outlasts it, and where certificates are given it speaks TLS alone.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::server::{Server, free_address};

/// The user that it lets in, and a password that nobody else is told.
pub const USER: &str = "bridge";
pub const PASSWORD: &str = "s3cret-of-the-broker";

const MISSING: &str = "mosquitto is not installed (apt-get install mosquitto)";

/// A broker that runs until it is dropped.
pub struct Mosquitto {
    pub port: u16,
    server: Server,
    _dir: TempDir,
}

impl Mosquitto {
    /// Starts a broker; `certificates`: a folder with `authority.pem`, `node.pem` and `node.key`. In words why there is none.
    pub fn start(certificates: Option<&Path>) -> Result<Mosquitto, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let passwords = dir.path().join("passwords");
        std::fs::write(&passwords, format!("{USER}:{PASSWORD}\n")).unwrap();
        let hashed = Command::new("mosquitto_passwd").arg("-U").arg(&passwords).status();
        if !hashed.is_ok_and(|status| status.success()) {
            return Err(MISSING.to_owned());
        }
        let mut settings = format!(
            "allow_anonymous false\npassword_file {}\npersistence true\npersistence_location {}/\nmax_queued_messages 0\nuser root\n",
            passwords.display(),
            dir.path().display()
        );
        if let Some(folder) = certificates {
            let file = |name: &str| folder.join(name).display().to_string();
            write!(settings, "certfile {}\nkeyfile {}\n", file("node.pem"), file("node.key")).unwrap();
        }
        let server = start(dir.path(), &settings)?;
        Ok(Mosquitto { port: server.address.port(), server, _dir: dir })
    }

    /// Asks it to end, which has it write what it keeps.
    pub fn stop(&mut self) {
        self.server.end(libc::SIGTERM);
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.server.start_again().expect("it starts again");
    }
}

/// Starts one on a free port with these settings, which are kept in a folder; in words why there is none.
pub fn start(dir: &Path, settings: &str) -> Result<Server, String> {
    let places = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"];
    let program = places.into_iter().find(|program| Path::new(program).exists()).ok_or(MISSING)?;
    let (address, file) = (free_address(), dir.join("mosquitto.conf"));
    let listener = format!("listener {} {}\n", address.port(), address.ip());
    std::fs::write(&file, listener + settings).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("-c").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
    Server::start(command, address)
}
