//! The broker: rmqtt behind a port of its own on loopback, where the front alone gets in.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rmqtt::codec::types::QoS;
use rmqtt::context::ServerContext;
use rmqtt::net::Builder;
use rmqtt::server::MqttServer;
use rmqtt::session::SessionState;
use rmqtt::types::{From, Id, Publish};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::fitter::Fitters;
use super::hooks::Hooks;
use super::retained::Retained;
use crate::home_assistant::Message;
use crate::limits::{
    MQTT_CONNECT_TIMEOUT, MQTT_CONNECTIONS_MAX, MQTT_ENTERING_MAX, MQTT_IN_FLIGHT_MAX, MQTT_PACKET_BYTES_MAX,
    MQTT_QUEUE_MAX, MQTT_SESSION_EXPIRY, MQTT_SESSION_EXPIRY_MAX, MQTT_SESSIONS_MAX, MQTT_SUBSCRIPTIONS_MAX,
    MQTT_TOPIC_ALIASES_MAX, MQTT_WRITE_TIMEOUT,
};

/// A message that does not say how long it is good for is so for as long as a session waits for it; the broker would tell its
/// subscribers what its sender has not said.
const MESSAGE_EXPIRY: Duration = Duration::ZERO;

/// Nothing is sent a second time over one connection (MQTT 5, 4.4.0-1).
const RETRY: Duration = Duration::ZERO;

pub(super) struct Broker {
    context: ServerContext,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Broker {
    /// `said`: what the node itself publishes, retained.
    pub(super) async fn start(hooks: Hooks, mut said: mpsc::Receiver<Message>) -> io::Result<Broker> {
        let context = ServerContext::new()
            .busy_check_enable(false)
            .mqtt_max_sessions(MQTT_SESSIONS_MAX as isize)
            .task_exec_workers(MQTT_ENTERING_MAX)
            .build()
            .await;
        *context.extends.retain_mut().await = Box::new(Retained::default());
        *context.extends.fitter_mgr_mut().await = Box::new(Fitters);
        hooks.register(&context).await;
        let listener = listener().map_err(io::Error::other)?;
        let address = listener.local_addr().map_err(io::Error::other)?;
        let server = MqttServer::new(context.clone()).listener_by_id(listener, 1).build();
        let within = context.clone();
        let serving = tokio::spawn(async move {
            let publishing = async {
                while let Some(message) = said.recv().await {
                    publish(&within, message).await;
                }
                std::future::pending().await
            };
            tokio::select! {
                ended = server.run() => tracing::error!(?ended, "the MQTT broker has ended"),
                () = publishing => {}
            }
        });
        Ok(Broker { context, address, serving })
    }

    /// Where the front reaches it.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The broker's own state.
    pub(super) fn context(&self) -> &ServerContext {
        &self.context
    }

    pub(super) fn stop(self) {
        self.serving.abort();
    }
}

/// Publishes a message of the node's own.
async fn publish(context: &ServerContext, message: Message) {
    let Message { topic, payload } = message;
    let inner = rmqtt::codec::types::Publish {
        dup: false,
        retain: true,
        qos: QoS::AtLeastOnce,
        topic: topic.into(),
        packet_id: None,
        payload: payload.into(),
        properties: None,
    };
    let node = Id::new(context.node.id(), 1, None, None, "caudal".into(), None);
    let message = Publish { inner: Box::new(inner), target_clientid: None, delay_interval: None, create_time: None };
    if let Err(error) = SessionState::forwards(context, From::from_system(node), message, false, None).await {
        tracing::warn!(%error, "a message of the node's own was not published");
    }
}

fn listener() -> rmqtt::Result<rmqtt::net::Listener> {
    Builder::new()
        .name("mqtt")
        .laddr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .nodelay(true)
        .allow_anonymous(false)
        .max_connections(MQTT_CONNECTIONS_MAX)
        .max_handshaking_limit(MQTT_ENTERING_MAX)
        .handshake_timeout(MQTT_CONNECT_TIMEOUT)
        .send_timeout(MQTT_WRITE_TIMEOUT)
        .max_packet_size(MQTT_PACKET_BYTES_MAX as u32)
        .max_inflight(MQTT_IN_FLIGHT_MAX)
        .max_mqueue_len(MQTT_QUEUE_MAX)
        .max_subscriptions(MQTT_SUBSCRIPTIONS_MAX)
        .max_topic_aliases(MQTT_TOPIC_ALIASES_MAX)
        .session_expiry_interval(MQTT_SESSION_EXPIRY)
        .max_session_expiry_interval(MQTT_SESSION_EXPIRY_MAX)
        .message_expiry_interval(MESSAGE_EXPIRY)
        .message_retry_interval(RETRY)
        .bind()?
        .tcp()
}
