//! COPY .. TO STDOUT: rows as lines, in PostgreSQL's text format or in CSV, or in its binary format.

use bytes::{Bytes, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyOutResponse};
use sql::{Cancel, CopyFormat, CopyLines};

use super::super::encode::{Cells, put_row};
use super::super::error::Fault;
use super::super::portal::Rows;
use super::super::stream::Writer;
use super::super::types::Format;
use super::binary;
use crate::limits::ENCODE_ROWS;

/// The protocol's code of the format that cells are encoded in.
pub(in super::super) fn code(format: &CopyFormat) -> i16 {
    match format {
        CopyFormat::Lines(_) => Format::Text.code(),
        CopyFormat::Binary => Format::Binary.code(),
    }
}

/// Sends every row, a message each, and says how many they were: the command tag.
pub(in super::super) async fn send(
    mut rows: Rows,
    format: &CopyFormat,
    writer: &mut Writer,
    cancel: &Cancel,
) -> Result<String, Fault> {
    let names: Vec<String> = rows.encoder.names().map(str::to_owned).collect();
    let code = code(format);
    let answer = CopyOutResponse::new(code as i8, names.len() as i16, vec![code; names.len()]);
    writer.put(PgWireBackendMessage::CopyOutResponse(answer))?;
    let mut outgoing = Outgoing::new(format);
    if let CopyFormat::Lines(lines) = format
        && lines.header
    {
        let cells: Vec<Option<&[u8]>> = names.iter().map(|name| Some(name.as_bytes())).collect();
        put(line(&cells, lines).into(), writer)?;
    }
    let mut sent = 0;
    while let Some(batch) = rows.next(writer, cancel).await? {
        for start in (0..batch.num_rows()).step_by(ENCODE_ROWS) {
            let piece = batch.slice(start, ENCODE_ROWS.min(batch.num_rows() - start));
            let columns = rows.encoder.columns(&piece)?;
            for row in 0..piece.num_rows() {
                let cells: Vec<Option<&[u8]>> = columns.iter().map(|column: &Cells| column.get(row)).collect();
                put(outgoing.row(&cells), writer)?;
            }
            sent += piece.num_rows();
            writer.relieve().await?;
        }
    }
    if let Some(end) = outgoing.end() {
        put(end, writer)?;
    }
    writer.put(PgWireBackendMessage::CopyDone(CopyDone::new()))?;
    Ok(format!("COPY {sent}"))
}

/// What turns rows into bytes.
enum Outgoing<'a> {
    Lines(&'a CopyLines),
    /// With the header until it has gone out, with the first row or the end: there are clients that read it there.
    Binary(BytesMut),
}

impl Outgoing<'_> {
    fn new(format: &CopyFormat) -> Outgoing<'_> {
        match format {
            CopyFormat::Lines(lines) => Outgoing::Lines(lines),
            CopyFormat::Binary => Outgoing::Binary(binary::header()),
        }
    }

    fn row(&mut self, cells: &[Option<&[u8]>]) -> Bytes {
        match self {
            Outgoing::Lines(lines) => line(cells, lines).into(),
            Outgoing::Binary(out) => {
                put_row(cells.iter().copied(), out);
                out.split().freeze()
            }
        }
    }

    fn end(self) -> Option<Bytes> {
        match self {
            Outgoing::Lines(_) => None,
            Outgoing::Binary(mut out) => {
                binary::trailer(&mut out);
                Some(out.freeze())
            }
        }
    }
}

fn put(data: Bytes, writer: &mut Writer) -> Result<(), Fault> {
    writer.put(PgWireBackendMessage::CopyData(CopyData::new(data)))
}

/// A row with the end of its line.
pub(in super::super) fn line(cells: &[Option<&[u8]>], format: &CopyLines) -> Vec<u8> {
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
fn quoted(cell: &[u8], format: &CopyLines, alone: bool, out: &mut Vec<u8>) {
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
