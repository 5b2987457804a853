//! A relation's changes of one epoch as bytes, for those who follow it.
//!
//! ```text
//! format u8 = 1 | rows varint | per row: difference (zigzag varint), key length (varint), key, value length (varint), value
//! ```

use bytes::Bytes;

use super::codec::CorruptRow;
use super::{RowCodec, varint};
use crate::changes::Changes;
use crate::limits::CHANGES_ROWS_MAX;

/// The format byte of changes written today.
pub const FORMAT: u8 = 1;

/// What a change takes beside its key and its value, about.
const ENTRY_BYTES: usize = 4;

impl RowCodec {
    /// Encodes changes of the relation: rows with all its columns, in the order given.
    pub fn encode_changes<'a>(&self, changes: impl IntoIterator<Item = &'a Changes, IntoIter: Clone>) -> Bytes {
        let changes = changes.into_iter();
        let mut out = vec![FORMAT];
        varint::write_unsigned(changes.clone().map(|batch| batch.len() as u64).sum(), &mut out);
        let mut value = Vec::new();
        for batch in changes {
            let keys = self.keys(&batch.rows);
            let writer = self.writer(&batch.rows);
            out.reserve(keys.byte_len() + writer.room(batch.len()) + batch.len() * ENTRY_BYTES);
            for (row, &diff) in batch.diffs.iter().enumerate() {
                value.clear();
                writer.write(row, &mut value);
                varint::write_signed(diff, &mut out);
                for bytes in [keys.get(row), &value] {
                    varint::write_unsigned(bytes.len() as u64, &mut out);
                    out.extend_from_slice(bytes);
                }
            }
        }
        out.into()
    }

    /// Decodes what [`RowCodec::encode_changes`] gave, in the same order, in batches of at most [`CHANGES_ROWS_MAX`] rows
    /// with the columns wanted (`None`: all).
    pub fn decode_changes(&self, bytes: &[u8], projection: Option<&[usize]>) -> Result<Vec<Changes>, CorruptRow> {
        let corrupt = || CorruptRow("changes are cut short or run on".into());
        let (&format, mut rest) = bytes.split_first().ok_or_else(corrupt)?;
        if format != FORMAT {
            return Err(CorruptRow(format!("changes of format {format}, this version reads {FORMAT}")));
        }
        let mut left = varint::read_unsigned(&mut rest).ok_or_else(corrupt)?;
        let mut batches = Vec::new();
        while left > 0 {
            let len = left.min(CHANGES_ROWS_MAX as u64);
            let (mut diffs, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..len {
                diffs.push(varint::read_signed(&mut rest).ok_or_else(corrupt)?);
                keys.push(take_sized(&mut rest).ok_or_else(corrupt)?);
                let value = take_sized(&mut rest).ok_or_else(corrupt)?;
                values.push(self.visible(value)?);
            }
            batches.push(Changes::new(self.decode_rows(keys, values, projection)?, diffs));
            left -= len;
        }
        if rest.is_empty() { Ok(batches) } else { Err(corrupt()) }
    }
}

/// Bytes behind their length.
fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint::read_unsigned(rest)?).ok()?;
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}
