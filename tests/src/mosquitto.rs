//! Mosquitto as the broker of others: one user, what it keeps outlasts it, and where certificates are given it speaks TLS alone.

use std::fmt::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The user that it lets in, and a password that nobody else is told.
pub const USER: &str = "bridge";
pub const PASSWORD: &str = "s3cret-of-the-broker";

const START_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// A broker that runs until it is dropped.
pub struct Mosquitto {
    pub port: u16,
    process: Child,
    dir: TempDir,
}

impl Mosquitto {
    /// Starts a broker; `certificates`: a folder with `authority.pem`, `node.pem` and `node.key`. In words why there is none.
    pub fn start(certificates: Option<&Path>) -> Result<Mosquitto, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
        let passwords = dir.path().join("passwords");
        std::fs::write(&passwords, format!("{USER}:{PASSWORD}\n")).unwrap();
        let hashed = Command::new("mosquitto_passwd").arg("-U").arg(&passwords).status();
        if !hashed.is_ok_and(|status| status.success()) {
            return Err("mosquitto is not installed (apt-get install mosquitto)".to_owned());
        }
        let mut settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\npersistence true\npersistence_location {}/\n\
             max_queued_messages 0\nuser root\n",
            passwords.display(),
            dir.path().display()
        );
        if let Some(folder) = certificates {
            let file = |name: &str| folder.join(name).display().to_string();
            write!(settings, "certfile {}\nkeyfile {}\n", file("node.pem"), file("node.key")).unwrap();
        }
        std::fs::write(dir.path().join("mosquitto.conf"), settings).unwrap();
        let process = run(&dir)?;
        let mut broker = Mosquitto { port, process, dir };
        broker.wait()?;
        Ok(broker)
    }

    /// Asks it to end, which has it write what it keeps.
    pub fn stop(&mut self) {
        let asked = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(asked.success());
        self.process.wait().unwrap();
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.process = run(&self.dir).expect("it was there before");
        self.wait().expect("it starts again");
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("mosquitto ended: {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("mosquitto takes no connections after {START_MAX:?}"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(dir: &TempDir) -> Result<Child, String> {
    let places = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"];
    let program = places.into_iter().find(|program| Path::new(program).exists());
    let program = program.ok_or("mosquitto is not installed (apt-get install mosquitto)")?;
    let mut command = Command::new(program);
    command.arg("-c").arg(dir.path().join("mosquitto.conf")).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| error.to_string())
}
