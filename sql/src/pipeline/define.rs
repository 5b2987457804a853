//! Definitions: tables and views come and go between two epochs, each change with a commit of its own.

use std::sync::Arc;

use dataflow::RelationId;
use storage::{Commit, TopicPartition};
use tokio::sync::oneshot;

use super::bridges::{BridgeRemoval, NewBridge};
use super::new_table::{NewColumns, NewTable};
use super::new_view::NewView;
use super::owner::Owner;
use super::publisher::Redefinition;
use super::removal::Removal;
use super::schemas::{NewSchema, PackedSchema, SchemaRemoval, no_schema};
use crate::catalog::{Catalog, Entry};
use crate::error::SqlError;
use crate::roles::RoleChange;

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
    pub(super) fn exists(&self, name: &str, if_not_exists: bool) -> Result<bool, SqlError> {
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
}
