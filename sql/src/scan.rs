//! Reading stored relations: predicates become key ranges, batches come straight from stored values.

mod ranges;
mod stream;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::StreamingTableExec;
use storage::Snapshot;

use crate::relation::Relation;

pub use stream::DEFAULT_TENANT;

/// The snapshot that every scan of a statement reads; an extension of the statement's context.
pub struct StatementSnapshot(pub Snapshot);

/// What the statement reads, by its context.
pub fn statement_snapshot(state: &dyn Session, relation: &str) -> Result<Snapshot> {
    match state.config().get_extension::<StatementSnapshot>() {
        Some(snapshot) => Ok(snapshot.0.clone()),
        None => internal_err!("{relation} is scanned outside a statement"),
    }
}

/// A table, a materialised view or one of the node's own relations.
#[derive(Debug)]
pub struct StoredTable {
    relation: Arc<Relation>,
}

impl StoredTable {
    pub fn new(relation: Arc<Relation>) -> StoredTable {
        StoredTable { relation }
    }
}

#[async_trait::async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        self.relation.schema.columns.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Exact where key ranges say all that the predicate does; anything else is left to DataFusion.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let pushed = ranges::push_down(&self.relation.schema, filters);
        let answer = |absorbed: &bool| match absorbed {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(pushed.absorbed.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let snapshot = statement_snapshot(state, &self.relation.name)?;
        let pushed = ranges::push_down(&self.relation.schema, &filters.iter().collect::<Vec<_>>());
        if pushed.absorbed.contains(&false) {
            return internal_err!("a scan of {} was given a predicate that no key range says", self.relation.name);
        }
        let scan = stream::RangeScan::new(snapshot, &self.relation, pushed.ranges, projection, limit)?;
        let schema = scan.schema_ref();
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(scan)], None, [], false, limit)?))
    }
}
