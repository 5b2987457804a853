//! Requests that may be sent twice: what was answered to those with an `Idempotency-Key`.
//!
//! So many are remembered, the last ones, in memory. That answers who sends again because the answer was lost; after a restart of the node a
//! request is appended again, with the same event ids.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::HeaderMap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::limits::{HTTP_KEY_BYTES_MAX, HTTP_KEYS_MAX};

/// The header, a draft of the IETF's that is widely used.
const HEADER: &str = "idempotency-key";

/// What was taken: the answer to a request.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Events that the log has now.
    pub(super) events: usize,
}

/// Whose request it is, and what they call it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    user: String,
    table: String,
    key: String,
}

impl Key {
    pub(super) fn of(headers: &HeaderMap, user: &str, table: &str) -> Result<Option<Key>, Problem> {
        let Some(key) = headers.get(HEADER) else { return Ok(None) };
        match key.to_str() {
            Ok(key) if (1..=HTTP_KEY_BYTES_MAX).contains(&key.len()) => {
                Ok(Some(Key { user: user.to_owned(), table: table.to_owned(), key: key.to_owned() }))
            }
            _ => {
                let words = format!("{HEADER} is a text of at most {HTTP_KEY_BYTES_MAX} characters of ASCII.");
                Err(Problem::new(400, "Which request?", words))
            }
        }
    }

    /// What names the request's events: the same request again names them the same.
    pub(super) fn headers(&self, at: usize) -> [(String, Bytes); 2] {
        let id = format!("{}:{at}", self.key);
        [("ce_source".to_owned(), Bytes::from(format!("http:{}", self.user))), ("ce_id".to_owned(), Bytes::from(id))]
    }
}

/// What is remembered.
#[derive(Default)]
pub(super) struct Memory {
    hasher: RandomState,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// The body's hash, and the answer once there is one.
    requests: HashMap<Key, (u64, Option<Taken>)>,
    /// Answered ones, the oldest first.
    answered: VecDeque<Key>,
}

/// What a request is.
pub(super) enum Request {
    New(Attempt),
    Done(Taken),
    Refused(Problem),
}

/// A request on its way: forgotten unless it is done.
pub(super) struct Attempt {
    seen: Arc<Mutex<Seen>>,
    key: Option<Key>,
}

impl Memory {
    pub(super) fn begin(&self, key: &Key, body: &[u8]) -> Request {
        let hash = self.hasher.hash_one(body);
        let mut seen = lock(&self.seen);
        match seen.requests.get(key) {
            None => {
                seen.requests.insert(key.clone(), (hash, None));
                drop(seen);
                Request::New(Attempt { seen: self.seen.clone(), key: Some(key.clone()) })
            }
            Some((known, _)) if *known != hash => {
                let words = "A request with this Idempotency-Key and another body was here: give each its own.";
                Request::Refused(Problem::new(422, "Not the same request", words))
            }
            Some((_, Some(taken))) => Request::Done(*taken),
            Some((_, None)) => {
                let words = "The request with this Idempotency-Key is not answered yet: ask again.";
                Request::Refused(Problem::new(409, "Still at it", words))
            }
        }
    }
}

impl Attempt {
    pub(super) fn done(mut attempt: Attempt, taken: Taken) {
        let key = attempt.key.take().expect("it is done once");
        let mut seen = lock(&attempt.seen);
        if let Some((_, answer)) = seen.requests.get_mut(&key) {
            *answer = Some(taken);
        }
        seen.answered.push_back(key);
        if seen.answered.len() > HTTP_KEYS_MAX
            && let Some(oldest) = seen.answered.pop_front()
        {
            seen.requests.remove(&oldest);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            lock(&self.seen).requests.remove(key);
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("no holder panics")
}
