//! Reading stored relations: predicates become key ranges, batches come straight from stored values.

mod exec;
mod ranges;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use storage::{Snapshot, TenantScope};

use crate::catalog::default_value;
use crate::relation::Relation;

pub use exec::KeyScanExec;

/// The tenant that there is without any other.
pub const DEFAULT_TENANT: TenantScope = TenantScope::One(1);

/// The snapshot that every scan of a statement reads; an extension of the statement's context.
pub struct StatementSnapshot(pub Snapshot);

/// Values of `$1`, `$2`, ... in a plan that was made without them; an extension of its context.
pub struct StatementParameters(pub Vec<ScalarValue>);

/// What the statement reads, by its context.
pub fn statement_snapshot(state: &dyn Session, relation: &str) -> Result<Snapshot> {
    snapshot_of(state.config(), relation)
}

fn snapshot_of(config: &SessionConfig, relation: &str) -> Result<Snapshot> {
    match config.get_extension::<StatementSnapshot>() {
        Some(snapshot) => Ok(snapshot.0.clone()),
        None => internal_err!("{relation} is scanned outside a statement"),
    }
}

/// A table, a materialised view or one of the node's own relations.
#[derive(Debug)]
pub struct StoredTable {
    relation: Arc<Relation>,
    /// What INSERT gives to columns that it does not name, where that is not NULL.
    defaults: BTreeMap<String, Expr>,
}

impl StoredTable {
    pub fn new(relation: Arc<Relation>) -> StoredTable {
        let default = |field: &Arc<Field>| {
            let value = ScalarValue::try_from_array(&default_value(field)?, 0).expect("an array of one value");
            Some((field.name().clone(), lit(value)))
        };
        let defaults = relation.schema.columns.fields().iter().filter_map(default).collect();
        StoredTable { relation, defaults }
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

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.defaults.get(column)
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
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(KeyScanExec::try_new(&self.relation, filters, projection, limit)?))
    }
}
