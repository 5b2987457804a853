//! PostgreSQL's binary COPY format: a header, each row as the number of its cells and the cells behind their lengths, and -1
//! for the number of the row that is none.

use arrow::datatypes::DataType;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use sql::SqlError;
use sql::decode::float::{float4, float8};

use super::super::encode::{EPOCH_DAYS, EPOCH_MICROS, JSONB_VERSION, NULL_LENGTH, array};
use super::super::numeric::{NotNumeric, Numeric};
use super::super::parameters::{array_items, utf8};
use super::super::text;
use super::super::types::Type;
use super::Row;
use crate::limits::{COPY_BATCH_BYTES, COPY_ROW_BYTES_MAX, COPY_ROWS};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The signature, the flags, and how long the header's extension is.
const HEADER_BYTES: usize = SIGNATURE.len() + 4 + 4;
/// The rows have object ids, which those of PostgreSQL have not had for years.
const WITH_OIDS: u32 = 1 << 16;
/// Flags that a reader must know; it may pass over the others.
const CRITICAL: u32 = 0xffff_0000;
/// Stands for the number of cells behind the last row.
const END: i16 = -1;

/// What stands before the rows.
pub(super) fn header() -> BytesMut {
    let mut out = BytesMut::with_capacity(HEADER_BYTES);
    out.put_slice(SIGNATURE);
    out.put_u32(0);
    out.put_u32(0);
    out
}

/// What stands behind them.
pub(super) fn trailer(out: &mut BytesMut) {
    out.put_i16(END);
}

/// Splits what a client copies in into rows. Their cells become text, as PostgreSQL prints it, so that all that holds for rows
/// that come as lines holds for them.
pub(in crate::postgres) struct BinaryReader<'a> {
    names: &'a [String],
    types: Vec<Type>,
    /// What has not been read.
    bytes: BytesMut,
    place: Place,
    /// Rows read so far, for messages.
    row: u64,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    /// So many bytes of the header that mean nothing here.
    Extension(usize),
    Rows,
    End,
}

