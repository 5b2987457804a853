//! The MQTT door: what devices publish goes to tables, and what is published to other topics to who subscribes.
//!
//! [`front`] takes connections in, with all limits, and hands each over to the [`broker`] once it has said who it is ([`connect`]); [`relay`]
//! carries bytes between the two, out of [`websocket`] where they are in it. The broker is rmqtt, whose decisions are taken in [`hooks`]: who may come in, publish and
//! subscribe ([`users`]), and that a reading is in the log, durable, before it is acknowledged. [`retained`] keeps what is retained.
//! [`clients`] tells who is there; [`dismissal`] ends the sessions of who may not be there any more; [`fitter`] is what is agreed with a client.

mod broker;
mod clients;
mod connect;
mod dismissal;
mod files;
mod fitter;
mod front;
mod hooks;
mod relay;
mod retained;
mod users;
mod websocket;

use std::io;
use std::sync::Arc;

use futures::future::join_all;
use sql::Database;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use self::clients::{Clients, Connection, Place, Refused, Why};

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
    /// Host and port by which clients reach the door, where that is not its own address.
    pub advertised: Option<(String, u16)>,
    /// Where others see who is there.
    pub clients: Arc<Clients>,
}

/// How clients speak to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    WebSocket,
}

/// Serves clients until `shutdown`.
pub async fn serve(
    listeners: Vec<(Transport, TcpListener)>,
    database: Arc<Database>,
    options: Options,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let Options { credentials, tls, advertised, clients } = options;
    let (mut exposed, mut place) = (false, None);
    for (transport, listener) in &listeners {
        let address = listener.local_addr()?;
        exposed |= !address.ip().to_canonical().is_loopback();
        if *transport == Transport::Tcp {
            place = Some(Place { advertised: advertised.clone(), address, encrypted: tls.is_some() });
        }
    }
    let (births, born) = mpsc::channel(MQTT_BIRTHS_MAX);
    let (say, said) = mpsc::channel(MQTT_SAID_MAX);
    // The broker's sessions may outlast the door: they do not keep the database open.
    let held = Arc::downgrade(&database);
    let users = Users::new(credentials, held.clone(), exposed);
    let hooks = Hooks::new(held, users.clone(), clients.clone(), births);
    let broker = Broker::start(hooks.clone(), said).await?;
    let context = broker.context().clone();
    let leaving = dismissal::watch(database.clone(), clients.clone(), users, context, shutdown.clone());
    let leaving = tokio::spawn(leaving);
    let entities = tokio::spawn(home_assistant::serve(database, say, born, shutdown.clone()));
    let front = Front::new(hooks, broker.address(), tls, exposed);
    clients.open(place);
    join_all(listeners.into_iter().map(|(transport, listener)| front.serve(transport, listener, shutdown.clone())))
        .await;
    clients.open(None);
    // They end by the same word.
    let _ = futures::join!(leaving, entities);
    broker.stop();
    Ok(())
}
