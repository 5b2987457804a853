//! `pack.toml` and `spec.toml`.

use serde::Deserialize;

use super::PackError;

/// What a pack is called, and which files make it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    /// The schema that has all of its relations.
    pub schema: String,
    /// What it is about, for people.
    pub about: String,
    /// Files of SQL, in the order in which they are applied.
    pub files: Vec<String>,
}

/// A sentence of what the business asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    pub says: String,
    /// The relations that answer it.
    #[serde(default)]
    pub by: Vec<String>,
    /// Why it, or what of it, is not answered.
    #[serde(default)]
    pub left_out: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Specification {
    sentence: Vec<Sentence>,
}

impl Manifest {
    pub fn read(text: &str) -> Result<Manifest, PackError> {
        toml::from_str(text).map_err(|error| PackError(format!("pack.toml: {error}")))
    }
}

pub fn sentences(text: &str) -> Result<Vec<Sentence>, PackError> {
    let read: Specification = toml::from_str(text).map_err(|error| PackError(format!("spec.toml: {error}")))?;
    Ok(read.sentence)
}
