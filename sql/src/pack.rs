//! Packs: a business as SQL and small declarative files, read from a folder or built into the binary.
//!
//! A pack is applied by ordinary statements, which [`Pack::steps`] works out from what is there: a pack that was added before
//! gets what its new version has more, and one that was broken off is finished.

mod builtin;
mod check;
mod manifest;
mod statement;
mod steps;

use std::path::Path;

pub use check::Finding;
pub use manifest::{Manifest, Sentence};
pub use statement::{Made, PackStatement};
pub use steps::{Present, PresentRelation};

/// Why a pack cannot be read or applied, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PackError(pub String);

/// A pack, read and understood.
#[derive(Debug)]
pub struct Pack {
    pub manifest: Manifest,
    /// What makes it, in order.
    pub statements: Vec<PackStatement>,
    /// The sentences of its specification.
    pub sentences: Vec<Sentence>,
}

/// A pack's files by their path within its folder.
type Files<'a> = &'a dyn Fn(&str) -> Result<String, PackError>;

impl Pack {
    /// The names of the packs that are built in.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        builtin::PACKS.iter().map(|(name, _)| *name)
    }

    /// A pack that is built in.
    pub fn builtin(name: &str) -> Option<Result<Pack, PackError>> {
        let (_, files) = builtin::PACKS.iter().find(|(known, _)| *known == name)?;
        let file = |path: &str| match files.iter().find(|(known, _)| *known == path) {
            Some((_, text)) => Ok((*text).to_owned()),
            None => Err(PackError(format!("pack {name} has no {path}"))),
        };
        Some(Pack::of(&file))
    }

    /// A pack in a folder.
    pub fn read(folder: &Path) -> Result<Pack, PackError> {
        Pack::of(&|path| {
            let path = folder.join(path);
            std::fs::read_to_string(&path)
                .map_err(|error| PackError(format!("{} cannot be read: {error}", path.display())))
        })
    }

    fn of(file: Files) -> Result<Pack, PackError> {
        let manifest = Manifest::read(&file("pack.toml")?)?;
        let mut statements = Vec::new();
        for path in &manifest.files {
            statements.extend(statement::statements(path, &file(path)?, &manifest.schema)?);
        }
        let sentences = manifest::sentences(&file("spec.toml")?)?;
        Ok(Pack { manifest, statements, sentences })
    }
}

#[cfg(test)]
#[path = "pack/tests.rs"]
mod tests;
