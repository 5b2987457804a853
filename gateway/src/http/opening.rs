//! A connection from its first byte: within TLS, or in clear where that is well.
//!
//! It is opened when it is first read from, so that a client that takes its time keeps nobody else waiting.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::limits::HTTP_OPENING_TIMEOUT;
use crate::tls::TLS_HANDSHAKE;

/// What a client hears that speaks in clear where it must not.
const IN_CLEAR: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\nupgrade: TLS/1.2\r\nconnection: upgrade, close\r\n\
    content-type: text/plain\r\ncontent-length: 47\r\n\r\nThis door speaks TLS: begin with https, please\n";

/// How a door speaks.
#[derive(Clone)]
pub(super) struct Encryption {
    pub(super) tls: TlsAcceptor,
    /// Other machines reach the door: nobody speaks in clear.
    pub(super) exposed: bool,
}

/// A connection, as the bytes within.
pub(super) enum Opening {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
    /// Nothing has been heard yet.
    New(TcpStream, Encryption, Pin<Box<Sleep>>),
    Greeting(Box<Accept<TcpStream>>, Pin<Box<Sleep>>),
    /// It is over.
    Refused(TcpStream),
    Broken,
}

impl Opening {
    pub(super) fn new(stream: TcpStream, encryption: Option<Encryption>) -> Opening {
        match encryption {
            Some(encryption) => Opening::New(stream, encryption, Box::pin(sleep(HTTP_OPENING_TIMEOUT))),
            None => Opening::Plain(stream),
        }
    }

    /// Ready once it is known how the client speaks.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self {
                Opening::Plain(_) | Opening::Encrypted(_) | Opening::Refused(_) => return Poll::Ready(Ok(())),
                Opening::Broken => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
                Opening::New(stream, _, late) => {
                    if late.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    let mut first = [0];
                    let heard = ready!(stream.poll_peek(cx, &mut ReadBuf::new(&mut first)))?;
                    self.heard((heard > 0).then_some(first[0]));
                }
                Opening::Greeting(greeting, late) => {
                    if late.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    let opened = ready!(Pin::new(greeting).poll(cx));
                    *self = Opening::Broken;
                    *self = Opening::Encrypted(Box::new(opened?));
                }
            }
        }
    }

    /// Goes on by the first byte, if there is one before the end.
    fn heard(&mut self, first: Option<u8>) {
        *self = match std::mem::replace(self, Opening::Broken) {
            Opening::New(stream, Encryption { tls, .. }, late) if first == Some(TLS_HANDSHAKE) => {
                Opening::Greeting(Box::new(tls.accept(stream)), late)
            }
            Opening::New(stream, Encryption { exposed: false, .. }, _) => Opening::Plain(stream),
            Opening::New(stream, ..) => {
                // What it has asked is read, or the answer would be lost with the connection; both fit.
                let _ = stream.try_read(&mut [0; 4096]);
                let _ = stream.try_write(IN_CLEAR);
                Opening::Refused(stream)
            }
            other => other,
        }
    }
}

impl AsyncRead for Opening {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?;
        match &mut *self {
            Opening::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Opening::Encrypted(stream) => Pin::new(stream).poll_read(cx, buffer),
            // The end, for whoever reads requests.
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Opening {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?;
        match &mut *self {
            Opening::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Opening::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Opening::Plain(stream) | Opening::Refused(stream) => Pin::new(stream).poll_flush(cx),
            Opening::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Opening::Plain(stream) | Opening::New(stream, ..) | Opening::Refused(stream) => {
                Pin::new(stream).poll_shutdown(cx)
            }
            Opening::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
            _ => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_in_clear_is_as_long_as_it_says() {
        let answer = std::str::from_utf8(IN_CLEAR).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{answer}");
    }
}
