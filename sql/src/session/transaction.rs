//! A transaction: reads use one snapshot, writes wait for COMMIT.

use std::sync::Arc;

use storage::{Event, Snapshot};

use super::Settings;
use crate::catalog::{Catalog, Entry};
use crate::error::SqlError;
use crate::limits::{SAVEPOINTS_MAX, TRANSACTION_EVENTS_MAX};

/// An open transaction.
pub struct Transaction {
    /// What `now()` is in all of its statements, in milliseconds since 1970.
    pub began_ms: i64,
    pub snapshot: Snapshot,
    pub catalog: Arc<Catalog>,
    /// The table written to, and the events held back for it.
    pub pending: Option<(Arc<Entry>, Vec<Event>)>,
    /// A statement has failed: only ROLLBACK helps.
    pub failed: bool,
    /// Writes are refused.
    pub read_only: bool,
    /// How many cursors were declared in it.
    pub declared: usize,
    /// Places to roll back to, the latest last.
    pub savepoints: Vec<Savepoint>,
    /// What becomes of the settings that were changed in it, once one was.
    pub undo: Option<Box<Undo>>,
}

/// How much was held back when a savepoint was made, the cursors and the settings then. Nothing else of a transaction changes: its
/// reads are of one snapshot.
pub struct Savepoint {
    name: String,
    held: usize,
    declared: usize,
    settings: Settings,
    /// Those that COMMIT would have left.
    kept: Option<Settings>,
}

/// The settings that the end of a transaction leaves.
pub struct Undo {
    /// After ROLLBACK: as they were at BEGIN.
    pub before: Settings,
    /// After COMMIT: with what SET changed, and not with what SET LOCAL did.
    pub kept: Settings,
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

    pub fn save(&mut self, name: String, settings: Settings) -> Result<(), SqlError> {
        if self.savepoints.len() >= SAVEPOINTS_MAX {
            return Err(SqlError::new("54000", format!("a transaction has at most {SAVEPOINTS_MAX} savepoints")));
        }
        let held = self.pending.as_ref().map_or(0, |(_, events)| events.len());
        let kept = self.undo.as_ref().map(|undo| undo.kept.clone());
        self.savepoints.push(Savepoint { name, held, declared: self.declared, settings, kept });
        Ok(())
    }

    /// Forgets a savepoint and those after it.
    pub fn release(&mut self, name: &str) -> Result<(), SqlError> {
        self.savepoints.truncate(self.found(name)?);
        Ok(())
    }

    /// Drops what was held back since; the savepoint stays. Answers the settings then, and how many cursors had been declared.
    pub fn roll_back_to(&mut self, name: &str) -> Result<(Settings, usize), SqlError> {
        let at = self.found(name)?;
        self.savepoints.truncate(at + 1);
        let held = self.savepoints[at].held;
        match &mut self.pending {
            Some((_, events)) if held > 0 => events.truncate(held),
            pending => *pending = None,
        }
        self.failed = false;
        let Savepoint { settings, kept, declared, .. } = &self.savepoints[at];
        if let Some(undo) = &mut self.undo {
            undo.kept = kept.clone().unwrap_or_else(|| undo.before.clone());
        }
        Ok((settings.clone(), *declared))
    }

    fn found(&self, name: &str) -> Result<usize, SqlError> {
        let found = self.savepoints.iter().rposition(|savepoint| savepoint.name == name);
        found.ok_or_else(|| SqlError::new("3B001", format!("savepoint \"{name}\" does not exist")))
    }
}

/// What only works alone.
pub fn refuse_within(what: &str) -> SqlError {
    SqlError::unsupported(format!("{what} in a transaction"))
        .hint("Run it alone: outside BEGIN and COMMIT, with autocommit on in the client.")
}
