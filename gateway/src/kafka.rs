//! The Kafka door: producers and consumers of the log, over Kafka's own protocol.
//!
//! [`connection`] takes frames in and answers in their order; [`shape`] measures a request before it is decoded; [`api`] lists what is
//! served, each in a file of its own. Records go to the log as they come and are durable before they are acknowledged.
//! [`entry`] asks clients from other machines who they are, [`groups`] looks after consumer groups. Transactions are not served: the requests for them are not offered to clients.

mod alter_configs;
mod api;
mod api_versions;
mod call;
mod connection;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod entry;
mod error;
mod fetch;
mod find_coordinator;
mod frame;
mod groups;
mod heartbeat;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sasl;
mod shape;
mod sync_group;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;
use storage::log::Embedded;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::entry::Entry;
use self::groups::Groups;
use crate::credentials::{Credentials, Verifier};
use crate::limits::{
    KAFKA_ACCEPT_PAUSE, KAFKA_CONNECTIONS_MAX, KAFKA_ENTRY_TIMEOUT, KAFKA_FRAMES_BYTES_MAX, KAFKA_SHUTDOWN_GRACE,
};
use crate::metrics::{self, Counted};
use crate::tls::begins_with_tls;

/// How the door is kept.
#[derive(Clone, Default)]
pub struct Options {
    /// Who may come in, from other machines.
    pub credentials: Credentials,
    /// What encrypts. With it, other machines are not served without.
    pub tls: Option<TlsAcceptor>,
    /// Host and port that clients are told, where they reach the door by another address than the one it sees.
    pub advertised: Option<(String, u16)>,
}

/// What all connections share.
struct Door {
    log: Arc<Embedded>,
    groups: Arc<Groups>,
    verifier: Arc<Verifier>,
    tls: Option<TlsAcceptor>,
    advertised: Option<(String, u16)>,
    /// Whether other machines reach it.
    exposed: bool,
    /// Bytes of requests that all connections together may still take in.
    room: Arc<Semaphore>,
}

/// What a connection works with.
#[derive(Debug)]
struct Broker {
    log: Arc<Embedded>,
    groups: Arc<Groups>,
    peer: SocketAddr,
    endpoint: Endpoint,
    entry: Entry,
    room: Arc<Semaphore>,
    /// Cancelled when the connection should end: nobody waits for records any more.
    closing: CancellationToken,
}

/// Where a client is told to go.
#[derive(Clone, Debug)]
struct Endpoint {
    host: StrBytes,
    port: i32,
}

impl Broker {
    /// Waits for an answer unless the connection ends before; `None` then.
    async fn while_open<T>(&self, waiting: oneshot::Receiver<T>) -> Option<T> {
        tokio::select! {
            answer = waiting => answer.ok(),
            () = self.closing.cancelled() => None,
        }
    }
}

/// Serves clients until `shutdown`, then lets what has been received be answered, for a moment.
pub async fn serve(
    listener: TcpListener,
    log: Arc<Embedded>,
    options: Options,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(KAFKA_CONNECTIONS_MAX));
    let groups = Arc::new(Groups::new(log.clone()));
    let door = Arc::new(Door {
        log,
        groups: groups.clone(),
        verifier: Arc::new(Verifier::new(&options.credentials, Box::new(|_| None))),
        tls: options.tls,
        advertised: options.advertised,
        exposed: !is_loopback(listener.local_addr()?),
        room: Arc::new(Semaphore::new(KAFKA_FRAMES_BYTES_MAX)),
    });
    let mut connections = JoinSet::new();
    let timekeeping = groups.keep_time();
    tokio::pin!(timekeeping);
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            () = &mut timekeeping => unreachable!("it never returns"),
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    warn!(%error, "a Kafka connection failed");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: the others go on, and some will end.
                warn!(%error, "no Kafka connection accepted");
                tokio::time::sleep(KAFKA_ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            metrics::doors().kafka_refused.inc();
            warn!(%peer, "Kafka connection refused: {KAFKA_CONNECTIONS_MAX} are open");
            continue;
        };
        let (door, closing) = (door.clone(), shutdown.child_token());
        connections.spawn(async move {
            let _slot = slot;
            let _counted = Counted::new(&metrics::doors().kafka_connections);
            if let Err(error) = door.welcome(stream, closing).await {
                debug!(%peer, %error, "Kafka connection broke");
            }
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(KAFKA_SHUTDOWN_GRACE, drained).await.is_err() {
        warn!("Kafka connections dropped at shutdown");
    }
    Ok(())
}

impl Door {
    /// Serves one client from its first byte to its last.
    async fn welcome(&self, stream: TcpStream, closing: CancellationToken) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (peer, reached) = (stream.peer_addr()?, stream.local_addr()?);
        let Some(tls) = &self.tls else {
            let (read, write) = stream.into_split();
            return connection::run(read, write, peer, self.broker(peer, reached, false, closing)).await;
        };
        let entering = async {
            if begins_with_tls(&stream).await? {
                return tls.accept(stream).await.map(Ok);
            }
            Ok(Err(stream))
        };
        let entered = tokio::select! {
            () = closing.cancelled() => return Ok(()),
            entered = timeout(KAFKA_ENTRY_TIMEOUT, entering) => entered.map_err(|_| io::ErrorKind::TimedOut)??,
        };
        match entered {
            Ok(encrypted) => {
                let (read, write) = tokio::io::split(encrypted);
                connection::run(read, write, peer, self.broker(peer, reached, true, closing)).await
            }
            Err(_) if self.exposed => {
                metrics::doors().kafka_refused.inc();
                warn!(%peer, "Kafka connection refused: it is not encrypted");
                Ok(())
            }
            Err(stream) => {
                let (read, write) = stream.into_split();
                connection::run(read, write, peer, self.broker(peer, reached, false, closing)).await
            }
        }
    }

    fn broker(
        &self,
        peer: SocketAddr,
        reached: SocketAddr,
        encrypted: bool,
        closing: CancellationToken,
    ) -> Arc<Broker> {
        let (host, port) = match &self.advertised {
            Some((host, port)) => (host.clone(), *port),
            None => (reached.ip().to_canonical().to_string(), reached.port()),
        };
        Arc::new(Broker {
            log: self.log.clone(),
            groups: self.groups.clone(),
            peer,
            endpoint: Endpoint { host: StrBytes::from_string(host), port: port.into() },
            entry: Entry::new(self.verifier.clone(), self.exposed, encrypted || is_loopback(peer)),
            room: self.room.clone(),
            closing,
        })
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
