//! `FROM t, unnest(t.tags) AS tag`: the rows of `t`, each with the items of its own array.
//!
//! Written so it is a join whose right side refers to the left one's columns. It becomes an unnest of the left side's rows, to
//! which the array is added; what the subquery does with the items it does with those rows.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError, NullHandling, Result, UnnestOptions};
use datafusion::logical_expr::{EmptyRelation, Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection};
use datafusion::optimizer::analyzer::AnalyzerRule;

use crate::error::SqlError;
use crate::functions::array::ITEMS;

/// See the [module](self).
#[derive(Debug)]
pub struct LateralUnnest;

impl AnalyzerRule for LateralUnnest {
    fn name(&self) -> &str {
        "lateral_unnest"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) if is_unnest(&join.right) => unnested(join).map(Transformed::yes),
            other => Ok(Transformed::no(other)),
        })
        .map(|rewritten| rewritten.data)
    }
}

/// Whether it is a subquery that makes rows of nothing but arrays that it is given.
fn is_unnest(right: &LogicalPlan) -> bool {
    match right {
        LogicalPlan::Subquery(subquery) => is_unnest(&subquery.subquery),
        LogicalPlan::SubqueryAlias(alias) => is_unnest(&alias.input),
        LogicalPlan::Filter(filter) => is_unnest(&filter.input),
        LogicalPlan::Projection(projection) => is_unnest(&projection.input) || arrays(projection).is_some(),
        _ => false,
    }
}

/// The arrays whose items a projection is, where it is of items and nothing else.
fn arrays(projection: &Projection) -> Option<Vec<&Expr>> {
    let LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, .. }) = &*projection.input else {
        return None;
    };
    projection.expr.iter().map(array).collect()
}

fn array(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Alias(alias) => array(&alias.expr),
        Expr::ScalarFunction(function) if function.name() == ITEMS => function.args.first(),
        _ => None,
    }
}

fn unnested(join: Join) -> Result<LogicalPlan> {
    let always = |filter: &Expr| matches!(filter, Expr::Literal(value, _) if *value == true.into());
    let condition = join.filter.filter(|filter| !always(filter));
    let outer = match (join.join_type, &condition) {
        (JoinType::Inner, _) => false,
        (JoinType::Left, None) if join.on.is_empty() => true,
        _ => {
            return Err(
                SqlError::unsupported("a join with unnest but for an inner one, or LEFT JOIN .. ON true").into()
            );
        }
    };
    let left = join.left.schema().columns();
    let Moved { plan, columns } = moved(&join.right, &join.left, &left, outer)?;
    let equal = join.on.into_iter().map(|(left, right)| left.eq(right));
    let mut plan = LogicalPlanBuilder::from(plan);
    for condition in equal.chain(condition) {
        plan = plan.filter(condition)?;
    }
    plan.project(left.into_iter().chain(columns).map(Expr::Column))?.build()
}

/// A part of the right side over the left side's rows, and where its own columns are.
struct Moved {
    plan: LogicalPlan,
    columns: Vec<Column>,
}

fn moved(right: &LogicalPlan, left: &Arc<LogicalPlan>, kept: &[Column], outer: bool) -> Result<Moved> {
    let kept_columns = || kept.iter().cloned().map(Expr::Column);
    match right {
        LogicalPlan::Subquery(subquery) => moved(&subquery.subquery, left, kept, outer),
        LogicalPlan::SubqueryAlias(alias) => {
            let Moved { plan, columns } = moved(&alias.input, left, kept, outer)?;
            let names = alias.schema.columns();
            let renamed = columns.into_iter().zip(&names);
            let renamed =
                renamed.map(|(column, name)| Expr::Column(column).alias_qualified(name.relation.clone(), &name.name));
            let exprs: Vec<Expr> = kept_columns().chain(renamed).collect();
            Ok(Moved { plan: LogicalPlanBuilder::from(plan).project(exprs)?.build()?, columns: names })
        }
        LogicalPlan::Projection(projection) => match arrays(projection) {
            Some(arrays) => items(projection, arrays, left, kept, outer),
            None => {
                let Moved { plan, .. } = moved(&projection.input, left, kept, outer)?;
                let exprs = projection.expr.iter().cloned().map(inner).collect::<Result<Vec<_>>>()?;
                let plan = LogicalPlanBuilder::from(plan).project(kept_columns().chain(exprs))?.build()?;
                Ok(Moved { plan, columns: projection.schema.columns() })
            }
        },
        LogicalPlan::Filter(filter) if !outer => {
            let Moved { plan, columns } = moved(&filter.input, left, kept, outer)?;
            let plan = LogicalPlanBuilder::from(plan).filter(inner(filter.predicate.clone())?)?.build()?;
            Ok(Moved { plan, columns })
        }
        _ => Err(beyond()),
    }
}

/// The left side's rows with each array, then with its items, under the projection's names.
fn items(
    projection: &Projection,
    arrays: Vec<&Expr>,
    left: &Arc<LogicalPlan>,
    kept: &[Column],
    outer: bool,
) -> Result<Moved> {
    let kept_columns = || kept.iter().cloned().map(Expr::Column);
    let (mut given, mut lists) = (Vec::new(), Vec::<Column>::new());
    for array in arrays {
        let array = inner(array.clone())?;
        let mut name = format!("unnest({array})");
        while lists.iter().any(|known| known.name == name) {
            name.push('+');
        }
        given.push(array.alias(&name));
        lists.push(Column::from_name(name));
    }
    let handling = if outer { NullHandling::PreserveAndExpandEmpty } else { NullHandling::Drop };
    let options = UnnestOptions::new().with_null_handling(handling);
    let columns = projection.schema.columns();
    let named = lists.iter().zip(&columns);
    let named: Vec<Expr> = named.map(|(list, column)| Expr::Column(list.clone()).alias(&column.name)).collect();
    let plan = LogicalPlanBuilder::from(left.clone()).project(kept_columns().chain(given))?;
    let plan = plan.unnest_columns_with_options(lists, options)?;
    Ok(Moved { plan: plan.project(kept_columns().chain(named))?.build()?, columns })
}

fn beyond() -> DataFusionError {
    SqlError::unsupported("a LEFT JOIN with unnest and WHERE within").hint("Make a view of it and join that.").into()
}

/// The left side's columns are not outer ones any more.
fn inner(expr: Expr) -> Result<Expr> {
    let columns = expr.transform(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    });
    columns.map(|columns| columns.data)
}
