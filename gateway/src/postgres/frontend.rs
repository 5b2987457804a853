//! What a client sends, read with every length checked.
//!
//! `pgwire` has decoders too; these differ in that a message cannot reach beyond its end, a wrong length is an error and
//! not a panic, and text that is not UTF-8 is refused instead of changed.

use bytes::{Buf, Bytes};
use sql::SqlError;

use super::error::protocol_violation;
use crate::limits::MESSAGE_BYTES_MAX;

/// The first packet of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Asks for TLS or GSSAPI encryption.
    Encryption,
    Cancel {
        process: i32,
        key: i32,
    },
    /// Parameters by name, in order.
    Startup {
        minor: u16,
        parameters: Vec<(String, String)>,
    },
}

/// A message of an open connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Query(String),
    Parse {
        statement: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target),
    Close(Target),
    /// `rows_max`: 0 is no limit.
    Execute {
        portal: String,
        rows_max: usize,
    },
    Flush,
    Sync,
    Terminate,
    CopyData(Bytes),
    CopyDone,
    CopyFail(String),
    /// A step of authentication.
    Authentication(Bytes),
    /// A message that was not kept.
    Oversized(Oversized),
}

/// A message that is larger than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oversized {
    /// The letter of its type.
    pub(super) kind: u8,
    pub(super) bytes: usize,
}

impl Oversized {
    pub(super) fn refused(self) -> SqlError {
        let message = format!("a message of {} bytes is larger than the {MESSAGE_BYTES_MAX} allowed", self.bytes);
        SqlError::new("54000", message).hint("send many rows with COPY, or in several statements")
    }
}

/// A prepared statement or a portal, by name; the unnamed one has the empty name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Statement(String),
    Portal(String),
}

/// Parameters for a prepared statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) portal: String,
    pub(super) statement: String,
    pub(super) parameter_formats: Vec<i16>,
    /// `None` is NULL.
    pub(super) parameters: Vec<Option<Bytes>>,
    pub(super) result_formats: Vec<i16>,
}

const ENCRYPTION_TLS: u32 = 80_877_103;
const ENCRYPTION_GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

impl Opening {
    /// Reads a packet without its length.
    pub(super) fn decode(body: Bytes) -> Result<Opening, SqlError> {
        let mut body = Body(body);
        let code = body.u32()?;
        match code {
            ENCRYPTION_TLS | ENCRYPTION_GSS => Ok(Opening::Encryption),
            CANCEL => Ok(Opening::Cancel { process: body.u32()? as i32, key: body.u32()? as i32 }),
            _ if code >> 16 == 3 => {
                let mut parameters = Vec::new();
                loop {
                    let name = body.string()?;
                    if name.is_empty() {
                        break;
                    }
                    parameters.push((name, body.string()?));
                }
                Ok(Opening::Startup { minor: code as u16, parameters })
            }
            _ => Err(protocol_violation(format!(
                "protocol version {}.{} is not supported, only 3.0",
                code >> 16,
                code & 0xffff
            ))),
        }
    }
}

impl Message {
    /// Reads the body of a message of type `kind`.
    pub(super) fn decode(kind: u8, body: Bytes) -> Result<Message, SqlError> {
        let mut body = Body(body);
        let message = match kind {
            b'Q' => Message::Query(body.string()?),
            b'P' => {
                Message::Parse { statement: body.string()?, sql: body.string()?, types: body.many(|body| body.u32())? }
            }
            b'B' => Message::Bind(Bind {
                portal: body.string()?,
                statement: body.string()?,
                parameter_formats: body.many(|body| Ok(body.u16()? as i16))?,
                parameters: body.many(Body::value)?,
                result_formats: body.many(|body| Ok(body.u16()? as i16))?,
            }),
            b'D' => Message::Describe(body.target()?),
            b'C' => Message::Close(body.target()?),
            b'E' => Message::Execute { portal: body.string()?, rows_max: (body.u32()? as i32).max(0) as usize },
            b'H' => Message::Flush,
            b'S' => Message::Sync,
            b'X' => Message::Terminate,
            b'd' => Message::CopyData(body.rest()),
            b'c' => Message::CopyDone,
            b'f' => Message::CopyFail(body.string()?),
            b'p' => Message::Authentication(body.rest()),
            _ => return Err(protocol_violation(format!("invalid message type {kind}"))),
        };
        if !body.0.is_empty() {
            return Err(protocol_violation(format!("{} bytes too many in message {:?}", body.0.len(), kind as char)));
        }
        Ok(message)
    }
}

