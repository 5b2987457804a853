//! What the broker asks: who may come in, publish and subscribe. A reading is in the log before the broker may acknowledge it.

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use rmqtt::codec::types::{MQTT_LEVEL_5, QoS};
use rmqtt::codec::v5::{DisconnectReasonCode, PublishAckReason, SubscribeAckReason, ToReasonCode};
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::session::{Session, SessionState};
use rmqtt::types::{
    AuthResult, ConnectInfo, Disconnect, From, FromType, Id, LastWill, Publish, PublishAclResult, PublishResult,
    Reason, Subscribe, SubscribeReturn, Unsubscribe,
};
use sql::Database;
use sql::roles::valid_filter;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::clients::{Clients, Refused, Why};
use super::dismissal::forget;
use super::users::Users;
use crate::cbor;
use crate::home_assistant::{BIRTH_PAYLOAD, BIRTH_TOPIC};
use crate::limits::{MQTT_TOPIC_ALIASES_MAX, MQTT_TOPIC_BYTES_MAX, MQTT_TOPIC_LEVELS_MAX};
use crate::metrics;

/// What the broker is answered with.
#[derive(Clone)]
pub(super) struct Hooks(Arc<Shared>);

struct Shared {
    database: Weak<Database>,
    users: Users,
    clients: Arc<Clients>,
    /// Told whose Home Assistant has come up.
    births: mpsc::Sender<Option<String>>,
}

/// Why a message is not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("the topic is longer than {MQTT_TOPIC_BYTES_MAX} bytes or has control characters")]
    Topic,
    #[error("not allowed to publish to this topic")]
    NotAllowed,
    #[error("the node cannot keep it: {0}")]
    NotKept(String),
}

impl Hooks {
    pub(super) fn new(
        database: Weak<Database>,
        users: Users,
        clients: Arc<Clients>,
        births: mpsc::Sender<Option<String>>,
    ) -> Hooks {
        Hooks(Arc::new(Shared { database, users, clients, births }))
    }

    /// Whose a connection is that names nobody.
    pub(super) fn anonymous(&self) -> &str {
        self.0.users.anonymous()
    }

    /// The clients that the front has let through.
    pub(super) fn clients(&self) -> &Arc<Clients> {
        &self.0.clients
    }

    /// Has the broker ask.
    pub(super) async fn register(&self, context: &ServerContext) {
        let register = context.extends.hook_mgr().register();
        for asked in [
            Type::ClientAuthenticate,
            Type::ClientConnected,
            Type::ClientDisconnected,
            Type::ClientSubscribe,
            Type::ClientUnsubscribe,
            Type::ClientSubscribeCheckAcl,
            Type::MessagePublish,
            Type::MessagePublishCheckAcl,
            Type::MessageExpiryCheck,
        ] {
            register.add(asked, Box::new(self.clone())).await;
        }
        register.start().await;
    }

    fn user<'i>(&'i self, id: &'i Id) -> &'i str {
        id.username.as_deref().unwrap_or(self.anonymous())
    }

    async fn authenticate(&self, connect: &ConnectInfo) -> AuthResult {
        let id = connect.id();
        let Some((peer, may_be_page)) = self.clients().whence(port(id)) else { return AuthResult::NotAuthorized };
        let (user, clients) = (self.user(id), self.clients());
        let (name, password) = (connect.username().map(|name| &**name), connect.password().map(|word| &word[..]));
        let refused = |why| {
            metrics::doors().mqtt_refused.inc();
            clients.refuse(user, self.0.users.knows(user), Refused { why, peer, at_ms: self.now_ms() });
        };
        // A page knows no password, and must not come in where its reader could without.
        let is_nobody = may_be_page && name.is_none();
        let admitted = if is_nobody { None } else { self.0.users.admits(name, password).await };
        let Some(secret) = admitted else {
            refused(Why::Password);
            info!(%peer, user, "MQTT connection refused: wrong user or password");
            return AuthResult::BadUsernameOrPassword;
        };
        // The broker publishes a will without asking, when the connection has ended.
        let will = match connect.last_will() {
            Some(LastWill::V3(will)) => Some(&will.topic),
            Some(LastWill::V5(will)) => Some(&will.topic),
            None => None,
        };
        if let Some(topic) = will
            && let Err(why) = self.may_publish(user, topic)
        {
            refused(Why::Will);
            info!(%peer, user, %topic, "MQTT connection refused, for its will: {why}");
            return AuthResult::NotAuthorized;
        }
        clients.admit(port(id), user, secret, self.now_ms());
        AuthResult::Allow(false, None)
    }

