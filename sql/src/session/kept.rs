//! Plans that are kept from one execution of a prepared statement to the next.
//!
//! Such a plan only reads along a key: it was optimised with `$1`, `$2`, ... in the places of values, and they all went into
//! the predicates of scans, which get the values from the context that the plan runs in. Whatever else a statement asks is
//! planned each time, with its values, which the planner makes use of. The answer is the same either way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use storage::Snapshot;

use super::Cancel;
use super::prepare::shown;
use super::running::until_cancelled;
use crate::pipeline::Shared;
use crate::rules::named;
use crate::scan::{KeyScanExec, StatementParameters, StatementSnapshot, StoredTable};

/// What a prepared statement keeps.
#[derive(Default)]
pub struct Keeping(Mutex<Stage>);

#[derive(Default)]
enum Stage {
    #[default]
    New,
    /// A statement that runs once is not worth more than its answer.
    RanOnce,
    /// Under the settings of that revision; `None` where the plan hangs on more than where to read.
    Tried(u64, Option<Arc<Kept>>),
}

/// A plan without the values of its parameters.
pub struct Kept {
    plan: Arc<dyn ExecutionPlan>,
    config: SessionConfig,
    parameters: Vec<DataType>,
    /// The answer's columns under the names that people are shown.
    pub columns: SchemaRef,
    bytes: usize,
}

impl Keeping {
    /// The plan that is kept, for the settings of a revision and values of its types.
    pub fn at_hand(&self, settings: u64, values: &[ScalarValue]) -> Option<Arc<Kept>> {
        match &*self.stage() {
            Stage::Tried(of, Some(kept)) if *of == settings && kept.takes(values) => Some(kept.clone()),
            _ => None,
        }
    }

    /// Whether a plan should be made that can be kept, asked once a run: the statement runs again, and it was not tried under
    /// these settings.
    pub fn is_worth_trying(&self, settings: u64) -> bool {
        let mut stage = self.stage();
        match &*stage {
            Stage::New => {
                *stage = Stage::RanOnce;
                false
            }
            Stage::RanOnce => true,
            Stage::Tried(of, _) => *of != settings,
        }
    }

    pub fn tried(&self, settings: u64, kept: Option<Arc<Kept>>) {
        *self.stage() = Stage::Tried(settings, kept);
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The plan of a query that does no more than read along keys.
    pub async fn of(
        plan: &LogicalPlan,
        parameters: &[DataType],
        context: &SessionState,
        bytes: usize,
    ) -> Result<Option<Kept>> {
        if !reads_what_is_stored(plan)? {
            return Ok(None);
        }
        let optimized = context.optimize(&typed(plan.clone(), parameters)?)?;
        if !says_where(&optimized)? {
            return Ok(None);
        }
        let plan = context.query_planner().create_physical_plan(&optimized, context).await?;
        if plan.exists(|plan| Ok(!runs_again(plan.as_ref())))? {
            return Ok(None);
        }
        let config = crate::room::config(context.config().clone(), bytes);
        Ok(Some(Kept { columns: shown(&plan.schema()), plan, config, parameters: parameters.to_vec(), bytes }))
    }

    /// Whether the values are of the types that the plan was made for.
    fn takes(&self, values: &[ScalarValue]) -> bool {
        values.len() == self.parameters.len()
            && values.iter().zip(&self.parameters).all(|(value, of)| value.data_type() == *of)
    }

    /// Runs it over a snapshot; the stream ends with an error when it is cancelled.
    pub fn rows(
        &self,
        values: Vec<ScalarValue>,
        snapshot: Snapshot,
        shared: &Shared,
        cancel: Cancel,
    ) -> Result<SendableRecordBatchStream> {
        let mut config = self.config.clone();
        config.set_extension(Arc::new(StatementSnapshot(snapshot)));
        config.set_extension(Arc::new(StatementParameters(values)));
        // What operators count, and what they know of the rows they have seen, is of one run.
        let plan = reset_plan_states(self.plan.clone())?;
        Ok(until_cancelled(execute_stream(plan, shared.room.task(config, self.bytes)?)?, cancel))
    }
}

/// Whether the query reads tables and views only, and asks nothing that changes while they do not, such as `now()`.
fn reads_what_is_stored(plan: &LogicalPlan) -> Result<bool> {
    let mut stored = true;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            stored &= source_as_provider(&scan.source)?.downcast_ref::<StoredTable>().is_some();
        }
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(called) = part {
                    stored &= called.func.signature().volatility == Volatility::Immutable;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(stored)
}

/// The plan with its parameters of the types that their values have.
fn typed(plan: LogicalPlan, parameters: &[DataType]) -> Result<LogicalPlan> {
    let of = |id: &str| parameters.get(id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?);
    let typed = plan.transform_up_with_subqueries(|node| {
        named::retype(node, |expr| match expr {
            Expr::Placeholder(Placeholder { id, field }) => {
                let field = of(&id).map(|of| Arc::new(Field::new("", of.clone(), true))).or(field);
                Ok(Transformed::yes(Expr::Placeholder(Placeholder { id, field })))
            }
            other => Ok(Transformed::no(other)),
        })
    })?;
    Ok(typed.data)
}

/// Whether parameters only say where scans read.
fn says_where(plan: &LogicalPlan) -> Result<bool> {
    let mut only = true;
    plan.apply_with_subqueries(|node| {
        if !matches!(node, LogicalPlan::TableScan(_)) {
            node.apply_expressions(|expr| {
                only &= !expr.exists(|part| Ok(matches!(part, Expr::Placeholder(_))))?;
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(only)
}

/// Whether the operator can run again, and twice at a time, once its state is reset.
fn runs_again(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<KeyScanExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<AggregateExec>()
        || plan.is::<SortExec>()
}
