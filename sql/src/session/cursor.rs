//! DECLARE, FETCH and CLOSE: a query whose rows are taken some at a time, within a transaction, or WITH HOLD beyond it.
//!
//! PostgreSQL works out all rows of a cursor WITH HOLD when its transaction commits, and keeps them on disk. Here they are worked
//! out as they are fetched, as those of any cursor, over the snapshot of the transaction: it is pinned until the cursor is closed
//! or the session ends. COMMIT costs nothing then, what the cursor holds in memory is bounded as of every query, the cursors of a
//! session are bounded too, and a row that fails says so when it is fetched instead of at COMMIT. The store keeps meanwhile what
//! the snapshot sees, as it does for a transaction that is left open; `idle_session_timeout` ends both.
//!
//! There is no SCROLL: rows that have been fetched are not kept.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast::{Declare, DeclareType, FetchDirection, Value, ValueWithSpan};
use futures::{FutureExt, StreamExt, stream};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::action::{Action, Follow};
use super::prepare::{Ground, shown};
use super::running::until_cancelled;
use super::{Cancel, Prepared, Response, Session, State};
use crate::ddl::column_name;
use crate::error::SqlError;
use crate::limits::CURSORS_MAX;
use crate::query;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Statement;

/// An open cursor.
pub struct Cursor {
    schema: SchemaRef,
    left: Arc<Mutex<Left>>,
    /// Its rows come as things happen.
    follows: bool,
    /// Its transaction has been committed, or there was none.
    outlives: bool,
    /// Which one of its transaction it is, from 1 on.
    number: usize,
    pub told: Told,
}

/// What is told of a cursor.
#[derive(Clone)]
pub struct Told {
    pub statement: String,
    pub hold: bool,
    pub binary: bool,
    pub opened_ms: i64,
}

/// How a cursor is opened.
pub struct Opening {
    name: String,
    hold: bool,
    binary: bool,
}

impl Opening {
    /// The same for the changes of a query's rows.
    pub fn following(self, plan: Box<LogicalPlan>, follow: Option<Follow>) -> Result<Action, SqlError> {
        match self.hold {
            false => Ok(Action::Declare { opening: self, plan, follow }),
            true => Err(SqlError::unsupported("a cursor WITH HOLD of SUBSCRIBE")
                .hint("Fetch within the transaction, or SUBSCRIBE again AS OF the last epoch that progressed.")),
        }
    }
}

impl State {
    /// The transaction has ended: only cursors WITH HOLD are left, of those before and, where it was committed, of its own.
    pub(super) fn end_cursors(&mut self, committed: bool) {
        self.cursors.retain(|_, cursor| cursor.outlives || committed && cursor.told.hold);
        self.cursors.values_mut().for_each(|cursor| cursor.outlives = true);
    }

    /// The transaction has been rolled back to where it had declared so many.
    pub(super) fn close_declared_after(&mut self, declared: usize) {
        self.cursors.retain(|_, cursor| cursor.outlives || cursor.number <= declared);
    }
}

/// How long a FETCH waits for its next rows.
#[derive(Clone, Copy)]
enum Wait {
    UntilSome,
    Until(Instant),
    /// Takes what is there.
    Not,
}

/// What has not been fetched.
struct Left {
    rows: SendableRecordBatchStream,
    /// Of the last batch.
    rest: Option<RecordBatch>,
    ended: bool,
}

impl Left {
    /// The next rows, at most so many.
    async fn next(&mut self, most: usize) -> Option<Result<RecordBatch>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None if self.ended => return None,
            None => match self.rows.next().await {
                Some(Ok(batch)) => batch,
                last => {
                    self.ended = true;
                    return last;
                }
            },
        };
        let taken = batch.num_rows().min(most);
        self.rest = (taken < batch.num_rows()).then(|| batch.slice(taken, batch.num_rows() - taken));
        Some(Ok(batch.slice(0, taken)))
    }

    /// The next rows where they come soon enough.
    async fn within(&mut self, most: usize, wait: Wait) -> Option<Result<RecordBatch>> {
        match wait {
            Wait::UntilSome => self.next(most).await,
            Wait::Until(deadline) => timeout_at(deadline, self.next(most)).await.ok()?,
            Wait::Not => self.next(most).now_or_never()?,
        }
    }
}

impl Ground<'_> {
    pub(super) async fn declare(&self, mut declared: Vec<Declare>) -> Result<Action, SqlError> {
        let one = declared.pop().filter(|one| declared.is_empty() && one.declare_type == Some(DeclareType::Cursor));
        let Some(Declare { names, for_query: Some(query), hold, scroll, binary, .. }) = one else {
            return Err(SqlError::unsupported("this form of DECLARE").hint("DECLARE name CURSOR FOR SELECT .."));
        };
        if scroll == Some(true) {
            return Err(SqlError::unsupported("a SCROLL cursor")
                .hint("Rows that have been fetched are not kept: they are fetched forward, once. Declare it anew to begin again."));
        }
        let [name] = &names[..] else { return Err(SqlError::unsupported("DECLARE of several names")) };
        let plan = self.plan(query::named(Statement::Query(query))).await?;
        let opening = Opening { name: column_name(name), hold: hold == Some(true), binary: binary == Some(true) };
        Ok(Action::Declare { opening, plan: Box::new(plan), follow: None })
    }
}

