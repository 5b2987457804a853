//! The value codec: format byte, flags, null bitmap, fixed-width columns, variable ones, the operator's state tail.
//!
//! ```text
//! format u8 = 1 | flags u8 (bit 0: visible) | if visible: columns u16, null bitmap of them (bit set: NULL),
//!     the fixed-width columns that are not NULL, the end of each variable one that is not NULL (u32), their bytes |
//!     the columns added later | tail
//! ```
//!
//! Numbers are little-endian, columns in their order. Columns after the last that is not NULL are not written, so equal rows
//! are equal bytes even when one was written before a column was added.

use super::added::{self, Added};
use super::codec::CorruptRow;
use super::column::{Column, Kind, Values, for_values};
use super::native::Native;

/// The format byte of values written today.
pub const FORMAT: u8 = 1;

/// Flag: readers see a row.
const VISIBLE: u8 = 1;

/// A stored value taken apart: its row, if it has one, and its state tail.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// Whether readers see a row here. An operator's state can outlive its row, a tombstone never has one.
    pub visible: bool,
    /// All before the tail. Two rows under the same key are equal if and only if these bytes are.
    pub row: &'a [u8],
    /// What the operator keeps with the row.
    pub tail: &'a [u8],
}

/// Appends a value without a row: a tombstone, or the state of a group whose row is an error.
pub(super) fn write_hidden(out: &mut Vec<u8>) {
    out.extend_from_slice(&[FORMAT, 0]);
}

/// Writes the values of one batch's rows.
pub struct ValueWriter<'a> {
    /// The columns that are not in the key, in their order.
    columns: Vec<Column<'a>>,
    variable: bool,
    /// Those that were added later.
    added: Vec<(Column<'a>, &'a Added)>,
}

impl<'a> ValueWriter<'a> {
    pub(super) fn new(columns: Vec<Column<'a>>, added: Vec<(Column<'a>, &'a Added)>) -> ValueWriter<'a> {
        let variable = columns.iter().any(|column| matches!(column.values, Values::Bytes(_)));
        ValueWriter { columns, variable, added }
    }

    /// About how many bytes the values of all `rows` rows take.
    pub(super) fn room(&self, rows: usize) -> usize {
        let columns = || self.columns.iter().chain(self.added.iter().map(|(column, _)| column));
        let text =
            columns().map(|column| if let Values::Bytes(bytes) = &column.values { bytes.all().len() } else { 0 });
        text.sum::<usize>() + rows * (6 + 9 * columns().count())
    }

    /// Appends the visible value of row `row` to `out`; the caller may append a tail behind it.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        let count = self.columns.iter().rposition(|column| !column.is_null(row)).map_or(0, |last| last + 1);
        let columns = &self.columns[..count];
        out.extend_from_slice(&[FORMAT, VISIBLE]);
        out.extend_from_slice(&(count as u16).to_le_bytes());

        let bitmap = out.len();
        out.resize(bitmap + count.div_ceil(8), 0);
        for (index, column) in columns.iter().enumerate() {
            if column.is_null(row) {
                out[bitmap + index / 8] |= 1 << (index % 8);
            }
        }
        let present = || columns.iter().filter(|column| !column.is_null(row));
        for column in present() {
            for_values!(column.values, get => out.extend_from_slice(get(row).stored().as_ref()), _bytes => ());
        }
        if self.variable {
            let variable = || {
                present().filter_map(|column| match &column.values {
                    Values::Bytes(bytes) => Some(bytes.get(row)),
                    _ => None,
                })
            };
            let mut end = 0;
            for value in variable() {
                end += u32::try_from(value.len()).expect("less than 4 GiB in one row");
                out.extend_from_slice(&end.to_le_bytes());
            }
            variable().for_each(|value| out.extend_from_slice(value));
        }
        added::write(&self.added, row, out);
    }
}

/// The columns that are not in the key, as they lie in values.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    kinds: Vec<Kind>,
    added: Vec<Added>,
}

impl Layout {
    pub(super) fn new(kinds: Vec<Kind>, added: Vec<Added>) -> Layout {
        assert!(u16::try_from(kinds.len()).is_ok(), "a row has at most {} columns", u16::MAX);
        Layout { kinds, added }
    }