    /// A client has its session, where it is found from now on when its user is dropped. Who was dropped since the password was
    /// checked was not found.
    fn connected(&self, session: &Session) {
        self.clients().has_session(port(&session.id), session.id.clone());
        if let Some(client) = self.clients().dismiss_at(port(&session.id), |user| self.0.users.secret(user)) {
            let broker = session.scx.clone();
            // The session answers once it has begun, after this.
            tokio::spawn(async move { forget(&broker, client).await });
        }
    }

    fn now_ms(&self) -> i64 {
        self.0.database.upgrade().map_or(0, |database| database.now_ms())
    }

    fn may_publish(&self, user: &str, topic: &str) -> Result<(), NotTaken> {
        if topic.len() > MQTT_TOPIC_BYTES_MAX || topic.chars().any(char::is_control) {
            return Err(NotTaken::Topic);
        }
        match self.0.users.may_publish(user, topic) {
            true => Ok(()),
            false => Err(NotTaken::NotAllowed),
        }
    }

    /// Puts a message into the log where its topic feeds a table. It is durable on return.
    async fn keep(&self, message: &Publish) -> Result<(), NotTaken> {
        metrics::doors().mqtt_messages.inc();
        let Some(database) = self.0.database.upgrade() else {
            return Err(NotTaken::NotKept("it is shutting down".to_owned()));
        };
        let Some(feed) = database.feed(&message.topic) else { return Ok(()) };
        let content_type = message.properties.as_ref().and_then(|properties| properties.content_type.as_deref());
        let events = cbor::events(&feed, content_type, &message.payload, database.now_ms());
        metrics::doors().mqtt_events.inc_by(events.len() as u64);
        match database.append(&feed.table, events).await {
            Ok(_) => Ok(()),
            Err(error) => Err(NotTaken::NotKept(error.message)),
        }
    }

    /// Whether a client's message may go on, to subscribers and to its acknowledgement.
    async fn publish(&self, session: &Session, message: &Publish) -> PublishAclResult {
        let taken = async {
            sound(message)?;
            self.may_publish(self.user(&session.id), &message.topic)?;
            self.keep(message).await
        };
        let Err(why) = taken.await else {
            if *message.topic == *BIRTH_TOPIC && *message.payload == *BIRTH_PAYLOAD {
                self.clients().born(port(&session.id), self.now_ms());
                // One too many is told when it says so again, as it does each time that it connects.
                let _ = self.0.births.try_send(self.0.users.subject(self.user(&session.id)));
            }
            return PublishAclResult::allow();
        };
        let (user, topic) = (self.user(&session.id), &message.topic);
        let (reason, lasts) = match why {
            // The connection cannot go on, whatever the version.
            NotTaken::Malformed(_) => (PublishAckReason::UnspecifiedError, false),
            NotTaken::Topic => (PublishAckReason::TopicNameInvalid, true),
            NotTaken::NotAllowed => (PublishAckReason::NotAuthorized, true),
            // Sent again it may be kept.
            NotTaken::NotKept(_) => (PublishAckReason::UnspecifiedError, false),
        };
        match lasts {
            true => info!(user, %topic, "MQTT message refused: {why}"),
            false => warn!(user, %topic, "MQTT message not acknowledged: {why}"),
        }
        if let NotTaken::Malformed(_) = why {
            self.clients().ended(port(&session.id), DisconnectReasonCode::ProtocolError);
        }
        // MQTT 3 has no word for a refusal but the end of the connection: an acknowledgement would say that it was taken.
        let connect = session.connect_info().await.ok();
        let can_be_told = connect.as_ref().is_some_and(|connect| connect.proto_ver() == MQTT_LEVEL_5);
        let disconnect = !(lasts && can_be_told);
        let wants_words = connect.as_deref().is_none_or(wants_words);
        let words = wants_words.then(|| why.to_string().into());
        PublishAclResult(PublishResult::reason_code(reason, words, disconnect))
    }

