//! Correlated subqueries over PostgreSQL's catalogue, of every kind that its clients send.
//!
//! DataFusion turns a correlated subquery into a join where it can, and refuses the rest. Clients ask the catalogue with
//! subqueries that it refuses: scalar ones without an aggregate, conditions other than equalities, EXISTS as a column. The
//! catalogue is small and in memory, so these are run for each row of the outer query: the subquery becomes a function of
//! the outer columns that it names. Subqueries that read anything else are left to DataFusion.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::array::Array;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, Result, ScalarValue};
use datafusion::execution::context::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Exists, InSubquery, Placeholder};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Subquery, Volatility, lit,
};
use datafusion::physical_plan::collect;

use crate::error::SqlError;
use crate::planner;
use crate::rules::named;
use crate::system::{information_schema, pg_catalog};
use crate::types::Spoken;

/// The plan with functions in place of its correlated subqueries over the catalogue.
pub fn called(plan: LogicalPlan) -> Result<LogicalPlan> {
    // Those within subqueries first: what remains of a subquery has its own outer columns only.
    plan.transform_up_with_subqueries(|node| node.map_expressions(|expr| expr.transform_up(replaced)))
        .map(|rewritten| rewritten.data)
}

/// What is asked of a subquery's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    /// The value of its one row, or NULL.
    Value,
    /// Whether there is one.
    Exists,
    /// Whether the last argument is among its values.
    Has,
}

fn replaced(expr: Expr) -> Result<Transformed<Expr>> {
    let (subquery, asked, wanted, negated) = match &expr {
        Expr::ScalarSubquery(subquery) => (subquery, Asked::Value, None, false),
        Expr::Exists(Exists { subquery, negated }) => (subquery, Asked::Exists, None, *negated),
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            (subquery, Asked::Has, Some((**expr).clone()), *negated)
        }
        _ => return Ok(Transformed::no(expr)),
    };
    if subquery.outer_ref_columns.is_empty() || !over_catalogue(&subquery.subquery)? {
        return Ok(Transformed::no(expr));
    }
    let call = Called::call(subquery, asked, wanted)?;
    Ok(Transformed::yes(if negated { Expr::Not(Box::new(call)) } else { call }))
}

