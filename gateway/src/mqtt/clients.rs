//! Who is at the door: the clients that are connected and what they have done so far, and whom it has refused. Pages show it.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use rmqtt::codec::v5::DisconnectReasonCode;
use rmqtt::types::Id;
use sql::roles::Secret;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::home_assistant;
use crate::limits::{MQTT_FAREWELL, MQTT_REFUSED_USERS_MAX, MQTT_SHOWN_ENTITIES_MAX};

/// The clients of a node's MQTT door, and how they reach it.
#[derive(Default)]
pub struct Clients {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    place: Option<Place>,
    /// By the port of their connection to the broker: anybody else on this machine who finds the broker is a stranger.
    connected: HashMap<u16, Client>,
    refused: HashMap<String, Refused>,
}

/// Where clients find the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Host and port that the operator has said, for clients that reach the door through a router or by a name.
    pub advertised: Option<(String, u16)>,
    pub address: SocketAddr,
    pub encrypted: bool,
}

/// Why the door has let somebody in no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Password,
    Will,
}

/// The last time that a user was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub why: Why,
    pub peer: SocketAddr,
    pub at_ms: i64,
}

/// A connection of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub peer: SocketAddr,
    pub since_ms: i64,
    /// It has subscribed to what Home Assistant discovers entities by.
    pub discovers: bool,
    /// When it has said that a Home Assistant has come up.
    pub born_ms: Option<i64>,
    /// Entities that it was told of and that were not taken back.
    pub entities: usize,
}

/// A client from its first byte to its last.
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    /// A page that somebody looks at could speak from a browser on this machine.
    pub(super) may_be_page: bool,
    admitted: Option<Admitted>,
    id: Option<Id>,
    discovers: bool,
    born_ms: Option<i64>,
    entities: HashSet<String>,
    /// Ends the connection.
    ends: CancellationToken,
    /// Why the server ends it, as MQTT 5 says that.
    word: watch::Sender<Option<DisconnectReasonCode>>,
}

/// As whom a client has come in.
struct Admitted {
    user: String,
    /// What the password was checked with.
    secret: Option<Secret>,
    since_ms: i64,
}

/// A client that may not stay.
pub(super) struct Dismissed {
    pub(super) user: String,
    /// Its session, once it has one.
    pub(super) id: Option<Id>,
}

impl Clients {
    /// How clients reach the door; `None` while it is closed.
    pub fn place(&self) -> Option<Place> {
        self.state().place.clone()
    }

    /// The connections of a user, the oldest first.
    pub fn of(&self, user: &str) -> Vec<Connection> {
        let state = self.state();
        let mut found: Vec<Connection> = state.connected.values().filter_map(|client| client.shown(user)).collect();
        found.sort_by_key(|connection| (connection.since_ms, connection.peer));
        found
    }

    /// When a user was refused the last time, since the node has started.
    pub fn refused(&self, user: &str) -> Option<Refused> {
        self.state().refused.get(user).cloned()
    }

