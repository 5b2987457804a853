//! Every order is total: what ORDER BY leaves open is decided by the row's key, or by all its columns where it has none.
//!
//! So the first rows of an order, their numbers, their neighbours and what aggregates gather in an order do not depend on the
//! order of arrival, and are the same in a query as in a view. Of different values the values decide. `rank` and frames of peers are left alone: rows that ORDER BY does not tell apart are peers.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Dependency, FunctionalDependence, JoinType, Result};
use datafusion::logical_expr::expr::{Sort as SortExpr, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, Window, WindowFrameUnits, WindowFunctionDefinition,
};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::named;
use crate::error::SqlError;
use crate::properties::{AGGREGATES, Property, WINDOWS};
use crate::source;

/// See the [module](self).
#[derive(Debug)]
pub struct DecidedOrder;

impl AnalyzerRule for DecidedOrder {
    fn name(&self) -> &str {
        "decided_order"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Sort(mut sort) => {
                let spread = spread(&mut sort.expr, sort.input.schema())?;
                let changed = decide(&mut sort.expr, &[], &sort.input);
                Ok(Transformed::new_transformed(LogicalPlan::Sort(sort), spread || changed))
            }
            LogicalPlan::Window(window) => spread_windows(window)?.transform_data(decide_windows),
            LogicalPlan::Aggregate(aggregate) => decide_aggregates(aggregate),
            other => Ok(Transformed::no(other.recompute_schema()?)),
        })
        .map(|rewritten| rewritten.data)
    }
}

/// Says where NULL arrays come apart from the order of arrays, in which a NULL element is the greatest: DataFusion would have
/// the elements follow what is said of the arrays. Returns whether there was any such order.
fn spread(order: &mut Vec<SortExpr>, schema: &DFSchema) -> Result<bool> {
    let mut spread = Vec::with_capacity(order.len());
    let before = order.len();
    for by in order.drain(..) {
        let array = matches!(by.expr.get_type(schema)?, DataType::List(_));
        if array && by.asc == by.nulls_first {
            spread.push(SortExpr::new(by.expr.clone().is_null(), !by.nulls_first, false));
            spread.push(SortExpr { nulls_first: !by.nulls_first, ..by });
        } else {
            spread.push(by);
        }
    }
    *order = spread;
    Ok(order.len() > before)
}

