//! MQTT by hand, packet by packet: what client libraries hide or would not send.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const CONNACK: u8 = 2;
pub const PUBLISH: u8 = 3;
pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const PUBREL: u8 = 6;
pub const PUBCOMP: u8 = 7;
pub const SUBACK: u8 = 9;
pub const UNSUBACK: u8 = 11;
pub const PINGRESP: u8 = 13;
pub const DISCONNECT: u8 = 14;

/// A packet: its first byte and what follows its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub first: u8,
    pub body: Vec<u8>,
}

impl Packet {
    pub fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// Topic and payload of a PUBLISH.
    pub fn message(&self, version: u8) -> (String, Vec<u8>) {
        assert_eq!(self.kind(), PUBLISH, "{self:?}");
        let length = usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        let topic = String::from_utf8(self.body[2..2 + length].to_vec()).unwrap();
        let mut at = 2 + length + if self.first & 0x06 > 0 { 2 } else { 0 };
        if version == 5 {
            // Properties of fewer than 128 bytes.
            at += 1 + usize::from(self.body[at]);
        }
        (topic, self.body[at..].to_vec())
    }
}

/// A PUBLISH of MQTT 5, or an answer, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    pub topic: String,
    pub id: u16,
    pub qos: u8,
    pub dup: bool,
    pub retain: bool,
    /// By their numbers, with the bytes of their values.
    pub properties: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
}

impl Published {
    /// Values of a property, in their order.
    pub fn all(&self, number: u8) -> Vec<&[u8]> {
        self.properties.iter().filter(|(at, _)| *at == number).map(|(_, value)| &value[..]).collect()
    }
}

impl Packet {
    /// A PUBLISH of MQTT 5.
    pub fn published(&self) -> Published {
        assert_eq!(self.kind(), PUBLISH, "{self:?}");
        let (topic, mut rest) = self.body[2..].split_at(usize::from(u16::from_be_bytes([self.body[0], self.body[1]])));
        let qos = self.first >> 1 & 3;
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([rest[0], rest[1]]);
            rest = &rest[2..];
        }
        let (properties, payload) = properties(rest);
        Published {
            topic: String::from_utf8(topic.to_vec()).unwrap(),
            id,
            qos,
            dup: self.first & 8 > 0,
            retain: self.first & 1 > 0,
            properties,
            payload: payload.to_vec(),
        }
    }

    /// Properties of an answer of MQTT 5, which begin at a place of it.
    pub fn properties_at(&self, at: usize) -> Vec<(u8, Vec<u8>)> {
        self.body.get(at..).filter(|rest| !rest.is_empty()).map_or_else(Vec::new, |rest| properties(rest).0)
    }
}

/// Properties with their length before them, and what follows.
fn properties(bytes: &[u8]) -> (Vec<(u8, Vec<u8>)>, &[u8]) {
    let (length, said_in) = varint(bytes);
    let (mut rest, after) = bytes[said_in..].split_at(length);
    let mut found = Vec::new();
    while let [number, value @ ..] = rest {
        let text = |at: usize| 2 + usize::from(u16::from_be_bytes([value[at], value[at + 1]]));
        let length = match number {
            1 | 23 | 25 | 36 | 37 | 40 | 41 | 42 => 1,
            19 | 33 | 34 | 35 => 2,
            2 | 17 | 24 | 39 => 4,
            11 => varint(value).1,
            38 => text(0) + text(text(0)),
            _ => text(0),
        };
        found.push((*number, value[..length].to_vec()));
        rest = &value[length..];
    }
    (found, after)
}

/// A number of variable length, and in how many bytes it is said.
fn varint(bytes: &[u8]) -> (usize, usize) {
    let (mut number, mut at) = (0, 0);
    loop {
        number |= usize::from(bytes[at] & 0x7f) << (7 * at);
        at += 1;
        if bytes[at - 1] & 0x80 == 0 {
            return (number, at);
        }
    }
}

/// A text or bytes with their length before them.
pub fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = text.as_ref();
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// A packet's bytes.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let byte = (rest & 0x7f) as u8;
        rest >>= 7;
        bytes.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// What a CONNECT says.
