//! rumqttd as the broker of others: one user, and everything in memory.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::clients;
use crate::mosquitto::{PASSWORD, USER};

const START_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// A broker that runs until it is dropped.
pub struct Rumqttd {
    pub address: SocketAddr,
    process: Child,
    _settings: NamedTempFile,
}

impl Rumqttd {
    /// Starts a broker. In words why there is none.
    pub fn start() -> Result<Rumqttd, String> {
        let program = clients::rumqttd()?;
        let words = |error: std::io::Error| error.to_string();
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(words)?;
        let settings = NamedTempFile::with_suffix(".toml").map_err(words)?;
        let said = format!(
            "id = 0\n[router]\nid = 0\nmax_connections = 100\nmax_outgoing_packet_count = 200\nmax_segment_size = 1048576\n\
             max_segment_count = 10\n[v4.1]\nname = \"v4\"\nlisten = \"{address}\"\nnext_connection_delay_ms = 1\n\
             [v4.1.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = 20480\nmax_inflight_count = 100\n\
             dynamic_filters = true\n[v4.1.connections.auth]\n{USER} = \"{PASSWORD}\"\n"
        );
        std::fs::write(settings.path(), said).map_err(words)?;
        let mut command = Command::new(program);
        command.arg("--quiet").arg("--config").arg(settings.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(words)?;
        let mut broker = Rumqttd { address, process, _settings: settings };
        broker.wait()?;
        Ok(broker)
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(self.address).is_err() {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("rumqttd ended: {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("rumqttd takes no connections after {START_MAX:?}"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Rumqttd {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
