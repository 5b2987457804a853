//! A query as it runs, over one snapshot and within its memory.
//!
//! Joins are hashed first: most fit, and none has to sort. Where one does not fit and no row has been handed out yet, the
//! query begins again with joins of sorted inputs, which go on in temporary files.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNode;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{StreamExt, stream};
use storage::Snapshot;

use super::{Cancel, cancelled};
use crate::pipeline::Shared;
use crate::scan::StatementSnapshot;

/// A planned query and what it runs with.
pub struct Query {
    pub context: SessionState,
    pub plan: LogicalPlan,
    pub shared: Arc<Shared>,
    /// What its operators may hold.
    pub bytes: usize,
}

/// The rows still to come.
struct Running {
    rows: SendableRecordBatchStream,
    cancel: Cancel,
    /// To begin again with, until a row has been handed out.
    again: Option<Query>,
}

impl Query {
    /// Runs it; the stream ends with an error when it is cancelled.
    pub async fn rows(self, cancel: Cancel) -> Result<SendableRecordBatchStream, DataFusionError> {
        let physical = self.context.create_physical_plan(&self.plan).await?;
        let hashes = physical.exists(|plan| Ok(plan.downcast_ref::<HashJoinExec>().is_some()))?;
        let rows = self.execute(physical)?;
        let schema = rows.schema();
        let running = Running { rows, cancel, again: hashes.then_some(self) };
        let rows = stream::unfold(Some(running), |running| async move { running?.next().await });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, Box::pin(rows))))
    }

    fn execute(&self, plan: Arc<dyn ExecutionPlan>) -> Result<SendableRecordBatchStream, DataFusionError> {
        execute_stream(plan, self.shared.room.context(self.context.config().clone(), self.bytes)?)
    }

    /// The same query with joins of sorted inputs.
    async fn sorted(mut self) -> Result<SendableRecordBatchStream, DataFusionError> {
        self.context.config_mut().options_mut().optimizer.prefer_hash_join = false;
        let physical = self.context.create_physical_plan(&self.plan).await?;
        self.execute(physical)
    }
}

type Batch = Result<arrow::array::RecordBatch, DataFusionError>;

impl Running {
    async fn next(mut self) -> Option<(Batch, Option<Running>)> {
        let cancel = self.cancel.clone();
        tokio::select! {
            biased;
            () = cancel.cancelled() => Some((Err(cancelled().into()), None)),
            batch = self.batch() => batch.map(|batch| (batch, Some(self))),
        }
    }

    async fn batch(&mut self) -> Option<Batch> {
        loop {
            match (self.rows.next().await, self.again.take()) {
                (Some(Err(error)), Some(again)) if lacks_memory(&error) => {
                    // What the first attempt holds is freed before the second needs it.
                    self.rows = Box::pin(RecordBatchStreamAdapter::new(self.rows.schema(), stream::empty()));
                    match again.sorted().await {
                        Ok(rows) => self.rows = rows,
                        Err(error) => return Some(Err(error)),
                    }
                }
                (Some(Ok(batch)), again) if batch.num_rows() == 0 => self.again = again,
                (batch, _) => return batch,
            }
        }
    }
}

fn lacks_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

/// The context of a statement whose scans all read this snapshot.
pub fn with_snapshot(mut context: SessionState, snapshot: Snapshot) -> SessionState {
    context.config_mut().set_extension(Arc::new(StatementSnapshot(snapshot)));
    context
}
