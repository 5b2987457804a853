//! Running one statement so that it ends when its client goes away, cancels it, or the node shuts down.

use std::future::Future;
use std::pin::pin;

use sql::{Cancel, Session, SqlError};
use tokio::task::unconstrained;
use tokio_util::sync::CancellationToken;

use super::error::Fault;
use super::stream::Reader;

/// Waits for `work`. On an interruption the statement is cancelled, and `work` says how it ended: a write that was under
/// way may have succeeded.
pub(super) async fn interruptible<T>(
    work: impl Future<Output = T>,
    interruption: impl Future<Output = ()>,
    cancel: &Cancel,
) -> T {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => done,
        () = interruption => {
            cancel.cancel();
            work.await
        }
    }
}

/// What interrupts a statement that does not read from its client: the client is gone, or the node shuts down.
pub(super) async fn interruption(reader: &mut Reader, shutdown: &CancellationToken) {
    // Unconstrained: work that has used up its task's turn would leave none to look at what interrupts it.
    tokio::select! {
        () = unconstrained(reader.gone()) => {}
        () = unconstrained(shutdown.cancelled()) => {}
    }
}

/// A statement's text, and where in the client's text it begins, in characters.
pub(super) struct Text {
    pub(super) sql: String,
    offset: usize,
}

impl Text {
    /// What a client sends that wants nothing.
    pub(super) fn empty() -> Text {
        Text { sql: String::new(), offset: 0 }
    }

    /// A statement that is apart from what the client sends now: its errors have no place there.
    pub(super) fn whole(sql: &str) -> Text {
        Text { sql: sql.trim().to_owned(), offset: 0 }
    }

    /// The only statement of a client's text.
    pub(super) fn within(text: &str, sql: &str) -> Text {
        let before = text.find(sql).map_or("", |at| &text[..at]);
        Text { sql: sql.to_owned(), offset: before.chars().count() }
    }

    /// The statements of a client's text.
    pub(super) fn split(session: &Session, text: &str) -> Result<Vec<Text>, SqlError> {
        let mut from = 0;
        let mut placed = |sql: String| {
            let at = text[from..].find(&sql).map(|found| from + found);
            from = at.map_or(from, |at| at + sql.len());
            Text { offset: at.map_or(0, |at| text[..at].chars().count()), sql }
        };
        Ok(session.split(text)?.into_iter().map(&mut placed).collect())
    }

    /// An error about this statement, as one about the client's text.
    pub(super) fn place(&self, mut error: SqlError) -> SqlError {
        error.position = error.position.map(|position| position + self.offset);
        error
    }

    /// The statement to run. In a transaction that has failed only its end is possible, and that is a rollback; or the way
    /// back to a savepoint.
    pub(super) fn admitted(&self, transaction_failed: bool) -> Result<&str, SqlError> {
        if !transaction_failed {
            return Ok(&self.sql);
        }
        let word: String = self.sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
        let words = self.sql.split_ascii_whitespace().take(3);
        let to_savepoint = words.skip(1).any(|word| word.eq_ignore_ascii_case("to"));
        match word.to_ascii_uppercase().as_str() {
            "ROLLBACK" | "ABORT" if to_savepoint => Ok(&self.sql),
            "ROLLBACK" | "ABORT" | "COMMIT" | "END" => Ok("ROLLBACK"),
            _ => {
                let message = "current transaction is aborted, commands ignored until end of transaction block";
                Err(SqlError::new("25P02", message).hint("ROLLBACK"))
            }
        }
    }
}

/// The position of an error that a fault carries, in the client's text.
pub(super) fn place(text: &Text) -> impl Fn(Fault) -> Fault + '_ {
    |fault| match fault {
        Fault::Statement(error) => Fault::Statement(text.place(error)),
        other => other,
    }
}
