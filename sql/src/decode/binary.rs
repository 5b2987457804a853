//! Bytes from text: `\x` and hexadecimal digits as PostgreSQL prints them, else base64.

/// The bytes that a text stands for, if it does.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(digits) => hexadecimal(digits.as_bytes()),
        None => base64(text.as_bytes()),
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

/// Appends `\x` and the hexadecimal digits.
pub fn write_hexadecimal(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    for byte in bytes {
        out.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
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
        let mut text = Vec::new();
        write_hexadecimal(&[1, 171], &mut text);
        assert_eq!(text, b"\\x01ab");
    }
}
