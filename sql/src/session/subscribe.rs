//! SUBSCRIBE: the rows of a relation as they are, then its changes epoch by epoch, for as long as the client takes them.
//!
//! A subscription holds the epoch that it got to, and between two reads nothing else: the changes wait in the store's
//! changelog. A client that takes them slowly keeps nobody else waiting; when what it has not taken is not kept any more, it
//! is told so and ended.

mod changes;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dataflow::Epoch;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Cancel;
use super::action::Follow;
use super::prepare::{Ground, shown};
use super::running::until_cancelled;
use crate::error::SqlError;
use crate::limits::SUBSCRIBE_PAUSE;
use crate::planner;
use changes::{Read, Source};

/// The columns before those of the query.
pub(super) fn subscribed_schema(columns: &SchemaRef, progress: bool) -> SchemaRef {
    let mut fields = vec![Field::new("epoch", DataType::Int64, false)];
    fields.extend(progress.then(|| Field::new("progressed", DataType::Boolean, false)));
    fields.push(Field::new("diff", DataType::Int64, true));
    let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
    fields.extend(shown(columns).fields().iter().map(nullable));
    Arc::new(Schema::new(fields))
}

/// A subscription that runs.
struct Subscription {
    source: Arc<Source>,
    published: watch::Receiver<Epoch>,
    /// All changes up to this one are sent, or in `ready`.
    at: Epoch,
    /// Rows still to come of the epoch `at`.
    snapshot: Option<SendableRecordBatchStream>,
    ready: VecDeque<RecordBatch>,
    /// When the changelog was read last.
    read: Option<Instant>,
    schema: SchemaRef,
    progress: bool,
}

impl Ground<'_> {
    /// Rows as a query gives them, or as a subscription does.
    pub(super) async fn answer(
        self,
        plan: LogicalPlan,
        follow: Option<Follow>,
        cancel: Cancel,
    ) -> Result<SendableRecordBatchStream, SqlError> {
        match follow {
            None => self.rows(plan, cancel).await,
            Some(follow) => self.subscription(plan, follow, cancel).await,
        }
    }

    async fn subscription(
        self,
        plan: LogicalPlan,
        follow: Follow,
        cancel: Cancel,
    ) -> Result<SendableRecordBatchStream, SqlError> {
        let sql = self.sql;
        let followed = planner::follow(&plan, &*self.catalog)?;
        let shared = self.session.shared.clone();
        // Before anything is read: what is published from here on is heard of.
        let published = shared.published.subscribe();
        let query = self.over_snapshot(plan);
        let now = query.snapshot.epoch();
        let at = follow.start(now)?;
        let snapshot = match follow.has_snapshot() {
            true => Some(query.rows(cancel.clone()).await.map_err(|error| SqlError::of(error, sql))?),
            false => None,
        };
        let schema = subscribed_schema(&followed.schema(), follow.progress);
        let mut subscription = Subscription {
            source: Arc::new(Source::new(shared, followed)),
            published,
            at,
            snapshot,
            ready: VecDeque::new(),
            read: None,
            schema: schema.clone(),
            progress: follow.progress,
        };
        if subscription.snapshot.is_none() {
            // An epoch that cannot be resumed from is an error now, and not when something changes.
            subscription.read().await?;
        }
        let rows = stream::unfold(Some(subscription), |running| async {
            let mut running = running?;
            match running.next().await {
                Ok(batch) => Some((Ok(batch), Some(running))),
                Err(error) => Some((Err(DataFusionError::from(error)), None)),
            }
        });
        let rows = RecordBatchStreamAdapter::new(schema, Box::pin(rows));
        Ok(until_cancelled(Box::pin(rows), cancel))
    }
}

impl Follow {
    /// The epoch that the changes come after; `now`: the one that is seen.
    fn start(&self, now: Epoch) -> Result<Epoch, SqlError> {
        let Some(as_of) = self.as_of else { return Ok(now) };
        if as_of > now {
            return Err(SqlError::new("22023", format!("there is no epoch {as_of} yet: the last one is {now}")));
        }
        if self.snapshot == Some(true) && as_of < now {
            return Err(SqlError::unsupported(format!("a snapshot of epoch {as_of}, which is past"))
                .hint("AS OF goes on from an epoch without a snapshot; leave it out to take the snapshot of now."));
        }
        Ok(as_of)
    }

    fn has_snapshot(&self) -> bool {
        self.snapshot.unwrap_or(self.as_of.is_none())
    }
}

impl Subscription {
    /// The next rows; waits until there are any.
    async fn next(&mut self) -> Result<RecordBatch, SqlError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(batch);
            }
            if let Some(rows) = &mut self.snapshot {
                match rows.next().await {
                    Some(batch) => {
                        let batch = batch?;
                        return self.batch(self.at, vec![1; batch.num_rows()], batch.columns());
                    }
                    None => self.end_snapshot()?,
                }
                continue;
            }
            if *self.published.borrow_and_update() <= self.at {
                let closed = |_| SqlError::new("57P01", "the database is closing");
                self.published.changed().await.map_err(closed)?;
                continue;
            }
            self.read().await?;
        }
    }

    fn end_snapshot(&mut self) -> Result<(), SqlError> {
        self.snapshot = None;
        self.progressed()
    }

    /// Reads what was published since; at most so often, however often something is.
    async fn read(&mut self) -> Result<(), SqlError> {
        if let Some(read) = self.read {
            tokio::time::sleep_until(read + SUBSCRIBE_PAUSE).await;
        }
        let Read { epochs, upto } = self.source.clone().read(self.at).await?;
        self.read = Some(Instant::now());
        for (epoch, changes) in epochs {
            let batch = self.batch(epoch, changes.diffs, changes.rows.columns())?;
            self.ready.push_back(batch);
        }
        self.at = upto;
        self.progressed()
    }

    /// Says that all changes up to the present epoch have been sent, where that is asked for.
    fn progressed(&mut self) -> Result<(), SqlError> {
        if !self.progress {
            return Ok(());
        }
        let mut columns: Vec<ArrayRef> = vec![Arc::new(number(self.at, 1)), Arc::new(BooleanArray::from(vec![true]))];
        columns.extend(self.schema.fields()[2..].iter().map(|field| new_null_array(field.data_type(), 1)));
        self.ready.push_back(RecordBatch::try_new(self.schema.clone(), columns).map_err(broken)?);
        Ok(())
    }

    /// Rows with their epoch and differences before them.
    fn batch(&self, epoch: Epoch, diffs: Vec<i64>, values: &[ArrayRef]) -> Result<RecordBatch, SqlError> {
        let rows = diffs.len();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(number(epoch, rows))];
        columns.extend(self.progress.then(|| Arc::new(BooleanArray::from(vec![false; rows])) as ArrayRef));
        columns.push(Arc::new(Int64Array::from(diffs)));
        let before = columns.len();
        for (value, field) in values.iter().zip(&self.schema.fields()[before..]) {
            columns.push(cast(value, field.data_type()).map_err(broken)?);
        }
        RecordBatch::try_new(self.schema.clone(), columns).map_err(broken)
    }
}

fn number(epoch: Epoch, rows: usize) -> Int64Array {
    Int64Array::from_value(epoch.0 as i64, rows)
}

fn broken(error: arrow::error::ArrowError) -> SqlError {
    SqlError::new("XX000", error.to_string())
}
