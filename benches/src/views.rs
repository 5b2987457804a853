//! Views planned from SQL over tables given by hand and over one another, for benches that choose their epochs themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use dataflow::{PlannedView, RelationId, RelationSchema};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider,
};
use datafusion::logical_expr::LogicalPlan;
use sql::scan::StoredTable;
use sql::{Relation, RelationKind, Relations, planner};

/// Tables and what views over them are planned with. Ids count up from 1 over tables, views and operator state.
#[derive(Debug, Default)]
pub struct Catalogue {
    relations: BTreeMap<String, Arc<Relation>>,
    last_id: u32,
}

impl Relations for Catalogue {
    fn relation(&self, name: &str) -> Option<Arc<Relation>> {
        self.relations.get(name).cloned()
    }
}

impl Catalogue {
    /// Adds a table; `key` are positions of columns. `rows_max`: the bound that lets joins keep it in memory.
    pub fn table(&mut self, name: &str, columns: SchemaRef, key: &[usize], rows_max: Option<u64>) -> Arc<Relation> {
        self.add(name, columns, key, RelationKind::Table { rows_max, forgets_by: None })
    }

    /// Adds a stream; `key` are positions of columns.
    pub fn stream(&mut self, name: &str, columns: SchemaRef, key: &[usize]) -> Arc<Relation> {
        self.add(name, columns, key, RelationKind::Stream)
    }

    fn add(&mut self, name: &str, columns: SchemaRef, key: &[usize], kind: RelationKind) -> Arc<Relation> {
        let schema = RelationSchema { columns, key: key.to_vec(), counted: false };
        let relation = Arc::new(Relation { id: self.next_id(), name: name.to_owned(), schema, kind });
        self.relations.insert(name.to_owned(), relation.clone());
        relation
    }

    /// Plans a view over what was added before. Fails as `CREATE MATERIALIZED VIEW` would.
    pub fn view(&mut self, name: &str, sql: &str) -> anyhow::Result<PlannedView> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let state = planner::context(self.catalogs()?, None);
        let logical = runtime.block_on(state.create_logical_plan(sql))?;
        let id = self.next_id();
        let mut last_id = self.last_id;
        let mut next_id = || {
            last_id += 1;
            RelationId(last_id)
        };
        let planned = planner::plan_view(&logical, id, name, &*self, &mut next_id)?;
        self.last_id = last_id;
        let (schema, kind) = (planned.schema.clone(), RelationKind::MaterializedView);
        let relation = Arc::new(Relation { id, name: name.to_owned(), schema, kind });
        self.relations.insert(name.to_owned(), relation);
        Ok(planned)
    }

    /// The plan of a view as [`planner::batch`] runs it.
    pub fn rewritten(&self, sql: &str) -> anyhow::Result<LogicalPlan> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let state = planner::context(self.catalogs()?, None);
        Ok(planner::rewrite(&runtime.block_on(state.create_logical_plan(sql))?)?)
    }

    fn next_id(&mut self) -> RelationId {
        self.last_id += 1;
        RelationId(self.last_id)
    }

    /// The tables and views as the node gives them to DataFusion.
    fn catalogs(&self) -> anyhow::Result<Arc<dyn CatalogProviderList>> {
        let public = Arc::new(MemorySchemaProvider::new());
        for relation in self.relations.values() {
            public.register_table(relation.name.clone(), Arc::new(StoredTable::new(relation.clone(), Vec::new())))?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(planner::SCHEMA, public)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(planner::CATALOG.to_owned(), Arc::new(catalog));
        Ok(Arc::new(catalogs))
    }
}