impl<'a> BinaryReader<'a> {
    pub(in crate::postgres) fn new(names: &'a [String], types: &[DataType]) -> Result<BinaryReader<'a>, SqlError> {
        let of = |data_type| Type::of(data_type).ok_or_else(|| SqlError::unsupported(format!("COPY of {data_type}")));
        let types = types.iter().map(of).collect::<Result<_, _>>()?;
        Ok(BinaryReader { names, types, bytes: BytesMut::new(), place: Place::Header, row: 0 })
    }

    /// Takes all of `data`: rows while there are complete ones, a batch at a time; else `None`.
    pub(in crate::postgres) fn read(&mut self, data: &mut &[u8]) -> Result<Option<Vec<Row>>, SqlError> {
        self.bytes.extend_from_slice(std::mem::take(data));
        let mut rows = Vec::new();
        let before = self.bytes.len();
        while rows.len() < COPY_ROWS && (rows.is_empty() || before - self.bytes.len() < COPY_BATCH_BYTES) {
            match self.place {
                Place::Header if self.bytes.len() < HEADER_BYTES => break,
                Place::Header => self.place = Place::Extension(self.header()?),
                Place::Extension(0) => self.place = Place::Rows,
                Place::Extension(left) => {
                    let here = left.min(self.bytes.len());
                    self.bytes.advance(here);
                    self.place = Place::Extension(left - here);
                    if here < left {
                        break;
                    }
                }
                Place::Rows => match self.row()? {
                    Some(row) => rows.push(row),
                    None if self.place == Place::End => {}
                    None => break,
                },
                Place::End if self.bytes.is_empty() => break,
                Place::End => return Err(malformed("received copy data after EOF marker")),
            }
        }
        Ok((!rows.is_empty()).then_some(rows))
    }

    /// Makes sure that the data ended where a row does.
    pub(in crate::postgres) fn finish(self) -> Result<(), SqlError> {
        match self.place {
            Place::Header if self.bytes.starts_with(SIGNATURE) => Err(malformed("invalid COPY file header")),
            Place::Header => Err(malformed("COPY file signature not recognized")),
            Place::Extension(1..) => Err(malformed("invalid COPY file header (wrong length)")),
            Place::Rows if !self.bytes.is_empty() => Err(self.here(malformed("unexpected EOF in COPY data"))),
            Place::Extension(0) | Place::Rows | Place::End => Ok(()),
        }
    }

    /// Reads the header; how long its extension is.
    fn header(&mut self) -> Result<usize, SqlError> {
        if !self.bytes.starts_with(SIGNATURE) {
            return Err(malformed("COPY file signature not recognized")
                .hint("What is copied in begins with another signature than the binary format's."));
        }
        self.bytes.advance(SIGNATURE.len());
        let flags = self.bytes.get_u32();
        if flags & WITH_OIDS != 0 {
            return Err(malformed("invalid COPY file header (WITH OIDS)"));
        }
        if flags & CRITICAL != 0 {
            return Err(malformed("unrecognized critical flags in COPY file header"));
        }
        let length = self.bytes.get_i32();
        usize::try_from(length).map_err(|_| malformed("invalid COPY file header (missing length)"))
    }

    /// The next row, once all of it is there.
    fn row(&mut self) -> Result<Option<Row>, SqlError> {
        let Some(length) = self.row_length().map_err(|error| self.here(error))? else { return Ok(None) };
        let mut row = self.bytes.split_to(length).freeze();
        if row.get_i16() == END {
            self.place = Place::End;
            return Ok(None);
        }
        let cells = self.types.iter().zip(self.names).map(|(of, name)| {
            let length = row.get_i32();
            let Ok(length) = usize::try_from(length) else { return Ok(None) };
            let cell: Bytes = row.split_to(length);
            written(*of, &cell).map(Some).map_err(|mut error| {
                error.message = format!("column {name}: {}", error.message);
                error
            })
        });
        let cells: Row = cells.collect::<Result<_, _>>().map_err(|error| self.here(error))?;
        self.row += 1;
        Ok(Some(cells))
    }

    /// Bytes of the next row, where they are all there.
    fn row_length(&self) -> Result<Option<usize>, SqlError> {
        let mut rest = &self.bytes[..];
        let Ok(count) = rest.try_get_i16() else { return Ok(None) };
        let expected = self.types.len();
        match usize::try_from(count) {
            Err(_) if count == END => return Ok(Some(2)),
            Ok(count) if count == expected => {}
            _ => return Err(malformed(format!("row field count is {count}, expected {expected}"))),
        }
        for _ in 0..expected {
            let Ok(length) = rest.try_get_i32() else { return self.incomplete() };
            match usize::try_from(length) {
                Err(_) if length == NULL_LENGTH => {}
                Err(_) => return Err(malformed("invalid field size")),
                Ok(length) if length > COPY_ROW_BYTES_MAX => return Err(too_large()),
                Ok(length) if length > rest.len() => return self.incomplete(),
                Ok(length) => rest.advance(length),
            }
        }
        match self.bytes.len() - rest.len() {
            length if length > COPY_ROW_BYTES_MAX => Err(too_large()),
            length => Ok(Some(length)),
        }
    }

    fn incomplete(&self) -> Result<Option<usize>, SqlError> {
        if self.bytes.len() > COPY_ROW_BYTES_MAX { Err(too_large()) } else { Ok(None) }
    }

    /// The same error, with where in the data it is.
    fn here(&self, mut error: SqlError) -> SqlError {
        error.detail = Some(format!("row {} of the data", self.row + 1));
        error
    }
}

fn malformed(message: impl Into<String>) -> SqlError {
    SqlError::new("22P04", message)
}

fn too_large() -> SqlError {
    SqlError::new("54000", format!("a row of COPY is larger than the {COPY_ROW_BYTES_MAX} bytes allowed"))
}

/// A cell in binary as PostgreSQL prints it.
fn written(of: Type, cell: &[u8]) -> Result<String, SqlError> {
    let mut out = Vec::new();
    match (of, cell) {
        (Type::Bool, [value]) => text::boolean(*value != 0, &mut out),
        // Columns that are smallint or real in PostgreSQL are wider here, and clients may know them as they are there.
        (Type::Int2 | Type::Int4, &[a, b]) => text::integer(i16::from_be_bytes([a, b]), &mut out),
        (Type::Int4, &[a, b, c, d]) => text::integer(i32::from_be_bytes([a, b, c, d]), &mut out),
        (Type::Int8, _) => text::integer(i64::from_be_bytes(fixed(cell)?), &mut out),
        (Type::Float4 | Type::Float8, &[a, b, c, d]) => float4(f32::from_be_bytes([a, b, c, d]), &mut out),
        (Type::Float8, _) => float8(f64::from_be_bytes(fixed(cell)?), &mut out),
        (Type::Numeric { .. }, _) => return numeric(cell),
        (Type::Text, _) => return utf8(cell).map(str::to_owned),
        (Type::Bytea, _) => text::bytea(cell, &mut out),
        (Type::Jsonb, [JSONB_VERSION, document @ ..]) => return utf8(document).map(str::to_owned),
        (Type::Jsonb, _) => return Err(SqlError::new("XX000", "unsupported jsonb version number")),
        (Type::Date, _) => match i32::from_be_bytes(fixed(cell)?) {
            i32::MAX => return Ok("infinity".to_owned()),
            i32::MIN => return Ok("-infinity".to_owned()),
            days => text::date(days.checked_add(EPOCH_DAYS).ok_or_else(|| beyond("date"))?, &mut out),
        },
        (Type::Timestamp | Type::Timestamptz, _) => match i64::from_be_bytes(fixed(cell)?) {
            i64::MAX => return Ok("infinity".to_owned()),
            i64::MIN => return Ok("-infinity".to_owned()),
            micros => {
                let micros = micros.checked_add(EPOCH_MICROS).ok_or_else(|| beyond("timestamp"))?;
                match of {
                    Type::Timestamp => text::timestamp(micros, &mut out),
                    _ => text::timestamptz(micros, None, &mut out),
                }
            }
        },
        (Type::Array { .. }, _) => {
            let item = of.item().ok_or_else(|| SqlError::unsupported("this type of array"))?;
            let items = array_items(cell).map_err(|error| match error.sqlstate {
                "22P03" => not_of_the_type(),
                _ => error,
            })?;
            let items = items.into_iter();
            let items = items.map(|cell| cell.map(|cell| written(item, cell)).transpose());
            let items: Vec<Option<String>> = items.collect::<Result<_, _>>()?;
            let items: Vec<Option<&[u8]>> = items.iter().map(|item| item.as_ref().map(String::as_bytes)).collect();
            array::text(&items, array::COMMAS, &mut out);
        }
        _ => return Err(not_of_the_type()),
    }
    Ok(String::from_utf8(out).expect("what is printed is UTF-8"))
}

/// A number's digits. What is none that a column can have goes to quarantine like such a number in text.
fn numeric(cell: &[u8]) -> Result<String, SqlError> {
    match Numeric::from_binary(cell) {
        Ok(number) => Ok(number.to_text()),
        Err(NotNumeric::Range) => Ok("NaN".to_owned()),
        Err(NotNumeric::Syntax) => Err(not_of_the_type()),
    }
}

fn fixed<const N: usize>(cell: &[u8]) -> Result<[u8; N], SqlError> {
    cell.try_into().map_err(|_| not_of_the_type())
}

fn not_of_the_type() -> SqlError {
    SqlError::new("22P03", "incorrect binary data format")
        .hint("Send each cell as the column's type: a driver must be told the types, such as by psycopg's set_types.")
}

fn beyond(what: &str) -> SqlError {
    SqlError::new("22008", format!("{what} out of range"))
}

#[cfg(test)]
mod tests {
    use super::super::super::encode::put_row;
    use super::*;

