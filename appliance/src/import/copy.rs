//! Rows in the text form of COPY.

use anyhow::Context;
use arrow::array::{Array, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::FormatOptions;
use bytes::{BufMut, Bytes, BytesMut};

/// One line a row, cells separated by tabs, NULL as `\N`. Times are RFC 3339; one without a zone is UTC.
pub fn text(batch: &RecordBatch) -> anyhow::Result<Bytes> {
    let format = FormatOptions::new().with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let options = CastOptions { safe: false, format_options: format };
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
        let text = cast_with_options(column, &DataType::Utf8, &options).with_context(|| {
            format!("column {} is of type {}, which has no text form", field.name(), field.data_type())
        })?;
        columns.push(text);
    }
    let mut lines = BytesMut::with_capacity(batch.num_rows() * batch.num_columns() * 16);
    for row in 0..batch.num_rows() {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                lines.put_u8(b'\t');
            }
            if column.is_null(row) {
                lines.put_slice(b"\\N");
            } else {
                put_escaped(&mut lines, column.as_string::<i32>().value(row));
            }
        }
        lines.put_u8(b'\n');
    }
    Ok(lines.freeze())
}

/// Appends a cell of COPY's text form.
pub fn put_escaped(lines: &mut BytesMut, cell: &str) {
    for byte in cell.bytes() {
        match byte {
            b'\\' => lines.put_slice(b"\\\\"),
            b'\t' => lines.put_slice(b"\\t"),
            b'\n' => lines.put_slice(b"\\n"),
            b'\r' => lines.put_slice(b"\\r"),
            other => lines.put_u8(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, StringArray, TimestampNanosecondArray};

    use super::*;

    #[test]
    fn cells_come_back_as_they_were() {
        let name: ArrayRef = Arc::new(StringArray::from(vec![Some("a\tb\\\n"), None, Some("")]));
        let watts: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.1), Some(-5.0), None]));
        let at: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![Some(1_000_000), Some(0), None]));
        let batch = RecordBatch::try_from_iter([("name", name), ("watts", watts), ("at", at)]).unwrap();
        let expected = "a\\tb\\\\\\n\t0.1\t1970-01-01T00:00:00.001Z\n\\N\t-5.0\t1970-01-01T00:00:00Z\n\t\\N\t\\N\n";
        assert_eq!(std::str::from_utf8(&text(&batch).unwrap()).unwrap(), expected);
    }
}
