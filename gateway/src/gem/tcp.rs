//! Packets over TCP: a GEM connects and sends one after another. It is not answered, as it would not listen.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use sql::Database;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::keeping::{Keeping, NotKept};
use super::stream::Stream;
use crate::limits::{
    GEM_ACCEPT_PAUSE, GEM_CONNECTIONS_MAX, GEM_IDLE_MAX, GEM_READ_BYTES, GEM_REFUSED_IN_A_ROW_MAX, SHUTDOWN_GRACE,
};
use crate::metrics::{self, Counted};

/// How requests of HTTP begin, such as those of a page that somebody looks at: none of a GEM does.
const REQUESTS: [&[u8]; 6] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"PATCH "];

/// Why a connection is ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("nothing came for {} s", GEM_IDLE_MAX.as_secs())]
    Idle,
    #[error("it speaks HTTP, which the HTTP door takes at /v1/gem")]
    Http,
    #[error("{GEM_REFUSED_IN_A_ROW_MAX} packets in a row were none, or of a meter that is not known")]
    Stranger,
    #[error("a packet was not kept: {0}")]
    NotKept(#[from] NotKept),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Takes packets until `shutdown`.
pub async fn serve(listener: TcpListener, database: Arc<Database>, shutdown: CancellationToken) -> io::Result<()> {
    let keeping = Arc::new(Keeping::new(database));
    let connections = Arc::new(Semaphore::new(GEM_CONNECTIONS_MAX));
    let mut serving = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while serving.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "no connection of a GEM accepted");
                tokio::time::sleep(GEM_ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = connections.clone().try_acquire_owned() else {
            warn!(%peer, "connection of a GEM refused: {GEM_CONNECTIONS_MAX} are open");
            continue;
        };
        let (keeping, closing) = (keeping.clone(), shutdown.clone());
        serving.spawn(async move {
            let _slot = slot;
            let _counted = Counted::new(&metrics::doors().gem_connections);
            match connection(stream, peer, &keeping, &closing).await {
                Ok(()) => {}
                Err(Ended::Io(error)) => debug!(%peer, %error, "connection of a GEM broke"),
                Err(why @ (Ended::NotKept(_) | Ended::Http)) => warn!(%peer, "connection of a GEM ended: {why}"),
                Err(why) => info!(%peer, "connection of a GEM ended: {why}"),
            }
        });
    }
    drop(listener);
    // What was read is kept before the end.
    let _ = timeout(SHUTDOWN_GRACE, async { while serving.join_next().await.is_some() {} }).await;
    Ok(())
}

/// One connection from its first byte to its last. What was read is kept before more is.
async fn connection(
    mut socket: TcpStream,
    peer: SocketAddr,
    keeping: &Keeping,
    closing: &CancellationToken,
) -> Result<(), Ended> {
    let from = peer.ip().to_canonical().to_string();
    let mut stream = Stream::default();
    let mut bytes = vec![0; GEM_READ_BYTES];
    let (mut is_first, mut refused_in_a_row) = (true, 0);
    loop {
        let read = tokio::select! {
            () = closing.cancelled() => return Ok(()),
            read = timeout(GEM_IDLE_MAX, socket.read(&mut bytes)) => read.map_err(|_| Ended::Idle)??,
        };
        let came = &bytes[..read];
        if std::mem::take(&mut is_first) && REQUESTS.iter().any(|request| came.starts_with(request)) {
            return Err(Ended::Http);
        }
        let found = if read == 0 { stream.end() } else { stream.take(came) };
        let (taken, refused) = keeping.keep(found, &from).await?;
        refused_in_a_row = if taken > 0 { 0 } else { refused_in_a_row + refused.len() };
        if read == 0 {
            return Ok(());
        }
        if refused_in_a_row >= GEM_REFUSED_IN_A_ROW_MAX {
            return Err(Ended::Stranger);
        }
    }
}
