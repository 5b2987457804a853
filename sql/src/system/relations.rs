//! `caudal.relations`: every table and view, what feeds it and what made it, how large it is and how many errors it has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef};
use dataflow::{Block, Direction, JoinKind, KeyRange, Plan, RelationId, RowCodec};
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use storage::{Extent, Snapshot};

use super::{ERRORS, errors};
use crate::catalog::{Catalog, Entry, is_hidden};
use crate::decode::{Cell, RowsBuilder};
use crate::error::SqlError;
use crate::limits::{RELATION_ROWS_COUNTED, SCAN_BATCH_ROWS};
use crate::pipeline::Fills;
use crate::query::{Making, Queries};
use crate::scan::{DEFAULT_TENANT, statement_snapshot};
use crate::types::timestamptz;

/// The columns that the catalogue alone tells.
const CATALOG_COLUMNS: usize = 6;

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("topic", DataType::Utf8, true),
        Field::new("key", DataType::Utf8, true),
        Field::new("reads", DataType::Utf8, true),
        Field::new("sql", DataType::Utf8, true),
        // Counted of small relations, estimated of large ones.
        Field::new("rows_estimate", DataType::Int64, true),
        Field::new("bytes_estimate", DataType::Int64, true),
        // Rows of `caudal.errors`, each as often as it occurs.
        Field::new("errors", DataType::Int64, false),
        // Whether rows are missing below an aggregate or an outer join of it, or of a view that it reads.
        Field::new("incomplete", DataType::Boolean, false),
        // Of a view over a table with a retention: rows of an earlier time were forgotten when it was made.
        Field::new("covers_since", timestamptz(), true),
        // Of a view that is an alert: how bad its rows are, or the column that says it.
        Field::new("alert", DataType::Utf8, true),
    ]))
}

/// Worked out when it is read, from the statement's snapshot; what no statement asks for costs nothing.
#[derive(Debug)]
pub struct RelationsTable {
    catalog: Arc<Catalog>,
    fills: Arc<Fills>,
}

impl RelationsTable {
    pub fn new(catalog: Arc<Catalog>, fills: Arc<Fills>) -> RelationsTable {
        RelationsTable { catalog, fills }
    }
}

#[async_trait::async_trait]
impl TableProvider for RelationsTable {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let measured = projection.is_none_or(|columns| columns.iter().any(|&column| column >= CATALOG_COLUMNS));
        let rows = match measured {
            true => {
                let snapshot = statement_snapshot(state, "caudal.relations")?;
                let measures = Measures::take(snapshot, self.catalog.clone()).await?;
                rows(&self.catalog, &measures, &self.fills)
            }
            false => rows(&self.catalog, &Measures::default(), &self.fills),
        };
        MemTable::try_new(schema(), vec![vec![rows]])?.scan(state, projection, filters, limit).await
    }
}

/// What the store knows of relations.
#[derive(Debug, Default)]
struct Measures {
    extents: BTreeMap<RelationId, Extent>,
    /// By view and the number of the operator.
    errors: BTreeMap<String, BTreeMap<u32, i64>>,
    incomplete: BTreeSet<String>,
}

impl Measures {
    async fn take(snapshot: Snapshot, catalog: Arc<Catalog>) -> Result<Measures> {
        let of_store = catalog.clone();
        let read = tokio::task::spawn_blocking(move || Measures::read(&snapshot, &of_store)).await;
        let mut measures = read.unwrap_or_else(|failed| Err(DataFusionError::External(Box::new(failed))))?;
        // What a view reads comes before it.
        for entry in catalog.materialized() {
            if measures.lacks_rows(&entry, &catalog).await? {
                measures.incomplete.insert(entry.name().to_owned());
            }
        }
        Ok(measures)
    }

    fn read(snapshot: &Snapshot, catalog: &Catalog) -> Result<Measures> {
        let failed =
            |error: dataflow::StateError| SqlError::new("XX001", format!("a relation cannot be read: {error}"));
        let reader = snapshot.scoped(DEFAULT_TENANT);
        let mut measures = Measures::default();
        for relation in catalog.entries().filter_map(|entry| entry.relation.as_ref()) {
            let extent = reader.extent(relation.id, RELATION_ROWS_COUNTED).map_err(failed)?;
            measures.extents.insert(relation.id, extent);
        }
        let schema = dataflow::RelationSchema { columns: errors(), key: vec![0, 1, 2, 3], counted: false };
        let codec = RowCodec::new(&schema);
        let mut cursor = reader.cursor(ERRORS, KeyRange::all(), Direction::Ascending);
        loop {
            let (mut keys, mut values) = (Block::default(), Block::default());
            if cursor.next(&mut keys, &mut values, SCAN_BATCH_ROWS).map_err(failed)? == 0 {
                return Ok(measures);
            }
            let decoded = codec.decode(keys.iter().zip(values.iter()), None);
            let rows = decoded.map_err(|error| SqlError::new("XX001", error.to_string()))?.rows;
            let (views, counts) = (rows.column(0).as_string::<i32>(), rows.column(4).as_primitive::<Int64Type>());
            let operators = rows.column(1).as_primitive::<Int32Type>();
            for row in 0..rows.num_rows() {
                let of_view = measures.errors.entry(views.value(row).to_owned()).or_default();
                *of_view.entry(operators.value(row) as u32).or_default() += counts.value(row);
            }
        }
    }

