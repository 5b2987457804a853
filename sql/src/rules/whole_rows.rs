//! The whole row of a relation as a document: `_pg_row(t.*)` becomes an object of the columns of `t`.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, lit, when};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::named;
use crate::catalog::is_hidden;
use crate::error::SqlError;
use crate::functions::json;
use crate::query::shown_name;

/// See the [module](self). Runs first: nothing else knows what `t.*` is within an expression.
#[derive(Debug)]
pub struct WholeRows;

impl AnalyzerRule for WholeRows {
    fn name(&self) -> &str {
        "whole_rows"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let columns = named::columns_within(&plan)?;
            named::retype(plan, |expr| row(expr, &columns))
        })
        .map(|rewritten| rewritten.data)
    }
}

#[expect(deprecated, reason = "the planner has no other word for `t.*` in an argument")]
fn row(expr: Expr, columns: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
    if ![json::ROW, json::ROW_OR_NULL].contains(&call.name()) {
        return Ok(Transformed::no(expr));
    }
    let [Expr::Wildcard { qualifier: Some(relation), .. }] = &call.args[..] else {
        return Err(SqlError::unsupported(format!("the function {}", call.name())).into());
    };
    let own = own(relation, columns);
    // What has a column of this name means that.
    if let [column] = columns.qualified_fields_with_unqualified_name(relation.table())[..] {
        return Ok(Transformed::yes(Expr::Column(Column::from(column))));
    }
    let members = own.iter().flat_map(|column| [lit(shown_name(&column.name)), Expr::Column(column.clone())]);
    let object = json::object_of(members.collect());
    let Some(missing) = own.into_iter().map(|column| Expr::Column(column).is_null()).reduce(Expr::and) else {
        return Ok(Transformed::yes(object));
    };
    Ok(Transformed::yes(match call.name() {
        json::ROW_OR_NULL => when(missing.is_not_true(), object).end()?,
        _ => object,
    }))
}

/// The columns of a relation that `SELECT *` gives.
fn own(relation: &TableReference, columns: &DFSchema) -> Vec<Column> {
    let own = columns.iter().filter(|(of, field)| *of == Some(relation) && !is_hidden(field));
    own.map(Column::from).collect()
}
