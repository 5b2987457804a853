//! A record of CSV as PostgreSQL reads it: quotes may begin and end anywhere in a cell.

use sql::{CopyLines, SqlError};

use super::Row;

/// The cells of a record without its line end.
pub(super) fn cells(record: &str, format: &CopyLines) -> Result<Row, SqlError> {
    let mut bytes = record.bytes().peekable();
    let mut row = Row::new();
    loop {
        let mut cell = Vec::new();
        let mut quoted = false;
        let mut inside = false;
        let more = loop {
            let Some(byte) = bytes.next() else { break false };
            if inside {
                let next = bytes.peek().copied();
                if byte == format.escape && next.is_some_and(|next| next == format.quote || next == format.escape) {
                    cell.extend(bytes.next());
                } else if byte == format.quote {
                    inside = false;
                } else {
                    cell.push(byte);
                }
            } else if byte == format.quote {
                (quoted, inside) = (true, true);
            } else if byte == format.delimiter {
                break true;
            } else {
                cell.push(byte);
            }
        };
        if inside {
            return Err(SqlError::new("22P04", "unterminated CSV quoted field"));
        }
        let refused = || SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\"");
        let cell = String::from_utf8(cell).ok().filter(|text| !text.contains('\0')).ok_or_else(refused)?;
        row.push((quoted || cell != format.null).then_some(cell));
        if !more {
            return Ok(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(record: &str, format: &CopyLines) -> Vec<Option<String>> {
        cells(record, format).unwrap()
    }

    #[test]
    fn null_is_what_is_not_quoted() {
        let csv = CopyLines::csv();
        assert_eq!(read("a,,\"\"", &csv), [Some("a".to_owned()), None, Some(String::new())]);
        let named = CopyLines { null: "NA".to_owned(), ..CopyLines::csv() };
        assert_eq!(read("NA,\"NA\",", &named), [None, Some("NA".to_owned()), Some(String::new())]);
    }

    #[test]
    fn blanks_and_quotes_within_a_cell_are_kept_as_postgresql_keeps_them() {
        let csv = CopyLines::csv();
        assert_eq!(read(" a ,b\"c,d\"e,\"f\"\"g\"", &csv), [" a ", "bc,de", "f\"g"].map(|cell| Some(cell.to_owned())));
        assert_eq!(cells("\"open", &csv).unwrap_err().sqlstate, "22P04");
    }
}
