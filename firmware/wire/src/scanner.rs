//! The structure of a JSON text: where its values begin and end. It keeps nothing and calls itself nowhere, so that a text of any
//! depth costs a microcontroller the same few bytes.

use crate::Refused;

/// Objects and arrays within each other; a reading has none within.
const DEPTH_MAX: u32 = 64;

#[derive(Clone, Debug)]
pub(crate) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Scanner { text, at: 0 }
    }

    /// The byte that comes next, behind white space; it stays.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Takes `byte` if it comes next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes `byte`, which must come next.
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Refused> {
        if self.take(byte) { Ok(()) } else { Err(self.malformed()) }
    }

    /// Takes a value of any kind and gives its text.
    pub(crate) fn value(&mut self) -> Result<&'t str, Refused> {
        self.peek();
        let start = self.at;
        // What is open, innermost last: an object is a 1.
        let (mut depth, mut objects) = (0, 0_u64);
        loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) if depth < DEPTH_MAX => {
                    self.at += 1;
                    let is_object = open == b'{';
                    if !self.take(if is_object { b'}' } else { b']' }) {
                        (depth, objects) = (depth + 1, objects << 1 | u64::from(is_object));
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => drop(self.string()?),
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                _ => return Err(self.malformed()),
            }
            // A value has ended: so may have what it is in.
            loop {
                if depth == 0 {
                    return Ok(&self.text[start..self.at]);
                }
                let is_object = objects & 1 == 1;
                if self.take(b',') {
                    if is_object {
                        self.key()?;
                    }
                    break;
                }
                self.expect(if is_object { b'}' } else { b']' })?;
                (depth, objects) = (depth - 1, objects >> 1);
            }
        }
    }

    /// Takes a member's name and the colon behind it, and gives what is between the quotes.
    pub(crate) fn key(&mut self) -> Result<&'t str, Refused> {
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key)
    }

    fn string(&mut self) -> Result<&'t str, Refused> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let Some(byte) = self.next() else { return Err(self.malformed()) };
            match byte {
                b'"' => return Ok(&self.text[start..self.at - 1]),
                b'\\' => match self.next() {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                    Some(b'u') if (0..4).all(|_| self.next().is_some_and(|digit| digit.is_ascii_hexdigit())) => {}
                    _ => return Err(self.malformed()),
                },
                0..=0x1f => return Err(self.malformed()),
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Result<(), Refused> {
        let bytes = self.text.as_bytes();
        self.at += usize::from(bytes.get(self.at) == Some(&b'-'));
        match bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Refused> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { Err(self.malformed()) }
    }

    fn word(&mut self, word: &str) -> Result<(), Refused> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.malformed());
        }
        self.at += word.len();
        Ok(())
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    pub(crate) fn malformed(&self) -> Refused {
        Refused::Malformed { at: self.at }
    }
}
