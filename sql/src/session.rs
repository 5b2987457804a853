//! A session: statements of one connection.

mod action;
mod comment;
mod copy;
mod cursor;
mod default;
mod execute;
mod explain;
mod kept;
mod named;
mod prepare;
mod rights;
mod running;
mod settings;
mod show;
mod subscribe;
mod transaction;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use tokio::sync::mpsc;

pub use copy::CopyIn;
pub use cursor::Told;
pub use named::Named;
pub use settings::{SERVER_VERSION, Settings};
pub(crate) use write::append;

use crate::error::SqlError;
use crate::functions::zone::Zone;
use crate::pipeline::{Command, Shared};
use crate::query;
use crate::system::Sizes;
use crate::types::Spoken;
use action::Action;
use cursor::Cursor;
use kept::Keeping;
use transaction::{Transaction, Undo};

/// Ends a running statement with 57014 when cancelled.
pub type Cancel = tokio_util::sync::CancellationToken;

/// Who a session works for. The door has made sure that it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The user that the node was started with, who may do everything.
    Operator(String),
    /// A role, with the rights that it has when a statement is run.
    Role(String),
}

impl Identity {
    pub fn user(&self) -> &str {
        match self {
            Identity::Operator(user) | Identity::Role(user) => user,
        }
    }
}

/// Who a statement is run by, and what they have set.
#[derive(Clone, Debug)]
pub struct Whoami {
    pub identity: Identity,
    pub settings: Settings,
    /// What `set_config` sets by; a statement that is run for another role has none.
    pub setter: Option<Setter>,
    /// What tells how large relations are.
    pub sizes: Sizes,
}

/// A way to a session from within a query: to change its settings, and to be told what it keeps.
#[derive(Clone)]
pub struct Setter(Weak<Mutex<State>>);

impl Setter {
    /// Sets a value as SET does, or SET LOCAL, and answers it as it is then shown.
    pub fn set(&self, name: &str, value: Option<&str>, local: bool) -> Result<String, SqlError> {
        let state = self.0.upgrade().ok_or_else(|| SqlError::new("57P01", "the session has ended"))?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut settings = state.who.settings.clone();
        settings.set(name, value)?;
        state.set(name, value, local)?;
        Ok(settings.get(name).unwrap_or_default().to_owned())
    }

    /// The session's statements, by name.
    pub fn statements(&self) -> BTreeMap<String, Arc<Named>> {
        let state = self.0.upgrade();
        state
            .map_or_else(BTreeMap::new, |state| state.lock().unwrap_or_else(PoisonError::into_inner).statements.clone())
    }

    /// The session's cursors, by name.
    pub fn cursors(&self) -> Vec<(String, Told)> {
        let Some(state) = self.0.upgrade() else { return Vec::new() };
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cursors.iter().map(|(name, cursor)| (name.clone(), cursor.told.clone())).collect()
    }
}

impl fmt::Debug for Setter {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Setter")
    }
}

/// A session's state: settings and the open transaction. Statements run one at a time.
pub struct Session {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    state: Arc<Mutex<State>>,
}

pub struct State {
    who: Whoami,
    transaction: Option<Transaction>,
    /// By their names: of the open transaction, and those that outlived theirs.
    cursors: BTreeMap<String, Cursor>,
    /// By their names.
    statements: BTreeMap<String, Arc<Named>>,
}

impl State {
    /// Sets a value; `local`: until the transaction ends, and outside one, where PostgreSQL warns, not at all.
    fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<(), SqlError> {
        let settings = &mut self.who.settings;
        let Some(transaction) = &mut self.transaction else {
            return if local { settings.clone().set(name, value) } else { settings.set(name, value) };
        };
        let now = || Box::new(Undo { before: settings.clone(), kept: settings.clone() });
        let undo = transaction.undo.get_or_insert_with(now);
        settings.set(name, value)?;
        if local { Ok(()) } else { undo.kept.set(name, value) }
    }

    /// All settings as they are by default, unless the transaction is rolled back.
    fn reset(&mut self) {
        let settings = &mut self.who.settings;
        if let Some(transaction) = &mut self.transaction {
            let now = || Box::new(Undo { before: settings.clone(), kept: settings.clone() });
            transaction.undo.get_or_insert_with(now).kept.reset();
        }
        settings.reset();
    }

    /// Leaves the transaction as if it had not been.
    fn rolled_back(&mut self) {
        self.end_cursors(false);
        if let Some(undo) = self.transaction.take().and_then(|transaction| transaction.undo) {
            self.who.settings.restore(undo.before);
        }
    }
}

