//! CREATE TABLE and ALTER TABLE .. ADD COLUMN.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use dataflow::{RelationId, RelationSchema};
use storage::{Commit, LogError, Position, TopicPartition};

use super::checks::Checks;
use super::define::{BEGINNING, Failure, Worked};
use super::owner::Owner;
use crate::catalog::{Definition, Entry, Table, added};
use crate::error::SqlError;
use crate::feed;
use crate::limits::{COLUMNS_MAX, PARTITIONS_MAX};
use crate::relation::Relation;

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

impl Owner {
    pub(super) fn create_table(&mut self, new: NewTable) -> Result<Option<Worked>, Failure> {
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
        let checks = self.runtime.block_on(Checks::plan(&unnumbered, &new.table.checks))?;
        if let Some(check) = checks.timed().filter(|_| new.table.stream) {
            let words = format!("constraint \"{}\": a check that asks for the time, of a stream,", check.name);
            return Err(SqlError::unsupported(words)
                .hint("Views are filled from its events again, at another time than that of their coming.")
                .into());
        }
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
    pub(super) fn add_columns(&mut self, new: NewColumns) -> Result<Option<Worked>, Failure> {
        if new.if_exists && self.catalog.get(&new.table).is_none() {
            return Ok(None);
        }
        let mut entry = Entry::clone(self.catalog.expect(&new.table)?);
        let kind = entry.kind();
        let Definition::Table(table) = &mut entry.definition else {
            let words = format!("\"{}\" is a {kind}, not a table", new.table);
            return Err(SqlError::new("42809", words).hint("CREATE OR REPLACE it with another query.").into());
        };
        if table.stream {
            return Err(SqlError::unsupported(format!("ADD COLUMN to \"{}\", a stream,", new.table))
                .hint(
                    "Views are filled from its events again, and those that there are were read without the column. Make a \
                     table of another topic, or drop the views and the stream and create them again.",
                )
                .into());
        }
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
}
