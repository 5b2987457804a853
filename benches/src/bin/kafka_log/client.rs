//! A Kafka client of as few words as the bench needs, so that it measures brokers and not itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, ensure};
use bytes::{Buf, BufMut, Bytes};

const PRODUCE: (i16, i16) = (0, 7);
const FETCH: (i16, i16) = (1, 4);
const METADATA: (i16, i16) = (3, 1);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const ALL_REPLICAS: i16 = -1;
const TIMEOUT_MS: i32 = 30_000;
/// The topic is being made by somebody at this moment, or its leader is not known yet.
const NOT_YET: [i16; 3] = [3, 5, 6];
const FETCH_BYTES: i32 = 1 << 20;

/// A connection to a broker.
pub struct Client(TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Client(stream))
    }

    /// Makes a topic with one partition and waits until it has a leader.
    pub fn create_topic(&mut self, topic: &str, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut body = Vec::new();
        body.put_i32(1);
        put_text(&mut body, topic);
        body.put_i32(1);
        body.put_i16(1);
        body.put_i32(0);
        body.put_i32(settings.len() as i32);
        for (name, value) in settings {
            put_text(&mut body, name);
            put_text(&mut body, value);
        }
        body.put_i32(TIMEOUT_MS);
        body.put_u8(0);
        let mut answer = self.ask(CREATE_TOPICS, &body)?;
        skip(&mut answer, 4 + 4 + 2 + topic.len())?;
        let code = answer.try_get_i16()?;
        ensure!(code == 0, "the topic is not made: error {code}");
        while !self.has_leader(topic)? {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Ok(())
    }

    fn has_leader(&mut self, topic: &str) -> anyhow::Result<bool> {
        let mut body = Vec::new();
        body.put_i32(1);
        put_text(&mut body, topic);
        let mut answer = self.ask(METADATA, &body)?;
        for _ in 0..answer.try_get_i32()? {
            skip(&mut answer, 4)?;
            skip_text(&mut answer)?;
            skip(&mut answer, 4)?;
            skip_text(&mut answer)?;
        }
        skip(&mut answer, 4 + 4)?;
        let code = answer.try_get_i16()?;
        skip_text(&mut answer)?;
        skip(&mut answer, 1)?;
        let ready = code == 0 && answer.try_get_i32()? == 1 && answer.try_get_i16()? == 0;
        ensure!(ready || NOT_YET.contains(&code) || code == 0, "the topic has no leader: error {code}");
        Ok(ready)
    }

    /// Sends a batch and returns the offset of its first record once all replicas have it.
    pub fn produce(&mut self, topic: &str, batch: &Bytes) -> anyhow::Result<i64> {
        let mut body = Vec::with_capacity(batch.len() + 64);
        body.put_i16(-1);
        body.put_i16(ALL_REPLICAS);
        body.put_i32(TIMEOUT_MS);
        put_partition(&mut body, topic);
        body.put_i32(batch.len() as i32);
        body.put_slice(batch);
        let mut answer = self.ask(PRODUCE, &body)?;
        skip(&mut answer, 4 + 2 + topic.len() + 4 + 4)?;
        let code = answer.try_get_i16()?;
        ensure!(code == 0, "the batch is not taken: error {code}");
        Ok(answer.try_get_i64()?)
    }

    /// Batches from an offset on, as they are in the log; nothing at its end.
    pub fn fetch(&mut self, topic: &str, offset: u64) -> anyhow::Result<Bytes> {
        let mut body = Vec::new();
        body.put_i32(-1);
        body.put_i32(0);
        body.put_i32(0);
        body.put_i32(FETCH_BYTES);
        body.put_u8(0);
        put_partition(&mut body, topic);
        body.put_i64(offset as i64);
        body.put_i32(FETCH_BYTES);
        let mut answer = self.ask(FETCH, &body)?;
        skip(&mut answer, 4 + 4 + 2 + topic.len() + 4 + 4)?;
        let code = answer.try_get_i16()?;
        ensure!(code == 0, "nothing is fetched: error {code}");
        skip(&mut answer, 8 + 8)?;
        let aborted = answer.try_get_i32()?;
        ensure!(aborted <= 0, "there are no transactions");
        let bytes = usize::try_from(answer.try_get_i32()?).unwrap_or(0);
        ensure!(bytes <= answer.len(), "the answer is not whole");
        Ok(answer.split_to(bytes))
    }

    fn ask(&mut self, (api, version): (i16, i16), body: &[u8]) -> anyhow::Result<Bytes> {
        let mut frame = Vec::with_capacity(body.len() + 16);
        frame.put_i32(body.len() as i32 + 10);
        frame.put_i16(api);
        frame.put_i16(version);
        frame.put_i32(0);
        frame.put_i16(-1);
        frame.put_slice(body);
        self.0.write_all(&frame)?;
        let mut length = [0; 4];
        self.0.read_exact(&mut length).context("the broker has closed the connection")?;
        let length = usize::try_from(i32::from_be_bytes(length)).context("an answer has a length")?;
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        let mut answer = Bytes::from(answer);
        skip(&mut answer, 4)?;
        Ok(answer)
    }
}

/// One topic with its one partition.
fn put_partition(body: &mut Vec<u8>, topic: &str) {
    body.put_i32(1);
    put_text(body, topic);
    body.put_i32(1);
    body.put_i32(0);
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.put_i16(text.len() as i16);
    body.put_slice(text.as_bytes());
}

fn skip_text(answer: &mut Bytes) -> anyhow::Result<()> {
    let length = usize::try_from(answer.try_get_i16()?).unwrap_or(0);
    ensure!(length <= answer.len(), "the answer is not whole");
    skip(answer, length)?;
    Ok(())
}

/// Passes over bytes, which must be there: what is short is an error and no panic.
fn skip(answer: &mut Bytes, bytes: usize) -> anyhow::Result<()> {
    ensure!(bytes <= answer.len(), "the answer ends {} bytes too early", bytes - answer.len());
    answer.advance(bytes);
    Ok(())
}
