//! The catalogue as DataFusion asks for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result};
use tokio::sync::OnceCell;

use super::{Queries, functions, parse};
use crate::catalog::{Catalog, Definition, PUBLIC, SYSTEM};
use crate::error::SqlError;
use crate::pipeline::withheld;
use crate::planner::{self, CATALOG};
use crate::relation::{Relation, Relations as _};
use crate::rules::Zoned;
use crate::scan::StoredTable;
use crate::system::pg_catalog::Columns;
use crate::system::{self, Facts, information_schema, pg_catalog};

/// One database with the schemas of one state of the catalogue. `facts`: of a session's statement; a view's query, which
/// is nobody's, has none, and sees PostgreSQL's catalogue without rows.
pub fn of(catalog: Arc<Catalog>, facts: Option<Arc<Facts>>) -> Arc<dyn CatalogProviderList> {
    Arc::new(Databases(Seen { catalog, facts }))
}

#[derive(Debug, Clone)]
struct Seen {
    catalog: Arc<Catalog>,
    facts: Option<Arc<Facts>>,
}

#[derive(Debug, Clone)]
struct Databases(Seen);

#[derive(Debug)]
struct Schemas(Seen);

#[derive(Debug)]
struct Relations {
    seen: Seen,
    schema: String,
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

/// The schemas that are always there.
const SCHEMAS: [&str; 4] = [PUBLIC, SYSTEM, pg_catalog::SCHEMA, information_schema::SCHEMA];

impl CatalogProvider for Schemas {
    fn schema_names(&self) -> Vec<String> {
        let made = self.0.catalog.schemas().keys().cloned();
        SCHEMAS.map(str::to_owned).into_iter().chain(made).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let is_there = SCHEMAS.contains(&name) || self.0.catalog.has_schema(name);
        is_there.then(|| Arc::new(Relations { seen: self.0.clone(), schema: name.to_owned() }) as _)
    }
}

impl Relations {
    fn qualified(&self, name: &str) -> String {
        if self.schema == PUBLIC { name.to_owned() } else { format!("{}.{name}", self.schema) }
    }

    /// A relation of PostgreSQL's catalogue.
    async fn postgres(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(facts) = &self.seen.facts else {
            return pg_catalog::relation(name, &Facts::nobody(), &Columns::new());
        };
        let columns = match name {
            "pg_class" | "pg_attribute" => columns(facts).await?,
            _ => Columns::new(),
        };
        pg_catalog::relation(name, facts, &columns)
    }

