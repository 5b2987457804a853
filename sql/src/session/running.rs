//! A query as it runs, over one snapshot and within its memory.
//!
//! Joins are hashed first: most fit, and none has to sort. Where one does not fit and no row has been handed out yet, the
//! query begins again with joins of sorted inputs, which go on in temporary files.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
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
use crate::room;
use crate::scan::StatementSnapshot;

/// A planned query and what it runs with.
pub struct Query {
    pub context: SessionState,
    /// What it reads.
    pub snapshot: Snapshot,
    pub plan: LogicalPlan,
    pub shared: Arc<Shared>,
    /// What its operators may hold.
    pub bytes: usize,
}

/// The operators of a query that runs.
pub type Operators = Arc<Mutex<Arc<dyn ExecutionPlan>>>;

/// The rows still to come.
struct Running {
    rows: SendableRecordBatchStream,
    /// Others, once the query began again.
    operators: Operators,
    /// To begin again with, until a row has been handed out.
    again: Option<Query>,
}

impl Query {
    /// Runs it; the stream ends with an error when it is cancelled.
    pub async fn rows(self, cancel: Cancel) -> Result<SendableRecordBatchStream, DataFusionError> {
        self.observed(cancel).await.map(|(_, rows)| rows)
    }

    /// Runs it, and lets its operators be looked at.
    pub async fn observed(self, cancel: Cancel) -> Result<(Operators, SendableRecordBatchStream), DataFusionError> {
        let physical = self.context.create_physical_plan(&self.plan).await?;
        let hashes = physical.exists(|plan| Ok(plan.downcast_ref::<HashJoinExec>().is_some()))?;
        let rows = self.execute(physical.clone())?;
        let schema = rows.schema();
        let operators = Arc::new(Mutex::new(physical));
        let running = Running { rows, operators: operators.clone(), again: hashes.then_some(self) };
        let rows = stream::unfold(running, |mut running| async {
            let batch = running.batch().await?;
            Some((batch, running))
        });
        let rows = RecordBatchStreamAdapter::new(schema, Box::pin(rows));
        Ok((operators, until_cancelled(Box::pin(rows), cancel)))
    }

    fn execute(&self, plan: Arc<dyn ExecutionPlan>) -> Result<SendableRecordBatchStream, DataFusionError> {
        let config = room::config(self.context.config().clone(), self.bytes);
        execute_stream(plan, self.shared.room.task(config, self.bytes)?)
    }
}

impl Running {
    async fn batch(&mut self) -> Option<Result<RecordBatch, DataFusionError>> {
        loop {
            match (self.rows.next().await, self.again.take()) {
                (Some(Err(error)), Some(again)) if lacks_memory(&error) => {
                    // What the first attempt holds is freed before the second needs it.
                    self.rows = Box::pin(RecordBatchStreamAdapter::new(self.rows.schema(), stream::empty()));
                    if let Err(error) = self.begin_again(again).await {
                        return Some(Err(error));
                    }
                }
                (Some(Ok(batch)), again) if batch.num_rows() == 0 => self.again = again,
                (batch, _) => return batch,
            }
        }
    }

    /// The same query with joins of sorted inputs.
    async fn begin_again(&mut self, mut query: Query) -> Result<(), DataFusionError> {
        query.context.config_mut().options_mut().optimizer.prefer_hash_join = false;
        let physical = query.context.create_physical_plan(&query.plan).await?;
        self.rows = query.execute(physical.clone())?;
        *self.operators.lock().expect("nobody panics with the operators") = physical;
        Ok(())
    }
}

/// The same rows, ended by an error when the statement is cancelled.
pub fn until_cancelled(rows: SendableRecordBatchStream, cancel: Cancel) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let next = |running: Option<(SendableRecordBatchStream, Cancel)>| async move {
        let (mut rows, cancel) = running?;
        tokio::select! {
            biased;
            () = cancel.cancelled() => Some((Err(cancelled().into()), None)),
            batch = rows.next() => batch.map(|batch| (batch, Some((rows, cancel)))),
        }
    };
    Box::pin(RecordBatchStreamAdapter::new(schema, Box::pin(stream::unfold(Some((rows, cancel)), next))))
}

fn lacks_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

/// The context of a statement whose scans all read this snapshot.
pub fn with_snapshot(mut context: SessionState, snapshot: Snapshot) -> SessionState {
    context.config_mut().set_extension(Arc::new(StatementSnapshot(snapshot)));
    context
}
