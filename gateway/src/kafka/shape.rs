//! The shape of a request, walked before the codec decodes it.
//!
//! The codec takes memory for as many elements as an array says it has. A stranger may say two billion in a frame of forty
//! bytes, and the process would end. Here every element is seen first, so the codec only meets arrays that are there.

use crate::limits::KAFKA_REQUEST_ELEMENTS_MAX;

/// A field, and the versions of the request in which it is there.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    since: i16,
    until: i16,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string, which may be null.
    Text,
    /// Bytes, which may be null.
    Blob,
    /// An array of structures, which may be null.
    Array(&'static [Field]),
    /// An array of strings or numbers: elements have no tagged fields of their own.
    Plain(&'static Field),
}

/// Numbers and flags: `bytes` of them together.
pub const fn fixed(since: i16, bytes: usize) -> Field {
    Field { since, until: i16::MAX, kind: Kind::Fixed(bytes) }
}

pub const fn text(since: i16) -> Field {
    Field { since, until: i16::MAX, kind: Kind::Text }
}

pub const fn blob(since: i16) -> Field {
    Field { since, until: i16::MAX, kind: Kind::Blob }
}

/// Structures of these fields.
pub const fn array(since: i16, of: &'static [Field]) -> Field {
    Field { since, until: i16::MAX, kind: Kind::Array(of) }
}

/// Bare strings or numbers.
pub const fn plain(since: i16, of: &'static Field) -> Field {
    Field { since, until: i16::MAX, kind: Kind::Plain(of) }
}

impl Field {
    /// The field, gone after this version.
    pub const fn until(self, version: i16) -> Field {
        Field { until: version, ..self }
    }
}

/// How many bytes a structure of `fields` takes at the front of `bytes`; in words, why there is none.
pub fn measure(bytes: &[u8], fields: &[Field], version: i16, flexible: bool) -> Result<usize, String> {
    let mut walk = Walk { rest: bytes, version, flexible, elements: 0 };
    walk.structure(fields)?;
    Ok(bytes.len() - walk.rest.len())
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    /// Lengths are variable, and tagged fields end each structure.
    flexible: bool,
    elements: usize,
}

impl Walk<'_> {
    fn structure(&mut self, fields: &[Field]) -> Result<(), String> {
        for field in fields {
            self.field(field)?;
        }
        if self.flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let size = self.varint()? as usize;
                self.skip(size)?;
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<(), String> {
        if !(field.since..=field.until).contains(&self.version) {
            return Ok(());
        }
        match field.kind {
            Kind::Fixed(bytes) => self.skip(bytes),
            Kind::Text => {
                let length = self.length(2)?;
                self.skip(length)
            }
            Kind::Blob => {
                let length = self.length(4)?;
                self.skip(length)
            }
            Kind::Array(of) => {
                for _ in 0..self.count()? {
                    self.structure(of)?;
                }
                Ok(())
            }
            Kind::Plain(of) => {
                for _ in 0..self.count()? {
                    self.field(of)?;
                }
                Ok(())
            }
        }
    }

    fn count(&mut self) -> Result<usize, String> {
        let count = self.length(4)?;
        self.elements = self.elements.saturating_add(count);
        if self.elements > KAFKA_REQUEST_ELEMENTS_MAX {
            return Err(format!("it has more than {KAFKA_REQUEST_ELEMENTS_MAX} elements"));
        }
        Ok(count)
    }

    /// A length or a count; null is 0. In flexible versions it is variable, else it has `bytes` bytes.
    fn length(&mut self, bytes: usize) -> Result<usize, String> {
        if self.flexible {
            return Ok((self.varint()? as usize).saturating_sub(1));
        }
        let (length, rest) = self.rest.split_at_checked(bytes).ok_or_else(ends)?;
        self.rest = rest;
        let signed = length
            .iter()
            .fold(if length[0] & 0x80 == 0 { 0i64 } else { -1 }, |value, byte| value << 8 | i64::from(*byte));
        match signed {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| "a length in it is negative".to_string()),
        }
    }

    fn varint(&mut self) -> Result<u32, String> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let (byte, rest) = self.rest.split_first().ok_or_else(ends)?;
            self.rest = rest;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a variable length in it does not end".into())
    }

    fn skip(&mut self, bytes: usize) -> Result<(), String> {
        self.rest = self.rest.get(bytes..).ok_or_else(ends)?;
        Ok(())
    }
}

fn ends() -> String {
    "it ends too early".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[array(0, &[text(0), plain(0, &fixed(0, 4))]), fixed(3, 1)];

    #[test]
    fn a_count_that_the_bytes_do_not_bear_out_is_refused() {
        assert!(measure(&i32::MAX.to_be_bytes(), FIELDS, 0, false).unwrap_err().contains("elements"));
        assert!(measure(&[0, 0, 0, 9], FIELDS, 0, false).unwrap_err().contains("too early"));
        assert!(measure(&[0x80, 0, 0, 0], FIELDS, 0, false).unwrap_err().contains("negative"));
        assert!(measure(&[0xff, 0xff, 0xff, 0xff, 0x0f], FIELDS, 0, true).unwrap_err().contains("elements"));
    }

    #[test]
    fn a_structure_is_as_long_as_its_version_says() {
        let old = [0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 1, 9, 9, 9, 9, 1];
        assert_eq!(measure(&old, FIELDS, 2, false), Ok(15));
        assert_eq!(measure(&old, FIELDS, 3, false), Ok(16));
        let flexible = [2, 2, b'a', 2, 9, 9, 9, 9, 0, 1, 1, 7, 2, 0, 0];
        assert_eq!(measure(&flexible, FIELDS, 3, true), Ok(15));
        assert_eq!(measure(&[0xff, 0xff, 0xff, 0xff], FIELDS, 0, false), Ok(4), "a null array");
        let gone = [fixed(1, 2).until(2)];
        assert_eq!([0, 1, 2, 3].map(|version| measure(&[0; 9], &gone, version, false)), [Ok(0), Ok(2), Ok(2), Ok(0)]);
    }
}