/// How many rows a FETCH asks for.
pub(super) fn count(direction: &FetchDirection) -> Result<usize, SqlError> {
    let number = |limit: &ValueWithSpan| match &limit.value {
        Value::Number(number, _) => {
            number.to_string().parse().map_err(|_| SqlError::new("22023", format!("{number} rows cannot be fetched")))
        }
        other => Err(SqlError::new("22023", format!("{other} rows cannot be fetched"))),
    };
    match direction {
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Ok(1),
        FetchDirection::Count { limit } | FetchDirection::Forward { limit: Some(limit) } => number(limit),
        FetchDirection::All | FetchDirection::ForwardAll => Ok(usize::MAX),
        other => Err(SqlError::new("55000", format!("cursor can only scan forward, not FETCH {other}"))),
    }
}

impl Session {
    pub(super) async fn open_cursor(
        &self,
        ground: Ground<'_>,
        opening: &Opening,
        plan: LogicalPlan,
        follow: Option<Follow>,
    ) -> Result<Response, SqlError> {
        let Opening { name, hold, binary } = opening;
        let (statement, opened_ms) = (ground.sql.to_owned(), self.shared.now_ms());
        {
            let state = self.state();
            if state.transaction.is_none() && !hold {
                return Err(SqlError::new("25P01", "DECLARE CURSOR can only be used in transaction blocks"));
            }
            if state.cursors.contains_key(name) {
                return Err(SqlError::new("42P03", format!("cursor \"{name}\" already exists")));
            }
            if state.cursors.len() >= CURSORS_MAX {
                return Err(SqlError::new("54000", format!("a session has at most {CURSORS_MAX} cursors"))
                    .hint("CLOSE those that are not used."));
            }
        }
        // It outlives its statement: each FETCH can be cancelled by itself.
        let rows = ground.answer(plan, follow, Cancel::new()).await?;
        let schema = shown(&rows.schema());
        let left = Arc::new(Mutex::new(Left { rows, rest: None, ended: false }));
        let told = Told { statement, hold: *hold, binary: *binary, opened_ms };
        let mut state = self.state();
        let number = state.transaction.as_mut().map_or(0, |open| {
            open.declared += 1;
            open.declared
        });
        let (follows, outlives) = (follow.is_some(), state.transaction.is_none());
        state.cursors.insert(name.clone(), Cursor { schema, left, follows, outlives, number, told });
        Ok(Response::Done { tag: "DECLARE CURSOR".to_owned() })
    }

    /// At most so many rows. Of a subscription those that are there, or that come within the time given; where none is given,
    /// it waits for the first.
    pub(super) fn fetch(
        &self,
        name: &str,
        count: usize,
        wait: Option<Duration>,
        cancel: Cancel,
    ) -> Result<Response, SqlError> {
        let state = self.state();
        let cursor = state.cursors.get(name).ok_or_else(|| missing(name))?;
        let (schema, left, follows) = (cursor.schema.clone(), cursor.left.clone(), cursor.follows);
        let wait = match wait {
            Some(_) if !follows => {
                return Err(SqlError::unsupported("FETCH WITH (TIMEOUT ..) of a query")
                    .hint("It is for cursors of SUBSCRIBE; set statement_timeout."));
            }
            Some(wait) => Wait::Until(Instant::now() + wait),
            None => Wait::UntilSome,
        };
        let next = move |(left, wanted, wait): (Arc<Mutex<Left>>, usize, Wait)| async move {
            if wanted == 0 {
                return None;
            }
            let batch = left.lock().await.within(wanted, wait).await?;
            let got = batch.as_ref().map_or(wanted, RecordBatch::num_rows);
            let wait = if follows && matches!(wait, Wait::UntilSome) { Wait::Not } else { wait };
            Some((batch, (left, wanted - got, wait)))
        };
        let rows = stream::unfold((left, count, wait), next);
        let rows = RecordBatchStreamAdapter::new(schema.clone(), Box::pin(rows));
        Ok(Response::Rows { schema, rows: until_cancelled(Box::pin(rows), cancel), tag: "FETCH" })
    }

    /// The columns of an open cursor.
    pub fn cursor_schema(&self, name: &str) -> Option<SchemaRef> {
        self.state().cursors.get(name).map(|cursor| cursor.schema.clone())
    }

    /// Whether the statement fetches from a cursor that was declared BINARY.
    pub fn fetches_binary(&self, prepared: &Prepared) -> bool {
        let Action::Fetch { name, .. } = &prepared.action else { return false };
        self.state().cursors.get(name).is_some_and(|cursor| cursor.told.binary)
    }

    /// Closes one cursor, or all.
    pub(super) fn close_cursor(&self, name: Option<&str>) -> Result<Response, SqlError> {
        let cursors = &mut self.state().cursors;
        match name {
            None => cursors.clear(),
            Some(name) => drop(cursors.remove(name).ok_or_else(|| missing(name))?),
        }
        Ok(Response::Done { tag: "CLOSE CURSOR".to_owned() })
    }
}

pub(super) fn missing(name: &str) -> SqlError {
    SqlError::new("34000", format!("cursor \"{name}\" does not exist"))
}
