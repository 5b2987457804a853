//! DROP of tables, views and indexes.

use super::define::{Failure, Worked};
use super::errors;
use super::owner::{Owner, unreadable};
use crate::catalog::{Catalog, Definition, Entry};
use crate::error::SqlError;
use crate::relation::Relations;

/// Relations to drop.
#[derive(Debug)]
pub struct Removal {
    pub names: Vec<String>,
    pub if_exists: bool,
    /// "table", "view", "materialized view" or "index", as the statement says.
    pub kind: &'static str,
}

impl Owner {
    pub(super) fn drop_relations(&mut self, removal: &Removal) -> Result<Option<Worked>, Failure> {
        let mut catalog = self.catalog.clone();
        let mut commit = self.commit();
        let mut removed = Vec::new();
        let mut views = Vec::new();
        let mut indexes = Vec::new();
        for name in &removal.names {
            // Its creation is the only thing that can be dropped of it, and goes before what it would replace.
            if self.construction.has(name) && self.construction.kind(name) == removal.kind {
                let rebuilt = self.construction.rebuilds(name);
                self.cancel_view(name);
                if !rebuilt {
                    continue;
                }
            }
            let Some(entry) = self.catalog.get(name) else {
                if removal.if_exists {
                    continue;
                }
                return Err(SqlError::new("42P01", format!("{} \"{name}\" does not exist", removal.kind)).into());
            };
            droppable(entry, removal, &self.catalog, &self.construction.readers(name))?;
            removed.extend(entry.relation.iter().flat_map(|_| entry.owned()));
            if entry.materialized().is_some() {
                views.push(entry.clone());
            }
            commit.catalog.extend(catalog.remove(name));
            indexes.extend(self.catalog.indexes(name));
        }
        // An index goes with what it is on.
        for index in indexes {
            let Some(entry) = catalog.get(&index.name).cloned() else { continue };
            removed.extend(entry.owned());
            commit.catalog.extend(catalog.remove(entry.name()));
            views.push(entry);
        }
        if commit.catalog.is_empty() {
            return Ok(None);
        }
        // The later one may read the earlier one.
        views.sort_by_key(|view| std::cmp::Reverse(view.materialized().map(|view| view.order)));
        let installed = views.iter().filter(|view| self.engine.has(view.id())).map(|view| view.id());
        installed.collect::<Vec<_>>().into_iter().for_each(|view| self.engine.remove(view));
        let names: Vec<&str> = views.iter().map(|view| view.name()).collect();
        let stopped = |error| Failure::Stopped(unreadable(error));
        commit.writes = errors::forget(&self.shared.store, &names).map_err(stopped)?.into_iter().collect();
        Ok(Some(Worked { catalog, commit, removed }))
    }
}

/// Refuses what is of another kind, and what others still read; `created`: those of them that are not there yet.
fn droppable(entry: &Entry, removal: &Removal, catalog: &Catalog, created: &[&str]) -> Result<(), SqlError> {
    if entry.kind() != removal.kind {
        let (name, is) = (entry.name(), entry.kind());
        let told = SqlError::new("42809", format!("\"{name}\" is a {is}, not a {}", removal.kind));
        return Err(match entry.definition {
            Definition::System => told.hint("The node's own tables cannot be dropped."),
            _ => told.hint(format!("Use DROP {} {name}.", is.to_uppercase())),
        });
    }
    if let Some(bridge) = catalog.bridge_of(entry.name()) {
        let (name, kind) = (&bridge.name, bridge.kind());
        let words = format!("{} \"{}\" is an end of {kind} \"{name}\"", entry.kind(), entry.name());
        return Err(SqlError::new("2BP01", words).hint(format!("DROP {} {name} first.", kind.to_uppercase())));
    }
    let fed =
        catalog.entries().find(|other| other.table().is_some_and(|table| table.gem.as_deref() == Some(entry.name())));
    if let Some(channels) = fed.filter(|channels| !removal.names.iter().any(|name| name == channels.name())) {
        let words = format!("table \"{}\" is fed by the channels in \"{}\"", entry.name(), channels.name());
        return Err(SqlError::new("2BP01", words).hint("Drop that table first."));
    }
    let readers: Vec<&str> = catalog
        .readers(entry.name())
        .into_iter()
        .chain(created.iter().copied())
        .filter(|reader| !removal.names.iter().any(|name| name == reader))
        .filter(|reader| catalog.get(reader).is_none_or(|reader| reader.indexed() != Some(entry.name())))
        .collect();
    if readers.is_empty() {
        return Ok(());
    }
    let words = format!("{} \"{}\" is read by {}", entry.kind(), entry.name(), readers.join(", "));
    Err(SqlError::new("2BP01", words).hint("Drop these first."))
}
