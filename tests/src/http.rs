//! HTTP by hand: what browsers hide or would not send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, to which headers can be added.
#[derive(Clone, Debug)]
pub struct Request {
    address: SocketAddr,
    head: String,
}

/// The status, the headers in lower case, and the body of an answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Request {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Request {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n");
        Request { address, head }
    }

    pub fn with(mut self, name: &str, value: &str) -> Request {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    /// By HTTP Basic.
    pub fn as_user(self, user: &str, password: &str) -> Request {
        let value = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
        self.with("authorization", &value)
    }

    pub async fn send(self) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{}\r\n", self.head).as_bytes()).await.unwrap();
        let mut text = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("an answer").unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, headers: head.to_lowercase(), body: body.to_owned() }
    }

    /// Asks for server-sent events.
    pub async fn follow(self) -> Events {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{}\r\n", self.head).as_bytes()).await.unwrap();
        let mut events = Events { stream: BufReader::new(stream), last: String::new() };
        let status = events.line().await;
        assert!(status.contains(" 200 "), "{status}");
        while !events.line().await.is_empty() {}
        events
    }
}

/// Server-sent events, as they come.
pub struct Events {
    stream: BufReader<TcpStream>,
    /// Of the last event.
    last: String,
}

impl Events {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.stream.read_line(&mut line)).await.expect("a line").unwrap();
        line.trim_end().to_owned()
    }

    /// The data of the next event; `None` at the end of the stream. An event is a chunk.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let length = usize::from_str_radix(&self.line().await, 16).unwrap_or(0);
            if length == 0 {
                return None;
            }
            let mut chunk = vec![0; length + 2];
            timeout(PATIENCE, self.stream.read_exact(&mut chunk)).await.expect("a chunk").ok()?;
            let chunk = String::from_utf8(chunk).unwrap();
            let data: Vec<&str> = chunk.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            // Comments keep the connection alive.
            if !data.is_empty() {
                self.last = data.join("\n");
                return Some(self.last.clone());
            }
        }
    }

    /// Waits for an event that says something.
    pub async fn until(&mut self, words: &str) -> String {
        while !self.last.contains(words) {
            let before = self.last.clone();
            assert!(self.next().await.is_some(), "the end, and not {words:?} after {before}");
        }
        self.last.clone()
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= group.len() { letter.into() } else { '=' });
        }
    }
    text
}