/// A statement, parsed and typed.
pub struct Prepared {
    /// Types of `$1`, `$2`, ...
    pub parameters: Vec<DataType>,
    /// What a cast says that a client knows a parameter as, for those that there is one for.
    pub known_as: Vec<Option<Spoken>>,
    /// The result's columns; `None` where the statement returns no rows.
    pub schema: Option<SchemaRef>,
    sql: String,
    types: Vec<Option<DataType>>,
    action: Action,
    /// The catalogue that it was planned over.
    generation: u64,
    kept: Keeping,
    /// The same statement over a later catalogue.
    renewed: ArcSwapOption<Prepared>,
}

impl Prepared {
    /// The statement as it was written.
    pub fn sql(&self) -> &str {
        &self.sql
    }
}

/// What a statement answers.
pub enum Response {
    Rows {
        schema: SchemaRef,
        rows: SendableRecordBatchStream,
        /// First word of the command tag: "SELECT", "FETCH", "SHOW", "EXPLAIN"; the door appends the count for the first two.
        /// The rows of "SUBSCRIBE" come as things happen, and it never ends by itself.
        tag: &'static str,
    },
    /// The command tag, complete: "INSERT 0 2", "CREATE TABLE".
    Done { tag: String },
    /// COPY .. TO STDOUT: the door writes the rows in a format.
    CopyOut { schema: SchemaRef, rows: SendableRecordBatchStream, format: CopyFormat },
    /// COPY .. FROM STDIN: the door feeds what the client sends.
    CopyIn(CopyIn),
    /// The statement was empty.
    Empty,
}

/// How rows are written in what a client copies in or out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    Lines(CopyLines),
    /// Each cell in PostgreSQL's binary form, as in its protocol.
    Binary,
}

/// Rows as lines of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyLines {
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

impl CopyLines {
    /// PostgreSQL's default: tabs, `\N`.
    pub fn text() -> CopyLines {
        CopyLines { csv: false, header: false, delimiter: b'\t', null: "\\N".to_owned(), quote: b'"', escape: b'"' }
    }

    /// FORMAT csv: commas, an empty cell is NULL.
    pub fn csv() -> CopyLines {
        CopyLines { csv: true, header: false, delimiter: b',', null: String::new(), quote: b'"', escape: b'"' }
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
    /// A session over an open database.
    pub(crate) fn new(shared: Arc<Shared>, commands: mpsc::Sender<Command>, who: Identity) -> Session {
        let state = Arc::new_cyclic(|state| {
            let sizes = Sizes::of(&shared);
            let who =
                Whoami { identity: who, settings: Settings::default(), setter: Some(Setter(state.clone())), sizes };
            Mutex::new(State { who, transaction: None, cursors: BTreeMap::new(), statements: BTreeMap::new() })
        });
        Session { shared, commands, state }
    }

    /// Splits a text into its statements; an error has its position in the whole text.
    pub fn split(&self, sql: &str) -> Result<Vec<String>, SqlError> {
        query::split(sql)
    }

    /// Parses, types and plans one statement. `types`: what the client says of its parameters.
    pub async fn prepare(&self, sql: &str, types: &[Option<DataType>]) -> Result<Arc<Prepared>, SqlError> {
        let prepared = self.prepare_statement(sql, types).await;
        self.noted(prepared).map(Arc::new)
    }

    /// Runs a statement. Writes have been published when it returns.
    pub async fn execute(
        &self,
        prepared: &Prepared,
        parameters: Vec<ScalarValue>,
        cancel: Cancel,
    ) -> Result<Response, SqlError> {
        self.shared.metrics.statements.inc();
        let run = self.run(prepared, parameters, cancel.clone());
        let response = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(cancelled()),
            response = run => response,
        };
        self.noted(response)
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.state().transaction.is_some()
    }

    /// A setting's value, under any case of its name.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.state().who.settings.get(name).map(str::to_owned)
    }

    /// A setting that is a time; `None` where there is no limit.
    pub fn limit(&self, name: &str) -> Option<Duration> {
        self.state().who.settings.limit(name)
    }

    /// The time zone that moments are shown and read in; `None` is UTC.
    pub fn zone(&self) -> Option<Zone> {
        self.state().who.settings.zone().map(|(zone, _)| zone)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After an error an open transaction can only be rolled back.
    fn noted<T>(&self, result: Result<T, SqlError>) -> Result<T, SqlError> {
        if result.is_err()
            && let Some(transaction) = &mut self.state().transaction
        {
            transaction.failed = true;
        }
        result
    }
}

/// The error of a statement that was cancelled.
fn cancelled() -> SqlError {
    SqlError::new("57014", "canceling statement due to user request")
}
