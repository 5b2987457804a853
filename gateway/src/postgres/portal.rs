//! A result on its way to the client, some rows at a time.

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use sql::Cancel;

use super::encode::RowEncoder;
use super::error::{Fault, canceled, while_running};
use super::stream::Writer;
use crate::limits::ENCODE_ROWS;
use crate::metrics;

/// Rows that are produced as the client takes them.
pub(super) struct Rows {
    stream: SendableRecordBatchStream,
    encoder: RowEncoder,
    /// What is left of the last batch.
    rest: Option<RecordBatch>,
    /// The stream has ended and is not asked again.
    ended: bool,
    tag: &'static str,
}

/// How far a result got.
pub(super) enum Progress {
    /// All rows are sent; the command tag.
    Complete(String),
    /// There may be more.
    Suspended,
}

impl Rows {
    pub(super) fn new(stream: SendableRecordBatchStream, encoder: RowEncoder, tag: &'static str) -> Rows {
        Rows { stream, encoder, rest: None, ended: false, tag }
    }

    /// Sends rows until there are no more, or `rows_max` of them; waits for a client that takes them slowly.
    pub(super) async fn send(
        &mut self,
        rows_max: Option<usize>,
        writer: &mut Writer,
        cancel: &Cancel,
    ) -> Result<Progress, Fault> {
        let mut sent = 0;
        loop {
            let left = rows_max.map_or(usize::MAX, |most| most - sent);
            if left == 0 {
                return Ok(Progress::Suspended);
            }
            let Some(batch) = self.next(cancel).await? else {
                return Ok(Progress::Complete(match self.tag {
                    "SELECT" => format!("SELECT {sent}"),
                    other => other.to_owned(),
                }));
            };
            let rows = batch.num_rows().min(left).min(ENCODE_ROWS);
            self.rest = (rows < batch.num_rows()).then(|| batch.slice(rows, batch.num_rows() - rows));
            self.encoder.encode(&batch.slice(0, rows), writer.buffer())?;
            sent += rows;
            metrics::doors().postgres_rows.inc_by(rows as u64);
            writer.relieve().await?;
        }
    }

    async fn next(&mut self, cancel: &Cancel) -> Result<Option<RecordBatch>, Fault> {
        if cancel.is_cancelled() {
            return Err(canceled().into());
        }
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        if self.ended {
            return Ok(None);
        }
        let next = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(canceled().into()),
            next = self.stream.next() => next,
        };
        self.ended = !matches!(next, Some(Ok(_)));
        next.transpose().map_err(|error| while_running(error).into())
    }
}
