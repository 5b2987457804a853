//! Bridges to brokers of others: a catalogue entry of each.
//!
//! An entry has the password, as it must be said to the broker; nothing but the gateway reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Catalog;
use super::persisted::{Unreadable, json, read as read_json};
use crate::bridge::{Bridge, Broker, Password, Way};
use crate::feed::Pattern;

/// The format that this version writes.
const FORMAT: u32 = 1;

/// Entries of bridges are named with this before the bridge's name.
const PREFIX: &str = "bridge/";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    number: u32,
    url: String,
    user: Option<StoredUser>,
    client_id: String,
    authorities: Option<String>,
    topics: String,
    way: StoredWay,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredUser {
    name: String,
    password: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum StoredWay {
    Source { table: String },
    Sink { relation: String, retain: bool, deleted: Option<String> },
}

/// Bridges by their names.
pub type Bridges = BTreeMap<String, Arc<Bridge>>;

impl Catalog {
    pub fn bridges(&self) -> &Bridges {
        &self.bridges
    }

    /// A bridge of a relation.
    pub fn bridge_of(&self, relation: &str) -> Option<&Bridge> {
        self.bridges.values().map(|bridge| &**bridge).find(|bridge| bridge.relation() == relation)
    }

    /// Adds a bridge, and says so to the store.
    pub fn put_bridge(&mut self, bridge: Bridge) -> Vec<(String, Option<Bytes>)> {
        self.generation += 1;
        let writes = vec![(key(&bridge.name), Some(write(&bridge))), self.allocated()];
        self.bridges.insert(bridge.name.clone(), Arc::new(bridge));
        writes
    }

    /// Removes a bridge, and says so to the store.
    pub fn remove_bridge(&mut self, name: &str) -> Vec<(String, Option<Bytes>)> {
        self.generation += 1;
        self.bridges.remove(name).map(|_| (key(name), None)).into_iter().collect()
    }
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The bridge that an entry of the catalogue is.
pub fn name_of(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX)
}

fn write(bridge: &Bridge) -> Bytes {
    let Bridge { number, broker, .. } = bridge.clone();
    let user = broker.user.map(|(name, Password(password))| StoredUser { name, password });
    let way = match bridge.way.clone() {
        Way::Source { table, .. } => StoredWay::Source { table },
        Way::Sink { relation, retain, deleted, .. } => StoredWay::Sink { relation, retain, deleted },
    };
    json(&Stored {
        format: FORMAT,
        number,
        url: broker.address.to_string(),
        user,
        client_id: broker.client_id,
        authorities: broker.authorities,
        topics: bridge.topics().to_string(),
        way,
    })
}

pub fn read(name: &str, value: &[u8]) -> Result<Bridge, Unreadable> {
    let unreadable = |reason: &str| Unreadable { name: name.to_owned(), reason: reason.to_owned() };
    let Stored { number, url, user, client_id, authorities, topics, way, .. } = read_json(name, value)?;
    let topics = Pattern::parse(&topics).map_err(|words| unreadable(&words))?;
    let broker = Broker {
        address: url.parse().map_err(unreadable)?,
        user: user.map(|StoredUser { name, password }| (name, Password(password))),
        client_id,
        authorities,
    };
    let way = match way {
        StoredWay::Source { table } => Way::Source { table, topics },
        StoredWay::Sink { relation, retain, deleted } => Way::Sink { relation, topics, retain, deleted },
    };
    Ok(Bridge { number, name: name_of(name).unwrap_or(name).to_owned(), broker, way })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_the_one_that_older_versions_wrote() {
        for golden in [
            concat!(
                r#"{"format":1,"number":70,"url":"mqtts://broker:8883","user":{"name":"ana","password":"s3cret"},"#,
                r#""client_id":"caudal-7","authorities":"PEM","topics":"casa/{customer}/+","way":{"source":{"table":"readings"}}}"#
            ),
            concat!(
                r#"{"format":1,"number":71,"url":"mqtt://broker:1883","user":null,"client_id":"c","authorities":null,"#,
                r#""topics":"total/{customer}","way":{"sink":{"relation":"total","retain":true,"deleted":"gone"}}}"#
            ),
        ] {
            let bridge = read("bridge/broker", golden.as_bytes()).unwrap();
            assert_eq!(bridge.name, "broker");
            assert_eq!(write(&bridge), golden);
        }
    }
}
