//! From SQL to logical plans over one state of the catalogue.

mod bridge;
mod catalogs;
mod columns;
mod correlated;
mod fingerprint;
mod functions;
mod known;
mod names;
mod parse;
mod postgres;
mod subscribe;
mod users;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use dataflow::{PlannedView, RelationId};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as PlannerStatement;
use datafusion::sql::sqlparser::ast::Statement;

pub use bridge::{BridgeStatement, bridge};
pub use names::{names_read, quoted_name, relation_name};
pub use parse::{parse, prepared_text, split};
pub use postgres::{named, parameters, shown_name};
pub use subscribe::{Spoken, Subscribe, spoken};

use crate::bridge::States;
use crate::catalog::Catalog;
use crate::error::SqlError;
use crate::pipeline::Fills;
use crate::planner;
use crate::rules::Zoned;
use crate::session::Whoami;
use crate::system::Facts;

/// What a view that keeps its rows is made by.
pub struct Making<'a> {
    pub query: &'a str,
    /// The columns of an index, by name: its query is not planned.
    pub index: Option<&'a [String]>,
    /// See [`crate::catalog::View`].
    pub as_of: u32,
}

/// A materialised view ready to install, and what tells its plan from others.
pub struct Planned {
    pub view: PlannedView,
    pub fingerprint: u128,
}

/// Plans statements and the queries of views.
#[derive(Debug, Default)]
pub struct Queries {
    /// Views that are under construction, which `caudal.fills` tells of.
    pub fills: Arc<Fills>,
    /// How bridges are, which `caudal.bridges` tells of.
    pub bridges: Arc<States>,
}

impl Queries {
    /// The context of a statement: names mean what `catalog` says, `now()` and `current_user` what is given.
    pub fn context(&self, catalog: &Arc<Catalog>, now: Option<DateTime<Utc>>, who: Option<&Whoami>) -> SessionState {
        let facts = who.map(|who| Facts {
            catalog: catalog.clone(),
            identity: who.identity.clone(),
            settings: who.settings.clone(),
            setter: who.setter.clone(),
            fills: self.fills.clone(),
            bridges: self.bridges.clone(),
            sizes: who.sizes.clone(),
        });
        let Some(facts) = facts.map(Arc::new) else {
            return planner::context(catalogs::of(catalog.clone(), None), now);
        };
        let mut state = planner::context(catalogs::of(catalog.clone(), Some(facts.clone())), now);
        functions::register(&mut state, &facts);
        if let Some((_, zone)) = facts.settings.zone() {
            state.add_analyzer_rule(Arc::new(Zoned { zone: zone.to_owned() }));
        }
        state
    }

    /// The logical plan of one statement, not optimised; its positions are those of `sql`.
    pub async fn plan(
        &self,
        state: &SessionState,
        catalog: &Catalog,
        statement: Statement,
        sql: &str,
    ) -> Result<LogicalPlan, SqlError> {
        let of_nothing = postgres::spoken_of_nothing(&statement, catalog);
        let planned = self.plan_spoken(state, catalog, postgres::spoken(statement, catalog), sql).await;
        let Some(of_nothing) = of_nothing else { return planned };
        let failed = match planned {
            // What cannot be planned may only be known once it is optimised.
            Ok(plan) => match state.optimize(&plan) {
                Ok(optimised) if !correlated::remains(&optimised) => return Ok(plan),
                Ok(_) => SqlError::unsupported("this reference to the outer query"),
                Err(error) => SqlError::of(error, sql),
            },
            Err(error) => error,
        };
        self.plan_spoken(state, catalog, of_nothing, sql).await.map_err(|_| failed)
    }

    async fn plan_spoken(
        &self,
        state: &SessionState,
        catalog: &Catalog,
        statement: Result<Statement, SqlError>,
        sql: &str,
    ) -> Result<LogicalPlan, SqlError> {
        let statement = columns::without_hidden(statement?, catalog);
        let planned = state.statement_to_plan(PlannerStatement::Statement(Box::new(statement))).await;
        planned.and_then(known::kept).and_then(correlated::called).map_err(|error| SqlError::of(error, sql))
    }

    /// The logical plan of a view's query.
    pub async fn logical(&self, catalog: &Arc<Catalog>, query: &str) -> Result<LogicalPlan, SqlError> {
        let state = self.context(catalog, None, None);
        self.plan(&state, catalog, parse(query)?, query).await
    }

    /// The plan of a materialised view or an index.
    pub async fn planned(
        &self,
        catalog: &Arc<Catalog>,
        making: Making<'_>,
        name: &str,
        id: RelationId,
        next_id: &mut (dyn FnMut() -> RelationId + Send),
    ) -> Result<Planned, SqlError> {
        let seen = catalog.as_of(making.as_of);
        match making.index {
            Some(columns) => {
                let Statement::Query(query) = parse(making.query)? else { unreachable!("an index is on a relation") };
                let on = names_read(&query)?.pop_first().expect("an index is on a relation");
                let view = planner::index(seen.expect(&on)?, columns, id, name)?;
                Ok(Planned { fingerprint: fingerprint::of(&view), view })
            }
            None => self.materialized(catalog, &self.logical(&seen, making.query).await?, name, id, next_id),
        }
    }

    /// A materialised view's plan from its query's. `next_id` numbers what its operators keep.
    pub fn materialized(
        &self,
        catalog: &Catalog,
        logical: &LogicalPlan,
        name: &str,
        id: RelationId,
        next_id: &mut dyn FnMut() -> RelationId,
    ) -> Result<Planned, SqlError> {
        let view = planner::plan_view(logical, id, name, catalog, next_id)?;
        Ok(Planned { fingerprint: fingerprint::of(&view), view })
    }
}
