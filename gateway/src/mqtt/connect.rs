//! CONNECT, the first packet of a connection, as far as the front must know it: whose client id it has. And DISCONNECT, the last one of
//! MQTT 5.
//!
//! Client ids are the users' own: two users with the same one do not throw each other out, nor does one take over the other's session.
//! So the broker is given `user/client id`.

use std::ops::Range;

use rmqtt::codec::v5::DisconnectReasonCode;

use crate::limits::MQTT_CLIENT_ID_BYTES_MAX;

/// The first byte of CONNECT.
const CONNECT: u8 = 0x10;

/// The first byte of DISCONNECT.
const DISCONNECT: u8 = 0xe0;

/// The largest number of bytes in which a packet says its length.
const LENGTH_BYTES_MAX: usize = 4;

const USER: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL: u8 = 0x04;
const WILL_QOS: u8 = 0x18;
const WILL_RETAIN: u8 = 0x20;
const RESERVED: u8 = 0x01;

/// Why a client does not come in, with the answer that it gets, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) words: &'static str,
    pub(super) answer: Option<Vec<u8>>,
}

impl Refused {
    fn silently(words: &'static str) -> Refused {
        Refused { words, answer: None }
    }

    /// With a CONNACK: the codes of MQTT 3 and MQTT 5.
    fn with(level: u8, words: &'static str, three: u8, five: u8) -> Refused {
        let answer = if level >= 5 { vec![0x20, 3, 0, five, 0] } else { vec![0x20, 2, 0, three] };
        Refused { words, answer: Some(answer) }
    }
}

/// The length that follows a packet's first byte, and in how many bytes it is said; `None` when more are needed.
pub(super) fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Refused> {
    let mut length = 0;
    for (at, byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((length, at + 1)));
        }
    }
    if bytes.len() < LENGTH_BYTES_MAX { Ok(None) } else { Err(Refused::silently("a length of more than four bytes")) }
}

/// A packet as it came.
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    /// Where its body begins, behind its length.
    pub(super) body_at: usize,
}

impl Packet {
    fn body(&self) -> &[u8] {
        &self.bytes[self.body_at..]
    }
}

/// Whether a CONNACK says that the broker cannot serve just now.
pub(super) fn is_unavailable(answer: &Packet) -> bool {
    const UNAVAILABLE: (u8, u8) = (0x03, 0x88);
    match answer.body() {
        [_, code] => *code == UNAVAILABLE.0,
        [_, code, ..] => *code == UNAVAILABLE.1,
        _ => false,
    }
}

