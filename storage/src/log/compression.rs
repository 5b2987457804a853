//! How the records of a batch are compressed, and taking that back within a bound.

use std::io::{self, Read, Write};

use bytes::Bytes;

use crate::limits::BATCH_DECOMPRESSED_BYTES_MAX;

/// Begins a stream in the block format of Java's snappy library, which Kafka clients use; raw snappy does not have it.
const SNAPPY_JAVA_MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
/// The magic and two version numbers.
const SNAPPY_JAVA_HEADER_BYTES: usize = 16;

/// The methods that Kafka knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    /// The method of a number in a batch's attributes.
    pub fn from_attribute(number: i16) -> Option<Compression> {
        match number {
            0 => Some(Compression::None),
            1 => Some(Compression::Gzip),
            2 => Some(Compression::Snappy),
            3 => Some(Compression::Lz4),
            4 => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// The bytes that were compressed. More than [`BATCH_DECOMPRESSED_BYTES_MAX`] of them are an error, found before they
    /// take memory.
    pub fn decompress(self, bytes: Bytes) -> Result<Bytes, String> {
        let decompressed = match self {
            Compression::None => return Ok(bytes),
            Compression::Gzip => read_bounded(flate2::read::MultiGzDecoder::new(&bytes[..])),
            Compression::Lz4 => lz4::Decoder::new(&bytes[..]).and_then(read_bounded),
            Compression::Zstd => zstd::stream::read::Decoder::new(&bytes[..]).and_then(read_bounded),
            Compression::Snappy => unsnap(&bytes),
        };
        decompressed.map(Bytes::from).map_err(|error| format!("its records cannot be decompressed: {error}"))
    }
}

/// Compresses as one LZ4 frame of independent blocks, the form that every Kafka client reads.
pub fn compress_lz4(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = lz4::EncoderBuilder::new()
        .level(1)
        .block_mode(lz4::BlockMode::Independent)
        .checksum(lz4::ContentChecksum::NoChecksum)
        .build(Vec::with_capacity(bytes.len() / 2))?;
    encoder.write_all(bytes)?;
    let (compressed, finished) = encoder.finish();
    finished.map(|()| compressed)
}

fn read_bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(BATCH_DECOMPRESSED_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > BATCH_DECOMPRESSED_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

fn unsnap(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut decompressed = Vec::new();
    if !bytes.starts_with(SNAPPY_JAVA_MAGIC) {
        unsnap_block(bytes, &mut decompressed)?;
        return Ok(decompressed);
    }
    let mut blocks = bytes.get(SNAPPY_JAVA_HEADER_BYTES..).ok_or(io::ErrorKind::UnexpectedEof)?;
    while let Some((length, rest)) = blocks.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (block, rest) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        unsnap_block(block, &mut decompressed)?;
        blocks = rest;
    }
    if blocks.is_empty() { Ok(decompressed) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn unsnap_block(block: &[u8], decompressed: &mut Vec<u8>) -> io::Result<()> {
    let start = decompressed.len();
    let length = snap::raw::decompress_len(block)?;
    if start + length > BATCH_DECOMPRESSED_BYTES_MAX {
        return Err(too_large());
    }
    decompressed.resize(start + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut decompressed[start..])?;
    Ok(())
}

fn too_large() -> io::Error {
    io::Error::other(format!("they are larger than {BATCH_DECOMPRESSED_BYTES_MAX} bytes"))
}
