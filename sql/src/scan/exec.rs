//! The operator of a plan that reads a relation along its key.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use dataflow::{Direction, KeyRange, RowCodec};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions};

use super::ranges::{self, Pushed};
use super::stream::Reading;
use super::{DEFAULT_TENANT, StatementParameters, snapshot_of};
use crate::limits::SCAN_BATCH_ROWS;
use crate::relation::Relation;

/// The rows of a relation that predicates on its key pass, in the order of the key or against it. What snapshot that is, and
/// what values the parameters of the predicates have, the context says that it runs in: a plan can run again over another.
///
/// State: none. Cost: a seek for each key range, and the rows that are read.
#[derive(Debug, Clone)]
pub struct KeyScanExec {
    /// What is read, and what it is read from: that, or an index on it.
    table: Arc<Relation>,
    relation: Arc<Relation>,
    /// What it could be read from as well.
    others: Vec<Arc<Relation>>,
    codec: Arc<RowCodec>,
    /// Key ranges say all of them.
    filters: Vec<Expr>,
    /// Its ranges mean nothing where predicates have parameters.
    pushed: Pushed,
    has_parameters: bool,
    /// Columns to read, in their order.
    columns: Arc<[usize]>,
    direction: Direction,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl KeyScanExec {
    /// Fails where key ranges do not say all that the predicates do.
    pub fn try_new(
        table: &Arc<Relation>,
        (relation, others): (&Arc<Relation>, Vec<Arc<Relation>>),
        filters: &[Expr],
        columns: Vec<usize>,
        limit: Option<usize>,
    ) -> Result<KeyScanExec> {
        let pushed = ranges::push_down(&relation.schema, &filters.iter().collect::<Vec<_>>());
        if pushed.absorbed.contains(&false) {
            return internal_err!("a scan of {} was given a predicate that no key range says", relation.name);
        }
        let schema = Arc::new(table.schema.columns.project(&columns)?);
        let is_parameter = |expr: &Expr| Ok(matches!(expr, Expr::Placeholder(_)));
        let has_parameters = filters.iter().map(|filter| filter.exists(is_parameter)).collect::<Result<Vec<_>>>()?;
        Ok(KeyScanExec {
            codec: Arc::new(RowCodec::new(&relation.schema)),
            table: table.clone(),
            relation: relation.clone(),
            others,
            filters: filters.to_vec(),
            has_parameters: has_parameters.contains(&true),
            pushed,
            columns: columns.into(),
            direction: Direction::Ascending,
            limit,
            properties: properties(schema, []),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The same rows in an order, where the key has it one way or the other. The order may go on behind the key's last column:
    /// no two rows have the same key.
    pub fn ordered(&self, order: &[PhysicalSortExpr]) -> Option<KeyScanExec> {
        let by_index = |index: &Arc<Relation>| {
            let from = (index, Vec::new());
            let scan = KeyScanExec::try_new(&self.table, from, &self.filters, self.columns.to_vec(), None).ok()?;
            scan.along(order)
        };
        // Which rows the first ones are hangs on what is read.
        let others = if self.limit.is_none() { &self.others[..] } else { &[] };
        self.along(order).or_else(|| others.iter().find_map(by_index))
    }

    fn along(&self, order: &[PhysicalSortExpr]) -> Option<KeyScanExec> {
        let direction = self.direction_of(order)?;
        // Which rows the first ones are hangs on the direction.
        if self.limit.is_some() && direction != self.direction {
            return None;
        }
        let order = LexOrdering::new(order.iter().cloned());
        Some(KeyScanExec { direction, properties: properties(self.schema(), order), ..self.clone() })
    }

    fn direction_of(&self, order: &[PhysicalSortExpr]) -> Option<Direction> {
        let schema = &self.relation.schema;
        let constant = &self.pushed.constant;
        let mut left = schema.key.iter().filter(|column| !constant.contains(column)).peekable();
        let mut direction = None;
        for by in order {
            let Some(next) = left.peek() else { break };
            let column = self.columns[by.expr.downcast_ref::<Column>()?.index()];
            if constant.contains(&column) {
                continue;
            }
            // The key's order, NULL last, or the reverse.
            let of = match (by.options.descending, by.options.nulls_first) {
                (false, false) => Direction::Ascending,
                (true, true) => Direction::Descending,
                _ => return None,
            };
            let alike = column == **next && direction.is_none_or(|direction| direction == of);
            if !alike || !orders_as_encoded(schema.columns.field(column).data_type()) {
                return None;
            }
            direction = Some(of);
            left.next();
        }
        Some(direction.unwrap_or(Direction::Ascending))
    }

    /// Where it reads, with values for the parameters.
    fn ranges(&self, context: &TaskContext) -> Result<Vec<KeyRange>> {
        if !self.has_parameters {
            return Ok(self.pushed.ranges.clone());
        }
        let Some(values) = context.session_config().get_extension::<StatementParameters>() else {
            return internal_err!("a scan of {} has parameters without values", self.relation.name);
        };
        let filters = ranges::with_values(&self.filters, &values.0)?;
        let pushed = ranges::push_down(&self.relation.schema, &filters.iter().collect::<Vec<_>>());
        match pushed.absorbed.contains(&false) {
            true => internal_err!("a scan of {} was given a parameter of another type", self.relation.name),
            false => Ok(pushed.ranges),
        }
    }
}

/// Whether values of the type compare as their encodings do; floats and what contains others are left to be sorted.
pub fn orders_as_encoded(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Float64 | DataType::List(_) | DataType::Interval(_))
}

fn properties(schema: SchemaRef, order: impl IntoIterator<Item = LexOrdering>) -> Arc<PlanProperties> {
    let equivalence = EquivalenceProperties::new_with_orderings(schema, order);
    let one = Partitioning::UnknownPartitioning(1);
    let properties = PlanProperties::new(equivalence, one, EmissionType::Incremental, Boundedness::Bounded);
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}

impl DisplayAs for KeyScanExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let schema = self.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "KeyScanExec: {}, columns=[{}]", self.table.name, names.join(", "))?;
        if self.relation.id != self.table.id {
            write!(f, ", index={}", self.relation.name)?;
        }
        let filters: Vec<String> = self.filters.iter().map(|filter| filter.human_display().to_string()).collect();
        if !filters.is_empty() {
            write!(f, ", key=[{}]", filters.join(" AND "))?;
        }
        if !self.has_parameters && self.pushed.ranges.len() != 1 {
            write!(f, ", ranges={}", self.pushed.ranges.len())?;
        }
        if self.direction == Direction::Descending {
            write!(f, ", descending")?;
        }
        self.limit.map_or(Ok(()), |limit| write!(f, ", limit={limit}"))
    }
}

