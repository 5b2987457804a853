//! The same broker within TLS and within WebSocket.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::task::{Context, Poll};

use gateway::credentials::Credentials;
use gateway::mqtt::Options;
use tests::mqtt::{CONNACK, Client, Connect, packet};
use tests::mqtt_node::{node, node_at};
use tests::{certificate, clients};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

const READING: &str = "{\"at\": \"2026-11-21T03:00:00Z\", \"w\": 1}";

fn with_tls(dir: &Path) -> Options {
    let tls = gateway::tls::acceptor(&dir.join("node.pem"), &dir.join("node.key")).unwrap();
    let credentials = Credentials { user: "ana".to_owned(), password: "s3cret".to_owned() };
    Options { tls: Some(tls), credentials, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn within_tls_as_without_and_from_other_machines_only_so() {
    let publisher = match clients::mosquitto_pub() {
        Ok(publisher) => publisher,
        Err(why) => return tests::skip(why),
    };
    let dir = certificate();
    let node = node_at("0.0.0.0:0", with_tls(dir.path())).await;
    let publish = |more: Vec<String>| {
        let mut command = Command::new(&publisher);
        command.args(["-h", "127.0.0.1", "-p", &node.mqtt.port().to_string(), "-q", "1", "-u", "ana", "-P", "s3cret"]);
        command.args(["-t", "casa/ana/power/1", "-m", READING]).args(more);
        tokio::task::spawn_blocking(move || command.output().unwrap().status.success())
    };
    let authority = dir.path().join("authority.pem").display().to_string();
    assert!(publish(vec!["--cafile".to_owned(), authority]).await.unwrap());
    assert!(!publish(vec![]).await.unwrap(), "in clear");
    let (_, answer) = Client::ask(node.mqtt, &Connect::new(5, "clear").as_user("ana", "s3cret")).await;
    assert_eq!(answer, None);
    node.until("SELECT customer, n FROM total", &["ana|1"]).await;
    node.stop().await;
}

/// The client's side of WebSocket, as far as these tests need it: what is written is one masked binary message.
struct WebSocket {
    stream: TcpStream,
    /// Bytes of messages that came in.
    within: Vec<u8>,
    /// Bytes of frames that are not whole yet.
    raw: Vec<u8>,
}

impl WebSocket {
    /// Asks for WebSocket; the status of the answer.
    async fn ask(address: std::net::SocketAddr, protocol: &str) -> (WebSocket, u16) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(status == 101, answer.to_lowercase().contains("sec-websocket-protocol: mqtt\r\n"), "{answer}");
        (WebSocket { stream, within: Vec::new(), raw: Vec::new() }, status)
    }

    /// Takes whole messages out of their frames.
    fn unwrap(&mut self) {
        while let [first, second, rest @ ..] = &self.raw[..] {
            let (length, at) = match second {
                126 if rest.len() >= 2 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), 4),
                126.. => return,
                length => (usize::from(*length), 2),
            };
            if self.raw.len() < at + length {
                return;
            }
            assert!(matches!(first, 0x82 | 0x88 | 0x8a), "a binary message, a pong or the end: {first:x}");
            if *first == 0x82 {
                self.within.extend_from_slice(&self.raw[at..at + length]);
            }
            self.raw.drain(..at + length);
        }
    }

    fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind, 0x80 | 126];
        frame.extend((bytes.len() as u16).to_be_bytes());
        frame.extend([1, 2, 3, 4]);
        frame.extend(bytes.iter().enumerate().map(|(at, byte)| byte ^ [1, 2, 3, 4][at % 4]));
        frame
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.within.is_empty() {
            let mut bytes = [0; 4096];
            let mut read = ReadBuf::new(&mut bytes);
            std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let filled = read.filled().to_vec();
            self.raw.extend(filled);
            self.unwrap();
        }
        let taken = self.within.len().min(buffer.remaining());
        buffer.put_slice(&self.within[..taken]);
        self.within.drain(..taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocket {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let frame = WebSocket::frame(0x82, bytes);
        // Small frames: the system takes them whole.
        assert_eq!(self.stream.try_write(&frame)?, frame.len());
        let _ = &mut self;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn over_websocket(address: std::net::SocketAddr, version: u8) -> Client<WebSocket> {
    let (socket, status) = WebSocket::ask(address, "sec-websocket-protocol: mqttv3.1, mqtt\r\n").await;
    assert_eq!(status, 101);
    Client::over(socket, version)
}

#[tokio::test(flavor = "multi_thread")]
async fn within_websocket_as_without() {
    let node = node().await;
    for version in [4, 5] {
        let mut client = over_websocket(node.websocket, version).await;
        client.send(&Connect::new(version, "page").as_user("caudal", "caudal").bytes()).await.unwrap();
        assert_eq!(client.expect(CONNACK).await.body[1], 0);
        assert_eq!(client.subscribe(&["news"]).await, [2]);
        assert!(client.publish("casa/ana/power/1", READING).await);
        assert!(node.client(5, "reporter").await.publish("news", "x".repeat(3_000)).await);
        assert_eq!(client.expect(3).await.message(version).1, "x".repeat(3_000).into_bytes());
        // A packet may begin in one message and end in the next.
        let publish = client.publish_bytes("casa/ana/power/1", READING, 1, 77, 0);
        client.send(&publish[..7]).await.unwrap();
        client.send(&publish[7..]).await.unwrap();
        assert_eq!(client.expect(4).await.body[..2], [0, 77]);
        client.stream.stream.write_all(&WebSocket::frame(0x89, b"ping")).await.unwrap();
        client.send(&packet(0xc0, &[])).await.unwrap();
        client.expect(13).await;
    }
    node.until("SELECT customer, n FROM total", &["ana|1"]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_knows_no_password_does_not_come_in() {
    let node = node().await;
    let mut client = over_websocket(node.websocket, 4).await;
    client.send(&Connect::new(4, "page").bytes()).await.unwrap();
    assert_eq!(client.expect(CONNACK).await.body[1], 4);
    for protocol in ["", "sec-websocket-protocol: chat\r\n"] {
        assert_eq!(WebSocket::ask(node.websocket, protocol).await.1, 400);
    }
    let mut client = over_websocket(node.websocket, 4).await;
    let text = WebSocket::frame(0x81, b"{}");
    client.stream.stream.write_all(&text).await.unwrap();
    assert_eq!(client.receive().await, None, "text is not MQTT");
    node.stop().await;
}
