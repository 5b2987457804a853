//! Connections from their first byte to the broker: how many there are, how long they may take to say who they are, encryption.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::clients::Entered;
use super::connect::{self, Packet, Refused};
use super::hooks::Hooks;
use super::relay::{self, Ended};
use super::{Transport, files, websocket};
use crate::limits::{
    MQTT_ACCEPT_PAUSE, MQTT_CONNECT_BYTES_MAX, MQTT_CONNECT_TIMEOUT, MQTT_ENTERING_MAX, MQTT_FAREWELL,
    MQTT_INTRODUCTION_PAUSE, MQTT_INTRODUCTIONS_MAX, MQTT_SHUTDOWN_GRACE,
};
use crate::metrics::{self, Counted};
use crate::tls::begins_with_tls;

/// What all connections share.
pub(super) struct Front {
    hooks: Hooks,
    broker: SocketAddr,
    tls: Option<TlsAcceptor>,
    /// Whether other machines reach the door.
    exposed: bool,
    connections_max: usize,
    connections: Arc<Semaphore>,
    /// Connections that have not yet said who they are; more wait to be accepted.
    entering: Arc<Semaphore>,
}

/// Why a connection ends before the broker has it.
#[derive(Debug, thiserror::Error)]
enum Unwelcome {
    #[error("{}", .0.words)]
    Refused(Refused),
    #[error("it is not encrypted")]
    Plain,
    #[error("it does not say who it is")]
    Silent,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Front {
    pub(super) fn new(hooks: Hooks, broker: SocketAddr, tls: Option<TlsAcceptor>, exposed: bool) -> Arc<Front> {
        let connections_max = files::connections_max();
        let connections = Arc::new(Semaphore::new(connections_max));
        let entering = Arc::new(Semaphore::new(MQTT_ENTERING_MAX));
        Arc::new(Front { hooks, broker, tls, exposed, connections_max, connections, entering })
    }

    /// Serves clients until `shutdown`.
    pub(super) async fn serve(
        self: &Arc<Front>,
        transport: Transport,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) {
        let mut serving = JoinSet::new();
        loop {
            let entering = self.entering.clone().acquire_owned().await.expect("the semaphore is never closed");
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            while let Some(ended) = serving.try_join_next() {
                if let Err(error) = ended {
                    warn!(%error, "an MQTT connection failed");
                }
            }
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: the others go on, and some will end.
                    warn!(%error, "no MQTT connection accepted");
                    tokio::time::sleep(MQTT_ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(slot) = self.connections.clone().try_acquire_owned() else {
                metrics::doors().mqtt_refused.inc();
                warn!(%peer, "MQTT connection refused: {} are open", self.connections_max);
                continue;
            };
            let (front, closing) = (self.clone(), shutdown.clone());
            serving.spawn(async move {
                let _slot = slot;
                let _counted = Counted::new(&metrics::doors().mqtt_connections);
                let served = tokio::select! {
                    served = front.welcome(transport, stream, peer, entering) => served,
                    () = closing.cancelled() => Ok(()),
                };
                match served {
                    Ok(()) => {}
                    Err(Unwelcome::Io(error)) => debug!(%peer, %error, "MQTT connection broke"),
                    Err(why) => {
                        metrics::doors().mqtt_refused.inc();
                        info!(%peer, "MQTT connection refused: {why}");
                    }
                }
            });
        }
        drop(listener);
        let ended = async { while serving.join_next().await.is_some() {} };
        if timeout(MQTT_SHUTDOWN_GRACE, ended).await.is_err() {
            warn!("MQTT connections dropped at shutdown");
        }
    }

    /// Serves one client from its first byte to its last.
    async fn welcome<E>(
        &self,
        transport: Transport,
        stream: TcpStream,
        peer: SocketAddr,
        entering: E,
    ) -> Result<(), Unwelcome> {
        stream.set_nodelay(true)?;
        let opening = async {
            let Some(tls) = &self.tls else { return Ok(Opened::Plain(stream)) };
            match begins_with_tls(&stream).await? {
                true => Ok(Opened::Encrypted(Box::new(tls.accept(stream).await?))),
                false if self.exposed => Err(Unwelcome::Plain),
                false => Ok(Opened::Plain(stream)),
            }
        };
        match timeout(MQTT_CONNECT_TIMEOUT, opening).await.map_err(|_| Unwelcome::Silent)?? {
            Opened::Plain(stream) => self.unwrap(transport, stream, peer, entering).await,
            Opened::Encrypted(stream) => self.unwrap(transport, stream, peer, entering).await,
        }
    }

    /// Takes MQTT out of what it is in.
    async fn unwrap<S, E>(
        &self,
        transport: Transport,
        stream: S,
        peer: SocketAddr,
        entering: E,
    ) -> Result<(), Unwelcome>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match transport {
            Transport::Tcp => self.enter(stream, peer, false, entering).await,
            Transport::WebSocket => {
                let accepted = timeout(MQTT_CONNECT_TIMEOUT, websocket::accept(stream)).await;
                let stream = accepted.map_err(|_| Unwelcome::Silent)??;
                self.enter(stream, peer, true, entering).await
            }
        }
    }

    /// Reads who the client is and carries bytes between it and the broker from then on.
    async fn enter<S, E>(
        &self,
        mut client: S,
        peer: SocketAddr,
        may_be_page: bool,
        entering: E,
    ) -> Result<(), Unwelcome>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connect =
            timeout(MQTT_CONNECT_TIMEOUT, read_packet(&mut client)).await.map_err(|_| Unwelcome::Silent)??;
        let (connect, level) = match connect::below_user(&connect, self.hooks.anonymous()) {
            Ok(found) => found,
            Err(refused) => {
                if let Some(answer) = &refused.answer {
                    client.write_all(answer).await?;
                    say_farewell(&mut client).await;
                }
                return Err(Unwelcome::Refused(refused));
            }
        };
        let (mut broker, mut entered, answer) = self.introduce(&connect, peer, may_be_page).await?;
        drop((connect, entering));
        client.write_all(&answer).await?;
        let ended = tokio::select! {
            ended = relay::between(&mut client, &mut broker) => ended?,
            () = entered.ends.cancelled() => Ended::Broker,
        };
        if ended == Ended::Broker {
            // The broker closes before it says why.
            let word = if level == 5 { entered.last_word().await } else { None };
            if let Some(word) = word {
                let said = connect::disconnect(word);
                let _ = timeout(MQTT_FAREWELL, client.write_all(&said)).await;
            }
            say_farewell(&mut client).await;
        }
        Ok(())
    }

