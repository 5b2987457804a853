//! The two directions of a connection: messages in, messages out, each with its bounded buffer.

use bytes::{Buf, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::error::{Fault, protocol_violation};
use super::frontend::{Message, Opening, Oversized};
use crate::limits::{MESSAGE_BYTES_MAX, READ_AHEAD_BYTES, SEND_BYTES, STARTUP_BYTES_MAX};

/// A connection's two directions.
pub(super) fn split(stream: TcpStream) -> (Reader, Writer) {
    let (read, write) = stream.into_split();
    (
        Reader { half: read, buffer: BytesMut::new(), bytes_max: STARTUP_BYTES_MAX, oversized: None },
        Writer { half: write, buffer: BytesMut::new() },
    )
}

/// What the client sends.
pub(super) struct Reader {
    half: OwnedReadHalf,
    buffer: BytesMut,
    /// Bytes of the largest message that is taken.
    bytes_max: usize,
    /// A larger one, of which so many bytes are still to come.
    oversized: Option<(Oversized, usize)>,
}

impl Reader {
    /// The first packet. Nothing is lost when the future is dropped.
    pub(super) async fn opening(&mut self) -> Result<Opening, Fault> {
        self.fill(4).await?;
        let length = self.length(0)?;
        self.bounded(length)?;
        self.fill(length).await?;
        let mut packet = self.buffer.split_to(length).freeze();
        packet.advance(4);
        Opening::decode(packet).map_err(Fault::Fatal)
    }

    /// A message before the client is authenticated: a large one ends the connection.
    pub(super) async fn small_message(&mut self) -> Result<Message, Fault> {
        self.fill(5).await?;
        self.bounded(self.length(1)?)?;
        self.message().await
    }

    /// The next message. Nothing is lost when the future is dropped.
    pub(super) async fn message(&mut self) -> Result<Message, Fault> {
        if self.oversized.is_none() {
            self.fill(5).await?;
            let (kind, length) = (self.buffer[0], 1 + self.length(1)?);
            if length <= self.bytes_max {
                self.fill(length).await?;
                let mut message = self.buffer.split_to(length).freeze();
                message.advance(5);
                return Message::decode(kind, message).map_err(Fault::Fatal);
            }
            self.oversized = Some((Oversized { kind, bytes: length }, length));
        }
        self.discard().await
    }

    /// Reads a message that is too large to its end without keeping it.
    async fn discard(&mut self) -> Result<Message, Fault> {
        loop {
            let (oversized, left) = self.oversized.as_mut().expect("the caller has seen it");
            let here = self.buffer.len().min(*left);
            self.buffer.advance(here);
            *left -= here;
            if *left == 0 {
                let message = Message::Oversized(*oversized);
                self.oversized = None;
                return Ok(message);
            }
            self.fill(1).await?;
        }
    }

    /// Returns when the client has gone; reads on meanwhile, up to a bound. Nothing is lost when the future is dropped.
    pub(super) async fn gone(&mut self) {
        while self.buffer.len() < READ_AHEAD_BYTES {
            if !matches!(self.half.read_buf(&mut self.buffer).await, Ok(1..)) {
                return;
            }
        }
        std::future::pending().await
    }

    /// Takes larger messages from here on: the client is authenticated.
    pub(super) fn trust(&mut self) {
        self.bytes_max = MESSAGE_BYTES_MAX;
    }

    /// The length that stands at `at`, which counts its own four bytes.
    fn length(&self, at: usize) -> Result<usize, Fault> {
        let length = (&self.buffer[at..at + 4]).get_u32() as usize;
        if length < 4 { Err(Fault::Fatal(protocol_violation("invalid message length"))) } else { Ok(length) }
    }

    fn bounded(&self, length: usize) -> Result<(), Fault> {
        if length <= self.bytes_max {
            return Ok(());
        }
        let message = format!("invalid length of startup packet: {length}, at most {} are taken", self.bytes_max);
        Err(Fault::Fatal(protocol_violation(message)))
    }

    /// Reads until there are so many bytes in the buffer.
    async fn fill(&mut self, bytes: usize) -> Result<(), Fault> {
        while self.buffer.len() < bytes {
            self.buffer.reserve(bytes - self.buffer.len());
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Err(Fault::Gone);
            }
        }
        Ok(())
    }
}

/// What is sent to the client.
pub(super) struct Writer {
    half: OwnedWriteHalf,
    buffer: BytesMut,
}

impl Writer {
    /// Adds a message; it is sent by the next [`Writer::flush`].
    pub(super) fn put(&mut self, message: PgWireBackendMessage) -> Result<(), Fault> {
        Ok(message.encode(&mut self.buffer)?)
    }

    /// Where rows are encoded to; follow with [`Writer::relieve`].
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Sends what has gathered if it is much; waits for a client that takes it slowly.
    pub(super) async fn relieve(&mut self) -> Result<(), Fault> {
        if self.buffer.len() >= SEND_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Sends everything.
    pub(super) async fn flush(&mut self) -> Result<(), Fault> {
        self.half.write_all_buf(&mut self.buffer).await?;
        Ok(())
    }
}
