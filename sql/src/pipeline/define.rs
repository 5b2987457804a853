//! Definitions: tables and views come and go between two epochs, each change with a commit of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use dataflow::{Install, RelationId, RelationSchema, StateWrite};
use storage::{Commit, LogError, Position, TopicPartition};
use tokio::sync::oneshot;

use super::bridges::{BridgeRemoval, NewBridge};
use super::checks::Checks;
use super::errors;
use super::fill::Caught;
use super::filling::{Numbered, dependants};
use super::owner::{Owner, engine_failed, unreadable};
use super::publisher::Redefinition;
use super::schemas::{NewSchema, PackedSchema, SchemaRemoval, no_schema};
use crate::catalog::{Catalog, Definition, Entry, Materialized, Table, View, added};
use crate::error::SqlError;
use crate::feed;
use crate::limits::{COLUMNS_MAX, PARTITIONS_MAX};
use crate::relation::{Relation, RelationKind, Relations};
use crate::roles::RoleChange;
use crate::system;

/// What the changelog has of a relation first, in the epoch that makes it: whoever followed it before has missed what it
/// was filled with.
pub const BEGINNING: &[u8] = b"";

/// A change of the catalogue.
#[derive(Debug)]
pub enum Change {
    CreateTable(NewTable),
    AddColumns(NewColumns),
    CreateView(NewView),
    CreateMaterializedView(NewView),
    Drop(Removal),
    Comment(Remark),
    Roles(RoleChange),
    CreateSchema(NewSchema),
    DropSchemas(SchemaRemoval),
    PackSchema(PackedSchema),
    CreateBridge(NewBridge),
    DropBridge(BridgeRemoval),
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defined {
    Done,
    /// It was as asked for already (IF [NOT] EXISTS).
    Skipped,
}

/// A table to make.
#[derive(Debug)]
pub struct NewTable {
    pub name: String,
    pub if_not_exists: bool,
    pub sql: String,
    /// With the hidden ones.
    pub columns: Vec<Field>,
    pub key: Vec<usize>,
    pub table: Table,
}

/// Columns that a table gets.
#[derive(Debug)]
pub struct NewColumns {
    pub table: String,
    /// It is well where there is no such table.
    pub if_exists: bool,
    /// Each with its default, and whether it is well where there is one of its name already.
    pub columns: Vec<(Field, bool)>,
    /// The statement as written.
    pub sql: String,
}

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

/// Relations to drop.
#[derive(Debug)]
pub struct Removal {
    pub names: Vec<String>,
    pub if_exists: bool,
    /// "table", "view", "materialized view" or "index", as the statement says.
    pub kind: &'static str,
}

/// What is said of a relation, or of its column by number; `None` takes it back.
#[derive(Clone, Debug)]
pub struct Remark {
    pub relation: String,
    pub column: Option<u32>,
    pub text: Option<String>,
}

/// A definition that is worked out and not committed.
pub(super) struct Worked {
    pub catalog: Catalog,
    pub commit: Commit,
    pub removed: Vec<RelationId>,
}

/// Why there is no change.
pub(super) enum Failure {
    /// The statement cannot be done; everything is as before.
    Refused(SqlError),
    /// The pipeline cannot go on.
    Stopped(SqlError),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Failure {
        Failure::Refused(error)
    }
}

impl Owner {
    /// Makes a change and has it published; `Err` when the pipeline cannot go on.
    pub(super) fn define(
        &mut self,
        change: Change,
        reply: oneshot::Sender<Result<Defined, SqlError>>,
    ) -> Result<(), SqlError> {
        let worked = match change {
            Change::CreateTable(new) => self.create_table(new),
            Change::AddColumns(new) => self.add_columns(new),
            Change::CreateView(new) => self.create_view(new),
            Change::CreateMaterializedView(new) => return self.begin_view(new, reply),
            Change::Drop(removal) => self.drop_relations(&removal),
            Change::Comment(remark) => self.comment(remark),
            Change::Roles(change) => self.change_roles(change),
            Change::CreateSchema(new) => self.create_schema(new),
            Change::DropSchemas(removal) => self.drop_schemas(&removal),
            Change::PackSchema(packed) => self.pack_schema(packed),
            Change::CreateBridge(new) => self.create_bridge(new),
            Change::DropBridge(removal) => self.drop_bridge(&removal),
        };
        // Whoever asked may have gone: then nobody is told, and that is all.
        match worked {
            Ok(Some(worked)) => {
                self.commit_definition(worked, Some(reply))?;
                self.rest_clock()
            }
            Ok(None) => {
                let _ = reply.send(Ok(Defined::Skipped));
                Ok(())
            }
            Err(Failure::Refused(error)) => {
                let _ = reply.send(Err(error));
                Ok(())
            }
            Err(Failure::Stopped(error)) => {
                let _ = reply.send(Err(error.clone()));
                Err(error)
            }
        }
    }