    /// Hands a client over to the broker; with its answer.
    async fn introduce(
        &self,
        connect: &[u8],
        peer: SocketAddr,
        may_be_page: bool,
    ) -> Result<(TcpStream, Entered, Vec<u8>), Unwelcome> {
        for attempt in 1.. {
            let mut broker = TcpStream::connect(self.broker).await?;
            broker.set_nodelay(true)?;
            let entered = self.hooks.clients().enter(broker.local_addr()?.port(), peer, may_be_page);
            broker.write_all(connect).await?;
            let answer = timeout(MQTT_CONNECT_TIMEOUT, read_packet(&mut broker)).await;
            let answer = answer.map_err(|_| Unwelcome::Silent)??;
            if !connect::is_unavailable(&answer) || attempt == MQTT_INTRODUCTIONS_MAX {
                return Ok((broker, entered, answer.bytes));
            }
            tokio::time::sleep(MQTT_INTRODUCTION_PAUSE).await;
        }
        unreachable!("the last attempt returns")
    }
}

/// A connection with its encryption, if any.
enum Opened {
    Plain(TcpStream),
    Encrypted(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

/// The first packet of either side.
async fn read_packet(from: &mut (impl AsyncRead + Unpin)) -> Result<Packet, Unwelcome> {
    let refused = |words| Unwelcome::Refused(Refused { words, answer: None });
    let mut bytes = vec![from.read_u8().await?];
    let length = loop {
        bytes.push(from.read_u8().await?);
        if let Some((length, _)) = connect::length(&bytes[1..]).map_err(Unwelcome::Refused)? {
            break length;
        }
    };
    if length > MQTT_CONNECT_BYTES_MAX {
        return Err(refused("a first packet that is too long"));
    }
    let body_at = bytes.len();
    bytes.resize(body_at + length, 0);
    from.read_exact(&mut bytes[body_at..]).await?;
    Ok(Packet { bytes, body_at })
}

/// Ends a connection so that the last words arrive: what the client still sends is read, for a moment.
async fn say_farewell(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let farewell = async {
        client.shutdown().await?;
        tokio::io::copy(client, &mut tokio::io::sink()).await
    };
    // A client that does not listen has nothing to be told.
    let _ = timeout(MQTT_FAREWELL, farewell).await;
}
