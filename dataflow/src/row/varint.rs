//! Integers in as many bytes as they need: LEB128, signed ones zigzagged.
//!
//! Only the shortest form is accepted back, so that equal numbers are equal bytes.

/// Appends an unsigned number.
pub fn write_unsigned(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a signed number; those near zero are short.
pub fn write_signed(number: i64, out: &mut Vec<u8>) {
    write_unsigned(((number << 1) ^ (number >> 63)) as u64, out);
}

/// Takes an unsigned number off the front of `bytes`; `None` where there is none in its shortest form.
pub fn read_unsigned(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        number |= bits << (7 * index);
        if byte < 0x80 {
            if byte == 0 && index > 0 {
                return None;
            }
            *bytes = &bytes[index + 1..];
            return Some(number);
        }
    }
    None
}

/// Takes a signed number off the front of `bytes`; `None` where there is none in its shortest form.
pub fn read_signed(bytes: &mut &[u8]) -> Option<i64> {
    read_unsigned(bytes).map(|zigzag| (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_take_the_bytes_they_need() {
        let numbers = [(0, 1), (-1, 1), (63, 1), (-64, 1), (64, 2), (-65, 2), (i64::MAX, 10), (i64::MIN, 10)];
        for (number, len) in numbers {
            let mut bytes = Vec::new();
            write_signed(number, &mut bytes);
            assert_eq!(bytes.len(), len, "{number}");
            assert_eq!(read_signed(&mut &bytes[..]), Some(number));
        }
    }

    #[test]
    fn torn_overlong_and_too_large_numbers_are_refused() {
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        for bytes in [&[][..], &[0x80], &[0x80, 0x00], &too_large] {
            assert_eq!(read_unsigned(&mut &*bytes), None, "{bytes:x?}");
        }
    }
}
