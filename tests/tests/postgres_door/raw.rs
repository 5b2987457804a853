//! Values as bytes of the wire, and a client that sends single messages.

use std::error::Error;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tests::node::Node;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

/// A value as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn Error + Sync + Send>> {
        Ok(Raw(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A connection on which messages are put together by hand.
pub struct Wire {
    stream: TcpStream,
    received: BytesMut,
}

impl Wire {
    /// Connects, says nothing yet.
    pub async fn connect(node: &Node) -> Wire {
        Wire { stream: TcpStream::connect(node.postgres).await.unwrap(), received: BytesMut::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next message: its type and its body.
    pub async fn message(&mut self) -> (char, Bytes) {
        loop {
            if self.received.len() >= 5 {
                let length = (&self.received[1..5]).get_u32() as usize + 1;
                if self.received.len() >= length {
                    let message = self.received.split_to(length).freeze();
                    return (message[0] as char, message.slice(5..));
                }
            }
            assert_ne!(self.stream.read_buf(&mut self.received).await.unwrap(), 0, "the server closed the connection");
        }
    }

    /// Whether the server closes the connection, once everything that was sent is read.
    pub async fn closed(mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.is_ok()
    }
}

/// The start of a session, as the first packet.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    for text in parameters.iter().flat_map(|(name, value)| [name, value]) {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.extend(body);
    packet
}

#[tokio::test]
async fn encryption_is_declined_and_the_session_starts_without() {
    let node = Node::start().await;
    let mut wire = Wire::connect(&node).await;
    wire.send(&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]).await;
    let mut answer = [0];
    wire.stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"N");
    wire.send(&startup(&[("user", "caudal")])).await;
    let (kind, body) = wire.message().await;
    assert_eq!((kind, &body[..]), ('R', &b"\0\0\0\x0aSCRAM-SHA-256\0\0"[..]));
    node.stop().await;
}

#[tokio::test]
async fn what_is_not_the_protocol_is_answered_with_words_and_the_end() {
    let node = Node::start().await;
    let lengths: [&[u8]; 3] = [b"GET / HTTP/1.1\r\n\r\n", &[0, 0, 0, 3, 0], &[0, 0, 0, 8, 0, 2, 0, 0]];
    for bytes in lengths {
        let mut wire = Wire::connect(&node).await;
        wire.send(bytes).await;
        let (kind, body) = wire.message().await;
        assert_eq!(kind, 'E');
        assert!(body.starts_with(b"SFATAL\0"), "{}", String::from_utf8_lossy(&body));
        assert!(wire.closed().await);
    }
    node.stop().await;
}
