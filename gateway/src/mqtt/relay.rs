//! Carries bytes between a client and the broker. A connection that rests keeps no buffer.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::{MQTT_BURST_BYTES, MQTT_BYTES_PER_SECOND, MQTT_RELAY_BYTES};

thread_local! {
    /// What is read goes on at once; only what the other side does not take yet is kept.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MQTT_RELAY_BYTES]);
}

/// Which side of a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Client,
    Broker,
}

/// Carries bytes both ways until one side ends. A client that sends faster than it may is read more slowly.
pub(super) async fn between<C, B>(client: &mut C, broker: &mut B) -> io::Result<Ended>
where
    C: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down, mut pace) = (Pump::default(), Pump::default(), Pace::new(Instant::now()));
    poll_fn(|cx| {
        // Answers first: the broker may have said its last word to a client that goes on talking.
        if down.poll(cx, broker, client, None)?.is_ready() {
            return Poll::Ready(Ok(Ended::Broker));
        }
        up.poll(cx, client, broker, Some(&mut pace)).map_ok(|()| Ended::Client)
    })
    .await
}

/// One direction.
#[derive(Default)]
struct Pump {
    /// What was read and is not taken yet; without memory while there is nothing.
    left: Vec<u8>,
    taken: usize,
    unflushed: bool,
}

impl Pump {
    /// Ready at the end of what is read.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        mut pace: Option<&mut Pace>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.catch_up(cx, to))?;
            if let Some(pace) = &mut pace
                && pace.poll(cx).is_pending()
            {
                break;
            }
            match self.carry(cx, from, to)? {
                Poll::Ready(0) => return Poll::Ready(Ok(())),
                Poll::Ready(bytes) => {
                    if let Some(pace) = &mut pace {
                        pace.spend(bytes);
                    }
                }
                Poll::Pending => break,
            }
        }
        // A layer between may hold back what is not a whole record yet.
        if self.unflushed && Pin::new(to).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        Poll::Pending
    }

    /// Reads once and writes on what is taken at once; the number of bytes, 0 at the end.
    fn carry(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<usize>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            ready!(Pin::new(from).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let written = match Pin::new(to).poll_write(cx, bytes)? {
                Poll::Ready(written) => written,
                Poll::Pending => 0,
            };
            self.left.extend_from_slice(&bytes[written..]);
            self.unflushed = true;
            Poll::Ready(Ok(bytes.len()))
        })
    }

    /// Writes what was left of the last read.
    fn catch_up(&mut self, cx: &mut Context<'_>, to: &mut (impl AsyncWrite + Unpin)) -> Poll<io::Result<()>> {
        while self.taken < self.left.len() {
            match ready!(Pin::new(&mut *to).poll_write(cx, &self.left[self.taken..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.taken += written,
            }
        }
        if !self.left.is_empty() {
            (self.left, self.taken) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

/// How fast a client may send.
struct Pace {
    /// Bytes that may be read at once.
    room: f64,
    at: Instant,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    fn new(now: Instant) -> Pace {
        Pace { room: MQTT_BURST_BYTES as f64, at: now, waiting: None }
    }

    /// Ready while there is room.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        if self.room < 0.0 {
            self.gain(Instant::now());
        }
        if self.room >= 0.0 {
            return Poll::Ready(());
        }
        let missing = std::time::Duration::from_secs_f64(-self.room / MQTT_BYTES_PER_SECOND as f64);
        let mut waiting = Box::pin(sleep_until(self.at + missing));
        let waits = waiting.as_mut().poll(cx);
        self.waiting = Some(waiting);
        waits
    }

    fn gain(&mut self, now: Instant) {
        let gained = (now - self.at).as_secs_f64() * MQTT_BYTES_PER_SECOND as f64;
        (self.room, self.at) = ((self.room + gained).min(MQTT_BURST_BYTES as f64), now);
    }

    fn spend(&mut self, bytes: usize) {
        self.room -= bytes as f64;
    }
}
