//! COPY: the client's bytes become rows of cells, in PostgreSQL's text format and in CSV, and rows become its bytes.

mod csv;
pub(super) mod out;
pub(super) mod rows;
mod text;

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::CopyInResponse;
use sql::{Cancel, CopyIn, Outcomes, SqlError};

use super::error::{Fault, canceled, notice, protocol_violation};
use super::frontend::Message;
use super::stream::{Reader, Writer};
use rows::RowReader;

/// A row as text cells; `None` is NULL.
pub(super) type Row = Vec<Option<String>>;

/// Takes rows until the client is done, and says what became of them: the command tag, after a notice for importers whose
/// detail is JSON.
pub(super) async fn receive(
    mut copy: CopyIn,
    reader: &mut Reader,
    writer: &mut Writer,
    cancel: &Cancel,
) -> Result<String, Fault> {
    let columns = copy.columns.len() as i16;
    let answer = CopyInResponse::new(0, columns, vec![0; copy.columns.len()]);
    writer.put(PgWireBackendMessage::CopyInResponse(answer))?;
    writer.flush().await?;
    let (format, names) = (copy.format.clone(), copy.columns.clone());
    let mut rows = RowReader::new(&format, &names);
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
