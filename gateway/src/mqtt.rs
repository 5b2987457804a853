//! The MQTT door: what devices publish goes to tables, and what is published to other topics to who subscribes.
//!
//! [`front`] takes connections in, with all limits, and hands each over to the [`broker`] once it has said who it is ([`connect`]); [`relay`]
//! carries bytes between the two. The broker is rmqtt, whose decisions are taken in [`hooks`]: who may come in, publish and
//! subscribe ([`users`]), and that a reading is in the log, durable, before it is acknowledged. [`retained`] keeps what is retained.

mod broker;
mod connect;
mod front;
mod hooks;
mod relay;
mod retained;
mod users;

use std::io;
use std::sync::Arc;

use sql::Database;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::broker::Broker;
use self::front::Front;
use self::hooks::Hooks;
use self::users::Users;
use crate::credentials::Credentials;
use crate::home_assistant;
use crate::limits::{MQTT_BIRTHS_MAX, MQTT_SAID_MAX};

/// How the door is kept.
#[derive(Clone, Default)]
pub struct Options {
    pub credentials: Credentials,
    /// What encrypts. With it, other machines are not served without.
    pub tls: Option<TlsAcceptor>,
}

/// Serves clients until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    database: Arc<Database>,
    options: Options,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let exposed = !listener.local_addr()?.ip().to_canonical().is_loopback();
    let (births, born) = mpsc::channel(MQTT_BIRTHS_MAX);
    let (say, said) = mpsc::channel(MQTT_SAID_MAX);
    // The broker's sessions may outlast the door: they do not keep the database open.
    let held = Arc::downgrade(&database);
    let hooks = Hooks::new(held.clone(), Users::new(options.credentials, held, exposed), births);
    let broker = Broker::start(hooks.clone(), said).await?;
    let entities = tokio::spawn(home_assistant::serve(database, say, born, shutdown.clone()));
    let front = Front::new(hooks, broker.address(), options.tls, exposed);
    front.serve(listener, shutdown).await;
    // It ends by the same word.
    let _ = entities.await;
    broker.stop();
    Ok(())
}