/// Whether a plan reads PostgreSQL's catalogue, or the outer row's arrays, and nothing else but its own WITH RECURSIVE.
fn over_catalogue(plan: &LogicalPlan) -> Result<bool> {
    let mut recursive = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::RecursiveQuery(query) = node {
            recursive.push(query.name.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let (mut reads, mut own) = (false, true);
    plan.apply_with_subqueries(|node| {
        reads |= matches!(node, LogicalPlan::TableScan(_) | LogicalPlan::Unnest(_));
        if let LogicalPlan::TableScan(scan) = node {
            own &= match scan.table_name.schema() {
                Some(schema) => [pg_catalog::SCHEMA, information_schema::SCHEMA].contains(&schema),
                None => recursive.iter().any(|name| name == scan.table_name.table()),
            };
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(own && reads)
}

/// The statement's parameters that a plan takes, each once.
fn parameters(plan: &LogicalPlan) -> Result<Vec<Placeholder>> {
    let mut found: Vec<Placeholder> = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::Placeholder(placeholder) = part
                    && !found.iter().any(|known| known.id == placeholder.id)
                {
                    found.push(placeholder.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// A subquery as a function of the outer columns that it names.
#[derive(Debug)]
struct Called {
    plan: Arc<LogicalPlan>,
    outer: Vec<Column>,
    /// Parameters of the statement; their values are the arguments after the outer columns'.
    parameters: Vec<String>,
    asked: Asked,
    returns: DataType,
    signature: Signature,
}

impl Called {
    fn call(subquery: &Subquery, asked: Asked, wanted: Option<Expr>) -> Result<Expr> {
        let mut outer: Vec<Column> = Vec::new();
        for expr in &subquery.outer_ref_columns {
            if let Expr::OuterReferenceColumn(_, column) = expr
                && !outer.contains(column)
            {
                outer.push(column.clone());
            }
        }
        let returns = match asked {
            Asked::Value => subquery.subquery.schema().field(0).data_type().clone(),
            Asked::Exists | Asked::Has => DataType::Boolean,
        };
        let placeholders = parameters(&subquery.subquery)?;
        let parameters = placeholders.iter().map(|placeholder| placeholder.id.clone()).collect();
        let columns = outer.iter().cloned().map(Expr::Column);
        let arguments: Vec<Expr> =
            columns.chain(placeholders.into_iter().map(Expr::Placeholder)).chain(wanted).collect();
        let signature = Signature::any(arguments.len(), Volatility::Stable);
        let called = Called { plan: subquery.subquery.clone(), outer, parameters, asked, returns, signature };
        Ok(ScalarUDF::new_from_impl(called).call(arguments))
    }

    /// The plan for one row of the outer query.
    fn bound(&self, values: &[ScalarValue]) -> Result<LogicalPlan> {
        let value = |column: &Column| self.outer.iter().position(|outer| outer == column).map(|at| values[at].clone());
        let literal = |expr: Expr| match &expr {
            Expr::OuterReferenceColumn(_, column) => Ok(match value(column) {
                Some(value) => Transformed::yes(lit(value)),
                None => Transformed::no(expr),
            }),
            Expr::Placeholder(placeholder) => {
                let at = self.parameters.iter().position(|id| *id == placeholder.id).expect("all were collected");
                Ok(Transformed::yes(lit(values[self.outer.len() + at].clone())))
            }
            _ => Ok(Transformed::no(expr)),
        };
        let bound = (*self.plan).clone().transform_up_with_subqueries(|node| {
            // An array of the outer row that FROM unnests: once it is bound, it stands for itself.
            if let LogicalPlan::Subquery(lateral) = node {
                return Ok(Transformed::yes(lateral.subquery.as_ref().clone()));
            }
            named::rewrite(node, literal)
        })?;
        Ok(bound.data)
    }

    async fn answer(&self, values: &[ScalarValue]) -> Result<ScalarValue> {
        static CONTEXT: LazyLock<SessionState> = LazyLock::new(planner::bare);
        let physical = CONTEXT.create_physical_plan(&self.bound(values)?).await?;
        let batches = collect(physical, Arc::new(TaskContext::from(&*CONTEXT))).await?;
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        let first = || batches.iter().find(|batch| batch.num_rows() > 0).map(|batch| batch.column(0));
        Ok(match self.asked {
            Asked::Exists => ScalarValue::Boolean(Some(rows > 0)),
            Asked::Value if rows > 1 => {
                let words = "more than one row returned by a subquery used as an expression";
                return Err(SqlError::new("21000", words).into());
            }
            Asked::Value => match first() {
                Some(column) => ScalarValue::try_from_array(column, 0)?.cast_to(&self.returns)?,
                None => ScalarValue::try_from(&self.returns)?,
            },
            Asked::Has => {
                let wanted = values.last().expect("what is looked for is the last argument").to_string();
                let columns = batches.iter().map(|batch| batch.column(0));
                let found = columns
                    .flat_map(|column| (0..column.len()).map(move |row| ScalarValue::try_from_array(column, row)));
                let found = found.collect::<Result<Vec<_>>>()?;
                ScalarValue::Boolean(Some(found.iter().any(|value| !value.is_null() && value.to_string() == wanted)))
            }
        })
    }

    /// The answers to different arguments, each worked out once. A function is not async, and the thread that calls it
    /// must not wait for a future: another one does.
    fn answers(&self, rows: &[Vec<ScalarValue>]) -> Result<Vec<ScalarValue>> {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(DataFusionError::from)?;
            let mut known: HashMap<&[ScalarValue], ScalarValue> = HashMap::new();
            let mut answers = Vec::with_capacity(rows.len());
            for values in rows {
                let answer = match known.get(&values[..]) {
                    Some(answer) => answer.clone(),
                    None => runtime.block_on(self.answer(values))?,
                };
                known.insert(values, answer.clone());
                answers.push(answer);
            }
            Ok(answers)
        };
        let panicked = |_| SqlError::new("XX000", "a subquery could not be run").into();
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(crate::limits::STACK_BYTES);
            thread
                .spawn_scoped(scope, work)
                .map_err(DataFusionError::from)?
                .join()
                .unwrap_or_else(|failed| Err(panicked(failed)))
        })
    }
}

impl ScalarUDFImpl for Called {
    fn name(&self) -> &str {
        "subquery"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    /// A value is known as what the subquery's column is.
    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = Field::new(self.name(), self.returns.clone(), true);
        let spoken = Spoken::of(self.plan.schema().field(0)).filter(|_| self.asked == Asked::Value);
        Ok(Arc::new(spoken.map_or_else(|| field.clone(), |spoken| spoken.on(field.clone()))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let count = if arrays.is_empty() { 1 } else { arrays[0].len() };
        let row = |row: usize| arrays.iter().map(|array| ScalarValue::try_from_array(array, row)).collect();
        let answers = self.answers(&(0..count).map(row).collect::<Result<Vec<_>>>()?)?;
        match answers.is_empty() {
            true => Ok(ColumnarValue::Array(arrow::array::new_empty_array(&self.returns))),
            false => Ok(ColumnarValue::Array(ScalarValue::iter_to_array(answers)?)),
        }
    }
}

impl PartialEq for Called {
    fn eq(&self, other: &Called) -> bool {
        self.asked == other.asked && self.outer == other.outer && self.plan == other.plan
    }
}

impl Eq for Called {}

impl Hash for Called {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.asked.hash(state);
        self.outer.hash(state);
    }
}

/// Whether a plan that is optimised still has subqueries that refer to their outer query, which nothing runs.
pub fn remains(plan: &LogicalPlan) -> bool {
    let refers = |expr: &Expr| {
        let subquery = match expr {
            Expr::ScalarSubquery(subquery) => subquery,
            Expr::InSubquery(within) => &within.subquery,
            Expr::Exists(exists) => &exists.subquery,
            _ => return Ok(false),
        };
        Ok(!subquery.outer_ref_columns.is_empty())
    };
    let of_node = |node: &LogicalPlan| Ok(node.expressions().iter().any(|expr| expr.exists(refers).unwrap_or(false)));
    plan.exists(of_node).unwrap_or(false)
}
