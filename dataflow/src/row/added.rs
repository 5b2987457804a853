//! Columns that a table got after it was made: they stand behind the row that there was, where older readers see a tail.
//!
//! ```text
//! for each added column up to the last whose value is not its default: tag u8 (0: the default, 1: NULL, 2: a value),
//!     then, of a value, its bytes (fixed-width) or their number u32 and the bytes
//! ```
//!
//! A row that was written before the column is the row with its default, byte for byte; so nothing is rewritten when a table
//! is altered, and the same row again is the same bytes.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Field, Schema};

use super::codec::CorruptRow;
use super::column::{Column, Kind, for_values};
use super::native::Native;

/// Key of a field's metadata that marks an added column; its value is the default as hexadecimal digits, or empty for NULL.
const ADDED: &str = "caudal.added";

const DEFAULT: u8 = 0;
const NULL: u8 = 1;
const VALUE: u8 = 2;

/// The same column, added to rows that there were. `default`: what those have in it, one value of the column's type; NULL
/// where there is none.
pub fn added(field: Field, default: Option<&dyn Array>) -> Field {
    let mut stored = String::new();
    if let Some(default) = default.filter(|default| !default.is_null(0)) {
        assert_eq!(default.data_type(), field.data_type(), "the default of column {}", field.name());
        let mut bytes = Vec::new();
        write_value(&Column::new(default), 0, &mut bytes);
        // With a length of its own, so that the empty text is not NULL.
        stored = bytes.iter().fold("x".to_owned(), |digits, byte| digits + &format!("{byte:02x}"));
    }
    let mut metadata = field.metadata().clone();
    metadata.insert(ADDED.to_owned(), stored);
    field.with_metadata(metadata)
}

/// Whether a column was added to rows that there were.
pub fn is_added(field: &Field) -> bool {
    field.metadata().contains_key(ADDED)
}

/// The first columns of a batch, as a reader knows them that was there before the others were added.
pub(crate) fn first_columns(rows: &RecordBatch, columns: usize) -> RecordBatch {
    let kept: Vec<usize> = (0..columns).collect();
    rows.project(&kept).expect("a table has no fewer columns than it had")
}

/// An added column of a layout.
#[derive(Clone, Debug)]
pub(super) struct Added {
    pub kind: Kind,
    /// As it is stored; `None` is NULL.
    default: Option<Arc<[u8]>>,
}

impl Added {
    /// The added column that a field says it is.
    pub(super) fn of(schema: &Schema, column: usize) -> Option<Added> {
        let field = schema.field(column);
        let digits = field.metadata().get(ADDED)?;
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
        let default = digits.starts_with('x').then(|| (1..digits.len()).step_by(2).map(byte).collect());
        Some(Added { kind: Kind::expect(field.data_type()), default })
    }

    /// Takes the column from what is left of a row's added columns: its bytes, `None` for NULL.
    pub(super) fn take<'a, 'row: 'a>(&'a self, rest: &mut &'row [u8]) -> Result<Option<&'a [u8]>, CorruptRow> {
        let Some((&tag, behind)) = rest.split_first() else { return Ok(self.default.as_deref()) };
        *rest = behind;
        match tag {
            DEFAULT => Ok(self.default.as_deref()),
            NULL => Ok(None),
            VALUE => {
                let short = || CorruptRow("an added column is cut short".into());
                let width = match self.kind.width() {
                    Some(width) => width,
                    None => {
                        let (&len, behind) = rest.split_first_chunk::<4>().ok_or_else(short)?;
                        *rest = behind;
                        u32::from_le_bytes(len) as usize
                    }
                };
                let (value, behind) = rest.split_at_checked(width).ok_or_else(short)?;
                *rest = behind;
                Ok(Some(value))
            }
            other => Err(CorruptRow(format!("tag {other} of an added column"))),
        }
    }

    /// Whether a value is this column's default.
    fn is_default(&self, column: &Column, row: usize) -> bool {
        match (&self.default, column.is_null(row)) {
            (None, null) => null,
            (Some(_), true) => false,
            (Some(default), false) => {
                for_values!(column.values, get => get(row).stored().as_ref() == &default[..], bytes => bytes.get(row) == &default[..])
            }
        }
    }
}

/// Appends the added columns of a row.
pub(super) fn write(columns: &[(Column, &Added)], row: usize, out: &mut Vec<u8>) {
    let told = columns.iter().rposition(|(column, added)| !added.is_default(column, row)).map_or(0, |last| last + 1);
    for (column, added) in &columns[..told] {
        if added.is_default(column, row) {
            out.push(DEFAULT);
        } else if column.is_null(row) {
            out.push(NULL);
        } else {
            out.push(VALUE);
            if added.kind.width().is_none() {
                let before = out.len();
                out.extend_from_slice(&[0; 4]);
                write_value(column, row, out);
                let len = u32::try_from(out.len() - before - 4).expect("less than 4 GiB in one row");
                out[before..before + 4].copy_from_slice(&len.to_le_bytes());
            } else {
                write_value(column, row, out);
            }
        }
    }
}

fn write_value(column: &Column, row: usize, out: &mut Vec<u8>) {
    for_values!(column.values, get => out.extend_from_slice(get(row).stored().as_ref()), bytes => out.extend_from_slice(bytes.get(row)));
}
