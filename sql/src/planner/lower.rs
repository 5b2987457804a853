//! DataFusion's rewritten logical plan becomes the engine's plan.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dataflow::{Plan, RelationId, Scalar};
use datafusion::common::{DFSchema, DFSchemaRef, NullHandling};
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, Projection, TableScan, Union, Unnest, Values};

use super::lowered::{Lowered, supported};
use super::origin::Origin;
use crate::error::SqlError;
use crate::relation::{RelationKind, Relations};
use crate::scalar::{SqlScalar, physical, sql};
use crate::source::relation_name;

/// Lowers one view.
pub struct Lowering<'a> {
    pub(super) relations: &'a dyn Relations,
    pub(super) view: RelationId,
    pub(super) next_id: &'a mut dyn FnMut() -> RelationId,
    /// What the view reads of which rows are forgotten, as far as it is lowered.
    pub(super) forgetful: BTreeSet<RelationId>,
    /// The streams that the view reads, as far as it is lowered.
    pub(super) streams: BTreeSet<RelationId>,
}

impl<'a> Lowering<'a> {
    /// `view`: an index that was made later is not part of its plan. `next_id` gives ids to operators that keep state.
    pub fn new(relations: &'a dyn Relations, view: RelationId, next_id: &'a mut dyn FnMut() -> RelationId) -> Self {
        Lowering { relations, view, next_id, forgetful: BTreeSet::new(), streams: BTreeSet::new() }
    }

    /// The engine's plan of a rewritten plan.
    pub fn plan(&mut self, plan: &LogicalPlan) -> Result<Lowered, SqlError> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => {
                let input = self.under(&filter.input, &filter.predicate)?;
                self.filtered(input, &filter.predicate, filter.input.schema())
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Window(window) => self.window(window, None),
            LogicalPlan::Sort(sort) => self.sort(sort),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::SubqueryAlias(alias) => self.plan(&alias.input),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => constant(empty),
            other => {
                let words = other.display().to_string();
                let operator = words.split(':').next().unwrap_or(&words);
                Err(SqlError::unsupported(format!("{operator} in a materialized view")))
            }
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Result<Lowered, SqlError> {
        let name = relation_name(&scan.table_name);
        let Some(relation) = self.relations.relation(&name) else {
            return Err(SqlError::new("42P01", format!("relation \"{name}\" does not exist")));
        };
        if relation.kind == RelationKind::System {
            return Err(SqlError::unsupported(format!("the system table {name} in a materialized view")));
        }
        if scan.fetch.is_some() {
            return Err(SqlError::unsupported("LIMIT without ORDER BY in a materialized view")
                .hint("Say which rows come first."));
        }
        if self.relations.forgets(&name) {
            self.forgetful.insert(relation.id);
        }
        if relation.kind == RelationKind::Stream {
            self.streams.insert(relation.id);
        }
        // The query may be of a view that was there before some columns.
        let relation = relation.narrowed(scan.source.schema().fields().len());
        let schema = relation.schema.columns.clone();
        let key = (!relation.schema.counted).then(|| relation.schema.key.clone());
        let bare = schema.fields().iter().map(|field| field.as_ref().clone().with_metadata(HashMap::new()));
        let get = Plan::Get { relation: relation.id, schema: Arc::new(Schema::new(bare.collect::<Vec<_>>())) };
        let columns = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &schema)?;
        let mut lowered = Lowered::new(get, key, Some(Origin::of(relation)));
        for filter in &scan.filters {
            lowered = self.filtered(lowered, filter, &columns)?;
        }
        let Some(projection) = &scan.projection else { return Ok(lowered) };
        let terms = projection.iter().map(|&column| {
            let expr = Expr::Column(columns.columns()[column].clone());
            Ok((lowered.term(&expr, &columns)?, schema.field(column).name().clone()))
        });
        let terms = terms.collect::<Result<Vec<_>, SqlError>>()?;
        lowered.projected(terms)
    }

