//! The Kafka door: producers and consumers of the log, over Kafka's own protocol.
//!
//! [`connection`] takes frames in and answers in their order; [`shape`] measures a request before it is decoded; [`api`] lists what is
//! served, each in a file of its own. Records go to the log as they come and are durable before they are acknowledged.
//! Consumer groups and transactions are not served: the requests for them are not offered to clients.

mod api;
mod api_versions;
mod connection;
mod create_topics;
mod describe_configs;
mod error;
mod fetch;
mod frame;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod produce;
mod shape;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use storage::log::Embedded;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::limits::{KAFKA_ACCEPT_PAUSE, KAFKA_CONNECTIONS_MAX, KAFKA_FRAMES_BYTES_MAX, KAFKA_SHUTDOWN_GRACE};

/// What a connection works with.
#[derive(Debug)]
struct Broker {
    log: Arc<Embedded>,
    /// Where this client reached us, and so where it is told to go.
    address: SocketAddr,
    /// Bytes of requests that all connections together may still take in.
    room: Arc<Semaphore>,
    /// Cancelled when the connection should end: nobody waits for records any more.
    closing: CancellationToken,
}

/// Serves clients until `shutdown`, then lets what has been received be answered, for a moment.
pub async fn serve(listener: TcpListener, log: Arc<Embedded>, shutdown: CancellationToken) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(KAFKA_CONNECTIONS_MAX));
    let room = Arc::new(Semaphore::new(KAFKA_FRAMES_BYTES_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
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
            warn!(%peer, "Kafka connection refused: {KAFKA_CONNECTIONS_MAX} are open");
            continue;
        };
        let (log, room, closing) = (log.clone(), room.clone(), shutdown.child_token());
        connections.spawn(async move {
            let _slot = slot;
            if let Err(error) = welcome(stream, log, room, closing).await {
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

async fn welcome(
    stream: TcpStream,
    log: Arc<Embedded>,
    room: Arc<Semaphore>,
    closing: CancellationToken,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (peer, address) = (stream.peer_addr()?, stream.local_addr()?);
    connection::run(stream, peer, Arc::new(Broker { log, address, room, closing })).await
}
