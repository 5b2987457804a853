//! Lines of a file that are no rows: they go to quarantine over a connection of their own, and the import goes on.

use bytes::{Bytes, BytesMut};
use futures::{SinkExt, pin_mut};
use tokio::sync::mpsc;
use tokio_postgres::{Config, CopyInSink};

use super::copy::put_escaped;
use super::summary::Outcomes;
use crate::client::{Connection, explain};
use crate::limits;

/// A line that is no row.
#[derive(Debug)]
pub struct Refused {
    pub reason: String,
    pub line: String,
}

/// Sends what comes until the file is read; what became of it.
pub async fn send(node: Config, table: String, mut lines: mpsc::Receiver<Refused>) -> anyhow::Result<Outcomes> {
    let mut batch = Vec::new();
    if lines.recv_many(&mut batch, limits::IMPORT_REFUSED_BATCH).await == 0 {
        return Ok(Outcomes::default());
    }
    let mut connection = Connection::open(node).await?;
    let statement = format!("COPY {table} (\"caudal.reason\", \"caudal.payload\") FROM STDIN");
    let failed = |error: tokio_postgres::Error| anyhow::Error::msg(explain(&error, &statement));
    {
        let sink: CopyInSink<Bytes> = connection.client.copy_in(&statement).await.map_err(failed)?;
        pin_mut!(sink);
        while !batch.is_empty() {
            let mut text = BytesMut::new();
            for refused in batch.drain(..) {
                put_escaped(&mut text, &refused.reason);
                text.extend_from_slice(b"\t");
                put_escaped(&mut text, &refused.line);
                text.extend_from_slice(b"\n");
            }
            if let Err(closed) = sink.send(text.freeze()).await {
                // The node has ended the COPY: its answer says why.
                return Err(sink.finish().await.err().map_or_else(|| failed(closed), failed));
            }
            lines.recv_many(&mut batch, limits::IMPORT_REFUSED_BATCH).await;
        }
        sink.finish().await.map_err(failed)?;
    }
    Outcomes::of_notices(&connection.notices())
}
