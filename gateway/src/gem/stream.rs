//! Packets in a byte stream, between whatever else is there: keep-alives, answers, what a bad line left.
//!
//! A binary packet is known by its header, length, footer and checksum, one in text by being a line that begins with `n=`. What is
//! part of neither is skipped up to where the next one begins.

use super::binary::{self, FORMATS, HEADER};
use super::{Malformed, Packet, text};

/// How a packet in text begins.
const TEXT: &[u8] = b"n=";

/// The longest line: 48 channels with power, current, energy, and as many other fields.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// What was found in a stream, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Packet(Packet, Vec<u8>),
    Damaged(Malformed, Vec<u8>),
}

/// Holds what came of a packet that is not whole yet: less than the longest packet.
#[derive(Debug, Default)]
pub struct Stream {
    buffer: Vec<u8>,
    /// What was part of no packet since the last one, and why.
    skipped: Vec<u8>,
    why: Option<Malformed>,
    /// Whether what comes next may be the beginning of a line.
    within_line: bool,
}

impl Stream {
    /// Takes bytes as they come, and gives what is whole now.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Found> {
        self.buffer.extend_from_slice(bytes);
        self.find(false)
    }

    /// Gives what there is when no more will come.
    pub fn end(&mut self) -> Vec<Found> {
        let mut found = self.find(true);
        self.tell_skipped(&mut found);
        found
    }

    /// Bytes that may become a packet.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    fn find(&mut self, is_end: bool) -> Vec<Found> {
        let mut found = Vec::new();
        let buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        while at < buffer.len() {
            match first(&buffer[at..], self.within_line, is_end) {
                First::Whole(packet, bytes) => {
                    self.tell_skipped(&mut found);
                    let whole = buffer[at..at + bytes].to_vec();
                    found.push(match packet {
                        Ok(packet) => Found::Packet(packet, whole),
                        Err(why) => Found::Damaged(why, whole),
                    });
                    self.within_line = false;
                    at += bytes;
                }
                First::Unfinished => break,
                First::Other(why) => {
                    if self.why.is_none() {
                        self.why = why;
                    }
                    self.within_line = !matches!(buffer[at], b'\r' | b'\n');
                    self.skipped.push(buffer[at]);
                    at += 1;
                    if self.skipped.len() == binary::BYTES_MAX {
                        self.tell_skipped(&mut found);
                    }
                }
            }
        }
        self.buffer = buffer[at..].to_vec();
        found
    }

    /// What was skipped is told, but for words: keep-alives, and answers to commands.
    fn tell_skipped(&mut self, found: &mut Vec<Found>) {
        let (skipped, why) = (std::mem::take(&mut self.skipped), self.why.take());
        let is_words = skipped.iter().all(|byte| is_text(*byte) && *byte != b'=');
        if !is_words {
            found.push(Found::Damaged(why.unwrap_or(Malformed::Header), skipped));
        }
    }
}

/// What is found in bytes of which no more will come.
pub fn whole(bytes: &[u8]) -> Vec<Found> {
    let mut stream = Stream::default();
    let mut found = stream.take(bytes);
    found.extend(stream.end());
    found
}

enum First {
    /// A packet, or a line that was to be one, of so many bytes.
    Whole(Result<Packet, Malformed>, usize),
    /// It may become one.
    Unfinished,
    /// The first byte is part of none; why, where it seemed to be.
    Other(Option<Malformed>),
}

/// What begins with the first byte.
fn first(bytes: &[u8], within_line: bool, is_end: bool) -> First {
    if begins(bytes, &HEADER, is_end) {
        return first_binary(bytes, is_end);
    }
    if !within_line && begins(bytes, TEXT, is_end) {
        return first_line(bytes, is_end);
    }
    First::Other(None)
}

/// Whether bytes begin so, or may once more have come.
fn begins(bytes: &[u8], with: &[u8], is_end: bool) -> bool {
    let there = bytes.len().min(with.len());
    bytes[..there] == with[..there] && (there == with.len() || !is_end)
}

fn first_binary(bytes: &[u8], is_end: bool) -> First {
    let Some(code) = bytes.get(HEADER.len()) else {
        return if is_end { First::Other(Some(Malformed::Header)) } else { First::Unfinished };
    };
    let mut why = Malformed::Format(*code);
    for format in FORMATS.iter().filter(|format| format.code() == *code) {
        let Some(whole) = bytes.get(..format.bytes()) else {
            if !is_end {
                return First::Unfinished;
            }
            let length = Malformed::Length { got: bytes.len(), expected: format.bytes() };
            return First::Other(Some(if matches!(why, Malformed::Format(_)) { length } else { why }));
        };
        match format.parse(whole) {
            Ok(packet) => return First::Whole(Ok(packet), whole.len()),
            Err(wrong) => why = wrong,
        }
    }
    First::Other(Some(why))
}

fn first_line(bytes: &[u8], is_end: bool) -> First {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let line = &bytes[..end.unwrap_or(bytes.len())];
    if !line.iter().all(|byte| is_text(*byte)) {
        return First::Other(None);
    }
    match end {
        None if is_end => First::Whole(text::parse(line), line.len()),
        None if line.len() < TEXT_BYTES_MAX => First::Unfinished,
        None => First::Whole(Err(Malformed::Endless), line.len()),
        Some(_) => First::Whole(text::parse(line), line.len()),
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\r' | b'\n')
}
