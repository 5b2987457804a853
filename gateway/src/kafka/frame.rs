//! A frame: the length and the bytes of one request, and its header.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::shape;
use crate::limits::KAFKA_FRAME_TIMEOUT;

/// Bytes of a header up to the client's name: API, version, correlation id.
const FIXED_HEADER_BYTES: usize = 8;

/// What every request begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    pub api_key: i16,
    pub version: i16,
    /// Repeated in the answer.
    pub correlation_id: i32,
}

/// Reads the length of the next frame, at most `bytes_max`; `None` where the client has ended.
pub async fn read_length(stream: &mut (impl AsyncRead + Unpin), bytes_max: usize) -> io::Result<Option<usize>> {
    let mut length = [0; 4];
    let first = stream.read(&mut length).await?;
    if first == 0 {
        return Ok(None);
    }
    in_time(stream.read_exact(&mut length[first..])).await?;
    let length = i32::from_be_bytes(length);
    match usize::try_from(length) {
        Ok(length) if (FIXED_HEADER_BYTES..=bytes_max).contains(&length) => Ok(Some(length)),
        _ => Err(invalid(format!(
            "a frame of {length} bytes: {FIXED_HEADER_BYTES} to {bytes_max} are taken; is it a Kafka client, and one with a password where that is asked for?"
        ))),
    }
}

/// Reads a frame's bytes. Memory is taken as they come.
pub async fn read_body(stream: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Bytes> {
    let mut frame = BytesMut::new();
    let mut rest = stream.take(length as u64);
    in_time(async {
        while frame.len() < length {
            if rest.read_buf(&mut frame).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    })
    .await?;
    Ok(frame.freeze())
}

/// Takes the fixed part of the header off a frame.
pub fn split_header(frame: &mut Bytes) -> RequestHeader {
    assert!(frame.len() >= FIXED_HEADER_BYTES, "a frame has room for its header");
    RequestHeader { api_key: frame.get_i16(), version: frame.get_i16(), correlation_id: frame.get_i32() }
}

/// Takes the rest of the header off: the client's name, which is returned, and tagged fields where the version has them.
pub fn split_client(frame: &mut Bytes, flexible: bool) -> Result<Bytes, String> {
    // The name's length is written in the old way even where everything else is flexible.
    let name = shape::measure(frame, &[shape::text(0)], 0, false)?;
    let mut name = frame.split_to(name);
    name.advance(2);
    if flexible {
        let tags = shape::measure(frame, &[], 0, true)?;
        frame.advance(tags);
    }
    Ok(name)
}

/// An error that says what was wrong with a client's bytes.
pub fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "a frame was begun and not finished in time");
    tokio::time::timeout(KAFKA_FRAME_TIMEOUT, work).await.map_err(late)?
}