    pub(super) fn commit_definition(
        &mut self,
        worked: Worked,
        reply: Option<oneshot::Sender<Result<Defined, SqlError>>>,
    ) -> Result<(), SqlError> {
        let Worked { catalog, commit, removed } = worked;
        self.catalog = catalog;
        for id in &removed {
            self.tables.remove(id);
            self.codecs.remove(id);
            self.indexes.remove(id);
        }
        let entries: Vec<Arc<Entry>> = self.catalog.entries().cloned().collect();
        for entry in &entries {
            if !self.codecs.contains_key(&entry.id()) {
                self.know(entry)?;
            }
        }
        self.follow_sweeps();
        let unread = |partition: &&TopicPartition| self.catalog.table_of_topic(&partition.topic).is_none();
        let released: Vec<TopicPartition> = self.positions.keys().filter(unread).cloned().collect();
        self.positions.retain(|partition, _| !released.contains(partition));
        let definition = Redefinition { catalog: Arc::new(self.catalog.clone()), removed, released, reply };
        self.write(commit, Vec::new(), Some(definition), None)
    }

    /// Whether there is nothing to do; 42P07 where the name is taken.
    fn exists(&self, name: &str, if_not_exists: bool) -> Result<bool, SqlError> {
        if let Some((schema, _)) = name.split_once('.').filter(|(schema, _)| !self.catalog.has_schema(schema)) {
            return Err(no_schema(schema).hint(format!("CREATE SCHEMA {schema} makes it.")));
        }
        match self.catalog.get(name) {
            _ if self.construction.has(name) => {
                let kind = self.construction.kind(name);
                Err(SqlError::new("42P07", format!("{kind} \"{name}\" is being created"))
                    .hint(format!("caudal.fills says how far it is; DROP {} {name} ends it.", kind.to_uppercase())))
            }
            None => Ok(false),
            Some(_) if if_not_exists => Ok(true),
            Some(entry) => Err(SqlError::new("42P07", format!("{} \"{name}\" exists already", entry.kind()))),
        }
    }

    fn create_table(&mut self, new: NewTable) -> Result<Option<Worked>, Failure> {
        if self.exists(&new.name, new.if_not_exists)? {
            return Ok(None);
        }
        if let Some(other) = self.catalog.table_of_topic(&new.table.topic) {
            let words = format!("topic {} feeds table \"{}\" already", new.table.topic, other.name());
            return Err(SqlError::new("42710", words)
                .hint("A topic feeds one table; read that table in views.")
                .into());
        }
        if let Some(pattern) = &new.table.mqtt
            && let Some(other) = feed::overlapping(&self.catalog, pattern)
        {
            let words = format!("topics of MQTT like {pattern} feed table \"{other}\" already");
            return Err(SqlError::new("42710", words)
                .hint("A topic feeds one table; read that table in views.")
                .into());
        }
        let schema = RelationSchema { columns: Arc::new(Schema::new(new.columns)), key: new.key, counted: false };
        if let Some(fed) = &new.table.gem {
            feed::channels::check(&self.catalog, &schema, fed)?;
        }
        let unnumbered = Relation { id: RelationId(u32::MAX), name: new.name.clone(), schema, kind: new.table.kind() };
        self.runtime.block_on(Checks::plan(&unnumbered, &new.table.checks))?;
        let positions = self.runtime.block_on(self.topic_start(&new.table))?;
        let mut catalog = self.catalog.clone();
        let id = catalog.allocate();
        let mut table = new.table;
        table.partitions = positions.len() as i32;
        let entry = Entry {
            id,
            relation: Some(Arc::new(Relation { id, ..unnumbered })),
            name: new.name,
            sql: new.sql,
            definition: Definition::Table(table),
        };
        let changes = vec![(id, Bytes::from_static(BEGINNING))];
        let commit = Commit { positions, changes, catalog: catalog.put(entry), ..self.commit() };
        Ok(Some(Worked { catalog, commit, removed: vec![] }))
    }