    /// A client has left by a DISCONNECT that asks for its will: the broker takes each for one that does not.
    async fn publish_asked_will(&self, session: &Session) {
        let Ok(Some(Disconnect::V5(said))) = session.disconnect().await else { return };
        let Ok(connect) = session.connect_info().await else { return };
        let Some(will) = connect.last_will() else { return };
        if said.reason_code != DisconnectReasonCode::DisconnectWithWillMessage {
            return;
        }
        let (Ok(message), from) = (Publish::try_from(will), From::from_lastwill(session.id.clone())) else { return };
        let message = self.prepare(&from, &message).await.unwrap_or(message);
        if let Err(error) = SessionState::forwards(&session.scx, from, message, false, None).await {
            warn!(%error, "a will was not published");
        }
    }

    /// A message before it goes on: one that feeds a table is not retained, and a will is kept here, as nobody asks for it later.
    async fn prepare(&self, from: &From, message: &Publish) -> Option<Publish> {
        if matches!(from.typ(), FromType::LastWill) {
            let user = self.user(&from.id);
            // What was allowed when its client came in may have been taken back.
            if let Err(why) = self.may_publish(user, &message.topic) {
                info!(user, topic = %message.topic, "a will is not published: {why}");
                return Some(to_nobody(message));
            }
            if let Err(why) = self.keep(message).await {
                warn!(user, topic = %message.topic, "a will was not kept: {why}");
            }
        }
        let feeds = || self.0.database.upgrade().is_some_and(|database| database.feed(&message.topic).is_some());
        if !message.retain || !feeds() {
            return None;
        }
        let mut message = message.clone();
        message.inner.retain = false;
        Some(message)
    }

    fn subscribe(&self, session: &Session, asked: &Subscribe) -> Option<SubscribeReturn> {
        let (user, filter) = (self.user(&session.id), &asked.topic_filter);
        let reason = if filter.starts_with("$share/") {
            SubscribeAckReason::SharedSubscriptionNotSupported
        } else if !is_filter(filter) {
            SubscribeAckReason::TopicFilterInvalid
        } else if !self.0.users.may_subscribe(user, filter) {
            SubscribeAckReason::NotAuthorized
        } else {
            self.clients().subscribed(port(&session.id), filter);
            return None;
        };
        info!(user, %filter, ?reason, "MQTT subscription refused");
        Some(SubscribeReturn::new_failure(reason))
    }
}

/// The port of a client's connection to the broker, which tells it apart from all others.
fn port(id: &Id) -> u16 {
    id.remote_addr.map_or(0, |address| address.port())
}

/// How MQTT 5 says why a session has ended.
fn word(reason: &Reason) -> DisconnectReasonCode {
    match reason {
        Reason::ConnectKicked(false) => DisconnectReasonCode::SessionTakenOver,
        Reason::Reasons(all) => all.first().map_or(DisconnectReasonCode::UnspecifiedError, word),
        reason => reason.to_reason_code(),
    }
}

/// The same message for a client that is not there: the broker has no other way to drop it.
fn to_nobody(message: &Publish) -> Publish {
    let mut message = message.clone().target_clientid("".into());
    message.inner.retain = false;
    message
}

/// Whether a client wants to be told in words what is wrong.
fn wants_words(connect: &ConnectInfo) -> bool {
    match connect {
        ConnectInfo::V3(..) => true,
        ConnectInfo::V5(_, connect) => connect.request_problem_info,
    }
}

/// Whether a message is no larger than its subscriber takes; the broker would end the connection. It reckons with the longest header.
async fn fits(session: &Session, message: &Publish) -> bool {
    const HEADER_BYTES_MAX: usize = 5;
    let Ok(connect) = session.connect_info().await else { return true };
    let ConnectInfo::V5(_, connect) = &*connect else { return true };
    let fits = |maximum: NonZeroU32| body_bytes(message) + HEADER_BYTES_MAX <= maximum.get() as usize;
    connect.max_packet_size.is_none_or(fits)
}

