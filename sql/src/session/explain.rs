//! EXPLAIN: DataFusion's plan of a query, the engine's plan of a materialised view.

use datafusion::physical_plan::displayable;
use datafusion::sql::sqlparser::ast::{ObjectName, Statement};

use super::prepare::Ground;
use super::running::with_snapshot;
use crate::ddl;
use crate::error::SqlError;
use crate::planner;
use crate::query::relation_name;

impl Ground<'_> {
    pub(super) async fn explain(&self, statement: Statement, analyze: bool) -> Result<Vec<String>, SqlError> {
        if analyze {
            return Err(SqlError::unsupported("EXPLAIN ANALYZE").hint("Use EXPLAIN."));
        }
        match statement {
            Statement::Query(_) => {
                let plan = self.plan(statement).await?;
                let of = |error| SqlError::of(error, self.sql);
                let optimized = self.context.optimize(&plan).map_err(of)?;
                let context = with_snapshot(self.context.clone(), self.session.shared.store.snapshot());
                let physical = context.create_physical_plan(&plan).await.map_err(of)?;
                let logical = optimized.display_indent().to_string();
                let physical = displayable(physical.as_ref()).indent(false).to_string();
                Ok(logical.lines().chain(["", "Physical:"]).chain(physical.lines()).map(str::to_owned).collect())
            }
            Statement::CreateView(create) if create.materialized => {
                let new = ddl::new_view(&create, self.sql)?;
                self.incremental(&new.name, &new.query).await
            }
            other => Err(SqlError::unsupported(format!("EXPLAIN of this statement: {other}"))
                .hint("EXPLAIN SELECT .., EXPLAIN CREATE MATERIALIZED VIEW .., or EXPLAIN and the name of a materialized view.")),
        }
    }

    /// EXPLAIN and a name.
    pub(super) async fn explain_view(&self, name: &ObjectName) -> Result<Vec<String>, SqlError> {
        let name = relation_name(name)?;
        let entry = self.catalog.expect(&name)?;
        match entry.materialized() {
            Some(view) => self.incremental(&name, &view.query).await,
            None => Err(SqlError::new("42809", format!("\"{name}\" is a {}, and keeps no plan", entry.kind()))),
        }
    }

    async fn incremental(&self, name: &str, query: &str) -> Result<Vec<String>, SqlError> {
        let queries = &self.session.shared.queries;
        let logical = queries.logical(&self.catalog, query).await?;
        let mut numbers = (*self.catalog).clone();
        let id = numbers.allocate();
        let mut next = || numbers.allocate();
        let planned = queries.materialized(&self.catalog, &logical, name, id, &mut next)?;
        let named = |id| self.catalog.by_id(id).map(|entry| entry.name().to_owned());
        Ok(planner::explain(&planned.view, &named))
    }
}
