//! What COMMENT ON says about a relation and its columns: a catalogue entry of its own.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::persisted::{Unreadable, json, read as read_json};

/// The format that this version writes.
const FORMAT: u32 = 1;

/// Entries of comments are named with this before the relation's name.
const PREFIX: &str = "comments/";

/// The comments on one relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    pub relation: Option<String>,
    /// By the column's number, from 1.
    pub columns: BTreeMap<u32, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    relation: Option<String>,
    columns: BTreeMap<u32, String>,
}

impl Comments {
    pub fn set(&mut self, column: Option<u32>, text: Option<String>) {
        match (column, text) {
            (None, text) => self.relation = text,
            (Some(column), Some(text)) => drop(self.columns.insert(column, text)),
            (Some(column), None) => drop(self.columns.remove(&column)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.relation.is_none() && self.columns.is_empty()
    }
}

pub fn key(relation: &str) -> String {
    format!("{PREFIX}{relation}")
}

/// The relation that an entry of the catalogue has comments on.
pub fn relation_of(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX)
}

pub fn write(comments: &Comments) -> Bytes {
    let Comments { relation, columns } = comments.clone();
    json(&Stored { format: FORMAT, relation, columns })
}

pub fn read(name: &str, value: &[u8]) -> Result<Comments, Unreadable> {
    let Stored { relation, columns, .. } = read_json(name, value)?;
    Ok(Comments { relation, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_the_one_that_older_versions_wrote() {
        let golden = r#"{"format":1,"relation":"raw","columns":{"2":"watts"}}"#;
        let comments = read("comments/readings", golden.as_bytes()).unwrap();
        assert_eq!((comments.relation.as_deref(), comments.columns[&2].as_str()), (Some("raw"), "watts"));
        assert_eq!(write(&comments), golden);
        assert!(read("comments/readings", golden.replace(":1,", ":9,").as_bytes()).is_err());
    }
}