    const TYPES: [DataType; 3] = [DataType::Int32, DataType::Utf8, DataType::Float64];

    /// What is read of `data` in pieces of `piece` bytes.
    fn rows(data: &[u8], piece: usize) -> Result<Vec<Row>, SqlError> {
        let names = ["a", "b", "c"].map(str::to_owned);
        let mut reader = BinaryReader::new(&names, &TYPES).unwrap();
        let mut rows = Vec::new();
        for mut piece in data.chunks(piece) {
            while let Some(batch) = reader.read(&mut piece)? {
                rows.extend(batch);
            }
        }
        reader.finish().map(|()| rows)
    }

    /// A header and these rows.
    fn data(rows: &[[Option<&[u8]>; 3]]) -> Vec<u8> {
        let mut out = header();
        rows.iter().for_each(|row| put_row(row.iter().copied(), &mut out));
        out.to_vec()
    }

    fn cells(cells: [Option<&str>; 3]) -> Row {
        cells.iter().map(|cell| cell.map(str::to_owned)).collect()
    }

    #[test]
    fn rows_are_the_same_in_pieces_of_any_size() {
        let mut sent = BytesMut::from(
            &data(&[
                [Some(&[0, 0, 0, 7]), Some("añ\n".as_bytes()), Some(&1.5_f64.to_be_bytes())],
                [Some(&[0xff, 0xfe]), None, Some(&1.1_f32.to_be_bytes())],
            ])[..],
        );
        trailer(&mut sent);
        let expected = [cells([Some("7"), Some("añ\n"), Some("1.5")]), cells([Some("-2"), None, Some("1.1")])];
        for piece in 1..=sent.len() {
            assert_eq!(rows(&sent, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn the_end_needs_no_trailer_and_an_extension_is_passed_over() {
        for length in [3, COPY_BATCH_BYTES + 1] {
            let mut sent = data(&[]);
            sent[HEADER_BYTES - 4..].copy_from_slice(&(length as u32).to_be_bytes());
            sent.resize(HEADER_BYTES + length, b'x');
            sent.extend_from_slice(&data(&[[None, None, None]])[HEADER_BYTES..]);
            for piece in [5, sent.len()] {
                assert_eq!(rows(&sent, piece).unwrap(), [cells([None, None, None])]);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_row() {
        let row: [Option<&[u8]>; 3] = [Some(&[0, 0, 0, 7]), Some(b"x"), None];
        let wrong = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut sent = data(&[row, row]);
            change(&mut sent);
            let error = rows(&sent, 64).unwrap_err();
            (error.sqlstate, error.message, error.detail.unwrap_or_default())
        };
        let second = HEADER_BYTES + (data(&[row]).len() - HEADER_BYTES);
        let at = |state, message: &str, detail: &str| (state, message.to_owned(), detail.to_owned());
        assert_eq!(wrong(&|sent| sent[0] = b'Q'), at("22P04", "COPY file signature not recognized", ""));
        assert_eq!(wrong(&|sent| sent.truncate(5)), at("22P04", "COPY file signature not recognized", ""));
        assert_eq!(wrong(&|sent| sent.truncate(15)), at("22P04", "invalid COPY file header", ""));
        assert_eq!(wrong(&|sent| sent[12] = 1), at("22P04", "invalid COPY file header (WITH OIDS)", ""));
        assert_eq!(wrong(&|sent| sent[11] = 1), at("22P04", "unrecognized critical flags in COPY file header", ""));
        let count = at("22P04", "row field count is 4, expected 3", "row 2 of the data");
        assert_eq!(wrong(&|sent| sent[second + 1] = 4), count);
        let size = at("22P04", "invalid field size", "row 2 of the data");
        assert_eq!(wrong(&|sent| sent[second + 2..second + 6].fill(0xfe)), size);
        let cut = at("22P04", "unexpected EOF in COPY data", "row 2 of the data");
        assert_eq!(wrong(&|sent| sent.truncate(sent.len() - 1)), cut);
        let behind = at("22P04", "received copy data after EOF marker", "");
        assert_eq!(wrong(&|sent| sent.extend([0xff, 0xff, 0])), behind);
        let text = at("22021", "column b: invalid byte sequence for encoding \"UTF8\"", "row 2 of the data");
        assert_eq!(wrong(&|sent| sent[second + 14] = 0xff), text);
        let float = data(&[[None, None, Some(&[1, 2, 3])]]);
        let error = rows(&float, 64).unwrap_err();
        assert_eq!((error.sqlstate, &*error.message), ("22P03", "column c: incorrect binary data format"));
    }

    #[test]
    fn a_row_is_bounded() {
        let mut sent = data(&[]);
        sent.extend_from_slice(&[0, 3]);
        sent.extend_from_slice(&(COPY_ROW_BYTES_MAX as i32 + 1).to_be_bytes());
        assert_eq!(rows(&sent, 64).unwrap_err().sqlstate, "54000");
    }

    #[test]
    fn numbers_of_any_length_are_written_out() {
        let of = Type::Numeric { precision: 38, scale: 10 };
        assert_eq!(written(of, &[0, 0, 0, 0, 0, 0, 0, 2]).unwrap(), "0");
        assert_eq!(written(of, &[0, 2, 0, 0, 0x40, 0, 0, 2, 0, 12, 0x13, 0x88]).unwrap(), "-00125000e-4");
        assert_eq!(written(of, &[0, 0, 0, 0, 0xc0, 0, 0, 0]).unwrap(), "NaN");
        assert_eq!(written(of, &[0, 1]).unwrap_err().sqlstate, "22P03");
    }
}