/// The first answer of a client to the offer of SASL: the mechanism it chose and its first words.
pub(super) fn sasl_initial(body: Bytes) -> Result<(String, Bytes), SqlError> {
    let mut body = Body(body);
    let mechanism = body.string()?;
    let first = body.value()?.unwrap_or_default();
    Ok((mechanism, first))
}

/// What is left to read of a message.
struct Body(Bytes);

impl Body {
    fn take(&mut self, count: usize) -> Result<Bytes, SqlError> {
        if self.0.len() < count {
            return Err(protocol_violation("insufficient data left in message"));
        }
        Ok(self.0.split_to(count))
    }

    fn u16(&mut self) -> Result<u16, SqlError> {
        Ok(self.take(2)?.get_u16())
    }

    fn u32(&mut self) -> Result<u32, SqlError> {
        Ok(self.take(4)?.get_u32())
    }

    fn rest(&mut self) -> Bytes {
        self.0.split_off(0)
    }

    /// Text up to a zero byte.
    fn string(&mut self) -> Result<String, SqlError> {
        let end = self.0.iter().position(|&byte| byte == 0);
        let text = self.take(end.ok_or_else(|| protocol_violation("invalid string in message"))?)?;
        self.0.advance(1);
        String::from_utf8(text.into())
            .map_err(|_| SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\""))
    }

    /// A length and so many bytes; -1 is NULL.
    fn value(&mut self) -> Result<Option<Bytes>, SqlError> {
        match self.u32()? as i32 {
            -1 => Ok(None),
            length => Ok(Some(self.take(length.try_into().map_err(|_| protocol_violation("negative length"))?)?)),
        }
    }

    /// A count and so many of what `read` reads.
    fn many<T>(&mut self, mut read: impl FnMut(&mut Body) -> Result<T, SqlError>) -> Result<Vec<T>, SqlError> {
        let count = self.u16()?;
        (0..count).map(|_| read(self)).collect()
    }

    fn target(&mut self) -> Result<Target, SqlError> {
        let kind = self.take(1)?[0];
        let name = self.string()?;
        match kind {
            b'S' => Ok(Target::Statement(name)),
            b'P' => Ok(Target::Portal(name)),
            _ => Err(protocol_violation(format!("invalid message subtype {kind}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_is_read_to_its_last_byte() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\x01\0\x01";
        let Message::Bind(bind) = Message::decode(b'B', Bytes::from_static(body)).unwrap() else { panic!() };
        assert_eq!((bind.portal.as_str(), bind.statement.as_str()), ("p", "s"));
        assert_eq!(bind.parameters, [Some(Bytes::from_static(b"ab")), None]);
        assert_eq!((bind.parameter_formats, bind.result_formats), (vec![1], vec![1]));
    }

    #[test]
    fn every_cut_message_is_an_error_and_never_a_panic() {
        let whole: [(u8, &[u8]); 6] = [
            (b'Q', b"SELECT 1\0"),
            (b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
            (b'B', b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\x01\0\x01"),
            (b'D', b"Sname\0"),
            (b'E', b"p\0\0\0\0\x05"),
            (b'f', b"no more\0"),
        ];
        for (kind, body) in whole {
            Message::decode(kind, Bytes::from_static(body)).unwrap();
            for end in 0..body.len() {
                let cut = Message::decode(kind, Bytes::from_static(&body[..end])).unwrap_err();
                assert_eq!(cut.sqlstate, "08P01", "{} cut at {end}", kind as char);
            }
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        let refused = Message::decode(b'Q', Bytes::from_static(b"SELECT '\xff'\0")).unwrap_err();
        assert_eq!(refused.sqlstate, "22021");
    }

    #[test]
    fn the_first_packet_says_what_the_connection_is_for() {
        assert_eq!(Opening::decode(Bytes::from_static(b"\x04\xd2\x16\x2f")).unwrap(), Opening::Encryption);
        let cancel = Opening::decode(Bytes::from_static(b"\x04\xd2\x16\x2e\0\0\0\x07\xff\xff\xff\xff")).unwrap();
        assert_eq!(cancel, Opening::Cancel { process: 7, key: -1 });
        let startup = Opening::decode(Bytes::from_static(b"\0\x03\0\0user\0ana\0database\0caudal\0\0")).unwrap();
        let parameters = vec![("user".to_owned(), "ana".to_owned()), ("database".to_owned(), "caudal".to_owned())];
        assert_eq!(startup, Opening::Startup { minor: 0, parameters });
        assert!(Opening::decode(Bytes::from_static(b"\0\x02\0\0")).unwrap_err().message.contains("version 2.0"));
    }
}
