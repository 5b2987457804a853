//! Who may come in, and what they may do: publish to which topics, and subscribe to which. Users are the database's roles.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use sql::Database;
use sql::roles::{Secret, TopicRights};
use tokio::sync::Semaphore;

use crate::credentials::{Credentials, Verifier};
use crate::limits::MQTT_PASSWORDS_AT_ONCE_MAX;

/// The users that the door knows.
#[derive(Clone)]
pub(super) struct Users {
    verifier: Arc<Verifier>,
    database: Weak<Database>,
    /// Whose a connection is that names nobody: the operator.
    anonymous: Arc<str>,
    /// Whether everybody has to say who they are.
    required: bool,
    /// Checking a password takes the processor for milliseconds, on purpose.
    checking: Arc<Semaphore>,
    rights: Arc<Mutex<Known>>,
}

/// Rights that were looked up, as of one state of the catalogue: they are asked for with every message.
#[derive(Default)]
struct Known {
    generation: u64,
    by_user: HashMap<String, Arc<TopicRights>>,
}

impl Users {
    /// `exposed`: whether other machines reach the door.
    pub(super) fn new(operator: Credentials, database: Weak<Database>, exposed: bool) -> Users {
        let required = exposed || operator != Credentials::default();
        let known = database.clone();
        let roles = Box::new(move |user: &str| known.upgrade()?.login(user).map(|login| login.secret));
        Users {
            verifier: Arc::new(Verifier::new(&operator, roles)),
            database,
            anonymous: operator.user.into(),
            required,
            checking: Arc::new(Semaphore::new(MQTT_PASSWORDS_AT_ONCE_MAX)),
            rights: Arc::default(),
        }
    }

    pub(super) fn anonymous(&self) -> &str {
        &self.anonymous
    }

    /// Whether somebody may come in, with a name and a password or without; and what the password was checked with.
    pub(super) async fn admits(&self, user: Option<&str>, password: Option<&[u8]>) -> Option<Option<Secret>> {
        let Some(user) = user else { return (!self.required && password.is_none()).then_some(None) };
        let password = std::str::from_utf8(password?).ok()?.to_owned();
        let secret = self.verifier.kept(user);
        let _turn = self.checking.acquire().await.expect("the semaphore is never closed");
        let checked = tokio::task::spawn_blocking(move || secret.admits(&password).then_some(secret)).await;
        checked.ok().flatten().map(Some)
    }

    /// Whether there is somebody of this name who may come in.
    pub(super) fn knows(&self, user: &str) -> bool {
        self.verifier.knows(user)
    }

    /// What a user's password is checked with now.
    pub(super) fn secret(&self, user: &str) -> Option<Secret> {
        Some(self.verifier.kept(user))
    }

    /// Topics that begin with `$` are the broker's own, and nobody publishes to them.
    pub(super) fn may_publish(&self, user: &str, topic: &str) -> bool {
        !topic.starts_with('$') && self.rights(user).may_publish(topic)
    }

    pub(super) fn may_subscribe(&self, user: &str, filter: &str) -> bool {
        !filter.starts_with('$') && self.rights(user).may_subscribe(filter)
    }

    /// A narrower filter of all that somebody may receive by a filter, where there is one.
    pub(super) fn narrowed(&self, user: &str, filter: &str) -> Option<String> {
        self.rights(user).narrowed(filter)
    }

    /// Whether a message of this topic may be sent to somebody, whatever they have subscribed to.
    pub(super) fn may_receive(&self, user: &str, topic: &str) -> bool {
        self.rights(user).may_receive(topic)
    }

    /// Whom somebody's data is about.
    pub(super) fn subject(&self, user: &str) -> Option<String> {
        self.database.upgrade()?.subject(&self.verifier.identity(user))
    }

    /// By the catalogue of now: what is taken back is gone at once, also for who is connected.
    fn rights(&self, user: &str) -> Arc<TopicRights> {
        let Some(database) = self.database.upgrade() else { return Arc::default() };
        let generation = database.generation();
        let mut known = self.rights.lock().expect("no holder panics");
        if known.generation != generation {
            *known = Known { generation, by_user: HashMap::new() };
        }
        if let Some(rights) = known.by_user.get(user) {
            return rights.clone();
        }
        let rights = Arc::new(database.topic_rights(&self.verifier.identity(user)));
        known.by_user.insert(user.to_owned(), rights.clone());
        rights
    }
}
