//! The Kafka door: producers and consumers of the log, over Kafka's own protocol.
//!
//! [`connection`] takes frames in and answers in their order; [`shape`] measures a request before it is decoded; [`api`] lists what is
//! served, each in a file of its own. Records go to the log as they come and are durable before they are acknowledged.
//! [`groups`] looks after consumer groups. Transactions are not served: the requests for them are not offered to clients.

mod alter_configs;
mod api;
mod api_versions;
mod connection;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
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
mod shape;
mod sync_group;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use storage::log::Embedded;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::groups::Groups;
use crate::limits::{KAFKA_ACCEPT_PAUSE, KAFKA_CONNECTIONS_MAX, KAFKA_FRAMES_BYTES_MAX, KAFKA_SHUTDOWN_GRACE};

/// What a connection works with.
#[derive(Debug)]
struct Broker {
    log: Arc<Embedded>,
    groups: Arc<Groups>,
    peer: SocketAddr,
    /// Where this client reached us, and so where it is told to go.
    address: SocketAddr,
    /// Bytes of requests that all connections together may still take in.
    room: Arc<Semaphore>,
    /// Cancelled when the connection should end: nobody waits for records any more.
    closing: CancellationToken,
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
pub async fn serve(listener: TcpListener, log: Arc<Embedded>, shutdown: CancellationToken) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(KAFKA_CONNECTIONS_MAX));
    let room = Arc::new(Semaphore::new(KAFKA_FRAMES_BYTES_MAX));
    let groups = Arc::new(Groups::new(log.clone()));
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
            warn!(%peer, "Kafka connection refused: {KAFKA_CONNECTIONS_MAX} are open");
            continue;
        };
        let (log, groups) = (log.clone(), groups.clone());
        let (room, closing) = (room.clone(), shutdown.child_token());
        connections.spawn(async move {
            let _slot = slot;
            if let Err(error) = welcome(stream, log, groups, room, closing).await {
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
    groups: Arc<Groups>,
    room: Arc<Semaphore>,
    closing: CancellationToken,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (peer, address) = (stream.peer_addr()?, stream.local_addr()?);
    connection::run(stream, peer, Arc::new(Broker { log, groups, peer, address, room, closing })).await
}
