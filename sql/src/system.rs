//! The node's own relations, in schema `caudal`, for people who look after it.

mod bridges;
mod declared;
mod fills;
pub mod information_schema;
pub mod pg_catalog;
mod relations;
mod schemas;
mod sizes;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dataflow::{RelationId, RelationSchema};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;

pub use sizes::Sizes;

use crate::bridge::States;
use crate::catalog::{Catalog, Definition, Entry, added};
use crate::error::SqlError;
use crate::limits::CLOCK_ROWS_MAX;
use crate::pipeline::Fills;
use crate::relation::{Relation, RelationKind};
use crate::roles::{self, Privilege, denied};
use crate::session::{Identity, Setter, Settings};
use crate::types::timestamptz;

/// Events that are no rows, with their reason.
pub const QUARANTINE: RelationId = RelationId(1);

/// Rows that an expression of a view fails on.
pub const ERRORS: RelationId = RelationId(2);

/// How many rows a table with a bound has: table number (u32, big endian) -> rows (u64, big endian).
pub const TABLE_ROWS: RelationId = RelationId(3);

/// The minutes of the last days, while a view reads them.
pub const CLOCK: RelationId = RelationId(4);
const CLOCK_NAME: &str = "caudal.clock";

/// What a statement can be told about the node: its catalogue, who asks, and what they have set.
#[derive(Clone, Debug)]
pub struct Facts {
    pub catalog: Arc<Catalog>,
    pub identity: Identity,
    pub settings: Settings,
    /// What changes them from within a query.
    pub setter: Option<Setter>,
    pub fills: Arc<Fills>,
    pub bridges: Arc<States>,
    pub sizes: Sizes,
}

impl Facts {
    /// What is told to a statement that is nobody's.
    pub fn nobody() -> Facts {
        Facts {
            catalog: Arc::new(Catalog::empty()),
            identity: Identity::Operator(String::new()),
            settings: Settings::default(),
            setter: None,
            fills: Arc::default(),
            bridges: Arc::default(),
            sizes: Sizes::default(),
        }
    }

    /// The same, to somebody who may read everything.
    pub fn as_owner(self: &Arc<Facts>) -> Arc<Facts> {
        match &self.identity {
            Identity::Operator(_) => self.clone(),
            Identity::Role(role) => {
                Arc::new(Facts { identity: Identity::Operator(role.clone()), ..Facts::clone(self) })
            }
        }
    }

    /// Number and name of every role, whether it is a superuser, and whether it logs in; the operator first, whom a role knows
    /// by no name.
    pub fn everybody(&self) -> Vec<(i64, &str, bool, bool)> {
        let operator = self.operator();
        let roles = self.catalog.roles().filter(|role| role.name != roles::PUBLIC && role.name != operator);
        let roles = roles.map(|role| (pg_catalog::oid::role(role), role.name.as_str(), role.superuser, role.login));
        std::iter::once((pg_catalog::oid::OWNER, operator, true, true)).chain(roles).collect()
    }

    /// The owner of everything.
    pub fn operator(&self) -> &str {
        match &self.identity {
            Identity::Operator(name) => name,
            Identity::Role(_) => "operator",
        }
    }

    pub fn role_name(&self, oid: i64) -> Option<String> {
        self.everybody().into_iter().find(|(number, ..)| *number == oid).map(|(_, name, ..)| name.to_owned())
    }

    /// Refuses (42501) a relation that whoever asks may not read. The clock is everybody's.
    pub fn readable(&self, name: &str) -> Result<(), SqlError> {
        match &self.identity {
            Identity::Role(role) if name != CLOCK_NAME && !self.catalog.may(role, Privilege::Select, name) => {
                Err(denied(role, Privilege::Select, name))
            }
            _ => Ok(()),
        }
    }
}

/// Every relation there is, for people.
const RELATIONS: &str = "caudal.relations";

/// Views that are under construction.
const FILLS: &str = "caudal.fills";

/// The schemas that people made, and the packs in them.
const SCHEMAS: &str = "caudal.schemas";

/// Sources and sinks, and how their connections are.
const BRIDGES: &str = "caudal.bridges";

/// The relations below this crate's control that are stored but have no name.
pub fn state_ids() -> Vec<RelationId> {
    vec![TABLE_ROWS]
}

/// The named relations that are stored like tables.
pub fn stored() -> Vec<Entry> {
    vec![
        entry(QUARANTINE, "caudal.quarantine", quarantine(), vec![0, 1, 2], RelationKind::System),
        entry(ERRORS, "caudal.errors", errors(), vec![0, 1, 2, 3], RelationKind::System),
        // Views may read it, as a table with a bound.
        entry(
            CLOCK,
            CLOCK_NAME,
            clock(),
            vec![0],
            RelationKind::Table { rows_max: Some(CLOCK_ROWS_MAX), forgets_by: Some(0) },
        ),
    ]
}

/// Columns of `caudal.quarantine`.
pub fn quarantine() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::Int32, false),
        Field::new("position", DataType::Int64, false),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("payload", DataType::Utf8, true),
        Field::new("reason", DataType::Utf8, false),
        Field::new("time", timestamptz(), false),
        added(Field::new("subject", DataType::Utf8, true)),
    ]))
}

/// Columns of `caudal.errors`.
pub fn errors() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("view", DataType::Utf8, false),
        Field::new("operator", DataType::Int32, false),
        Field::new("row", DataType::Utf8, false),
        Field::new("message", DataType::Utf8, false),
        Field::new("count", DataType::Int64, false),
    ]))
}

/// Columns of `caudal.clock`.
pub fn clock() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("minute", timestamptz(), false)]))
}

fn entry(id: RelationId, name: &str, columns: SchemaRef, key: Vec<usize>, kind: RelationKind) -> Entry {
    let schema = RelationSchema { columns, key, counted: false };
    let relation = Relation { id, name: name.to_owned(), schema, kind };
    Entry {
        id,
        name: name.to_owned(),
        sql: String::new(),
        relation: Some(Arc::new(relation)),
        definition: Definition::System,
    }
}

/// Names of the relations that are worked out when they are read. New ones go to the end: object ids follow the order.
pub fn computed_names() -> impl Iterator<Item = &'static str> {
    [FILLS, RELATIONS, SCHEMAS, BRIDGES].into_iter()
}

/// A relation that is worked out when it is read, of what is known of the node.
pub fn computed(name: &str, catalog: &Arc<Catalog>, facts: Option<&Facts>) -> Result<Option<Arc<dyn TableProvider>>> {
    let fills = facts.map_or_else(Arc::default, |facts| facts.fills.clone());
    let rows = |schema, rows| -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(Some(Arc::new(MemTable::try_new(schema, vec![vec![rows]])?)))
    };
    match name {
        RELATIONS => Ok(Some(Arc::new(relations::RelationsTable::new(catalog.clone(), fills)))),
        FILLS => rows(fills::schema(), fills::rows(&fills)),
        SCHEMAS => rows(schemas::schema(), schemas::rows(catalog)),
        BRIDGES => {
            let states = facts.map_or_else(Arc::default, |facts| facts.bridges.clone());
            rows(bridges::schema(), bridges::rows(catalog, &states))
        }
        _ => Ok(None),
    }
}
