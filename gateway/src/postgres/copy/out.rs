//! COPY .. TO STDOUT: rows as lines, in PostgreSQL's text format or in CSV.

use bytes::Bytes;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyOutResponse};
use sql::{Cancel, CopyFormat};

use super::super::encode::Cells;
use super::super::error::Fault;
use super::super::portal::Rows;
use super::super::stream::Writer;
use crate::limits::ENCODE_ROWS;

/// Sends every row, a message each, and says how many they were: the command tag.
pub(in super::super) async fn send(
    mut rows: Rows,
    format: &CopyFormat,
    writer: &mut Writer,
    cancel: &Cancel,
) -> Result<String, Fault> {
    let names: Vec<String> = rows.encoder.names().map(str::to_owned).collect();
    let answer = CopyOutResponse::new(0, names.len() as i16, vec![0; names.len()]);
    writer.put(PgWireBackendMessage::CopyOutResponse(answer))?;
    if format.header {
        let cells: Vec<Option<&[u8]>> = names.iter().map(|name| Some(name.as_bytes())).collect();
        put(line(&cells, format), writer)?;
    }
    let mut sent = 0;
    while let Some(batch) = rows.next(writer, cancel).await? {
        for start in (0..batch.num_rows()).step_by(ENCODE_ROWS) {
            let piece = batch.slice(start, ENCODE_ROWS.min(batch.num_rows() - start));
            let columns = rows.encoder.columns(&piece)?;
            for row in 0..piece.num_rows() {
                let cells: Vec<Option<&[u8]>> = columns.iter().map(|column: &Cells| column.get(row)).collect();
                put(line(&cells, format), writer)?;
            }
            sent += piece.num_rows();
            writer.relieve().await?;
        }
    }
    writer.put(PgWireBackendMessage::CopyDone(CopyDone::new()))?;
    Ok(format!("COPY {sent}"))
}

fn put(line: Vec<u8>, writer: &mut Writer) -> Result<(), Fault> {
    writer.put(PgWireBackendMessage::CopyData(CopyData::new(Bytes::from(line))))
}

/// A row with the end of its line.
pub(in super::super) fn line(cells: &[Option<&[u8]>], format: &CopyFormat) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        out.extend((at > 0).then_some(format.delimiter));
        match cell {
            None => out.extend_from_slice(format.null.as_bytes()),
            Some(cell) if format.csv => quoted(cell, format, cells.len() == 1, &mut out),
            Some(cell) => escaped(cell, format.delimiter, &mut out),
        }
    }
    out.push(b'\n');
    out
}

/// With quotes where the cell would be read as another without.
fn quoted(cell: &[u8], format: &CopyFormat, alone: bool, out: &mut Vec<u8>) {
    let special = |byte: &u8| [format.delimiter, format.quote, b'\n', b'\r'].contains(byte);
    if !(cell == format.null.as_bytes() || cell.iter().any(special) || alone && cell == b"\\.") {
        return out.extend_from_slice(cell);
    }
    out.push(format.quote);
    for &byte in cell {
        out.extend((byte == format.quote || byte == format.escape).then_some(format.escape));
        out.push(byte);
    }
    out.push(format.quote);
}

fn escaped(cell: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    for &byte in cell {
        let letter = match byte {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            8 => b'b',
            11 => b'v',
            12 => b'f',
            _ if byte == delimiter => delimiter,
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend([b'\\', letter]);
    }
}
