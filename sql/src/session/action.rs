//! What a statement does, worked out once.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{CreateTable, CreateView, Statement};

use super::CopyFormat;
use crate::catalog::Entry;

/// A statement's work, planned as far as it can be before it runs.
pub enum Action {
    Empty,
    /// Answers rows; the word is the first of its tag.
    Query {
        plan: Box<LogicalPlan>,
        tag: &'static str,
    },
    CreateTable(Box<CreateTable>),
    CreateView(Box<CreateView>),
    Drop(Box<Statement>),
    /// The plan's rows have the columns of the table.
    Insert {
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
    Show {
        name: String,
    },
    ShowAll,
    Explain {
        lines: Vec<String>,
    },
    /// (name, value or the default); LOCAL is not told apart.
    Set(Vec<(String, Option<String>)>),
    Reset,
    Begin,
    Commit,
    Rollback,
    /// There is nothing to do; the complete tag.
    Nothing {
        tag: &'static str,
    },
}

impl Action {
    /// Whether it may run after an error in a transaction.
    pub fn ends_transaction(&self) -> bool {
        matches!(self, Action::Commit | Action::Rollback)
    }
}
