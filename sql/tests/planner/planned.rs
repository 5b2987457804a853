//! A catalogue of a few relations, and views planned over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use dataflow::{PlannedView, RelationId, RelationSchema};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
};
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use sql::planner;
use sql::{Relation, RelationKind, Relations, SqlError};

/// The id of the view that is planned; operators get the ids after it.
pub const VIEW: RelationId = RelationId(100);

#[derive(Debug)]
pub struct Catalogue {
    relations: BTreeMap<String, Arc<Relation>>,
}

impl Relations for Catalogue {
    fn relation(&self, name: &str) -> Option<Arc<Relation>> {
        self.relations.get(name).cloned()
    }
}

pub fn zoned() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

impl Catalogue {
    pub fn new() -> Catalogue {
        let mut catalogue = Catalogue { relations: BTreeMap::new() };
        let money = DataType::Decimal128(12, 2);
        let table = |rows_max| RelationKind::Table { rows_max, forgets_by: None };
        catalogue.add(
            "readings",
            &[
                ("circuit", DataType::Utf8),
                ("ts", zoned()),
                ("watts", DataType::Float64),
                ("energy", DataType::Decimal128(12, 3)),
                ("flags", DataType::Int32),
            ],
            &["circuit", "ts"],
            table(None),
        );
        catalogue.add(
            "circuits",
            &[("circuit", DataType::Utf8), ("customer", DataType::Int64), ("label", DataType::Utf8)],
            &["circuit"],
            table(Some(10_000)),
        );
        catalogue.add(
            "customers",
            &[("customer", DataType::Int64), ("name", DataType::Utf8), ("city", DataType::Utf8)],
            &["customer"],
            table(None),
        );
        catalogue.add(
            "orders",
            &[
                ("id", DataType::Int64),
                ("line", DataType::Int32),
                ("customer", DataType::Int64),
                ("product", DataType::Utf8),
                ("amount", money.clone()),
                ("quantity", DataType::Int32),
                ("placed", DataType::Date32),
            ],
            &["id", "line"],
            table(None),
        );
        catalogue.add("prices", &[("product", DataType::Utf8), ("price", money)], &["product"], table(Some(5_000_000)));
        catalogue.add(
            "hourly",
            &[("circuit", DataType::Utf8), ("hour", zoned()), ("n", DataType::Int64), ("total", DataType::Float64)],
            &["circuit", "hour"],
            RelationKind::MaterializedView,
        );
        catalogue.add(
            "seen",
            &[("product", DataType::Utf8), ("quantity", DataType::Int32)],
            &[],
            RelationKind::MaterializedView,
        );
        catalogue.add(
            "scans",
            &[
                ("parcel", DataType::Int64),
                ("customer", DataType::Int64),
                ("ts", zoned()),
                ("grams", DataType::Int32),
                ("_partition", DataType::Int32),
                ("_offset", DataType::Int64),
            ],
            &["_partition", "_offset"],
            RelationKind::Stream,
        );
        catalogue.add("caudal.quarantine", &[("topic", DataType::Utf8)], &["topic"], RelationKind::System);
        catalogue
    }

    fn add(&mut self, name: &str, columns: &[(&str, DataType)], key: &[&str], kind: RelationKind) {
        let fields = columns.iter().map(|(name, of)| Field::new(*name, of.clone(), !key.contains(name)));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let counted = key.is_empty();
        let key = match counted {
            true => (0..columns.len()).collect(),
            false => key.iter().map(|name| schema.index_of(name).unwrap()).collect(),
        };
        let id = RelationId(self.relations.len() as u32 + 1);
        let schema = RelationSchema { columns: schema, key, counted };
        let relation = Relation { id, name: name.to_string(), schema, kind };
        self.relations.insert(name.to_string(), Arc::new(relation));
    }

    pub fn name_of(&self, id: RelationId) -> Option<String> {
        self.relations.values().find(|relation| relation.id == id).map(|relation| relation.name.clone())
    }

    /// Tables without rows under the names of the relations.
    pub fn state(&self) -> SessionState {
        self.state_with(&BTreeMap::new())
    }

    /// The same, with rows in some.
    pub fn state_with(&self, rows: &BTreeMap<String, Vec<RecordBatch>>) -> SessionState {
        let catalog = Arc::new(MemoryCatalogProvider::new());
        for relation in self.relations.values() {
            let (schema, table) = relation.name.split_once('.').unwrap_or(("public", &relation.name));
            let provider = catalog.schema(schema).unwrap_or_else(|| {
                let provider = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(schema, provider.clone()).unwrap();
                provider
            });
            let batches = rows.get(&relation.name).cloned().unwrap_or_default();
            let table_rows = MemTable::try_new(relation.schema.columns.clone(), vec![batches]).unwrap();
            provider.register_table(table.to_string(), Arc::new(table_rows)).unwrap();
        }
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(planner::CATALOG.to_string(), catalog);
        planner::context(Arc::new(catalogs), None)
    }

    /// The answer of a query over these rows, or its error.
    pub async fn query(&self, sql: &str, rows: &BTreeMap<String, Vec<RecordBatch>>) -> Result<RecordBatch, SqlError> {
        let state = self.state_with(rows);
        let run = async {
            let plan = state.create_logical_plan(sql).await?;
            let plan = state.create_physical_plan(&plan).await?;
            let schema = plan.schema();
            Ok(concat_batches(&schema, &collect(plan, state.task_ctx()).await?)?)
        };
        run.await.map_err(|error| SqlError::of(error, sql))
    }

    pub async fn logical(&self, sql: &str) -> Result<LogicalPlan, SqlError> {
        self.state().create_logical_plan(sql).await.map_err(|error| SqlError::of(error, sql))
    }

    pub async fn plan(&self, sql: &str) -> Result<PlannedView, SqlError> {
        let logical = self.logical(sql).await?;
        let mut next = VIEW.0;
        let mut next_id = || {
            next += 1;
            RelationId(next)
        };
        planner::plan_view(&logical, VIEW, "v", self, &mut next_id)
    }
}