    fn projection(&mut self, projection: &Projection) -> Result<Lowered, SqlError> {
        if let LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, .. }) = projection.input.as_ref() {
            return row(std::slice::from_ref(&projection.expr), &projection.schema);
        }
        let input = self.plan(&projection.input)?;
        self.projected(input, &projection.expr, projection.input.schema(), &projection.schema)
    }

    /// Expressions over `input`, which DataFusion has as `over`, with the names of `schema`.
    pub(super) fn projected(
        &self,
        input: Lowered,
        exprs: &[Expr],
        over: &DFSchema,
        schema: &DFSchema,
    ) -> Result<Lowered, SqlError> {
        let terms =
            exprs.iter().zip(schema.fields()).map(|(expr, field)| Ok((input.term(expr, over)?, field.name().clone())));
        let terms = terms.collect::<Result<Vec<_>, SqlError>>()?;
        input.projected(terms)
    }

    fn union(&mut self, union: &Union) -> Result<Lowered, SqlError> {
        let schema = columns(&union.schema)?;
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in &union.inputs {
            let plan = self.plan(input)?.settled().plan;
            let types =
                |schema: &Schema| schema.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<DataType>>();
            assert_eq!(types(&plan.schema()), types(&schema), "inputs of a union have its types");
            inputs.push(plan);
        }
        Ok(Lowered::new(Plan::Union { inputs, schema }, None, None))
    }

    fn unnest(&mut self, unnest: &Unnest) -> Result<Lowered, SqlError> {
        let no = |words: &str| Err(SqlError::unsupported(format!("{words} in a materialized view")));
        let lists = unnest.list_type_columns.iter();
        if !unnest.struct_type_columns.is_empty() || lists.clone().any(|(_, list)| list.depth != 1) {
            return no("unnest of what is no array of plain values");
        }
        if !unnest.dependency_indices.iter().copied().eq(0..unnest.input.schema().fields().len()) {
            return no("several unnests of one array");
        }
        let outer = match unnest.options.null_handling {
            NullHandling::Drop => false,
            NullHandling::PreserveAndExpandEmpty => true,
            NullHandling::Preserve => return no("unnest that keeps rows whose array is NULL"),
        };
        let input = self.plan(&unnest.input)?.settled();
        let lists = lists.map(|(column, _)| *column).collect();
        let schema = columns(&unnest.schema)?;
        Ok(Lowered::new(Plan::Unnest { input: Box::new(input.plan), lists, outer, schema }, None, None))
    }

    fn values(&mut self, values: &Values) -> Result<Lowered, SqlError> {
        row(&values.values, &values.schema)
    }
}

/// The columns of a node as the engine has them: any may be NULL.
pub fn columns(schema: &DFSchemaRef) -> Result<SchemaRef, SqlError> {
    let fields = schema.fields().iter().map(|field| {
        supported(field.data_type(), field.name())?;
        Ok(Field::new(field.name(), field.data_type().clone(), true))
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, SqlError>>()?)))
}

/// Rows of expressions that need no input, computed now.
fn row(rows: &[Vec<Expr>], schema: &DFSchemaRef) -> Result<Lowered, SqlError> {
    let of = columns(schema)?;
    let nothing = one_row();
    let empty = DFSchema::empty();
    let mut batches = Vec::with_capacity(rows.len());
    for exprs in rows {
        let mut arrays = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let scalar = SqlScalar::new(physical(expr, &empty)?, &nothing.schema(), sql(expr))?;
            let (array, errors) = scalar.eval(&nothing);
            if let Some((_, error)) = errors.into_iter().next() {
                return Err(SqlError::new("22000", format!("{}: {error}", scalar.sql())));
            }
            arrays.push(array);
        }
        batches.push(RecordBatch::try_new(of.clone(), arrays).map_err(datafusion::common::DataFusionError::from)?);
    }
    let rows = arrow::compute::concat_batches(&of, &batches).map_err(datafusion::common::DataFusionError::from)?;
    Ok(Lowered::new(Plan::Constant { rows }, None, None))
}

fn constant(empty: &EmptyRelation) -> Result<Lowered, SqlError> {
    let rows = match empty.produce_one_row {
        true => one_row(),
        false => RecordBatch::new_empty(columns(&empty.schema)?),
    };
    Ok(Lowered::new(Plan::Constant { rows }, None, None))
}

/// One row without columns.
fn one_row() -> RecordBatch {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).expect("no columns of no schema")
}
