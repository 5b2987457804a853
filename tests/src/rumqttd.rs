//! rumqttd as the broker of others: one user, and everything in memory.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

use crate::clients;
use crate::mosquitto::{PASSWORD, USER};
use crate::server::{Server, free_address};

/// A broker that runs until it is dropped.
pub struct Rumqttd {
    pub address: SocketAddr,
    _server: Server,
    _settings: NamedTempFile,
}

impl Rumqttd {
    /// Starts a broker. In words why there is none.
    pub fn start() -> Result<Rumqttd, String> {
        let program = clients::rumqttd()?;
        let words = |error: std::io::Error| error.to_string();
        let address = free_address();
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
        Ok(Rumqttd { address, _server: Server::start(command, address)?, _settings: settings })
    }
}
