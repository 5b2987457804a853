//! A transaction: reads use one snapshot, writes wait for COMMIT.

use std::sync::Arc;

use storage::{Event, Snapshot};

use crate::catalog::{Catalog, Entry};
use crate::error::SqlError;
use crate::limits::TRANSACTION_EVENTS_MAX;

/// An open transaction.
pub struct Transaction {
    pub snapshot: Snapshot,
    pub catalog: Arc<Catalog>,
    /// The table written to, and the events held back for it.
    pub pending: Option<(Arc<Entry>, Vec<Event>)>,
    /// A statement has failed: only ROLLBACK helps.
    pub failed: bool,
}

impl Transaction {
    /// Holds events back for COMMIT, where they are one append to one table.
    pub fn hold(&mut self, table: &Arc<Entry>, events: Vec<Event>) -> Result<(), SqlError> {
        let (held, waiting) = self.pending.get_or_insert_with(|| (table.clone(), Vec::new()));
        if held.id() != table.id() {
            let words = format!("writing to \"{}\" in a transaction that writes to \"{}\"", table.name(), held.name());
            return Err(SqlError::unsupported(words).hint("Write to one table in a transaction."));
        }
        if waiting.len() + events.len() > TRANSACTION_EVENTS_MAX {
            let words = format!("a transaction writes at most {TRANSACTION_EVENTS_MAX} rows");
            return Err(SqlError::new("54000", words).hint("Use COPY .. FROM STDIN outside a transaction."));
        }
        waiting.extend(events);
        Ok(())
    }
}

/// What only works alone.
pub fn refuse_within(what: &str) -> SqlError {
    SqlError::unsupported(format!("{what} in a transaction"))
        .hint("Run it alone: outside BEGIN and COMMIT, with autocommit on in the client.")
}
