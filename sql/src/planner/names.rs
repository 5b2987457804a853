//! The names of a query's columns, as PostgreSQL gives them.
//!
//! `count(*)` is `count`, a cast has the name of what is cast, CASE is `case`, and what has no name of its own is `?column?`.

use datafusion::common::NullEquality;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use crate::error::SqlError;
use crate::types;

/// The name of an expression that has none.
const UNNAMED: &str = "?column?";

/// What DataFusion calls `count(*)`, which it writes as the count of a constant.
const COUNT_ALL: &str = "count(*)";

/// One name a column of the query, which must not have been rewritten yet.
pub fn column_names(plan: &LogicalPlan) -> Vec<String> {
    match plan {
        LogicalPlan::Projection(projection) => {
            projection.expr.iter().map(|expr| named(expr, &projection.input)).collect()
        }
        LogicalPlan::Aggregate(aggregate) => {
            let exprs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
            exprs.map(|expr| named(expr, &aggregate.input)).collect()
        }
        LogicalPlan::Filter(filter) => column_names(&filter.input),
        LogicalPlan::Sort(sort) => sorted(plan, &sort.input),
        LogicalPlan::Limit(limit) => column_names(&limit.input),
        LogicalPlan::Distinct(Distinct::On(on)) => on.select_expr.iter().map(|expr| named(expr, &on.input)).collect(),
        LogicalPlan::Distinct(distinct) => column_names(distinct.input()),
        LogicalPlan::Union(union) => column_names(&union.inputs[0]),
        // INTERSECT and EXCEPT, and nothing else that is written so.
        LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNull => column_names(&join.left),
        other => other.schema().fields().iter().map(|field| field.name().clone()).collect(),
    }
}

fn sorted(plan: &LogicalPlan, input: &LogicalPlan) -> Vec<String> {
    let names = column_names(input);
    assert_eq!(names.len(), plan.schema().fields().len(), "a sort keeps its columns");
    names
}

/// Refuses a view with a name used twice, or with a column that has none.
pub fn distinct(names: &[String]) -> Result<(), SqlError> {
    const ADVICE: &str = "Give the columns different names with AS.";
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            let words = format!("column \"{name}\" is specified more than once");
            return Err(SqlError::new("42701", words).hint(ADVICE));
        }
    }
    Ok(())
}

fn named(expr: &Expr, input: &LogicalPlan) -> String {
    name(expr, input).unwrap_or_else(|| UNNAMED.to_string())
}

fn name(expr: &Expr, input: &LogicalPlan) -> Option<String> {
    match expr {
        // DataFusion writes count(*) so, and calls it by what was written.
        Expr::Alias(alias) if alias.name == COUNT_ALL => name(&alias.expr, input),
        // It calls an item of an array by how it is computed.
        Expr::Alias(alias) if alias.name.starts_with("UNNEST(") => Some("unnest".into()),
        Expr::Alias(alias) => Some(alias.name.clone()),
        Expr::Column(column) => match computed(expr, input) {
            Some((below, input)) => name(below, input),
            None => Some(column.name.clone()),
        },
        Expr::Cast(cast) => name(&cast.expr, input).or_else(|| Some(type_name(cast.field.data_type()))),
        Expr::TryCast(cast) => name(&cast.expr, input).or_else(|| Some(type_name(cast.field.data_type()))),
        Expr::Case(_) => Some("case".into()),
        Expr::Exists(_) => Some("exists".into()),
        Expr::ScalarFunction(function) => match function.name() {
            "array_element" => name(&function.args[0], input),
            "make_array" => Some("array".into()),
            "_pg_any" => None,
            called => Some(called.into()),
        },
        Expr::AggregateFunction(function) => Some(function.func.name().into()),
        Expr::WindowFunction(function) => Some(function.fun.name().into()),
        Expr::ScalarSubquery(subquery) => column_names(&subquery.subquery).into_iter().next(),
        _ => None,
    }
}

/// The expression that an unnamed column of an aggregation or a window stands for, and what it is over.
fn computed<'a>(column: &Expr, input: &'a LogicalPlan) -> Option<(&'a Expr, &'a LogicalPlan)> {
    let Expr::Column(wanted) = column else { return None };
    let found = |exprs: &'a [Expr], input: &'a LogicalPlan| {
        let same = |expr: &&Expr| {
            !matches!(expr, Expr::Column(_) | Expr::Alias(_))
                && expr.qualified_name() == (wanted.relation.clone(), wanted.name.clone())
        };
        exprs.iter().find(same).map(|expr| (expr, input))
    };
    match input {
        LogicalPlan::Aggregate(aggregate) => {
            found(&aggregate.group_expr, &aggregate.input).or_else(|| found(&aggregate.aggr_expr, &aggregate.input))
        }
        LogicalPlan::Window(window) => {
            found(&window.window_expr, &window.input).or_else(|| computed(column, &window.input))
        }
        LogicalPlan::Filter(filter) => computed(column, &filter.input),
        _ => None,
    }
}

fn type_name(data_type: &arrow::datatypes::DataType) -> String {
    let name = types::sql_name(data_type);
    match name.as_str() {
        "integer" => "int4".into(),
        "bigint" => "int8".into(),
        "double precision" => "float8".into(),
        "boolean" => "bool".into(),
        other => other.split(['(', '[']).next().unwrap_or(other).to_string(),
    }
}
