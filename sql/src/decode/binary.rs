//! Bytes from text: as PostgreSQL writes them, or in JSON, which has base64 too.

/// The bytes that a JSON string stands for, if it does: `\x` and hexadecimal digits as PostgreSQL prints them, else base64.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(digits) => hexadecimal(digits.as_bytes()),
        None => base64(text.as_bytes()),
    }
}

/// The bytes that a text stands for in SQL, if it does: `\x` and hexadecimal digits with blanks between bytes, else
/// characters with `\\` for a backslash and `\ooo` for a byte.
pub fn from_postgresql(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("\\x") else { return escaped(text.as_bytes()) };
    let bytes: Vec<Vec<u8>> =
        digits.split_ascii_whitespace().map(|run| hexadecimal(run.as_bytes())).collect::<Option<_>>()?;
    Some(bytes.concat())
}

pub fn escaped(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(rest.len());
    loop {
        let (byte, after) = match rest {
            [] => return Some(bytes),
            [b'\\', b'\\', after @ ..] => (b'\\', after),
            [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', after @ ..] => {
                ((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'), after)
            }
            [b'\\', ..] => return None,
            [byte, after @ ..] => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect()
}

/// Base64 in the standard or the URL alphabet, padded or not.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    if text.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.chunks(4) {
        let mut group = 0_u32;
        for &byte in chunk {
            group = group << 6 | sextet(byte)?;
        }
        group <<= 6 * (4 - chunk.len());
        out.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

/// `\x` and the hexadecimal digits.
pub fn printed(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 + 2 * bytes.len());
    out.push_str("\\x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).expect("four bits are a digit"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_give_the_same_bytes() {
        assert_eq!(bytes("\\x00ff7F"), Some(vec![0, 255, 127]));
        assert_eq!(bytes("AP9/"), Some(vec![0, 255, 127]));
        assert_eq!(bytes("Zm9vYg=="), Some(b"foob".to_vec()));
        assert_eq!(bytes("Zm9vYg"), Some(b"foob".to_vec()));
        assert_eq!(bytes("Zm9vYmE="), Some(b"fooba".to_vec()));
        assert_eq!(bytes(""), Some(vec![]));
        for wrong in ["\\x0", "\\xgg", "A", "Zm9v!"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sql_has_digits_or_escapes_and_no_base64() {
        assert_eq!(from_postgresql("\\x00ff 7F"), Some(vec![0, 255, 127]));
        assert_eq!(from_postgresql("\\x"), Some(vec![]));
        assert_eq!(from_postgresql("AP9/"), Some(b"AP9/".to_vec()));
        assert_eq!(from_postgresql("\\000\\377\\\\ñ"), Some(vec![0, 255, 92, 0xc3, 0xb1]));
        for wrong in ["\\x0", "\\xgg", "\\x0 0", "\\", "a\\b", "\\400", "\\08"] {
            assert_eq!(from_postgresql(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bytes_are_written_as_digits() {
        assert_eq!(printed(&[1, 171]), "\\x01ab");
    }
}
