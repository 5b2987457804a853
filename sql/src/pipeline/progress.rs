//! How far views under construction are: written by those who fill them, read by `caudal.fills`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow::RelationId;

use crate::error::SqlError;

/// What is being done about a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Another view is filled first.
    Waiting = 0,
    /// Rows that its sources had when it was begun are read.
    Filling = 1,
    /// What has changed since then is.
    CatchingUp = 2,
}

/// One view under construction.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    /// Rows of the sources that were read.
    pub rows: AtomicU64,
    /// Of what is to be read, in thousandths, about.
    pub share_permille: AtomicU64,
    /// Bytes of changes of the sources that were written since it was begun.
    pub changed_bytes: AtomicU64,
    cancelled: AtomicBool,
    pub started_ms: i64,
}

/// All views under construction, by name.
#[derive(Debug, Default)]
pub struct Fills {
    by_name: Mutex<BTreeMap<String, Arc<Progress>>>,
    /// Views whose rows are of another plan than this version makes of their query: they are not served, and built anew.
    stale: Mutex<BTreeSet<RelationId>>,
}

impl Phase {
    pub fn words(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Filling => "filling",
            Phase::CatchingUp => "catching up",
        }
    }
}

impl Progress {
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Waiting,
            1 => Phase::Filling,
            _ => Phase::CatchingUp,
        }
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Says what part, 0 to 1, of what is to be read has been.
    pub fn share(&self, share: f64) {
        self.share_permille.store((share * 1_000.0) as u64, Ordering::Relaxed);
    }

    /// Asks whoever fills it to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl Fills {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Progress>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin(&self, name: &str, started_ms: i64) -> Arc<Progress> {
        let progress = Arc::new(Progress { started_ms, ..Progress::default() });
        self.lock().insert(name.to_owned(), progress.clone());
        progress
    }

    /// Forgets a view that is there now, or will not be; one begun under the same name since then stays.
    pub fn end(&self, name: &str, progress: &Arc<Progress>) {
        let mut fills = self.lock();
        if fills.get(name).is_some_and(|known| Arc::ptr_eq(known, progress)) {
            fills.remove(name);
        }
    }

    /// Has these views not served any more.
    pub fn withhold(&self, views: BTreeSet<RelationId>) {
        *self.stale.lock().unwrap_or_else(PoisonError::into_inner) = views;
    }

    /// Whether a relation's rows are what its query means.
    pub fn serves(&self, relation: RelationId) -> bool {
        !self.stale.lock().unwrap_or_else(PoisonError::into_inner).contains(&relation)
    }

    /// In name order.
    pub fn all(&self) -> Vec<(String, Arc<Progress>)> {
        self.lock().iter().map(|(name, progress)| (name.clone(), progress.clone())).collect()
    }
}

/// What is read is being built anew.
pub fn withheld(name: &str) -> SqlError {
    let words =
        format!("materialized view \"{name}\" is being built anew: this version makes another plan of its query");
    SqlError::new("55000", words)
        .hint("caudal.fills says how far it is. If it is not there, the log says why: create it again.")
}
