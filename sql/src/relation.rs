//! What the planner must know of a table or a view to read it.

use std::sync::Arc;

use arrow::datatypes::Schema;
use dataflow::{RelationId, RelationSchema};

use crate::error::SqlError;

/// A named relation of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub id: RelationId,
    /// Qualified by its schema where that is not `public`: `quarantine` of schema `caudal` is `caudal.quarantine`.
    pub name: String,
    pub schema: RelationSchema,
    pub kind: RelationKind,
}

/// What kind of relation it is, as far as plans depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// `rows_max`: the bound given WITH (max_rows = ..), which lets joins keep it in memory. `forgets_by`: the column with
    /// the time that its rows are forgotten by, WITH (retention = ..).
    Table {
        rows_max: Option<u64>,
        forgets_by: Option<usize>,
    },
    /// A table WITH (stream = true): its rows go on to views and are not kept, so none is ever retracted, looked up or read.
    Stream,
    MaterializedView,
    /// One of the node's own, such as `caudal.quarantine`; materialised views cannot read it.
    System,
}

impl Relation {
    /// The relation as those know it who were there when it had its first `columns` columns.
    pub fn narrowed(self: Arc<Relation>, columns: usize) -> Arc<Relation> {
        if self.schema.columns.fields().len() == columns {
            return self;
        }
        let mut relation = Relation::clone(&self);
        relation.schema.columns = Arc::new(Schema::new(relation.schema.columns.fields()[..columns].to_vec()));
        Arc::new(relation)
    }
}

/// What is read of a stream beside views.
pub fn not_kept(name: &str) -> SqlError {
    SqlError::unsupported(format!("reading \"{name}\", a stream,"))
        .hint("Its rows are not kept: CREATE MATERIALIZED VIEW .. over it, which also has what the log still has.")
}

/// Finds relations by the name in a query.
pub trait Relations: std::fmt::Debug + Send + Sync {
    fn relation(&self, name: &str) -> Option<Arc<Relation>>;

    /// Whether rows of a relation, or of what it is made of, are forgotten without being retracted: another row may have the
    /// same key later.
    fn forgets(&self, name: &str) -> bool {
        let of_table =
            |relation: Arc<Relation>| matches!(relation.kind, RelationKind::Table { forgets_by: Some(_), .. });
        self.relation(name).is_some_and(of_table)
    }

    /// The indexes on a relation: the same columns, as far as they were there when the index was made, under other keys.
    fn indexes(&self, _name: &str) -> Vec<Arc<Relation>> {
        Vec::new()
    }
}
