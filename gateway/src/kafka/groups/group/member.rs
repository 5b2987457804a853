//! A member of a group: who it is, what it asked for, and who of it waits for an answer.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::kafka::groups::message::{JoinOutcome, Reply, SyncOutcome};

#[derive(Debug)]
pub struct Member {
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub protocols: Vec<(String, Bytes)>,
    pub assignment: Bytes,
    /// When it is out, unless it is heard of before.
    pub expires: Instant,
    pub joining: Option<Reply<JoinOutcome>>,
    pub syncing: Option<Reply<SyncOutcome>>,
    /// It has joined this generation and not asked for its assignment yet.
    pub owes_sync: bool,
}

impl Member {
    pub fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(known, _)| known == protocol)
    }

    /// It has joined and still listens for the answer.
    pub fn is_joining(&self) -> bool {
        self.joining.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Nothing can be heard of it while it waits for us.
    pub fn is_waiting(&self) -> bool {
        self.is_joining() || self.syncing.as_ref().is_some_and(|reply| !reply.is_closed())
    }
}