#[derive(Clone, Debug)]
pub struct Connect {
    /// 3, 4 (MQTT 3.1.1) or 5.
    pub version: u8,
    pub client_id: String,
    pub user: Option<(String, String)>,
    pub clean: bool,
    pub keep_alive_s: u16,
    /// Topic, payload, QoS and whether it is retained.
    pub will: Option<(String, Vec<u8>, u8, bool)>,
    pub properties: Vec<u8>,
    pub will_properties: Vec<u8>,
}

impl Connect {
    pub fn new(version: u8, client_id: &str) -> Connect {
        let client_id = client_id.to_owned();
        Connect {
            version,
            client_id,
            user: None,
            clean: true,
            keep_alive_s: 60,
            will: None,
            properties: vec![],
            will_properties: vec![],
        }
    }

    /// With properties of MQTT 5.
    pub fn saying(mut self, properties: &[u8]) -> Connect {
        self.properties.extend(properties);
        self
    }

    /// With the session that there is.
    pub fn again(mut self) -> Connect {
        self.clean = false;
        self
    }

    pub fn as_user(mut self, user: &str, password: &str) -> Connect {
        self.user = Some((user.to_owned(), password.to_owned()));
        self
    }

    pub fn with_will(mut self, topic: &str, payload: &str, qos: u8, retain: bool) -> Connect {
        self.will = Some((topic.to_owned(), payload.as_bytes().to_vec(), qos, retain));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = text(if self.version == 3 { "MQIsdp" } else { "MQTT" });
        let mut flags = u8::from(self.clean) << 1;
        if let Some((_, _, qos, retain)) = &self.will {
            flags |= 0x04 | qos << 3 | u8::from(*retain) << 5;
        }
        if self.user.is_some() {
            flags |= 0xc0;
        }
        body.extend([self.version, flags]);
        body.extend(self.keep_alive_s.to_be_bytes());
        if self.version == 5 {
            body.push(self.properties.len() as u8);
            body.extend(&self.properties);
        }
        body.extend(text(&self.client_id));
        if let Some((topic, payload, ..)) = &self.will {
            if self.version == 5 {
                body.push(self.will_properties.len() as u8);
                body.extend(&self.will_properties);
            }
            body.extend(text(topic));
            body.extend(text(payload));
        }
        if let Some((user, password)) = &self.user {
            body.extend(text(user));
            body.extend(text(password));
        }
        packet(0x10, &body)
    }
}

/// A connection that speaks a version of MQTT.
pub struct Client<S = TcpStream> {
    pub stream: S,
    pub version: u8,
    next_id: u16,
}

impl Client {
    /// Comes in; the answer must be that it is welcome.
    pub async fn enter(address: SocketAddr, connect: &Connect) -> Client {
        let (client, answer) = Client::ask(address, connect).await;
        assert!(answer.as_ref().is_some_and(|answer| answer.body[1] == 0), "{connect:?}: {answer:?}");
        client
    }

