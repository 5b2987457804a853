//! Bridges: connections to MQTT brokers of others, from which a table is fed (a source) or to which a view is told (a sink).
//!
//! The catalogue keeps what a [`Bridge`] is; the gateway keeps it up, and says in [`States`] how it is. `caudal.bridges` shows both.

pub mod state;

use std::fmt;
use std::str::FromStr;

pub use state::{State, States};

use crate::feed::Pattern;

/// A connection to a broker, and what goes over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Given once, as those of relations.
    pub number: u32,
    pub name: String,
    pub broker: Broker,
    pub way: Way,
}

/// Which way it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// What is published to these topics becomes rows of a table.
    Source { table: String, topics: Pattern },
    /// The rows of a table or materialized view are published, each to the topic that its columns say.
    Sink {
        relation: String,
        topics: Pattern,
        /// Whether the broker keeps the last message of each topic.
        retain: bool,
        /// What is published for a row that has gone; else nothing, an empty message.
        deleted: Option<String>,
    },
}

/// How a broker is reached, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub address: Address,
    pub user: Option<(String, Password)>,
    pub client_id: String,
    /// Who may vouch for it, certificates in PEM; else those whom this machine trusts.
    pub authorities: Option<String>,
}

/// `mqtt://host:port`, or encrypted `mqtts://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub encrypted: bool,
    pub host: String,
    pub port: u16,
}

/// A password, which nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl Bridge {
    /// "source" or "sink".
    pub fn kind(&self) -> &'static str {
        match self.way {
            Way::Source { .. } => "source",
            Way::Sink { .. } => "sink",
        }
    }

    /// The table that it feeds, or what it tells.
    pub fn relation(&self) -> &str {
        match &self.way {
            Way::Source { table, .. } => table,
            Way::Sink { relation, .. } => relation,
        }
    }

    pub fn topics(&self) -> &Pattern {
        match &self.way {
            Way::Source { topics, .. } | Way::Sink { topics, .. } => topics,
        }
    }
}

impl Broker {
    /// Whether a broker would take the one client for the other, and end its connection.
    pub fn is_client_of(&self, other: &Broker) -> bool {
        self.address == other.address && self.client_id == other.client_id
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Address, &'static str> {
        let (encrypted, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            _ => return Err("it is mqtt://host:port, or mqtts://host:port where it is encrypted"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err("user and password are options of their own");
        }
        let (host, port) = match rest.rsplit_once(':') {
            // An address of IPv6 has colons, and stands in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port > 0)),
            _ => (rest, Some(if encrypted { 8883 } else { 1883 })),
        };
        let port = port.ok_or("its port is a number from 1 to 65535")?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_name) {
            return Err("its host is a name or an address");
        }
        Ok(Address { encrypted, host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "mqtts" } else { "mqtt" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_a_broker_is_reached() {
        for (text, shown) in [
            ("mqtt://broker", "mqtt://broker:1883"),
            ("mqtts://broker.example/", "mqtts://broker.example:8883"),
            ("mqtt://10.0.0.7:1884", "mqtt://10.0.0.7:1884"),
            ("mqtts://[::1]:8884", "mqtts://[::1]:8884"),
            ("mqtt://[::1]", "mqtt://[::1]:1883"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in
            ["broker:1883", "http://broker", "mqtt://", "mqtt://a:b", "mqtt://a:0", "mqtt://u:p@a", "mqtt://a/b"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_output_has_no_password() {
        let broker = Broker {
            address: "mqtt://a".parse().unwrap(),
            user: Some(("ana".to_owned(), Password("s3cret".to_owned()))),
            client_id: "c".to_owned(),
            authorities: None,
        };
        let shown = format!("{broker:?}");
        assert!(shown.contains("ana") && !shown.contains("s3cret"), "{shown}");
    }
}
