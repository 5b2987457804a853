//! How bridges are: written by those who keep them up, read by `caudal.bridges`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How one bridge is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Since when it is connected, milliseconds since 1970, if it is.
    pub connected_since_ms: Option<i64>,
    /// Messages since the start of the node that were kept, or acknowledged by the broker.
    pub messages: u64,
    pub last_message_ms: Option<i64>,
    /// Of a sink: all changes up to this epoch are acknowledged by the broker.
    pub epoch: Option<u64>,
    /// What went wrong last, and when.
    pub error: Option<(String, i64)>,
}

/// How all are, by their numbers.
#[derive(Debug, Default)]
pub struct States(Mutex<BTreeMap<u32, State>>);

impl States {
    pub fn of(&self, bridge: u32) -> State {
        self.lock().get(&bridge).cloned().unwrap_or_default()
    }

    /// Changes what is known of a bridge.
    pub fn change(&self, bridge: u32, how: impl FnOnce(&mut State)) {
        how(self.lock().entry(bridge).or_default());
    }

    /// There is no such bridge any more.
    pub fn forget(&self, bridge: u32) {
        self.lock().remove(&bridge);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