    pub(super) fn added(&self) -> &[Added] {
        &self.added
    }

    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Where the columns of a value lie; `None` where it is hidden.
    pub(super) fn row<'a>(&self, value: &'a [u8]) -> Result<(Option<ValueRow<'a>>, Value<'a>), CorruptRow> {
        let short = || CorruptRow(format!("a value of {} bytes is cut short", value.len()));
        let (&[format, flags], rest) = value.split_first_chunk::<2>().ok_or_else(short)?;
        if format != FORMAT {
            return Err(CorruptRow(format!("value format {format}, this version reads {FORMAT}")));
        }
        if flags & !VISIBLE != 0 {
            return Err(CorruptRow(format!("value flags {flags:#04x}")));
        }
        if flags & VISIBLE == 0 {
            return Ok((None, Value { visible: false, row: &value[..2], tail: rest }));
        }
        let (&count, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
        let count = usize::from(u16::from_le_bytes(count));
        if count > self.kinds.len() {
            return Err(CorruptRow(format!("{count} columns in a value, the relation has {}", self.kinds.len())));
        }
        let (nulls, rest) = rest.split_at_checked(count.div_ceil(8)).ok_or_else(short)?;

        let (mut fixed_len, mut ends_len) = (0, 0);
        for (index, kind) in self.kinds[..count].iter().enumerate() {
            if nulls[index / 8] & 1 << (index % 8) == 0 {
                match kind.width() {
                    Some(width) => fixed_len += width,
                    None => ends_len += 4,
                }
            }
        }
        let (fixed, rest) = rest.split_at_checked(fixed_len).ok_or_else(short)?;
        let (ends, rest) = rest.split_at_checked(ends_len).ok_or_else(short)?;
        let bytes_len = ends.last_chunk::<4>().map_or(0, |end| u32::from_le_bytes(*end) as usize);
        let (bytes, rest) = rest.split_at_checked(bytes_len).ok_or_else(short)?;
        let mut tail = rest;
        self.added.iter().try_for_each(|added| added.take(&mut tail).map(drop))?;
        let row = ValueRow { nulls, count, fixed, ends, bytes, start: 0, added: &rest[..rest.len() - tail.len()] };
        Ok((Some(row), Value { visible: true, row: &value[..value.len() - tail.len()], tail }))
    }
}

/// A visible value, read column by column in order: each must be taken or skipped.
pub(super) struct ValueRow<'a> {
    nulls: &'a [u8],
    count: usize,
    /// What is left of the fixed-width columns.
    fixed: &'a [u8],
    /// What is left of the ends of variable columns.
    ends: &'a [u8],
    bytes: &'a [u8],
    /// Where the next variable column begins in `bytes`.
    start: usize,
    /// What is left of the columns added later.
    pub(super) added: &'a [u8],
}

impl<'a> ValueRow<'a> {
    fn is_null(&self, column: usize) -> bool {
        column >= self.count || self.nulls[column / 8] & 1 << (column % 8) != 0
    }

    /// The next column, of fixed width; `None` is NULL.
    pub(super) fn take_fixed<N: Native>(&mut self, column: usize) -> Option<N> {
        if self.is_null(column) {
            return None;
        }
        let (value, rest) = self.fixed.split_at(N::WIDTH);
        self.fixed = rest;
        Some(N::from_stored(value))
    }

    /// The next column, of variable width; `None` is NULL.
    pub(super) fn take_bytes(&mut self, column: usize) -> Result<Option<&'a [u8]>, CorruptRow> {
        if self.is_null(column) {
            return Ok(None);
        }
        let (end, rest) = self.ends.split_first_chunk::<4>().expect("as many ends as the bitmap says");
        let end = u32::from_le_bytes(*end) as usize;
        let value = self.bytes.get(self.start..end);
        self.ends = rest;
        self.start = end;
        value.map(Some).ok_or_else(|| CorruptRow("a text in a value ends before it begins".into()))
    }

    /// Passes over the next column.
    pub(super) fn skip(&mut self, column: usize, kind: Kind) -> Result<(), CorruptRow> {
        match kind.width() {
            None => self.take_bytes(column).map(|_| ()),
            Some(_) if self.is_null(column) => Ok(()),
            Some(width) => {
                self.fixed = &self.fixed[width..];
                Ok(())
            }
        }
    }
}
