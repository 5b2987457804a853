//! A line of PostgreSQL's text format: cells between delimiters, with backslashes for what cannot stand there.

use sql::{CopyLines, SqlError};

use super::Row;

/// The cells of a line without its line end.
pub(super) fn cells(line: &str, format: &CopyLines) -> Result<Row, SqlError> {
    let bytes = line.as_bytes();
    let mut row = Row::new();
    let mut start = 0;
    let mut at = 0;
    loop {
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(&byte) if byte != format.delimiter => at += 1,
            end => {
                let cell = &bytes[start..at.min(bytes.len())];
                row.push(if cell == format.null.as_bytes() { None } else { Some(unescaped(cell)?) });
                if end.is_none() {
                    return Ok(row);
                }
                at += 1;
                start = at;
            }
        }
    }
}

fn unescaped(cell: &[u8]) -> Result<String, SqlError> {
    let mut out = Vec::with_capacity(cell.len());
    let mut rest = cell;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        // A backslash with nothing behind it stands for nothing.
        let Some((&escaped, after)) = after.split_first() else { break };
        rest = after;
        out.push(match escaped {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'0'..=b'7' => number(escaped, &mut rest, 8, 2),
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => number(b'0', &mut rest, 16, 2),
            other => other,
        });
    }
    let text = String::from_utf8(out).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\""))
}

/// The byte that `first` and up to `more` further digits name.
fn number(first: u8, rest: &mut &[u8], radix: u32, more: usize) -> u8 {
    let mut value = (first as char).to_digit(radix).unwrap_or(0);
    for _ in 0..more {
        let Some(digit) = rest.first().and_then(|&byte| (byte as char).to_digit(radix)) else { break };
        value = value * radix + digit;
        *rest = &rest[1..];
    }
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_are_read_as_postgresql_reads_them() {
        let format = CopyLines::text();
        let row = cells(r"a\tb	\\N	\N	\e\x4a\x4Ab\1010	", &format).unwrap();
        let expected = [Some("a\tb"), Some("\\N"), None, Some("eJJb".to_owned() + "A0").as_deref(), Some("")]
            .map(|cell| cell.map(str::to_owned));
        assert_eq!(row, expected);
        assert_eq!(cells(r"\xff", &format).unwrap_err().sqlstate, "22021");
        assert_eq!(cells(r"\000", &format).unwrap_err().sqlstate, "22021");
    }

    #[test]
    fn delimiter_and_null_are_the_statements() {
        let format = CopyLines { delimiter: b'|', null: "NULL".to_owned(), ..CopyLines::text() };
        let row = cells("1|NULL|a\\|b|\\N", &format).unwrap();
        assert_eq!(row, [Some("1"), None, Some("a|b"), Some("N")].map(|cell| cell.map(str::to_owned)));
    }
}