    /// Told of each change.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn open(&self, place: Option<Place>) {
        self.state().place = place;
        self.changed.send_replace(());
    }

    /// A client comes, by a connection to the broker from this port. It is there until the guard is dropped.
    pub(super) fn enter(self: &Arc<Clients>, port: u16, peer: SocketAddr, may_be_page: bool) -> Entered {
        let (ends, (word, heard)) = (CancellationToken::new(), watch::channel(None));
        let client = Client {
            peer,
            may_be_page,
            admitted: None,
            id: None,
            discovers: false,
            born_ms: None,
            entities: HashSet::new(),
            ends: ends.clone(),
            word,
        };
        self.state().connected.insert(port, client);
        Entered { clients: self.clone(), port, ends, word: heard }
    }

    /// Where a client comes from, and whether it may be a page; `None` for a stranger.
    pub(super) fn whence(&self, port: u16) -> Option<(SocketAddr, bool)> {
        self.state().connected.get(&port).map(|client| (client.peer, client.may_be_page))
    }

    /// A client is let in as a user, with a password that was checked with this.
    pub(super) fn admit(&self, port: u16, user: &str, secret: Option<Secret>, now_ms: i64) {
        let admitted = Admitted { user: user.to_owned(), secret, since_ms: now_ms };
        self.change(port, |client| client.admitted = Some(admitted));
    }

    /// A user is not let in. `known`: it is one; names that somebody makes up are not kept.
    pub(super) fn refuse(&self, user: &str, known: bool, refused: Refused) {
        let mut state = self.state();
        let room = state.refused.len() < MQTT_REFUSED_USERS_MAX || state.refused.contains_key(user);
        if known && room {
            state.refused.insert(user.to_owned(), refused);
            self.changed.send_replace(());
        }
    }

    /// A client has a session.
    pub(super) fn has_session(&self, port: u16, id: Id) {
        self.change(port, |client| client.id = Some(id));
    }

    /// A client has subscribed to a filter.
    pub(super) fn subscribed(&self, port: u16, filter: &str) {
        if home_assistant::discovers(filter) {
            self.change(port, |client| client.discovers = true);
        }
    }

    /// A client has said that a Home Assistant has come up.
    pub(super) fn born(&self, port: u16, now_ms: i64) {
        self.change(port, |client| client.born_ms = Some(now_ms));
    }

    /// A message goes to a client.
    pub(super) fn sent(&self, port: u16, topic: &str, payload: &[u8]) {
        if !home_assistant::is_discovery(topic) {
            return;
        }
        self.change(port, |client| {
            if payload.is_empty() {
                client.entities.remove(topic);
            } else if client.entities.len() < MQTT_SHOWN_ENTITIES_MAX {
                client.entities.insert(topic.to_owned());
            }
        });
    }

    /// The server has ended a client's session.
    pub(super) fn ended(&self, port: u16, word: DisconnectReasonCode) {
        if let Some(client) = self.state().connected.get(&port) {
            client.word.send_if_modified(|said| said.is_none() && said.replace(word).is_none());
        }
    }

    /// Sends clients away whose user is not who has come in any more: `now` tells what a user's password is checked with today.
    pub(super) fn dismiss(&self, now: impl Fn(&str) -> Option<Secret>) -> Vec<Dismissed> {
        self.state().connected.values().filter_map(|client| client.dismiss(&now)).collect()
    }

    /// The same of one client.
    pub(super) fn dismiss_at(&self, port: u16, now: impl Fn(&str) -> Option<Secret>) -> Option<Dismissed> {
        self.state().connected.get(&port)?.dismiss(&now)
    }

    fn change(&self, port: u16, change: impl FnOnce(&mut Client)) {
        if let Some(client) = self.state().connected.get_mut(&port) {
            change(client);
            self.changed.send_replace(());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

impl Client {
    fn shown(&self, user: &str) -> Option<Connection> {
        let admitted = self.admitted.as_ref().filter(|admitted| admitted.user == user)?;
        if self.id.is_none() || self.ends.is_cancelled() {
            return None;
        }
        Some(Connection {
            peer: self.peer,
            since_ms: admitted.since_ms,
            discovers: self.discovers,
            born_ms: self.born_ms,
            entities: self.entities.len(),
        })
    }

    fn dismiss(&self, now: &impl Fn(&str) -> Option<Secret>) -> Option<Dismissed> {
        let admitted = self.admitted.as_ref()?;
        // Who has shown no password did not need one.
        if admitted.secret.is_none() || now(&admitted.user) == admitted.secret {
            return None;
        }
        self.word.send_replace(Some(DisconnectReasonCode::AdministrativeAction));
        self.ends.cancel();
        Some(Dismissed { user: admitted.user.clone(), id: self.id.clone() })
    }
}

/// A client's place among the others.
pub(super) struct Entered {
    clients: Arc<Clients>,
    port: u16,
    /// Cancelled when the connection must end.
    pub(super) ends: CancellationToken,
    word: watch::Receiver<Option<DisconnectReasonCode>>,
}

impl Entered {
    /// Why the server has ended the connection of a client that had a session: it is told a moment after the end.
    pub(super) async fn last_word(&mut self) -> Option<DisconnectReasonCode> {
        let had_session = self.clients.state().connected.get(&self.port).is_some_and(|client| client.id.is_some());
        if !had_session {
            return None;
        }
        let word = timeout(MQTT_FAREWELL, self.word.wait_for(Option::is_some)).await.ok()?.ok()?;
        *word
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.clients.state().connected.remove(&self.port);
        self.clients.changed.send_replace(());
    }
}
