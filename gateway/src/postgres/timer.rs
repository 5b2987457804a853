//! Limits of time: of a statement, and of a session that does nothing.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sql::{Cancel, Session, SqlError};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Cancels a statement when its time is up; dropped when it has ended before.
pub(super) struct Timer {
    task: JoinHandle<()>,
    rang: Arc<AtomicBool>,
}

impl Timer {
    pub(super) fn start(limit: Duration, statement: Cancel) -> Timer {
        let rang = Arc::new(AtomicBool::new(false));
        let rings = rang.clone();
        let task = tokio::spawn(async move {
            sleep(limit).await;
            rings.store(true, Ordering::Relaxed);
            statement.cancel();
        });
        Timer { task, rang }
    }

    /// The statement's error: where it was cancelled because of the time, that is said.
    pub(super) fn said(&self, error: SqlError) -> SqlError {
        match error.sqlstate == "57014" && self.rang.load(Ordering::Relaxed) {
            true => SqlError::new("57014", "canceling statement due to statement timeout"),
            false => error,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits as long as the session may do nothing, and says why that is the end of it.
pub(super) async fn idle(session: &Session) -> SqlError {
    let (setting, error) = match session.in_transaction() {
        true => (
            "idle_in_transaction_session_timeout",
            SqlError::new("25P03", "terminating connection due to idle-in-transaction timeout"),
        ),
        false => ("idle_session_timeout", SqlError::new("57P05", "terminating connection due to idle-session timeout")),
    };
    match session.limit(setting) {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
    error
}
