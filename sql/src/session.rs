//! A session: statements of one connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;

use crate::error::SqlError;

/// Ends a running statement with 57014 when cancelled.
pub type Cancel = tokio_util::sync::CancellationToken;

/// Who a session works for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user: String,
}

/// A session's state: settings and the open transaction. Statements run one at a time.
pub struct Session {}

/// A statement, parsed and typed.
pub struct Prepared {
    /// Types of `$1`, `$2`, ...
    pub parameters: Vec<DataType>,
    /// The result's columns; `None` where the statement returns no rows.
    pub schema: Option<SchemaRef>,
}

/// What a statement answers.
pub enum Response {
    Rows {
        schema: SchemaRef,
        rows: SendableRecordBatchStream,
        /// First word of the command tag: "SELECT", "SHOW", "EXPLAIN"; the door appends the count for SELECT.
        tag: &'static str,
    },
    /// The command tag, complete: "INSERT 0 2", "CREATE TABLE".
    Done { tag: String },
    /// COPY .. FROM STDIN: the door feeds what the client sends.
    CopyIn(CopyIn),
    /// The statement was empty.
    Empty,
}

/// Rows on their way into a table through the log.
pub struct CopyIn {
    /// The columns that the client sends, in order.
    pub columns: Vec<String>,
    /// How the client writes them, from the statement's WITH (..).
    pub format: CopyFormat,
}

/// How rows are written in what a client copies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyFormat {
    /// Cells are quoted as in CSV; else they are escaped with backslashes.
    pub csv: bool,
    /// The first line names the columns and is not a row.
    pub header: bool,
    /// Stands between cells.
    pub delimiter: u8,
    /// What stands for NULL; in CSV only where it is not quoted.
    pub null: String,
    /// Encloses a cell of CSV.
    pub quote: u8,
    /// Stands before a quote within a quoted cell of CSV.
    pub escape: u8,
}

impl CopyFormat {
    /// PostgreSQL's default: tabs, `\N`.
    pub fn text() -> CopyFormat {
        CopyFormat { csv: false, header: false, delimiter: b'\t', null: "\\N".to_owned(), quote: b'"', escape: b'"' }
    }

    /// FORMAT csv: commas, an empty cell is NULL.
    pub fn csv() -> CopyFormat {
        CopyFormat { csv: true, header: false, delimiter: b',', null: String::new(), quote: b'"', escape: b'"' }
    }
}

/// What became of appended events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// New rows.
    pub taken: u64,
    /// Rows that replaced another with the same key.
    pub corrected: u64,
    /// Rows that were there already, or older than what was there.
    pub unchanged: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Events kept in `caudal.quarantine`, by reason.
    pub quarantined: BTreeMap<String, u64>,
}

impl Session {
    /// Splits a text into its statements; an error has its position in the whole text.
    pub fn split(&self, _sql: &str) -> Result<Vec<String>, SqlError> {
        todo!()
    }

    /// Parses, types and plans one statement. `types`: what the client says of its parameters.
    pub async fn prepare(&self, _sql: &str, _types: &[Option<DataType>]) -> Result<Arc<Prepared>, SqlError> {
        todo!()
    }

    /// Runs a statement. Writes have been published when it returns.
    pub async fn execute(
        &self,
        _prepared: &Prepared,
        _parameters: Vec<ScalarValue>,
        _cancel: Cancel,
    ) -> Result<Response, SqlError> {
        todo!()
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        todo!()
    }

    /// The schema of a portal's rows before it is executed is that of its statement.
    pub fn setting(&self, _name: &str) -> Option<String> {
        todo!()
    }
}

impl CopyIn {
    /// Adds rows as text cells (`None` is NULL) in the order of `columns`; waits when the log is behind.
    pub async fn rows(&mut self, _rows: Vec<Vec<Option<String>>>) -> Result<(), SqlError> {
        todo!()
    }

    /// Waits until all rows are published and says what became of them. A cell that is not of its column's type is in
    /// quarantine, with its reason, like any other event.
    pub async fn finish(self) -> Result<Outcomes, SqlError> {
        todo!()
    }
}
