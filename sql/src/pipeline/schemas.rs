//! CREATE and DROP of schemas, and which pack is in one.

use storage::Commit;

use super::define::{Failure, Worked};
use super::owner::Owner;
use crate::catalog::{self, PackVersion};
use crate::error::SqlError;

/// A schema to make.
#[derive(Clone, Debug)]
pub struct NewSchema {
    pub name: String,
    pub if_not_exists: bool,
}

/// Schemas to drop.
#[derive(Clone, Debug)]
pub struct SchemaRemoval {
    pub names: Vec<String>,
    pub if_exists: bool,
}

/// A schema that all of a pack is in.
#[derive(Clone, Debug)]
pub struct PackedSchema {
    pub name: String,
    pub pack: PackVersion,
}

impl Owner {
    pub(super) fn create_schema(&mut self, new: NewSchema) -> Result<Option<Worked>, Failure> {
        if self.catalog.has_schema(&new.name) {
            return match new.if_not_exists {
                true => Ok(None),
                false => Err(SqlError::new("42P06", format!("schema \"{}\" already exists", new.name)).into()),
            };
        }
        let mut catalog = self.catalog.clone();
        let number = catalog.allocate().0;
        let made = catalog.put_schema(&new.name, catalog::Schema { number, pack: None });
        let commit = Commit { catalog: made, ..self.commit() };
        Ok(Some(Worked { catalog, commit, removed: vec![] }))
    }

    pub(super) fn drop_schemas(&mut self, removal: &SchemaRemoval) -> Result<Option<Worked>, Failure> {
        let mut catalog = self.catalog.clone();
        let mut commit = self.commit();
        for name in &removal.names {
            if !catalog.schemas().contains_key(name) {
                match removal.if_exists {
                    true => continue,
                    false => return Err(no_schema(name).into()),
                }
            }
            let within = |relation: &str| relation.split_once('.').is_some_and(|(schema, _)| schema == name);
            let held = catalog.entries().map(|entry| entry.name()).find(|held| within(held));
            if let Some(held) = held.or_else(|| self.construction.names().find(|held| within(held))) {
                let words = format!("schema \"{name}\" has relations in it, such as {held}");
                return Err(SqlError::new("2BP01", words).hint("Drop these first.").into());
            }
            commit.catalog.extend(catalog.remove_schema(name));
        }
        Ok((!commit.catalog.is_empty()).then_some(Worked { catalog, commit, removed: vec![] }))
    }

    pub(super) fn pack_schema(&mut self, packed: PackedSchema) -> Result<Option<Worked>, Failure> {
        let mut catalog = self.catalog.clone();
        let schema = catalog.schemas().get(&packed.name).ok_or_else(|| no_schema(&packed.name))?;
        let schema = catalog::Schema { pack: Some(packed.pack), ..schema.clone() };
        let said = catalog.put_schema(&packed.name, schema);
        let commit = Commit { catalog: said, ..self.commit() };
        Ok(Some(Worked { catalog, commit, removed: vec![] }))
    }
}

pub(super) fn no_schema(name: &str) -> SqlError {
    SqlError::new("3F000", format!("schema \"{name}\" does not exist"))
}