/// Bytes of a message as MQTT 5 writes it, without its header and without a short name for its topic.
fn body_bytes(message: &Publish) -> usize {
    let number_bytes = |number: usize| match number {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    };
    let text = |text: Option<usize>| text.map_or(0, |length| 3 + length);
    let properties = message.properties.as_ref().map_or(0, |said| {
        let user: usize = said.user_properties.iter().map(|(name, value)| 5 + name.len() + value.len()).sum();
        let numbers: usize = said.subscription_ids.iter().map(|id| 1 + number_bytes(id.get() as usize)).sum();
        text(said.content_type.as_ref().map(|said| said.len()))
            + text(said.response_topic.as_ref().map(|said| said.len()))
            + text(said.correlation_data.as_ref().map(|said| said.len()))
            + if said.is_utf8_payload { 2 } else { 0 }
            + if said.message_expiry_interval.is_some() { 5 } else { 0 }
            + user
            + numbers
    });
    let id = if message.qos == QoS::AtMostOnce { 0 } else { 2 };
    2 + message.topic.len() + id + number_bytes(properties) + properties + message.payload.len()
}

/// What MQTT forbids and the broker lets pass.
fn sound(message: &Publish) -> Result<(), NotTaken> {
    if message.qos == QoS::AtMostOnce && message.dup {
        return Err(NotTaken::Malformed("a message that is never sent again is sent again"));
    }
    if message.topic.contains(['+', '#', '\0']) {
        return Err(NotTaken::Malformed("a topic that is published to has no wildcards"));
    }
    let Some(said) = &message.properties else { return Ok(()) };
    if !said.subscription_ids.is_empty() {
        return Err(NotTaken::Malformed("numbers of subscriptions are the server's to say"));
    }
    if said.response_topic.as_ref().is_some_and(|topic| topic.contains(['+', '#'])) {
        return Err(NotTaken::Malformed("a topic to answer to has no wildcards"));
    }
    let alias = said.topic_alias;
    if alias.is_some_and(|alias| alias.get() > MQTT_TOPIC_ALIASES_MAX) {
        return Err(NotTaken::Malformed("an alias that was not offered"));
    }
    Ok(())
}

/// Whether a text is a filter of topics, within bounds.
fn is_filter(filter: &str) -> bool {
    filter.len() <= MQTT_TOPIC_BYTES_MAX && filter.split('/').count() <= MQTT_TOPIC_LEVELS_MAX && valid_filter(filter)
}

#[async_trait]
impl Handler for Hooks {
    async fn hook(&self, asked: &Parameter, before: Option<HookResult>) -> ReturnType {
        match asked {
            Parameter::ClientAuthenticate(connect) => {
                (false, Some(HookResult::AuthResult(self.authenticate(connect).await)))
            }
            Parameter::ClientConnected(session) => {
                self.connected(session);
                (true, before)
            }
            Parameter::ClientDisconnected(session, reason) => {
                self.clients().ended(port(&session.id), word(reason));
                self.publish_asked_will(session).await;
                (true, before)
            }
            // Messages of others would go through a client's queue and push its own out of it.
            Parameter::ClientSubscribe(session, Subscribe { topic_filter, .. })
            | Parameter::ClientUnsubscribe(session, Unsubscribe { topic_filter, .. }) => {
                match self.0.users.narrowed(self.user(&session.id), topic_filter) {
                    Some(narrowed) => (true, Some(HookResult::TopicFilter(Some(narrowed.into())))),
                    None => (true, before),
                }
            }
            Parameter::ClientSubscribeCheckAcl(session, asked) => match self.subscribe(session, asked) {
                Some(refused) => (false, Some(HookResult::SubscribeAclResult(refused))),
                None => (true, before),
            },
            Parameter::MessagePublish(_, from, message) => match self.prepare(from, message).await {
                Some(message) => (false, Some(HookResult::Publish(message))),
                None => (true, before),
            },
            // The last moment before a message is sent: a filter may mean more than its subscriber is allowed to see.
            Parameter::MessageExpiryCheck(session, _, message) => {
                let allowed = self.0.users.may_receive(self.user(&session.id), &message.topic);
                if !allowed || !fits(session, message).await {
                    return (false, Some(HookResult::MessageExpiry));
                }
                self.clients().sent(port(&session.id), &message.topic, &message.payload);
                (true, before)
            }
            Parameter::MessagePublishCheckAcl(session, message) => {
                (false, Some(HookResult::PublishAclResult(self.publish(session, message).await)))
            }
            _ => (true, before),
        }
    }
}
