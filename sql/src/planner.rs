//! From SQL to plans: the context that every statement is planned in, and views as the engine runs them.
//!
//! A view's logical plan goes through the same rules as an ad hoc query ([`crate::rules`]); what comes out, the *rewritten*
//! plan, is lowered to [`dataflow::Plan`] and is also what [`batch`] runs to check the view against.

mod batch;
mod explain;
mod follow;
mod index;
mod join;
mod lower;
mod lowered;
mod monotonic;
mod names;
mod origin;
mod reduce;
mod refuse;
pub(crate) mod set_operation;
mod subquery;
mod temporal;
mod top;
mod window;

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Field, Schema};
use chrono::{DateTime, Utc};
use dataflow::{Plan, PlannedView, RelationId, RelationSchema, Root};
use datafusion::catalog::CatalogProviderList;
use datafusion::common::config::{ConfigOptions, Dialect};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::ExecutionProps;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::prelude::SessionConfig;

use crate::error::SqlError;
use crate::limits::QUERY_BATCH_ROWS;
use crate::relation::Relations;
use crate::{functions, rules, types};

pub use crate::source::relation_name;
pub use batch::batch;
pub use explain::{Live, explain};
pub use follow::{Followed, follow};
pub use index::index;
pub use names::column_names;

/// The catalogue and the schema of names that say neither.
pub const CATALOG: &str = "caudal";
pub const SCHEMA: &str = "public";

/// How statements and views are parsed, typed, planned and run: our functions and rules, UTC, numbers with a point as
/// decimals, text as Utf8. `now`: what `now()` is in the statement; `None` leaves the call as it is, for views.
pub fn context(catalogs: Arc<dyn CatalogProviderList>, now: Option<DateTime<Utc>>) -> SessionState {
    // Made once: it registers hundreds of functions.
    static PATTERN: LazyLock<SessionState> = LazyLock::new(|| {
        let mut rules = rules::optimizer();
        // A view's plan counts copies itself.
        rules.push(Arc::new(rules::NumberCopies));
        builder(None).with_optimizer_rules(rules).build()
    });
    let mut context = PATTERN.clone();
    context.register_catalog_list(catalogs);
    *context.execution_props_mut() = props(now);
    context
}

/// A context without relations and without a moment, for plans that bring theirs.
pub(crate) fn bare() -> SessionState {
    builder(None).build()
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(QUERY_BATCH_ROWS)
        .with_information_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some(types::UTC.to_string());
    // Fails where `IS NOT TRUE` is aggregated: its two plans disagree whether that may be NULL.
    options.execution.skip_physical_aggregate_schema_check = true;
    config
}

/// What expressions are evaluated with. `now`: see [`context`].
pub(crate) fn props(now: Option<DateTime<Utc>>) -> ExecutionProps {
    static OPTIONS: LazyLock<Arc<ConfigOptions>> = LazyLock::new(|| config().options().clone());
    let mut props = ExecutionProps::new();
    props.query_execution_start_time = now;
    props.config_options = Some(OPTIONS.clone());
    props
}

fn builder(now: Option<DateTime<Utc>>) -> SessionStateBuilder {
    SessionStateBuilder::new()
        .with_config(config())
        .with_execution_props(props(now))
        .with_type_planner(Arc::new(types::Types))
        .with_expr_planners(expr_planners())
        .with_scalar_functions(functions::scalars())
        .with_aggregate_functions(functions::aggregates())
        .with_table_function_list(SessionStateDefaults::default_table_functions())
        .with_window_functions(functions::windows())
        .with_analyzer_rules(rules::analyzer())
        .with_optimizer_rules(rules::optimizer())
        .with_physical_optimizer_rules(rules::physical())
}

/// Ours first: the first that knows an expression plans it.
fn expr_planners() -> Vec<Arc<dyn ExprPlanner>> {
    let ours: [Arc<dyn ExprPlanner>; 4] = [
        Arc::new(functions::flag::Flags),
        Arc::new(functions::array::Arrays),
        Arc::new(functions::interval::Intervals),
        Arc::new(functions::json::Documents),
    ];
    ours.into_iter().chain(SessionStateDefaults::default_expr_planners()).collect()
}

