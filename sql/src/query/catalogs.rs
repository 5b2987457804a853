//! The catalogue as DataFusion asks for it.

use std::sync::Arc;

use datafusion::catalog::information_schema::{INFORMATION_SCHEMA, InformationSchemaProvider};
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result};

use super::Queries;
use crate::catalog::{Catalog, Definition, PUBLIC, SYSTEM};
use crate::planner::CATALOG;
use crate::scan::StoredTable;
use crate::system;

/// One database with the schemas of one state of the catalogue.
pub fn of(catalog: Arc<Catalog>) -> Arc<dyn CatalogProviderList> {
    Arc::new(Databases(catalog))
}

#[derive(Debug, Clone)]
struct Databases(Arc<Catalog>);

#[derive(Debug)]
struct Schemas(Arc<Catalog>);

#[derive(Debug)]
struct Relations {
    catalog: Arc<Catalog>,
    schema: &'static str,
}

impl CatalogProviderList for Databases {
    fn register_catalog(&self, _name: String, _catalog: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(Schemas(self.0.clone())) as _)
    }
}

impl CatalogProvider for Schemas {
    fn schema_names(&self) -> Vec<String> {
        vec![PUBLIC.to_owned(), SYSTEM.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let schema = [PUBLIC, SYSTEM].into_iter().find(|&schema| schema == name);
        match schema {
            Some(schema) => Some(Arc::new(Relations { catalog: self.0.clone(), schema })),
            None if name == INFORMATION_SCHEMA => Some(Arc::new(InformationSchemaProvider::new(of(self.0.clone())))),
            None => None,
        }
    }
}

impl Relations {
    fn qualified(&self, name: &str) -> String {
        if self.schema == PUBLIC { name.to_owned() } else { format!("{}.{name}", self.schema) }
    }
}

#[async_trait::async_trait]
impl SchemaProvider for Relations {
    fn table_names(&self) -> Vec<String> {
        let split = |name: &str| match name.split_once('.') {
            Some((schema, name)) => (schema == self.schema).then(|| name.to_owned()),
            None => (self.schema == PUBLIC).then(|| name.to_owned()),
        };
        let stored = self.catalog.entries().filter_map(|entry| split(entry.name()));
        stored.chain(system::computed_names().filter_map(split)).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let name = self.qualified(name);
        let Some(entry) = self.catalog.get(&name) else { return system::computed(&name, &self.catalog) };
        match (&entry.relation, &entry.definition) {
            (Some(relation), _) => Ok(Some(Arc::new(StoredTable::new(relation.clone())))),
            (None, Definition::View(view)) => {
                let plan = Queries::default().logical(&self.catalog, &view.query).await?;
                Ok(Some(Arc::new(ViewTable::new(plan, Some(view.query.clone())))))
            }
            (None, _) => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        let name = self.qualified(name);
        self.catalog.get(&name).is_some() || system::computed_names().any(|computed| computed == name)
    }
}
