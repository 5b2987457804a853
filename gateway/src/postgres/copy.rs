//! COPY: the client's bytes become rows of cells, in PostgreSQL's text and binary formats and in CSV, and rows become its bytes.

mod binary;
mod csv;
pub(super) mod out;
pub(super) mod rows;
mod text;

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::CopyInResponse;
use sql::{Cancel, CopyFormat, CopyIn, Outcomes, SqlError};

use super::error::{Fault, canceled, notice, protocol_violation};
use super::frontend::Message;
use super::stream::{Reader, Writer};
use super::types::Format;
use binary::BinaryReader;
use rows::RowReader;

/// A row as text cells; `None` is NULL.
pub(super) type Row = Vec<Option<String>>;

/// What turns bytes into rows.
enum Incoming<'a> {
    Lines(RowReader<'a>),
    Binary(BinaryReader<'a>),
}

impl Incoming<'_> {
    /// Takes bytes from `data`: a batch of rows, or `None` once more bytes are needed.
    fn read(&mut self, data: &mut &[u8]) -> Result<Option<Vec<Row>>, SqlError> {
        match self {
            Incoming::Lines(lines) => lines.read(data),
            Incoming::Binary(binary) => binary.read(data),
        }
    }

    /// The rows that are complete at the end of the data.
    fn finish(self) -> Result<Vec<Row>, SqlError> {
        match self {
            Incoming::Lines(lines) => lines.finish(),
            Incoming::Binary(binary) => binary.finish().map(|()| Vec::new()),
        }
    }
}

/// Takes rows until the client is done, and says what became of them: the command tag, after a notice for importers whose
/// detail is JSON.
pub(super) async fn receive(
    mut copy: CopyIn,
    reader: &mut Reader,
    writer: &mut Writer,
    cancel: &Cancel,
) -> Result<String, Fault> {
    let (format, names) = (copy.format.clone(), copy.columns.clone());
    let (code, mut rows) = match &format {
        CopyFormat::Lines(lines) => (Format::Text, Incoming::Lines(RowReader::new(lines, &names))),
        CopyFormat::Binary => (Format::Binary, Incoming::Binary(BinaryReader::new(&names, copy.types())?)),
    };
    let answer = CopyInResponse::new(code.code() as i8, names.len() as i16, vec![code.code(); names.len()]);
    writer.put(PgWireBackendMessage::CopyInResponse(answer))?;
    writer.flush().await?;
    loop {
        let message = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(canceled().into()),
            message = reader.message() => message?,
        };
        match message {
            Message::CopyData(data) => {
                let mut data = &data[..];
                while let Some(batch) = rows.read(&mut data)? {
                    copy.rows(batch).await?;
                }
            }
            Message::CopyDone => break,
            Message::CopyFail(reason) => {
                return Err(SqlError::new("57014", format!("COPY from stdin failed: {reason}")).into());
            }
            Message::Flush | Message::Sync => {}
            Message::Terminate => return Err(Fault::Gone),
            Message::Oversized(oversized) => return Err(oversized.refused().into()),
            _ => return Err(protocol_violation("unexpected message type during COPY from stdin").into()),
        }
    }
    let last = rows.finish()?;
    if !last.is_empty() {
        copy.rows(last).await?;
    }
    let outcomes = copy.finish().await?;
    writer.put(notice(in_words(&outcomes), in_json(&outcomes)))?;
    Ok(format!("COPY {}", outcomes.taken + outcomes.corrected + outcomes.unchanged + outcomes.deleted))
}

fn in_words(outcomes: &Outcomes) -> String {
    let Outcomes { taken, corrected, unchanged, deleted, quarantined } = outcomes;
    let mut words = format!("{taken} taken, {corrected} corrected, {unchanged} unchanged");
    if *deleted > 0 {
        words += &format!(", {deleted} deleted");
    }
    let quarantined: u64 = quarantined.values().sum();
    if quarantined > 0 {
        words += &format!(", {quarantined} in caudal.quarantine");
    }
    words
}

/// For importers: `{"taken": 1, .., "quarantined": {"reason": 1}}`.
fn in_json(outcomes: &Outcomes) -> String {
    let Outcomes { taken, corrected, unchanged, deleted, quarantined } = outcomes;
    serde_json::json!({
        "taken": taken,
        "corrected": corrected,
        "unchanged": unchanged,
        "deleted": deleted,
        "quarantined": quarantined,
    })
    .to_string()
}