/// The same CONNECT with its client id below its user's name, and its version of MQTT. `anonymous`: whose it is when it names nobody.
pub(super) fn below_user(connect: &Packet, anonymous: &str) -> Result<(Vec<u8>, u8), Refused> {
    if connect.bytes[0] != CONNECT {
        return Err(Refused::silently("a first packet that is no CONNECT"));
    }
    let body = connect.body();
    let found = Found::read(body)?;
    let id = &body[found.client_id.clone()];
    if id.len() > MQTT_CLIENT_ID_BYTES_MAX || id.iter().any(|byte| *byte < b' ') {
        return Err(Refused::with(found.level, "a client id that is too long or has control characters", 0x02, 0x85));
    }
    // Without one it gets one that nobody else has.
    let id = match id {
        [] => Vec::new(),
        id => [owner(found.user.as_deref().unwrap_or(anonymous)).as_bytes(), b"/", id].concat(),
    };
    let Ok(id_length) = u16::try_from(id.len()) else {
        return Err(Refused::with(found.level, "a user's name that is too long", 0x04, 0x86));
    };
    let length = body.len() - found.client_id.len() + id.len();
    let mut packet = vec![CONNECT];
    let mut rest = length;
    loop {
        let byte = (rest & 0x7f) as u8;
        rest >>= 7;
        packet.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    packet.extend_from_slice(&body[..found.client_id.start - 2]);
    packet.extend_from_slice(&id_length.to_be_bytes());
    packet.extend_from_slice(&id);
    packet.extend_from_slice(&body[found.client_id.end..]);
    Ok((packet, found.level))
}

/// The last word to a client of MQTT 5.
pub(super) fn disconnect(why: DisconnectReasonCode) -> [u8; 3] {
    [DISCONNECT, 1, why.into()]
}

/// A user's name such that what follows the first `/` is no part of it.
fn owner(user: &str) -> String {
    user.replace('%', "%25").replace('/', "%2F")
}

/// What a CONNECT says.
struct Found {
    level: u8,
    client_id: Range<usize>,
    user: Option<String>,
}

impl Found {
    fn read(body: &[u8]) -> Result<Found, Refused> {
        let mut reader = Reader { body, at: 0 };
        let name = reader.text()?;
        let level = reader.bytes(1)?[0];
        match (&body[name], level) {
            (b"MQTT", 4 | 5) | (b"MQIsdp", 3) => {}
            (b"MQTT" | b"MQIsdp", _) => return Err(Refused::with(level, "an unknown version of MQTT", 0x01, 0x84)),
            _ => return Err(Refused::silently("a first packet that is not of MQTT")),
        }
        let flags = reader.bytes(1)?[0];
        let no_will = flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0;
        // Only MQTT 5 has passwords without users.
        let no_user = level < 5 && flags & (USER | PASSWORD) == PASSWORD;
        if flags & RESERVED != 0 || flags & WILL_QOS == WILL_QOS || no_will || no_user {
            return Err(Refused::silently("a CONNECT with flags that mean nothing"));
        }
        reader.bytes(2)?;
        if level == 5 {
            reader.properties()?;
        }
        let client_id = reader.text()?;
        if flags & WILL != 0 {
            if level == 5 {
                reader.properties()?;
            }
            reader.text()?;
            reader.text()?;
        }
        let user = match flags & USER {
            0 => None,
            _ => Some(&body[reader.text()?]),
        };
        if flags & PASSWORD != 0 {
            reader.text()?;
        }
        if reader.at != body.len() {
            return Err(Refused::silently("a CONNECT that is longer than what it says"));
        }
        let user = user.map(|name| String::from_utf8(name.to_vec())).transpose();
        Ok(Found { level, client_id, user: user.map_err(|_| Refused::silently("a user's name that is not UTF-8"))? })
    }
}

struct Reader<'b> {
    body: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn bytes(&mut self, count: usize) -> Result<&'b [u8], Refused> {
        let bytes = self.body.get(self.at..self.at + count);
        self.at += count;
        bytes.ok_or(Refused::silently("a CONNECT that ends too early"))
    }

    /// Bytes with their number before them: where they are.
    fn text(&mut self) -> Result<Range<usize>, Refused> {
        let length = self.bytes(2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        self.bytes(length)?;
        Ok(self.at - length..self.at)
    }

    fn properties(&mut self) -> Result<(), Refused> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let (length, said_in) = length(rest)?.ok_or(Refused::silently("a CONNECT that ends too early"))?;
        self.bytes(said_in + length).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
    }

    fn body(level: u8, flags: u8, properties: &[u8], rest: &[&str]) -> Vec<u8> {
        let mut body = text(if level == 3 { "MQIsdp" } else { "MQTT" });
        body.extend([level, flags, 0, 60]);
        body.extend(properties);
        rest.iter().for_each(|part| body.extend(text(part)));
        body
    }

    fn whole(body: &[u8]) -> Vec<u8> {
        [&[CONNECT, body.len() as u8], body].concat()
    }

    fn below_user(body: &[u8], anonymous: &str) -> Result<Vec<u8>, Refused> {
        let connect = Packet { bytes: [&[CONNECT, 0], body].concat(), body_at: 2 };
        super::below_user(&connect, anonymous).map(|(packet, _)| packet)
    }

    #[test]
    fn a_client_id_becomes_the_users_own() {
        let rewritten = |level, flags, properties: &[u8], rest: &[&str], expected: &[&str]| {
            let expected = whole(&body(level, flags, properties, expected));
            assert_eq!(below_user(&body(level, flags, properties, rest), "caudal"), Ok(expected), "{rest:?}");
        };
        rewritten(4, 0xc2, &[], &["meter", "ana", "pw"], &["ana/meter", "ana", "pw"]);
        rewritten(4, 0x02, &[], &["meter"], &["caudal/meter"]);
        rewritten(4, 0x02, &[], &[""], &[""]);
        rewritten(3, 0x82, &[], &["m", "a/b%"], &["a%2Fb%25/m", "a/b%"]);
        rewritten(5, 0x82, &[5, 17, 0, 0, 0, 9], &["ñu/b", "ana"], &["ana/ñu/b", "ana"]);
        let mut with_will = body(5, 0xc6, &[0], &["m"]);
        with_will.extend([2, 1, 1]);
        for part in ["will/topic", "gone", "ana", "pw"] {
            with_will.extend(text(part));
        }
        let packet = below_user(&with_will, "caudal").unwrap();
        assert_eq!(packet.len(), with_will.len() + 2 + "ana/".len());
        assert!(packet.ends_with(&with_will[with_will.len() - 30..]));
    }

    #[test]
    fn a_length_is_said_in_as_few_bytes_as_it_needs() {
        let long = "x".repeat(200);
        let packet = below_user(&body(4, 0xc2, &[], &["meter", "ana", &long]), "caudal").unwrap();
        let (length, said_in) = length(&packet[1..]).unwrap().unwrap();
        assert_eq!((said_in, packet.len()), (2, 1 + 2 + length));
    }

    #[test]
    fn what_is_no_connect_is_refused() {
        let answer = |body: &[u8]| below_user(body, "caudal").unwrap_err().answer;
        let sound = body(4, 0xc2, &[], &["meter", "ana", "pw"]);
        for cut in 0..sound.len() {
            assert_eq!(answer(&sound[..cut]), None, "{cut}");
        }
        assert_eq!(answer(&[&sound[..], b"x"].concat()), None);
        assert_eq!(answer(&body(6, 0x02, &[], &["m"])), Some(vec![0x20, 3, 0, 0x84, 0]));
        assert_eq!(answer(&body(2, 0x02, &[], &["m"])), Some(vec![0x20, 2, 0, 0x01]));
        for flags in [0x03, 0x1e, 0x08, 0x20, 0x42] {
            assert_eq!(answer(&body(4, flags, &[], &["m"])), None, "{flags:x}");
        }
        let long = "m".repeat(MQTT_CLIENT_ID_BYTES_MAX + 1);
        assert_eq!(answer(&body(4, 0x02, &[], &[&long])), Some(vec![0x20, 2, 0, 0x02]));
        assert_eq!(answer(&body(5, 0x02, &[0], &["a\u{1}b"])), Some(vec![0x20, 3, 0, 0x85, 0]));
        assert!(length(&[0x80, 0x80, 0x80, 0x80]).is_err());
        assert_eq!(length(&[0x80, 0x80]), Ok(None));
    }
}
