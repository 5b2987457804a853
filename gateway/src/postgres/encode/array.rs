//! Arrays of one dimension.

use arrow::array::{Array, ListArray};
use bytes::BufMut;
use sql::SqlError;

use super::super::types::Format;
use super::{Cells, Column, NULL_LENGTH};

/// What stands before, between and after the elements in text.
pub(in crate::postgres) type Marks = [&'static str; 3];
pub(in crate::postgres) const COMMAS: Marks = ["{", ",", "}"];
pub(super) const BLANKS: Marks = ["", " ", ""];

/// Every array of a column; `element` is the object id of the elements' type.
pub(super) fn cells(
    arrays: &ListArray,
    item: &Column,
    element: u32,
    format: Format,
    marks: Marks,
) -> Result<Cells, SqlError> {
    let items = item.cells(arrays.values())?;
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(arrays.len()));
    for row in 0..arrays.len() {
        let range = arrays.value_offsets()[row] as usize..arrays.value_offsets()[row + 1] as usize;
        let cells: Vec<Option<&[u8]>> = range.map(|at| items.get(at)).collect();
        match format {
            Format::Text => text(&cells, marks, &mut bytes),
            Format::Binary => binary(&cells, element, &mut bytes),
        }
        ends.push(bytes.len());
    }
    Ok(Cells { bytes, ends, nulls: arrays.nulls().cloned() })
}

/// `{1,NULL,"a b"}`.
pub(in crate::postgres) fn text(cells: &[Option<&[u8]>], [before, between, after]: Marks, out: &mut Vec<u8>) {
    out.extend_from_slice(before.as_bytes());
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(between.as_bytes());
        }
        match cell {
            None => out.extend_from_slice(b"NULL"),
            Some(cell) if needs_quotes(cell) => {
                out.push(b'"');
                for &byte in *cell {
                    out.extend(matches!(byte, b'"' | b'\\').then_some(b'\\'));
                    out.push(byte);
                }
                out.push(b'"');
            }
            Some(cell) => out.extend_from_slice(cell),
        }
    }
    out.extend_from_slice(after.as_bytes());
}

fn needs_quotes(cell: &[u8]) -> bool {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t'..=b'\r');
    cell.is_empty() || cell.iter().any(special) || cell.eq_ignore_ascii_case(b"null")
}

fn binary(cells: &[Option<&[u8]>], element: u32, out: &mut Vec<u8>) {
    out.put_i32(i32::from(!cells.is_empty()));
    out.put_i32(i32::from(cells.contains(&None)));
    out.put_u32(element);
    if cells.is_empty() {
        return;
    }
    out.put_i32(cells.len() as i32);
    out.put_i32(1);
    for cell in cells {
        match cell {
            None => out.put_i32(NULL_LENGTH),
            Some(cell) => {
                out.put_i32(cell.len() as i32);
                out.put_slice(cell);
            }
        }
    }
}
