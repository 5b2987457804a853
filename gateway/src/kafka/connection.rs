//! A connection: requests are begun as they come and answered in their order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::warn;

use super::api;
use super::call::Answer;
use super::{Broker, frame};
use crate::limits::{
    KAFKA_ENTRY_TIMEOUT, KAFKA_FRAME_BYTES_MAX, KAFKA_IN_FLIGHT_MAX, KAFKA_STRANGER_FRAME_BYTES_MAX,
    KAFKA_WRITE_TIMEOUT,
};

/// A request that was begun, and the room that its bytes take until it is answered.
type Begun = (Answer, OwnedSemaphorePermit);

/// Serves one client until it ends, sends nonsense, or the door closes.
pub async fn run(
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
    peer: SocketAddr,
    broker: Arc<Broker>,
) -> io::Result<()> {
    let (begun, to_answer) = mpsc::channel(KAFKA_IN_FLIGHT_MAX);
    let receiving = async {
        let outcome = receive(read, &broker, begun).await;
        // Whoever waits for records on this connection need not wait any longer.
        broker.closing.cancel();
        outcome
    };
    let answering = async {
        let outcome = respond(write, to_answer).await;
        broker.closing.cancel();
        outcome
    };
    let (received, answered) = tokio::join!(receiving, answering);
    if let Err(error) = &received
        && matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::TimedOut)
    {
        warn!(%peer, %error, "Kafka connection closed");
    }
    received.and(answered)
}

async fn receive(read: impl AsyncRead + Unpin, broker: &Arc<Broker>, begun: mpsc::Sender<Begun>) -> io::Result<()> {
    let mut read = BufReader::new(read);
    let entered_by = Instant::now() + KAFKA_ENTRY_TIMEOUT;
    loop {
        let is_open = broker.entry.is_open();
        let bytes_max = if is_open { KAFKA_FRAME_BYTES_MAX } else { KAFKA_STRANGER_FRAME_BYTES_MAX };
        let length = tokio::select! {
            () = broker.closing.cancelled() => return Ok(()),
            () = sleep_until(entered_by), if !is_open => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not say who it is"));
            }
            length = frame::read_length(&mut read, bytes_max) => length?,
        };
        let Some(length) = length else { return Ok(()) };
        let room = broker.room.clone().acquire_many_owned(length as u32).await.expect("the semaphore is never closed");
        let body: Bytes = frame::read_body(&mut read, length).await?;
        let answer = api::start(broker, body).await.map_err(frame::invalid)?;
        if begun.send((answer, room)).await.is_err() {
            return Ok(());
        }
    }
}

async fn respond(mut write: impl AsyncWrite + Unpin, mut to_answer: mpsc::Receiver<Begun>) -> io::Result<()> {
    while let Some((answer, _room)) = to_answer.recv().await {
        if let Some(frame) = answer.await {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answers");
            let written = async {
                write.write_all(&frame).await?;
                write.flush().await
            };
            timeout(KAFKA_WRITE_TIMEOUT, written).await.map_err(late)??;
        }
    }
    write.shutdown().await
}
