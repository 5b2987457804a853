//! A result on its way to the client, some rows at a time.

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{FutureExt, StreamExt};
use sql::{Cancel, SqlError};

use super::encode::RowEncoder;
use super::error::{Fault, canceled};
use super::stream::Writer;
use crate::limits::ENCODE_ROWS;
use crate::metrics;

/// Rows that are produced as the client takes them.
pub(super) struct Rows {
    stream: SendableRecordBatchStream,
    pub(super) encoder: RowEncoder,
    /// What is left of the last batch.
    rest: Option<RecordBatch>,
    /// The stream has ended and is not asked again.
    ended: bool,
    /// Rows come as things happen: what there is does not wait for more.
    live: bool,
    tag: &'static str,
}

type Next = Option<Result<RecordBatch, DataFusionError>>;

/// How far a result got.
pub(super) enum Progress {
    /// All rows are sent; the command tag.
    Complete(String),
    /// There may be more.
    Suspended,
}

impl Rows {
    pub(super) fn new(stream: SendableRecordBatchStream, encoder: RowEncoder, tag: &'static str) -> Rows {
        // What is copied may be a subscription too.
        Rows { stream, encoder, rest: None, ended: false, live: matches!(tag, "SUBSCRIBE" | "COPY"), tag }
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
            let Some(batch) = self.next(writer, cancel).await? else {
                return Ok(Progress::Complete(match self.tag {
                    counted @ ("SELECT" | "FETCH") => format!("{counted} {sent}"),
                    other => other.to_owned(),
                }));
            };
            let rows = batch.num_rows().min(left).min(ENCODE_ROWS);
            self.rest = (rows < batch.num_rows()).then(|| batch.slice(rows, batch.num_rows() - rows));
            self.encoder.encode(&batch.slice(0, rows), writer.buffer())?;
            sent += rows;
            metrics::doors().postgres_rows.inc_by(rows as u64);
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(canceled().into()),
                relieved = writer.relieve() => relieved?,
            }
        }
    }

    /// The next rows as they are. What waits to be sent is, before it waits for live rows.
    pub(super) async fn next(&mut self, writer: &mut Writer, cancel: &Cancel) -> Result<Option<RecordBatch>, Fault> {
        if cancel.is_cancelled() {
            return Err(canceled().into());
        }
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        if self.ended {
            return Ok(None);
        }
        let next = match self.stream.next().now_or_never() {
            Some(next) => next,
            None => tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(canceled().into()),
                next = flushed(&mut self.stream, self.live.then_some(writer)) => next?,
            },
        };
        self.ended = !matches!(next, Some(Ok(_)));
        next.transpose().map_err(|error| SqlError::from(error).into())
    }
}

/// The next rows of a stream, after what is waiting in the writer given has been sent.
async fn flushed(stream: &mut SendableRecordBatchStream, writer: Option<&mut Writer>) -> Result<Next, Fault> {
    if let Some(writer) = writer {
        writer.flush().await?;
    }
    Ok(stream.next().await)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use arrow::array::{ArrayRef, StringArray};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::stream;
    use tokio::net::{TcpListener, TcpStream};

    use super::super::stream::{Reader, split};
    use super::*;

    const CELL_BYTES: usize = 16 << 10;
    const BATCHES: usize = 1 << 16;

    /// A gibibyte of rows, each a batch of its own, and how many were produced.
    fn rows() -> (Rows, Arc<AtomicUsize>) {
        let produced = Arc::new(AtomicUsize::new(0));
        let cell: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(CELL_BYTES)]));
        let batch = RecordBatch::try_from_iter([("text", cell)]).unwrap();
        let (schema, counted) = (batch.schema(), produced.clone());
        let batches = stream::iter(0..BATCHES).map(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(batch.clone())
        });
        let encoder = RowEncoder::new(&schema, &[]).unwrap();
        (Rows::new(Box::pin(RecordBatchStreamAdapter::new(schema, batches)), encoder, "SELECT"), produced)
    }

    async fn connection() -> (Reader, Writer, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (reader, writer) = split(listener.accept().await.unwrap().0);
        (reader, writer, client)
    }

    #[tokio::test]
    async fn rows_wait_for_a_client_that_does_not_read() {
        let (mut rows, produced) = rows();
        let (_reader, mut writer, client) = connection().await;
        let cancel = Cancel::new();
        let sending = rows.send(None, &mut writer, &cancel);
        assert!(tokio::time::timeout(Duration::from_millis(300), sending).await.is_err(), "nobody reads");
        let bytes = produced.load(Ordering::Relaxed) * CELL_BYTES;
        assert!(bytes < 64 << 20, "{bytes} bytes were produced for nobody");
        drop(client);
        assert!(matches!(rows.send(None, &mut writer, &cancel).await, Err(Fault::Gone)));
    }

    #[tokio::test]
    async fn rows_come_in_parts_and_can_be_cancelled_between_them() {
        let (mut rows, produced) = rows();
        let (_reader, mut writer, _client) = connection().await;
        let cancel = Cancel::new();
        for sent in [2, 4] {
            assert!(matches!(rows.send(Some(2), &mut writer, &cancel).await, Ok(Progress::Suspended)));
            assert_eq!(produced.load(Ordering::Relaxed), sent);
        }
        cancel.cancel();
        let Err(Fault::Statement(error)) = rows.send(Some(2), &mut writer, &cancel).await else {
            panic!("not cancelled")
        };
        assert_eq!(error.sqlstate, "57014");
    }
}
