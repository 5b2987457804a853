//! Schemas that people made: a catalogue entry of each.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::persisted::{Unreadable, json, read as read_json};

/// The format that this version writes.
const FORMAT: u32 = 1;

/// Entries of schemas are named with this before the schema's name.
const PREFIX: &str = "schema/";

/// A schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Given once, as those of relations.
    pub number: u32,
    /// The pack whose relations are in it, once all of them are.
    pub pack: Option<PackVersion>,
}

/// Which pack, and which version of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackVersion {
    pub name: String,
    pub version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pack: Option<PackVersion>,
}

pub fn key(schema: &str) -> String {
    format!("{PREFIX}{schema}")
}

/// The schema that an entry of the catalogue is.
pub fn name_of(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX)
}

pub fn write(schema: &Schema) -> Bytes {
    let Schema { number, pack } = schema.clone();
    json(&Stored { format: FORMAT, number, pack })
}

pub fn read(name: &str, value: &[u8]) -> Result<Schema, Unreadable> {
    let Stored { number, pack, .. } = read_json(name, value)?;
    Ok(Schema { number, pack })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_the_one_that_older_versions_wrote() {
        let golden = r#"{"format":1,"number":70,"pack":{"name":"energy","version":"1"}}"#;
        let schema = read("schema/energy", golden.as_bytes()).unwrap();
        assert_eq!((schema.number, schema.pack.as_ref().map(|pack| pack.version.as_str())), (70, Some("1")));
        assert_eq!(write(&schema), golden);
        assert_eq!(write(&Schema { number: 71, pack: None }), r#"{"format":1,"number":71}"#);
    }
}
