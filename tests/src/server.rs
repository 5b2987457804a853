//! A server of others: a process that is there once it takes connections, and ends with whoever started it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long one may take until it takes connections; those in Java take their time.
const START_MAX: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(10);

/// A server that runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    command: Command,
    process: Child,
}

impl Server {
    /// Starts one that listens on an address; in words, why it does not.
    pub fn start(mut command: Command, address: SocketAddr) -> Result<Server, String> {
        let process = spawn(&mut command)?;
        let mut server = Server { address, command, process };
        server.wait()?;
        Ok(server)
    }

    /// Sends it the signal that ends it, and waits until it has ended.
    pub fn end(&mut self, signal: i32) {
        // SAFETY: the process is this one's child and has not been waited for.
        assert_eq!(unsafe { libc::kill(self.process.id() as i32, signal) }, 0, "a server that runs can be told so");
        self.process.wait().expect("it ends");
    }

    /// Starts it again as it was; in words, why it does not.
    pub fn start_again(&mut self) -> Result<(), String> {
        self.process = spawn(&mut self.command)?;
        self.wait()
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(self.address).is_err() {
            let program = self.command.get_program().display();
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("{program} ended: {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("{program} takes no connections after {START_MAX:?}"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(command: &mut Command) -> Result<Child, String> {
    command.spawn().map_err(|error| format!("{} does not start: {error}", command.get_program().display()))
}

/// An address that nobody listened on a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}