/// A view's plan after the rules. Refuses what a view cannot have, the construct named.
pub fn rewrite(logical: &LogicalPlan) -> Result<LogicalPlan, SqlError> {
    refuse::check(logical)?;
    let mut config = config();
    // A subquery that refers to nothing outside is a join too, not a value that is computed once.
    config.options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    let state = builder(None).with_config(config).build();
    let rewritten = state.optimize(&crate::source::detached(logical.clone())?)?;
    refuse::subqueries(&rewritten)?;
    temporal::check(&rewritten)?;
    Ok(rewritten)
}

/// Plans a view: `logical` is its query as DataFusion read it, `relation` its id, `next_id` gives ids to operators that
/// keep state. Errors: 0A000 names what is not supported, 42701 a column name used twice, 42P01 a relation that is gone.
pub fn plan_view(
    logical: &LogicalPlan,
    relation: RelationId,
    name: &str,
    relations: &dyn Relations,
    next_id: &mut dyn FnMut() -> RelationId,
) -> Result<PlannedView, SqlError> {
    let names = names::column_names(logical);
    names::distinct(&names)?;
    let rewritten = rewrite(logical)?;
    let lowered = lower::Lowering::new(relations, relation, next_id).plan(&rewritten)?.settled();
    root(lowered, relation, name, &names)
}

/// Decides how the view's rows are kept, and gives its columns their names.
fn root(
    lowered: lowered::Lowered,
    relation: RelationId,
    name: &str,
    names: &[String],
) -> Result<PlannedView, SqlError> {
    let lowered::Lowered { mut plan, key, .. } = lowered;
    let schema = plan.schema();
    assert_eq!(schema.fields().len(), names.len(), "columns of {name}");
    let fields =
        schema.fields().iter().zip(names).map(|(field, name)| Field::new(name, field.data_type().clone(), true));
    let columns = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let reduced = key.as_ref().is_some_and(|key| keeps_groups(&plan, key));
    let (root, key, counted) = match key {
        Some(key) if reduced => (Root::Reduced, key, false),
        Some(key) => (Root::Keyed, key, false),
        None => (Root::Counted, (0..names.len()).collect(), true),
    };
    if root == Root::Reduced {
        let state = match &mut plan {
            Plan::Map { input, .. } => input.as_mut(),
            reduce => reduce,
        };
        let Plan::Reduce { state, .. } = state else { unreachable!("the root keeps groups") };
        *state = relation;
    }
    let plan = renamed(plan, columns.clone());
    let schema = RelationSchema { columns, key, counted };
    Ok(PlannedView { relation, name: name.to_string(), plan, schema, root })
}

/// Whether the plan is a Reduce, or a Map over one, whose group columns are `key`, all of them.
fn keeps_groups(plan: &Plan, key: &[usize]) -> bool {
    match plan {
        Plan::Reduce { group, .. } => key.iter().copied().eq(0..group.len()),
        Plan::Map { input, columns, .. } => {
            let Plan::Reduce { group, .. } = input.as_ref() else { return false };
            key.len() == group.len() && key.iter().enumerate().all(|(at, &column)| columns[column].column() == Some(at))
        }
        _ => false,
    }
}

/// The same plan with the view's own column names on its outermost operator, where that has a schema of its own.
fn renamed(mut plan: Plan, columns: Arc<Schema>) -> Plan {
    match &mut plan {
        Plan::Map { schema, .. }
        | Plan::Reduce { schema, .. }
        | Plan::Top { schema, .. }
        | Plan::Neighbours { schema, .. }
        | Plan::Union { schema, .. }
        | Plan::Unnest { schema, .. }
        | Plan::Join { schema, .. }
        | Plan::Combine { schema, .. } => {
            *schema = columns;
        }
        Plan::Get { .. } | Plan::Constant { .. } | Plan::Filter { .. } | Plan::Temporal { .. } => {}
    }
    plan
}
