//! Cancel requests: they come on a connection of their own and name the session by process id and key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sql::Cancel;

/// The statements that could be cancelled.
pub(super) struct Cancels {
    sessions: Mutex<HashMap<i32, Slot>>,
    next: AtomicI32,
}

/// A session's key, and its statement.
struct Slot {
    key: i32,
    statement: Cancel,
}

impl Default for Cancels {
    fn default() -> Cancels {
        Cancels { sessions: Mutex::default(), next: AtomicI32::new(1) }
    }
}

impl Cancels {
    /// Makes a session known under a new process id. `key`: random.
    pub(super) fn register(self: &Arc<Self>, key: i32) -> Registration {
        let process = self.next.fetch_add(1, Ordering::Relaxed);
        self.sessions().insert(process, Slot { key, statement: Cancel::new() });
        Registration { process, key, cancels: self.clone() }
    }

    /// Cancels the statement that the session runs now, if the key is right. The client is not told either way.
    pub(super) fn cancel(&self, process: i32, key: i32) {
        if let Some(slot) = self.sessions().get(&process)
            && slot.key == key
        {
            slot.statement.cancel();
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<i32, Slot>> {
        self.sessions.lock().expect("nothing panics while it has the lock")
    }
}

/// A session's place among those that can be cancelled, left when dropped.
pub(super) struct Registration {
    pub(super) process: i32,
    pub(super) key: i32,
    cancels: Arc<Cancels>,
}

impl Registration {
    /// A statement begins; a request from here on is about it and no longer about the one before.
    pub(super) fn statement(&self) -> Cancel {
        let statement = Cancel::new();
        if let Some(slot) = self.cancels.sessions().get_mut(&self.process) {
            slot.statement = statement.clone();
        }
        statement
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.cancels.sessions().remove(&self.process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_cancels_the_statement_that_runs_and_only_with_the_key() {
        let cancels = Arc::new(Cancels::default());
        let (ours, theirs) = (cancels.register(11), cancels.register(22));
        let (first, other) = (ours.statement(), theirs.statement());
        cancels.cancel(ours.process, 12);
        assert!(!first.is_cancelled(), "the key was wrong");
        let second = ours.statement();
        cancels.cancel(ours.process, ours.key);
        assert!(second.is_cancelled() && !first.is_cancelled() && !other.is_cancelled());
        assert!(!ours.statement().is_cancelled(), "the next statement is not cancelled");
        let process = ours.process;
        drop(ours);
        cancels.cancel(process, 11);
        assert_eq!(cancels.sessions().len(), 1);
    }
}
