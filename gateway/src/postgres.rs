//! The PostgreSQL door: the wire protocol's messages on one side, the database's sessions on the other.
//!
//! A connection begins in `startup`, then `conversation` answers its messages until it ends. `frontend` reads what the
//! client sends, `encode` writes rows, `parameters` reads parameters, `copy` reads COPY data, `cancel` finds the
//! statement that a cancel request is about. Messages to the client and SCRAM are `pgwire`'s.

#[cfg(test)]
mod agreement;
mod cancel;
mod conversation;
mod copy;
mod encode;
mod error;
mod extended;
mod frontend;
mod numeric;
mod parameters;
mod portal;
mod reported;
mod startup;
mod statement;
mod stream;
mod text;
mod timer;
mod types;

use std::io;
use std::sync::Arc;

use sql::Database;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::credentials::{Credentials, Verifier};
use crate::limits::{
    POSTGRES_ACCEPT_PAUSE, POSTGRES_SESSIONS_MAX, POSTGRES_STARTING_MAX, POSTGRES_STARTUP_TIMEOUT, SHUTDOWN_GRACE,
};
use crate::metrics::{self, Counted};
use cancel::Cancels;
use conversation::Conversation;
use error::{Fault, shutting_down};
use reported::Reported;
use startup::Begun;

/// The one database there is, as clients name it.
pub const DATABASE: &str = "caudal";

/// What the connections share.
struct Door {
    database: Arc<Database>,
    verifier: Verifier,
    cancels: Arc<Cancels>,
    /// Room for sessions.
    sessions: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// Accepts connections until `shutdown`; then cancels what runs, tells the clients (57P01) and returns.
pub async fn serve(
    listener: TcpListener,
    database: Arc<Database>,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let known = database.clone();
    let roles = Box::new(move |user: &str| known.login(user).map(|login| login.secret));
    let verifier = Verifier::new(&credentials, roles);
    let door = Arc::new(Door {
        database,
        verifier,
        cancels: Arc::default(),
        sessions: Arc::new(Semaphore::new(POSTGRES_SESSIONS_MAX)),
        shutdown: shutdown.clone(),
    });
    let starting = Arc::new(Semaphore::new(POSTGRES_STARTING_MAX));
    let mut connections = JoinSet::new();
    loop {
        let permit = starting.clone().acquire_owned();
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = async { (permit.await.expect("the semaphore is never closed"), listener.accept().await) } => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            (permit, Ok((stream, peer))) => {
                let door = door.clone();
                connections.spawn(async move {
                    // A client that goes away ends its connection; there is nobody to tell.
                    let ended = connection(&door, stream, permit).await;
                    tracing::debug!(%peer, ?ended, "PostgreSQL connection ended");
                });
            }
            (_, Err(error)) => wait_out(error).await,
        }
    }
    let _ = timeout(SHUTDOWN_GRACE, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// An accept fails when the client is already gone, or when the process is out of file descriptors, which takes a moment.
async fn wait_out(error: io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(%error, "the PostgreSQL door cannot accept a connection");
        tokio::time::sleep(POSTGRES_ACCEPT_PAUSE).await;
    }
}

/// One connection from its first byte to its last. `starting` is held until the client is authenticated.
async fn connection(door: &Door, stream: TcpStream, starting: tokio::sync::OwnedSemaphorePermit) -> Result<(), Fault> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream::split(stream);
    let result = async {
        let begun = tokio::select! {
            biased;
            () = door.shutdown.cancelled() => return Err(Fault::Fatal(shutting_down())),
            begun = timeout(POSTGRES_STARTUP_TIMEOUT, startup::begin(door, &mut reader, &mut writer)) => begun,
        };
        let Begun::Session { user, application, permit } = begun.map_err(|_| Fault::Gone)?? else {
            return Ok(());
        };
        drop(starting);
        let _permit = permit;
        let _counted = Counted::new(&metrics::doors().postgres_sessions);
        let registration = door.cancels.register(rand::random());
        let session = door.database.session(door.verifier.identity(&user));
        let reported = Reported::new(user);
        let mut conversation =
            Conversation::new(session, reported, &mut reader, &mut writer, registration, door.shutdown.clone());
        conversation.welcome(&application).await?;
        conversation.run().await
    };
    let ended = result.await;
    if let Err(Fault::Fatal(error)) = &ended {
        writer.put(error::fatal(error))?;
        let _ = timeout(SHUTDOWN_GRACE, writer.flush()).await;
    }
    ended
}