    /// Whether rows are missing below an operator of the view that mixes rows, or of a view that it reads.
    async fn lacks_rows(&self, entry: &Entry, catalog: &Arc<Catalog>) -> Result<bool> {
        let reads = entry.reads();
        if reads.iter().any(|name| self.incomplete.contains(name)) {
            return Ok(true);
        }
        let own = self.errors.get(entry.name());
        let upstream = reads.iter().any(|name| self.errors.contains_key(name));
        let Some(view) = entry.materialized().filter(|_| own.is_some() || upstream) else { return Ok(false) };
        let queries = Queries::default();
        let mut beyond = u32::MAX;
        let mut unused = || {
            beyond -= 1;
            RelationId(beyond)
        };
        let index = entry.index_columns();
        let making = Making { query: &view.query, index: index.as_deref(), as_of: view.as_of };
        let planned = queries.planned(catalog, making, entry.name(), entry.id(), &mut unused).await?;
        let mut below = Vec::new();
        below_mixing(&planned.view.plan, false, &mut below);
        let own = own.is_some_and(|errors| errors.keys().any(|&operator| below.get(operator as usize) == Some(&true)));
        Ok(own || (upstream && below.contains(&true)))
    }
}

/// Whether each operator has one above it whose other rows hang on its rows, in the order in which the engine numbers them.
fn below_mixing(plan: &Plan, below: bool, out: &mut Vec<bool>) {
    out.push(below);
    let below = below || mixes(plan);
    plan.inputs().into_iter().for_each(|input| below_mixing(input, below, out));
}

/// Whether a row that is missing may change rows that are there.
fn mixes(plan: &Plan) -> bool {
    match plan {
        Plan::Get { .. } | Plan::Constant { .. } | Plan::Map { .. } | Plan::Filter { .. } | Plan::Temporal { .. } => {
            false
        }
        Plan::Union { .. } | Plan::Unnest { .. } => false,
        Plan::Join { kind, .. } => !matches!(kind, JoinKind::Inner | JoinKind::Semi { .. }),
        Plan::Reduce { .. } | Plan::Top { .. } | Plan::Neighbours { .. } | Plan::Combine { .. } => true,
    }
}

/// One row a relation, in name order.
fn rows(catalog: &Catalog, measures: &Measures, fills: &Fills) -> RecordBatch {
    let mut rows = RowsBuilder::new(schema());
    for entry in catalog.entries() {
        let said = |text: String| (!text.is_empty()).then_some(text);
        let view = entry.materialized();
        let reads: Vec<&str> = entry.reads().iter().map(String::as_str).collect();
        let extent = measures.extents.get(&entry.id());
        let errors: i64 = measures.errors.get(entry.name()).map_or(0, |errors| errors.values().sum());
        rows.push(&[
            entry.name().into(),
            if entry.is_stream() { "stream" } else { entry.kind() }.into(),
            entry.table().map(|table| &*table.topic).into(),
            said(key(entry)).into(),
            said(reads.join(", ")).into(),
            said(entry.sql.clone()).into(),
            extent.map(|extent| extent.rows as i64).into(),
            extent.map(|extent| extent.bytes as i64).into(),
            Cell::Int(errors),
            Cell::Bool(measures.incomplete.contains(entry.name()) || !fills.serves(entry.id())),
            view.and_then(|view| view.covers_from_ms).map(Cell::at_ms).into(),
            view.and_then(|view| view.alert.as_deref()).into(),
        ]);
    }
    rows.finish()
}

/// Names of the key columns; empty where rows have no key of their own.
fn key(entry: &Entry) -> String {
    let Some(relation) = entry.relation.as_ref().filter(|relation| !relation.schema.counted) else {
        return String::new();
    };
    let fields = relation.schema.columns.fields();
    let key = relation.schema.key.iter().map(|&column| &fields[column]).filter(|field| !is_hidden(field));
    key.map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}
