//! Bytes in pieces of any size to batches of rows of a bounded size.

use sql::{CopyLines, SqlError};

use super::{Row, csv, text};
use crate::limits::{COPY_BATCH_BYTES, COPY_ROW_BYTES_MAX, COPY_ROWS};

/// The line that ends the data for clients of old protocols; what follows is not read.
const END_OF_DATA: &[u8] = b"\\.";

/// Splits what a client copies in into rows.
pub(in crate::postgres) struct RowReader<'a> {
    format: &'a CopyLines,
    columns: &'a [String],
    /// The row that is not complete yet.
    partial: Vec<u8>,
    ending: Ending,
    /// Lines begun so far, for messages.
    line: u64,
    ended: bool,
}

/// What must be remembered to tell a row's end from a line's end inside of a cell.
#[derive(Default)]
enum Ending {
    #[default]
    Plain,
    /// Text: behind a backslash.
    Escaped,
    /// CSV: inside of quotes.
    Quoted,
    /// CSV: inside of quotes, behind the escape.
    QuotedEscaped,
}

impl<'a> RowReader<'a> {
    pub(in crate::postgres) fn new(format: &'a CopyLines, columns: &'a [String]) -> RowReader<'a> {
        RowReader { format, columns, partial: Vec::new(), ending: Ending::Plain, line: 0, ended: false }
    }

    /// Takes bytes from `data`: rows when there are enough for a batch or `data` is used up; `None` when it is and there
    /// are no rows.
    pub(in crate::postgres) fn read(&mut self, data: &mut &[u8]) -> Result<Option<Vec<Row>>, SqlError> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        while !data.is_empty() && rows.len() < COPY_ROWS && (rows.is_empty() || bytes < COPY_BATCH_BYTES) {
            let end = self.row_end(data);
            let (piece, rest) = data.split_at(end.unwrap_or(data.len()));
            *data = rest;
            if self.partial.len() + piece.len() > COPY_ROW_BYTES_MAX {
                let message = format!("a row of COPY is larger than the {COPY_ROW_BYTES_MAX} bytes allowed");
                return Err(self.here(SqlError::new("54000", message)));
            }
            bytes += piece.len();
            self.partial.extend_from_slice(piece);
            if end.is_some() {
                self.partial.pop();
                rows.extend(self.row()?);
            }
        }
        Ok((!rows.is_empty()).then_some(rows))
    }

    /// The rows that are complete at the end of the data: a last line needs no line end.
    pub(in crate::postgres) fn finish(mut self) -> Result<Vec<Row>, SqlError> {
        if matches!(self.ending, Ending::Quoted) {
            return Err(self.here(SqlError::new("22P04", "unterminated CSV quoted field")));
        }
        Ok(if self.partial.is_empty() { Vec::new() } else { self.row()?.into_iter().collect() })
    }

    /// Where the row that is being read ends in `data`: behind its line end.
    fn row_end(&mut self, data: &[u8]) -> Option<usize> {
        for (at, &byte) in data.iter().enumerate() {
            self.ending = match (&self.ending, self.format.csv) {
                (Ending::Plain, _) if byte == b'\n' => return Some(at + 1),
                (Ending::Plain, false) if byte == b'\\' => Ending::Escaped,
                (Ending::Plain, true) if byte == self.format.quote => Ending::Quoted,
                (Ending::Plain | Ending::Escaped, _) => Ending::Plain,
                // Where quote and escape are the same, a doubled one leaves the quotes and enters them again.
                (Ending::Quoted, _) if byte == self.format.quote => Ending::Plain,
                (Ending::Quoted, _) if byte == self.format.escape => Ending::QuotedEscaped,
                (Ending::Quoted | Ending::QuotedEscaped, _) => Ending::Quoted,
            };
        }
        None
    }

    /// The row in `partial`, without its line feed, unless it is the header or behind the end.
    fn row(&mut self) -> Result<Option<Row>, SqlError> {
        self.ending = Ending::Plain;
        self.line += 1;
        let line = std::mem::take(&mut self.partial);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        self.ended |= line == END_OF_DATA;
        if self.ended || (self.format.header && self.line == 1) {
            return Ok(None);
        }
        let utf8 = || SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\"");
        let line = str::from_utf8(line).map_err(|_| self.here(utf8()))?;
        let cells = match self.format.csv {
            true => csv::cells(line, self.format),
            false => text::cells(line, self.format),
        };
        let cells = cells.map_err(|error| self.here(error))?;
        match self.columns.get(cells.len()) {
            Some(missing) => {
                let message = format!("missing data for column \"{missing}\"");
                Err(self.here(SqlError::new("22P04", message)))
            }
            None if cells.len() > self.columns.len() => {
                Err(self.here(SqlError::new("22P04", "extra data after last expected column")))
            }
            None => Ok(Some(cells)),
        }
    }

    /// The same error, with where in the data it is.
    fn here(&self, mut error: SqlError) -> SqlError {
        error.detail = Some(format!("row {} of the data", self.line.max(1)));
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(count: usize) -> Vec<String> {
        (0..count).map(|column| format!("c{column}")).collect()
    }

    /// All rows of `data`, handed over in pieces of `piece` bytes.
    fn rows(format: &CopyLines, count: usize, data: &[u8], piece: usize) -> Result<Vec<Row>, SqlError> {
        let columns = columns(count);
        let mut reader = RowReader::new(format, &columns);
        let mut rows = Vec::new();
        for mut piece in data.chunks(piece) {
            while let Some(batch) = reader.read(&mut piece)? {
                rows.extend(batch);
            }
        }
        rows.extend(reader.finish()?);
        Ok(rows)
    }

    fn row(cells: &[Option<&str>]) -> Row {
        cells.iter().map(|cell| cell.map(str::to_owned)).collect()
    }

    #[test]
    fn rows_are_the_same_in_pieces_of_any_size() {
        let text = b"1\ta\\\nb\t\\N\n2\t\\\\\tc\\td\r\n3\t\t\\x41\\101\n";
        let expected = [
            row(&[Some("1"), Some("a\nb"), None]),
            row(&[Some("2"), Some("\\"), Some("c\td")]),
            row(&[Some("3"), Some(""), Some("AA")]),
        ];
        let csv = b"1,\"a\nb\",\r\n2,\"say \"\"hi\"\"\",\"\"\n3,\"x,y\"z,w";
        let expected_csv = [
            row(&[Some("1"), Some("a\nb"), None]),
            row(&[Some("2"), Some("say \"hi\""), Some("")]),
            row(&[Some("3"), Some("x,yz"), Some("w")]),
        ];
        for piece in 1..text.len() {
            assert_eq!(rows(&CopyLines::text(), 3, text, piece).unwrap(), expected, "text in pieces of {piece}");
            assert_eq!(rows(&CopyLines::csv(), 3, csv, piece).unwrap(), expected_csv, "CSV in pieces of {piece}");
        }
    }

    #[test]
    fn a_header_is_no_row_and_the_end_marker_ends() {
        let format = CopyLines { header: true, ..CopyLines::csv() };
        assert_eq!(rows(&format, 1, b"name\nana\n\\.\nignored,too,long\n", 64).unwrap(), [row(&[Some("ana")])]);
    }

    #[test]
    fn an_escape_other_than_the_quote_is_known() {
        let format = CopyLines { escape: b'\\', delimiter: b';', ..CopyLines::csv() };
        let expected = [row(&[Some("a\"b\nc"), Some("\\")])];
        for piece in 1..16 {
            assert_eq!(rows(&format, 2, b"\"a\\\"b\nc\";\"\\\\\"\n", piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_row() {
        let wrong = |format: &CopyLines, data: &[u8]| {
            let error = rows(format, 2, data, 64).unwrap_err();
            (error.sqlstate, error.message, error.detail.unwrap())
        };
        let (state, message, detail) = wrong(&CopyLines::text(), b"1\t2\n3\n");
        assert_eq!((state, detail.as_str()), ("22P04", "row 2 of the data"));
        assert_eq!(message, "missing data for column \"c1\"");
        assert_eq!(wrong(&CopyLines::text(), b"1\t2\t3\n").1, "extra data after last expected column");
        assert_eq!(wrong(&CopyLines::csv(), b"1,\"2\n").1, "unterminated CSV quoted field");
        assert_eq!(wrong(&CopyLines::text(), b"1\t\xff\n").0, "22021");
    }

    #[test]
    fn batches_are_bounded() {
        let data = b"x\n".repeat(3 * COPY_ROWS + 1);
        let (format, columns) = (CopyLines::csv(), columns(1));
        let mut reader = RowReader::new(&format, &columns);
        let mut rest = &data[..];
        let mut sizes = Vec::new();
        while let Some(batch) = reader.read(&mut rest).unwrap() {
            sizes.push(batch.len());
        }
        assert_eq!(sizes, [COPY_ROWS, COPY_ROWS, COPY_ROWS, 1]);
    }
}
