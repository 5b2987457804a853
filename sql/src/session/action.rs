//! What a statement does, worked out once.

use std::sync::Arc;
use std::time::Duration;

use dataflow::Epoch;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{AlterTable, CreateTable, CreateView, Expr, Statement};

use super::cursor::Opening;
use super::named::{Arguments, Discard};
use super::{CopyFormat, Prepared};
use crate::catalog::Entry;
use crate::pipeline::{NewSchema, NewView, PackedSchema, Remark};
use crate::query::BridgeStatement;
use crate::roles::RoleChange;

/// How the changes of a query's rows are followed: SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Whether the rows that there are come first; `None` where the statement does not say.
    pub snapshot: Option<bool>,
    /// A row says so when all changes up to an epoch have been sent.
    pub progress: bool,
    /// Only changes after it are sent.
    pub as_of: Option<Epoch>,
}

/// A statement's work, planned as far as it can be before it runs.
pub enum Action {
    Empty,
    /// Answers rows; the word is the first of its tag.
    Query {
        plan: Box<LogicalPlan>,
        follow: Option<Follow>,
        tag: &'static str,
    },
    CreateTable {
        create: Box<CreateTable>,
        /// Of columns, by name.
        defaults: Vec<(String, Expr)>,
    },
    AlterTable(Box<AlterTable>),
    CreateView(Box<CreateView>),
    CreateIndex(Box<NewView>),
    CreateSchema(NewSchema),
    /// ALTER SCHEMA: it has all of a pack.
    PackSchema(PackedSchema),
    /// CREATE and DROP of sources and sinks.
    Bridge(BridgeStatement),
    Drop(Box<Statement>),
    /// COMMENT ON a relation, or a column of it by its number.
    Comment(Remark),
    /// A change of roles, and the tag of its answer.
    Roles(RoleChange, &'static str),
    /// The plan's rows have the columns of the table.
    Insert {
        table: Arc<Entry>,
        plan: Box<LogicalPlan>,
    },
    /// The plan's rows replace those with their keys.
    Update {
        table: Arc<Entry>,
        plan: Box<LogicalPlan>,
    },
    /// The plan's rows are the keys to delete.
    Delete {
        table: Arc<Entry>,
        plan: Box<LogicalPlan>,
    },
    CopyIn {
        table: Arc<Entry>,
        columns: Vec<usize>,
        format: CopyFormat,
    },
    /// Events that the sender could not make rows of: reasons and payloads.
    CopyRefused {
        table: Arc<Entry>,
        format: CopyFormat,
    },
    /// Rows to the client as COPY writes them.
    CopyOut {
        plan: Box<LogicalPlan>,
        follow: Option<Follow>,
        format: CopyFormat,
    },
    Declare {
        opening: Opening,
        plan: Box<LogicalPlan>,
        follow: Option<Follow>,
    },
    Fetch {
        name: String,
        count: usize,
        /// How long it waits for the rows of a subscription; else until there are any.
        wait: Option<Duration>,
    },
    /// One, or all.
    CloseCursor(Option<String>),
    /// PREPARE: a statement is kept under a name.
    Prepare {
        name: String,
        prepared: Arc<Prepared>,
    },
    /// EXECUTE: the statement of a name is run.
    Execute {
        name: String,
        /// What the name stood for when this was prepared: what the client was told of the answer.
        planned: Arc<Prepared>,
        arguments: Arguments,
    },
    /// One name, or all.
    Deallocate(Option<String>),
    Discard(Discard),
    /// EXPLAIN ANALYZE: the query is run for what its operators did.
    Analyze {
        plan: Box<LogicalPlan>,
        json: bool,
    },
    /// EXPLAIN ANALYZE and the name of a materialized view: what its operators have done so far.
    AnalyzeView {
        name: String,
    },
    Show {
        name: String,
    },
    ShowAll,
    Explain {
        lines: Vec<String>,
    },
    /// (name, value or the default); `local`: until the transaction ends.
    Set {
        values: Vec<(String, Option<String>)>,
        local: bool,
    },
    Reset,
    /// Whether it is read only, where it says so.
    Begin(Option<bool>),
    /// Whether this transaction, or those to come of the session, are read only.
    Characteristics {
        read_only: bool,
        session: bool,
    },
    Commit,
    Rollback,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// There is nothing to do; the complete tag.
    Nothing {
        tag: &'static str,
    },
}

impl Action {
    /// Whether it may run after an error in a transaction.
    pub fn ends_failure(&self) -> bool {
        matches!(self, Action::Commit | Action::Rollback | Action::RollbackTo(_))
    }

    /// What a read only transaction refuses, by its name.
    pub fn writes(&self) -> Option<&'static str> {
        match self {
            Action::Insert { .. } => Some("INSERT"),
            Action::Update { .. } => Some("UPDATE"),
            Action::Delete { .. } => Some("DELETE"),
            Action::CopyIn { .. } => Some("COPY FROM"),
            other => other.defines(),
        }
    }

    /// What changes the catalogue, by its name.
    pub fn defines(&self) -> Option<&'static str> {
        Some(match self {
            Action::CreateTable { .. } => "CREATE TABLE",
            Action::AlterTable(_) => "ALTER TABLE",
            Action::CreateView(_) => "CREATE VIEW",
            Action::CreateIndex(_) => "CREATE INDEX",
            Action::CreateSchema(_) => "CREATE SCHEMA",
            Action::PackSchema(_) => "ALTER SCHEMA",
            Action::Bridge(statement) => statement.tag(),
            Action::Drop(_) => "DROP",
            Action::Comment(_) => "COMMENT",
            Action::Roles(_, tag) => tag,
            _ => return None,
        })
    }
}
