//! Reading stored relations: predicates become key ranges, batches come straight from stored values.

mod exec;
mod ranges;
mod stream;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType, lit};
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::prelude::SessionConfig;
use storage::{Snapshot, TenantScope};

use crate::catalog::default_value;
use crate::relation::{Relation, RelationKind, not_kept};

use ranges::Pushed;

pub use exec::{KeyScanExec, orders_as_encoded};

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
    /// The same rows under other keys.
    indexes: Vec<Arc<Relation>>,
    /// What INSERT gives to columns that it does not name, where that is not NULL.
    defaults: BTreeMap<String, Expr>,
}

impl StoredTable {
    pub fn new(relation: Arc<Relation>, indexes: Vec<Arc<Relation>>) -> StoredTable {
        let default = |field: &Arc<Field>| {
            let value = ScalarValue::try_from_array(&default_value(field)?, 0).expect("an array of one value");
            Some((field.name().clone(), lit(value)))
        };
        let defaults = relation.schema.columns.fields().iter().filter_map(default).collect();
        StoredTable { relation, indexes, defaults }
    }

    /// Columns whose values no two rows share, where there are such.
    pub fn key(&self) -> Option<&[usize]> {
        let schema = &self.relation.schema;
        (!schema.counted && self.relation.kind != RelationKind::System).then_some(&schema.key)
    }

    /// The relation or the index whose key says most of the predicates, and what it says, of those that have the columns;
    /// then the others that say as many.
    fn best(&self, filters: &[&Expr], columns: &[usize]) -> (Arc<Relation>, Pushed, Vec<Arc<Relation>>) {
        let has = |index: &&Arc<Relation>| columns.iter().all(|&at| at < index.schema.columns.fields().len());
        let all = std::iter::once(&self.relation).chain(self.indexes.iter().filter(has));
        let says = |relation: &Arc<Relation>| (relation.clone(), ranges::push_down(&relation.schema, filters));
        let mut found: Vec<(Arc<Relation>, Pushed)> = all.map(says).collect();
        let absorbed = |pushed: &Pushed| pushed.absorbed.iter().filter(|absorbed| **absorbed).count();
        // Of those that are as good the first one: the relation itself, or the oldest index.
        found.sort_by_key(|(_, pushed)| Reverse((absorbed(pushed), pushed.whole_keys, pushed.constant.len())));
        let mut found = found.into_iter();
        let (relation, pushed) = found.next().expect("there is the relation itself");
        let others = found.filter(|(_, other)| other.absorbed == pushed.absorbed).map(|(other, _)| other).collect();
        (relation, pushed, others)
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
        let (_, pushed, _) = self.best(filters, &[]);
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
        if self.relation.kind == RelationKind::Stream {
            return Err(not_kept(&self.relation.name).into());
        }
        let columns = &self.relation.schema.columns;
        let mut read: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..columns.fields().len()).collect());
        let wanted = read.len();
        let (relation, pushed, others) = self.best(&filters.iter().collect::<Vec<_>>(), &read);
        let rest = filters.iter().zip(&pushed.absorbed).filter(|(_, absorbed)| !**absorbed);
        let Some(rest) = conjunction(rest.map(|(filter, _)| filter.clone())) else {
            let scan = KeyScanExec::try_new(&self.relation, (&relation, others), filters, read, limit)?;
            return Ok(Arc::new(scan));
        };
        // They came one after the other, and no key says all of them; or the one that does lacks columns.
        let absorbed = filters.iter().zip(&pushed.absorbed).filter(|(_, absorbed)| **absorbed);
        let absorbed: Vec<Expr> = absorbed.map(|(filter, _)| filter.clone()).collect();
        for column in rest.column_refs() {
            let at = columns.index_of(&column.name)?;
            read.extend((!read.contains(&at)).then_some(at));
        }
        let (relation, _, others) = self.best(&absorbed.iter().collect::<Vec<_>>(), &read);
        let scan = KeyScanExec::try_new(&self.relation, (&relation, others), &absorbed, read, None)?;
        let schema = DFSchema::try_from(scan.schema())?;
        let context = PhysicalPlanningContext::default();
        let predicate = create_physical_expr(&rest, &schema, state.execution_props(), &context)?;
        let filter = FilterExecBuilder::new(predicate, Arc::new(scan));
        Ok(Arc::new(filter.apply_projection(Some((0..wanted).collect()))?.build()?))
    }
}
