//! CREATE of views and indexes: what may be made under a name and in the place of another, and how it becomes known.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use dataflow::{Install, StateWrite};
use storage::Commit;

use super::define::{BEGINNING, Failure, Worked};
use super::fill::Caught;
use super::filling::{Numbered, dependants};
use super::owner::{Owner, engine_failed, unreadable};
use crate::catalog::{Definition, Entry, Materialized, View};
use crate::error::SqlError;
use crate::relation::{Relation, RelationKind};
use crate::system;

/// A view or an index to make.
#[derive(Clone, Debug)]
pub struct NewView {
    pub name: String,
    pub if_not_exists: bool,
    /// It takes the place of the one of this name, where there is one.
    pub or_replace: bool,
    pub sql: String,
    pub query: String,
    /// Names of what it reads directly.
    pub reads: BTreeSet<String>,
    /// When what its names mean was decided, where that is not now: it is one that there is, and is built anew.
    pub as_of: Option<u32>,
    /// Of an index: the columns that come before the key of what it reads.
    pub index: Option<Vec<String>>,
    /// As [`Materialized::alert`].
    pub alert: Option<String>,
}

impl NewView {
    /// What it is called in messages.
    pub fn kind(&self) -> &'static str {
        if self.index.is_some() { "index" } else { "materialized view" }
    }

    /// Whether it takes the place of the same view, whose rows are of another plan.
    pub fn is_rebuilt(&self) -> bool {
        self.as_of.is_some()
    }
}

impl Owner {
    pub(super) fn create_view(&mut self, new: NewView) -> Result<Option<Worked>, Failure> {
        if !self.acceptable(&new, "view")? {
            return Ok(None);
        }
        self.runtime.block_on(self.shared.queries.logical(&Arc::new(self.catalog.clone()), &new.query))?;
        let mut catalog = self.catalog.clone();
        let id = catalog.allocate();
        let as_of = new.as_of.unwrap_or(id.0);
        let definition = Definition::View(View { query: new.query, reads: new.reads, as_of });
        let entry = Entry { id, name: new.name, sql: new.sql, relation: None, definition };
        let commit = Commit { catalog: catalog.put(entry.clone()), ..self.commit() };
        self.check_readers(entry)?;
        Ok(Some(Worked { catalog, commit, removed: vec![] }))
    }

    /// Whether a view can be made under its name: false where it is there already and that is well.
    pub(super) fn acceptable(&self, new: &NewView, kind: &str) -> Result<bool, SqlError> {
        let replaced = self.catalog.get(&new.name).filter(|_| new.or_replace && !self.construction.has(&new.name));
        let Some(old) = replaced else { return Ok(!self.exists(&new.name, new.if_not_exists)?) };
        if old.kind() != kind {
            return Err(SqlError::new("42809", format!("\"{}\" is a {}, not a {kind}", new.name, old.kind())));
        }
        if new.reads.contains(&new.name)
            || dependants(&self.catalog, &new.name, &|_| true).iter().any(|reader| new.reads.contains(*reader))
        {
            return Err(SqlError::new("42P17", format!("{kind} \"{}\" would read itself", new.name)));
        }
        self.refuse_readers(&new.name)?;
        Ok(true)
    }

    /// Views that keep rows read what a view was when they were made: it is not replaced under them.
    fn refuse_readers(&self, name: &str) -> Result<(), SqlError> {
        let mut readers = dependants(&self.catalog, name, &|reader| reader.materialized().is_some());
        readers.extend(self.construction.readers(name));
        if readers.is_empty() {
            return Ok(());
        }
        let words = format!("\"{name}\" is read by materialized views: {}", readers.join(", "));
        Err(SqlError::new("2BP01", words).hint("Drop these first, replace it, and create them again."))
    }

    /// Refuses to put an entry in the place of another where a view that reads that one would no longer be understood.
    fn check_readers(&self, entry: Entry) -> Result<(), SqlError> {
        let name = entry.name().to_owned();
        self.refuse_readers(&name)?;
        let mut catalog = self.catalog.clone();
        catalog.put(entry);
        let catalog = Arc::new(catalog);
        for reader in dependants(&catalog, &name, &|_| true) {
            let Some(Definition::View(view)) = catalog.get(reader).map(|entry| &entry.definition) else { continue };
            let seen = catalog.as_of(view.as_of);
            if let Err(error) = self.runtime.block_on(self.shared.queries.logical(&seen, &view.query)) {
                let words = format!("view \"{reader}\" reads \"{name}\" and would fail: {}", error.message);
                return Err(SqlError::new("2BP01", words).hint("Drop or replace that view first."));
            }
        }
        Ok(())
    }

    /// The same for a materialized view that is planned.
    pub(super) fn check_dependants(&self, numbered: &Numbered) -> Result<(), SqlError> {
        match self.catalog.get(&numbered.new.name) {
            // What reads it is built anew as well, and waits for it.
            Some(_) if numbered.new.is_rebuilt() => Ok(()),
            Some(_) => self.check_readers(numbered.entry(0)),
            None => Ok(()),
        }
    }

    /// Makes a view known that is filled up to the last epoch written; what is left is its commit.
    pub(super) fn introduce(&mut self, mut numbered: Numbered, caught: Caught) -> Result<Worked, SqlError> {
        numbered.covers_from_ms = numbered.covers_from_ms.max(caught.covers_from_ms);
        let mut catalog = self.catalog.clone();
        let last = catalog.materialized().last().and_then(|entry| entry.materialized()).map(|last| last.order);
        let entry = numbered.entry(last.unwrap_or(0) + 1);
        let replaced = self.catalog.get(entry.name()).cloned();
        if let Some(old) = replaced.as_ref().filter(|old| self.engine.has(old.id())) {
            self.engine.remove(old.id());
        }
        self.engine.install(self.epoch, numbered.view, Install::Resumed).map_err(engine_failed)?;
        let Caught { mut writes, errors, .. } = caught;
        let stale = replaced.as_ref().map(|old| old.name());
        writes.extend(errors.writes(&self.codecs[&system::ERRORS], &self.shared.store, stale).map_err(unreadable)?);
        writes.retain(|write: &StateWrite| !write.is_empty());
        let changes = vec![(entry.id(), Bytes::from_static(BEGINNING))];
        let commit = Commit { writes, changes, catalog: catalog.put(entry), ..self.commit() };
        let removed = replaced.map_or(Vec::new(), |old| old.owned());
        Ok(Worked { catalog, commit, removed })
    }
}

impl Numbered {
    /// The view as the catalogue knows it; `order`: see [`Materialized`].
    fn entry(&self, order: u32) -> Entry {
        let NewView { name, sql, query, reads, .. } = &self.new;
        let (schema, kind) = (self.view.schema.clone(), RelationKind::MaterializedView);
        let definition = Materialized {
            query: query.clone(),
            reads: reads.clone(),
            states: self.states.clone(),
            fingerprint: self.fingerprint,
            order,
            as_of: self.new.as_of.unwrap_or(self.id.0),
            covers_from_ms: self.covers_from_ms,
            index: self.new.index.as_ref().map(|columns| self.view.schema.key[..columns.len()].to_vec()),
            alert: self.new.alert.clone(),
        };
        Entry {
            id: self.id,
            name: name.clone(),
            sql: sql.clone(),
            relation: Some(Arc::new(Relation { id: self.id, name: name.clone(), schema, kind })),
            definition: Definition::MaterializedView(definition),
        }
    }
}