    /// Gives a table more columns. Nothing that is stored changes, nor do views that there are: what was there is known by
    /// its first columns, and rows that there are have the default of the others.
    fn add_columns(&mut self, new: NewColumns) -> Result<Option<Worked>, Failure> {
        if new.if_exists && self.catalog.get(&new.table).is_none() {
            return Ok(None);
        }
        let mut entry = Entry::clone(self.catalog.expect(&new.table)?);
        let kind = entry.kind();
        let Definition::Table(table) = &mut entry.definition else {
            let words = format!("\"{}\" is a {kind}, not a table", new.table);
            return Err(SqlError::new("42809", words).hint("CREATE OR REPLACE it with another query.").into());
        };
        let mut catalog = self.catalog.clone();
        let relation = entry.relation.as_ref().expect("a table has rows");
        let mut fields = relation.schema.columns.fields().to_vec();
        for (field, if_not_exists) in new.columns {
            match fields.iter().any(|known| known.name() == field.name()) {
                true if if_not_exists => continue,
                true => {
                    let words = format!("column \"{}\" of relation \"{}\" already exists", field.name(), new.table);
                    return Err(SqlError::new("42701", words).into());
                }
                false => {
                    fields.push(Arc::new(added(field)));
                    table.added.push(catalog.allocate().0);
                }
            }
        }
        if fields.len() == relation.schema.columns.fields().len() {
            return Ok(None);
        }
        if fields.len() > COLUMNS_MAX {
            return Err(SqlError::new("54011", format!("a table has at most {COLUMNS_MAX} columns")).into());
        }
        let columns = Arc::new(Schema::new(fields));
        let schema = RelationSchema { columns, ..relation.schema.clone() };
        entry.relation = Some(Arc::new(Relation { schema, ..Relation::clone(relation) }));
        entry.sql = format!("{};\n{}", entry.sql, new.sql);
        let id = entry.id();
        let commit = Commit { catalog: catalog.put(entry), ..self.commit() };
        // Both are made again for the new columns.
        self.tables.remove(&id);
        self.codecs.remove(&id);
        Ok(Some(Worked { catalog, commit, removed: vec![] }))
    }

    /// Makes sure that the topic is there; the first positions of all its partitions.
    async fn topic_start(&self, table: &Table) -> Result<Vec<Position>, SqlError> {
        let log = &self.shared.log;
        log.ensure_topic(&table.topic, table.partitions).await?;
        let mut positions = Vec::new();
        for partition in 0..PARTITIONS_MAX {
            let partition = TopicPartition { topic: table.topic.clone(), partition };
            match log.bounds(&partition).await {
                Ok((start, _)) => positions.push(Position { partition, offset: start }),
                Err(LogError::UnknownPartition(_)) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(positions)
    }

    fn comment(&mut self, remark: Remark) -> Result<Option<Worked>, Failure> {
        let mut catalog = self.catalog.clone();
        catalog.expect(&remark.relation)?;
        let said = catalog.comment(&remark.relation, remark.column, remark.text);
        let commit = Commit { catalog: said, ..self.commit() };
        Ok(Some(Worked { catalog, commit, removed: vec![] }))
    }

    fn change_roles(&mut self, change: RoleChange) -> Result<Option<Worked>, Failure> {
        let mut catalog = self.catalog.clone();
        let Some(said) = catalog.change_roles(change)? else { return Ok(None) };
        let commit = Commit { catalog: said, ..self.commit() };
        Ok(Some(Worked { catalog, commit, removed: vec![] }))
    }

    fn create_view(&mut self, new: NewView) -> Result<Option<Worked>, Failure> {
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
    pub(super) fn introduce(&mut self, numbered: Numbered, caught: Caught) -> Result<Worked, SqlError> {
        let mut catalog = self.catalog.clone();
        let last = catalog.materialized().last().and_then(|entry| entry.materialized()).map(|last| last.order);
        let entry = numbered.entry(last.unwrap_or(0) + 1);
        let replaced = self.catalog.get(entry.name()).cloned();
        if let Some(old) = replaced.as_ref().filter(|old| self.engine.has(old.id())) {
            self.engine.remove(old.id());
        }
        self.engine.install(self.epoch, numbered.view, Install::Resumed).map_err(engine_failed)?;
        let Caught { mut writes, errors } = caught;
        let stale = replaced.as_ref().map(|old| old.name());
        writes.extend(errors.writes(&self.codecs[&system::ERRORS], &self.shared.store, stale).map_err(unreadable)?);
        writes.retain(|write: &StateWrite| !write.is_empty());
        let changes = vec![(entry.id(), Bytes::from_static(BEGINNING))];
        let commit = Commit { writes, changes, catalog: catalog.put(entry), ..self.commit() };
        let removed = replaced.map_or(Vec::new(), |old| old.owned());
        Ok(Worked { catalog, commit, removed })
    }

    fn drop_relations(&mut self, removal: &Removal) -> Result<Option<Worked>, Failure> {
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