impl ExecutionPlan for KeyScanExec {
    fn name(&self) -> &'static str {
        "KeyScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _each: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(KeyScanExec { metrics: ExecutionPlanMetricsSet::new(), ..(*self).clone() }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let snapshot = snapshot_of(context.session_config(), &self.relation.name)?;
        let mut ranges = self.ranges(&context)?;
        // The next one to read is the last.
        if self.direction == Direction::Ascending {
            ranges.reverse();
        }
        let reading = Reading {
            reader: snapshot.scoped(DEFAULT_TENANT),
            relation: self.relation.clone(),
            codec: self.codec.clone(),
            columns: self.columns.clone(),
            schema: self.schema(),
            ranges,
            whole_keys: self.pushed.whole_keys,
            cursor: None,
            direction: self.direction,
            left: self.limit.unwrap_or(usize::MAX),
            batch_rows: context.session_config().batch_size().min(SCAN_BATCH_ROWS),
        };
        Ok(make_cooperative(reading.batches(BaselineMetrics::new(&self.metrics, partition))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(KeyScanExec { limit, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    /// Columns that are only left out or change places are read so.
    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let column = |projected: &datafusion::physical_plan::projection::ProjectionExpr| {
            let column = projected.expr.downcast_ref::<Column>()?;
            (column.name() == projected.alias).then(|| self.columns[column.index()])
        };
        let Some(columns) = projection.expr().iter().map(column).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        // An order is found once projections have their places.
        if self.properties.output_ordering().is_some() {
            return Ok(None);
        }
        let schema = Arc::new(self.table.schema.columns.project(&columns)?);
        Ok(Some(Arc::new(KeyScanExec { columns: columns.into(), properties: properties(schema, []), ..self.clone() })))
    }
}