fn spread_windows(window: Window) -> Result<Transformed<LogicalPlan>> {
    let schema = window.input.schema().clone();
    named::retype(LogicalPlan::Window(window), |expr| match expr {
        Expr::WindowFunction(mut function) => {
            let spread = spread(&mut function.params.order_by, &schema)?;
            Ok(Transformed::new_transformed(Expr::WindowFunction(function), spread))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// Appends to an order of a plan's rows what makes it total among those that are alike in what is `given`. Returns whether it
/// was not.
fn decide(order: &mut Vec<SortExpr>, given: &[Expr], rows: &LogicalPlan) -> bool {
    let columns: Vec<Column> = rows.schema().columns();
    let ordered = |at: usize| {
        let exprs = order.iter().map(|by| &by.expr).chain(given);
        exprs.into_iter().any(|expr| matches!(expr, Expr::Column(column) if *column == columns[at]))
    };
    let keys = keys(rows);
    if keys.iter().any(|key| key.iter().all(|&at| ordered(at))) {
        return false;
    }
    let key = keys.into_iter().min_by_key(Vec::len);
    let deciding = key.unwrap_or_else(|| (0..columns.len()).collect());
    let more: Vec<SortExpr> = deciding
        .into_iter()
        .filter(|&at| !ordered(at))
        .map(|at| SortExpr::new(Expr::Column(columns[at].clone()), true, false))
        .collect();
    let changed = !more.is_empty();
    order.extend(more);
    changed
}

/// Sets of columns of a plan, each of which no two rows share: what DataFusion knows of groups, and what it is not told of, the
/// keys of relations, which pairs of their rows share. Without one, every column decides, and would have to be kept.
fn keys(plan: &LogicalPlan) -> Vec<Vec<usize>> {
    let width = plan.schema().fields().len();
    let whole = |dependence: &&FunctionalDependence| {
        let told = |at| dependence.source_indices.contains(&at) || dependence.target_indices.contains(&at);
        dependence.mode == Dependency::Single && !dependence.nullable && (0..width).all(told)
    };
    let known = plan.schema().functional_dependencies().iter().filter(whole);
    let known: Vec<Vec<usize>> = known.map(|dependence| dependence.source_indices.clone()).collect();
    // DataFusion leaves a row's key with each of the rows that its array becomes.
    let is_unnest = |node: &LogicalPlan| Ok(matches!(node, LogicalPlan::Unnest(_)));
    let told = !plan.exists(is_unnest).expect("nothing fails");
    if told && !known.is_empty() {
        return known;
    }
    match plan {
        LogicalPlan::TableScan(scan) => {
            let place = |column: usize| match &scan.projection {
                Some(projection) => projection.iter().position(|&passed| passed == column),
                None => Some(column),
            };
            let key = source::key(&scan.source).and_then(|key| key.into_iter().map(place).collect());
            key.into_iter().collect()
        }
        LogicalPlan::SubqueryAlias(alias) => keys(&alias.input),
        LogicalPlan::Filter(filter) => keys(&filter.input),
        LogicalPlan::Projection(projection) => {
            let below = projection.input.schema();
            let passed: Vec<Option<usize>> = projection.expr.iter().map(|expr| passed(expr, below)).collect();
            let place = |column: usize| passed.iter().position(|&passed| passed == Some(column));
            keys(&projection.input).into_iter().filter_map(|key| key.into_iter().map(place).collect()).collect()
        }
        // Of a full join's rows without a pair each side might have one whose key is NULL on both.
        LogicalPlan::Join(join) if matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::Right) => {
            let right = join.left.schema().fields().len();
            let shortest = |plan| keys(plan).into_iter().min_by_key(Vec::len);
            let (Some(of_left), Some(of_right)) = (shortest(&join.left), shortest(&join.right)) else {
                return Vec::new();
            };
            vec![of_left.into_iter().chain(of_right.into_iter().map(|column| right + column)).collect()]
        }
        _ => Vec::new(),
    }
}

/// The column that an expression is, by whatever name.
fn passed(expr: &Expr, of: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(column) => of.maybe_index_of_column(column),
        Expr::Alias(alias) => passed(&alias.expr, of),
        _ => None,
    }
}

/// Decides the orders in which aggregates gather.
fn decide_aggregates(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let (rows, schema) = (aggregate.input.clone(), aggregate.input.schema().clone());
    // Within a group its columns decide nothing.
    let group: Vec<Expr> =
        aggregate.group_expr.iter().filter(|expr| !matches!(expr, Expr::GroupingSet(_))).cloned().collect();
    named::retype(LogicalPlan::Aggregate(aggregate), |expr| match expr {
        Expr::AggregateFunction(mut function) if AGGREGATES.has(function.func.name(), Property::InOrder) => {
            let params = &mut function.params;
            match params.distinct {
                true => decide_values(&mut params.order_by, &params.args)?,
                false => {
                    params.order_by.retain(|by| !group.contains(&by.expr));
                    spread(&mut params.order_by, &schema)?;
                    decide(&mut params.order_by, &group, &rows);
                }
            }
            Ok(Transformed::yes(Expr::AggregateFunction(function)))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// Different values are in the order of nothing else.
fn decide_values(order: &mut Vec<SortExpr>, args: &[Expr]) -> Result<()> {
    if order.iter().any(|by| !args.contains(&by.expr)) {
        let words = "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list";
        return Err(SqlError::new("42P10", words).into());
    }
    order.retain(|by| by.expr == args[0]);
    if order.is_empty() {
        order.push(SortExpr::new(args[0].clone(), true, false));
    }
    Ok(())
}

/// Decides the orders of window functions. Functions of one node must have one order, so those left alone move to their own.
fn decide_windows(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Window(window) = &plan else { return Ok(Transformed::no(plan)) };
    let (open, left): (Vec<Expr>, Vec<Expr>) = window.window_expr.iter().cloned().partition(is_open);
    if open.is_empty() {
        return Ok(Transformed::no(plan));
    }
    let rows = window.input.clone();
    let mut input = window.input.clone();
    if !left.is_empty() {
        input = LogicalPlan::Window(Window::try_new(left, input)?).into();
    }
    named::retype(LogicalPlan::Window(Window::try_new(open, input)?), |expr| match expr {
        Expr::WindowFunction(mut function) => {
            let params = &mut function.params;
            // Within a partition its columns decide nothing.
            let given: Vec<Expr> = params.partition_by.clone();
            params.order_by.retain(|by| !given.contains(&by.expr));
            decide(&mut params.order_by, &given, &rows);
            Ok(Transformed::yes(Expr::WindowFunction(function)))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// Whether an answer may depend on how rows come that the order does not tell apart.
fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_open(&alias.expr),
        Expr::WindowFunction(function) => by_position(function),
        _ => false,
    }
}

fn by_position(function: &WindowFunction) -> bool {
    let name = function.fun.name();
    let by_rows = function.params.window_frame.units == WindowFrameUnits::Rows;
    let windowed = matches!(function.fun, WindowFunctionDefinition::WindowUDF(_));
    WINDOWS.has(name, Property::ByPosition) || by_rows && !(windowed && WINDOWS.has(name, Property::ByPeers))
}