    /// Sends CONNECT; the answer, `None` when the connection ends without.
    pub async fn ask(address: SocketAddr, connect: &Connect) -> (Client, Option<Packet>) {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Client::over(stream, connect.version);
        // Who is refused at the first byte may see the connection break while the rest is sent.
        let _ = client.send(&connect.bytes()).await;
        let answer = client.receive().await;
        (client, answer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn over(stream: S, version: u8) -> Client<S> {
        Client { stream, version, next_id: 0 }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next packet; `None` at the end of the connection.
    pub async fn receive(&mut self) -> Option<Packet> {
        timeout(PATIENCE, self.read()).await.expect("an answer or the end").ok()
    }

    /// The next packet, if one comes within a time.
    pub async fn receive_within(&mut self, limit: Duration) -> Option<Packet> {
        timeout(limit, self.read()).await.ok()?.ok()
    }

    /// The next packet, which must be of a kind.
    pub async fn expect(&mut self, kind: u8) -> Packet {
        let packet = self.receive().await;
        match packet {
            Some(packet) if packet.kind() == kind => packet,
            other => panic!("expected packet {kind}, got {other:?}"),
        }
    }

    async fn read(&mut self) -> io::Result<Packet> {
        let first = self.stream.read_u8().await?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.stream.read_u8().await?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(Packet { first, body })
    }

    /// A number for a packet.
    pub fn id(&mut self) -> u16 {
        self.next_id = self.next_id % u16::MAX + 1;
        self.next_id
    }

    /// A PUBLISH; its number, 0 with QoS 0.
    pub async fn send_publish(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) -> io::Result<u16> {
        let id = if qos > 0 { self.id() } else { 0 };
        let bytes = self.publish_bytes(topic, payload, qos, id, 0);
        self.send(&bytes).await.map(|()| id)
    }

    /// The bytes of a PUBLISH. `flags`: 1 retains it, 8 says that it was sent before.
    pub fn publish_bytes(&self, topic: &str, payload: impl AsRef<[u8]>, qos: u8, id: u16, flags: u8) -> Vec<u8> {
        let mut body = text(topic);
        if qos > 0 {
            body.extend(id.to_be_bytes());
        }
        if self.version == 5 {
            body.push(0);
        }
        body.extend(payload.as_ref());
        packet(0x30 | qos << 1 | flags, &body)
    }

    /// Publishes with properties of MQTT 5 and waits, with QoS 1 or 2, for the first answer.
    pub async fn tell(&mut self, topic: &str, payload: &str, qos: u8, retain: bool, properties: &[u8]) {
        let id = if qos > 0 { self.id() } else { 0 };
        let mut body = text(topic);
        if qos > 0 {
            body.extend(id.to_be_bytes());
        }
        body.push(properties.len() as u8);
        body.extend(properties);
        body.extend(payload.as_bytes());
        self.send(&packet(0x30 | qos << 1 | u8::from(retain), &body)).await.unwrap();
        if qos > 0 {
            assert_eq!(self.expect(if qos == 1 { PUBACK } else { PUBREC }).await.body[..2], id.to_be_bytes());
        }
        if qos == 2 {
            self.send(&packet(0x62, &id.to_be_bytes())).await.unwrap();
            self.expect(PUBCOMP).await;
        }
    }

    /// Subscribes with options (MQTT 5), and properties; what is answered.
    pub async fn subscribe_with(&mut self, filter: &str, options: u8, properties: &[u8]) -> u8 {
        let id = self.id();
        let mut body = [&id.to_be_bytes()[..], &[properties.len() as u8], properties].concat();
        body.extend(text(filter));
        body.push(options);
        self.send(&packet(0x82, &body)).await.unwrap();
        *self.expect(SUBACK).await.body.last().unwrap()
    }

    /// The next message (MQTT 5).
    pub async fn message(&mut self) -> Published {
        self.expect(PUBLISH).await.published()
    }

    /// Acknowledges a message with QoS 1.
    pub async fn acknowledge(&mut self, message: &Published) {
        self.send(&packet(0x40, &message.id.to_be_bytes())).await.unwrap();
    }

    /// Makes sure that nothing but the answer to a ping comes: what was to be sent before has been.
    pub async fn quiet(&mut self) {
        self.send(&packet(0xc0, &[])).await.unwrap();
        self.expect(PINGRESP).await;
    }

    /// Publishes with QoS 1 and waits; whether it was acknowledged: the connection may end, or refuse it in words.
    pub async fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> bool {
        let Ok(id) = self.send_publish(topic, payload, 1).await else { return false };
        match self.receive().await {
            Some(answer) if answer.kind() == PUBACK => {
                assert_eq!(answer.body[..2], id.to_be_bytes(), "{answer:?}");
                answer.body.get(2).is_none_or(|reason| *reason < 0x80)
            }
            Some(answer) if answer.kind() == DISCONNECT => false,
            None => false,
            Some(other) => panic!("expected PUBACK, got {other:?}"),
        }
    }

    /// Subscribes to filters with the highest QoS; what is answered to each.
    pub async fn subscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let id = self.id();
        let mut body = id.to_be_bytes().to_vec();
        if self.version == 5 {
            body.push(0);
        }
        for filter in filters {
            body.extend(text(filter));
            body.push(2);
        }
        self.send(&packet(0x82, &body)).await.unwrap();
        let answer = self.expect(SUBACK).await;
        answer.body[if self.version == 5 { 3 } else { 2 }..].to_vec()
    }

    /// Says goodbye.
    pub async fn leave(mut self) {
        // The other side may have gone already.
        let _ = self.send(&packet(0xe0, &[])).await;
    }
}