    /// A query by name, inlined: of a session's statement it sees what the statement sees.
    async fn view(&self, catalog: &Arc<Catalog>, query: &str) -> Result<Arc<dyn TableProvider>> {
        let facts = &self.seen.facts;
        let plan = match facts {
            None => Queries::default().logical(catalog, query).await?,
            Some(facts) => {
                // What the view reads is its owner's matter.
                let facts = &facts.as_owner();
                let mut state = planner::context(of(catalog.clone(), Some(facts.clone())), None);
                functions::register(&mut state, facts);
                let plan = Queries::default().plan(&state, catalog, parse(query)?, query).await?;
                match facts.settings.zone() {
                    None => plan,
                    // What depends on a zone is decided here, before the statement's own zone comes to it.
                    Some(_) => {
                        state.add_analyzer_rule(Arc::new(Zoned { zone: "UTC".to_owned() }));
                        state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?
                    }
                }
            }
        };
        Ok(Arc::new(ViewTable::new(plan, Some(query.to_owned()))))
    }
}

/// The columns of every relation of people and of the node.
async fn columns(facts: &Facts) -> Result<Columns> {
    static INFORMATION: OnceCell<BTreeMap<String, SchemaRef>> = OnceCell::const_new();
    let catalog = &facts.catalog;
    let mut columns = Columns::new();
    for entry in catalog.entries().filter(|entry| entry.index().is_none()) {
        let schema = match (&entry.relation, &entry.definition) {
            (Some(relation), _) => relation.schema.columns.clone(),
            (None, Definition::View(view)) => view_columns(&catalog.as_of(view.as_of), &view.query).await?,
            (None, _) => continue,
        };
        columns.insert(entry.name().to_owned(), schema);
    }
    for name in system::computed_names() {
        columns.extend(system::computed(name, catalog, Some(facts))?.map(|table| (name.to_owned(), table.schema())));
    }
    let information = INFORMATION.get_or_try_init(|| async {
        let mut columns = BTreeMap::new();
        let nobody = Facts::nobody();
        for name in information_schema::names() {
            let query = information_schema::query(name).expect("it is listed");
            let mut state = planner::context(of(nobody.catalog.clone(), None), None);
            functions::register(&mut state, &Arc::new(nobody.clone()));
            let plan = Queries::default().plan(&state, &nobody.catalog, parse(query)?, query).await?;
            let schema = plan.schema().inner().clone();
            columns.insert(format!("{}.{name}", information_schema::SCHEMA), schema);
        }
        Ok::<_, DataFusionError>(columns)
    });
    columns.extend(information.await?.clone());
    Ok(columns)
}

async fn view_columns(catalog: &Arc<Catalog>, query: &str) -> Result<SchemaRef> {
    let plan = Queries::default().logical(catalog, query).await?;
    let types = plan.schema().fields().iter().map(|field| {
        let canonical = crate::types::canonical(field.data_type());
        field.as_ref().clone().with_data_type(canonical.unwrap_or_else(|| field.data_type().clone()))
    });
    Ok(Arc::new(arrow::datatypes::Schema::new(types.collect::<Vec<_>>())))
}

#[async_trait::async_trait]
impl SchemaProvider for Relations {
    fn table_names(&self) -> Vec<String> {
        let split = |name: &str| match name.split_once('.') {
            Some((schema, name)) => (schema == self.schema).then(|| name.to_owned()),
            None => (self.schema == PUBLIC).then(|| name.to_owned()),
        };
        match self.schema.as_str() {
            pg_catalog::SCHEMA => pg_catalog::names().map(str::to_owned).collect(),
            information_schema::SCHEMA => information_schema::names().map(str::to_owned).collect(),
            _ => {
                let entries = self.seen.catalog.entries().filter(|entry| entry.index().is_none());
                let stored = entries.filter_map(|entry| split(entry.name()));
                stored.chain(system::computed_names().filter_map(split)).collect()
            }
        }
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match self.schema.as_str() {
            pg_catalog::SCHEMA => return self.postgres(name).await,
            information_schema::SCHEMA => match information_schema::query(name) {
                Some(query) => return self.view(&self.seen.catalog, query).await.map(Some),
                None => return Ok(None),
            },
            _ => {}
        }
        let (name, catalog) = (self.qualified(name), &self.seen.catalog);
        if let Some(facts) = &self.seen.facts {
            facts.readable(&name)?;
        }
        let Some(entry) = catalog.get(&name) else {
            return system::computed(&name, catalog, self.seen.facts.as_deref());
        };
        if entry.index().is_some() {
            let words = format!("cannot open relation \"{name}\": it is an index");
            return Err(SqlError::new("42809", words).hint("Read what it is on.").into());
        }
        match (&entry.relation, &entry.definition) {
            (Some(relation), _) => match &self.seen.facts {
                Some(facts) if !facts.fills.serves(relation.id) => Err(withheld(&name).into()),
                facts => {
                    // One that is being built anew is read when it is there.
                    let serves =
                        |index: &Arc<Relation>| facts.as_ref().is_none_or(|facts| facts.fills.serves(index.id));
                    let indexes = catalog.indexes(&name).into_iter().filter(serves).collect();
                    Ok(Some(Arc::new(StoredTable::new(relation.clone(), indexes))))
                }
            },
            (None, Definition::View(view)) => self.view(&catalog.as_of(view.as_of), &view.query).await.map(Some),
            (None, _) => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        match self.schema.as_str() {
            pg_catalog::SCHEMA => pg_catalog::names().any(|known| known == name),
            information_schema::SCHEMA => information_schema::query(name).is_some(),
            _ => {
                let name = self.qualified(name);
                self.seen.catalog.get(&name).is_some() || system::computed_names().any(|computed| computed == name)
            }
        }
    }
}
