//! Subqueries that stand for an array or a list of roles.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, GroupByExpr, OrderByKind, Query, SelectItem, SetExpr, TableFactor,
    Value,
};

use super::super::types::{self, call};
use super::{column, null};
use crate::functions::{array, catalog};

/// Whose roles a query lists that walks from one to those that it is a member of, which is how pgAdmin asks for them:
///
/// ```text
/// WITH RECURSIVE c AS (SELECT oid, rolname FROM pg_roles WHERE oid = x UNION ALL
///     SELECT m.roleid, r.rolname FROM c JOIN pg_auth_members m .. JOIN pg_roles r ..) SELECT rolname FROM c
/// ```
fn whose_roles(query: &Query) -> Option<Expr> {
    let with = query.with.as_ref().filter(|with| with.recursive)?;
    let [walk] = &with.cte_tables[..] else { return None };
    let SetExpr::SetOperation { left, right, .. } = &*walk.query.body else { return None };
    let (SetExpr::Select(start), SetExpr::Select(step)) = (&**left, &**right) else { return None };
    let reads = |name: &str, factor: &TableFactor| {
        matches!(factor, TableFactor::Table { name: read, .. }
            if read.0.last().is_some_and(|last| last.to_string().eq_ignore_ascii_case(name)))
    };
    let [from] = &start.from[..] else { return None };
    let steps = step.from.iter().flat_map(|from| &from.joins).any(|join| reads("pg_auth_members", &join.relation));
    if !reads("pg_roles", &from.relation) || !from.joins.is_empty() || !steps {
        return None;
    }
    let Some(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) = &start.selection else { return None };
    (column(left).as_deref() == Some("oid")).then(|| (**right).clone())
}

/// `ARRAY(SELECT u::type FROM unnest(array) AS u)`, which is the array cast.
fn each_cast(query: &Query) -> Option<Expr> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let ([from], [SelectItem::UnnamedExpr(item)], None) = (&select.from[..], &select.projection[..], &select.selection)
    else {
        return None;
    };
    let TableFactor::Derived { lateral: true, subquery, alias: Some(alias), .. } = &from.relation else { return None };
    let SetExpr::Select(items) = &*subquery.body else { return None };
    let [SelectItem::ExprWithAlias { expr: Expr::Function(called), .. }] = &items.projection[..] else { return None };
    let FunctionArguments::List(list) = &called.args else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = &list.args[..] else { return None };
    let (inner, to) = match item {
        Expr::Cast { expr: inner, data_type, .. } => (&**inner, Some(data_type)),
        other => (other, None),
    };
    let mut element = inner;
    while let Expr::Cast { expr: inner, .. } = element {
        element = inner;
    }
    let plain = from.joins.is_empty() && query.limit_clause.is_none() && query.order_by.is_none();
    if !plain || column(element)? != alias.name.value.to_lowercase() || called.name.to_string() != array::ITEMS {
        return None;
    }
    let array = array.clone();
    Some(match to {
        Some(to) => types::cast(array, SqlType::Array(ArrayElemTypeDef::SquareBracket(Box::new(to.clone()), None))),
        None => array,
    })
}

/// `ARRAY(SELECT x .. ORDER BY y)` as `(SELECT array_agg(x ORDER BY y) ..)`, empty where there are no rows.
pub(super) fn array_of(mut query: Box<Query>) -> Expr {
    if let Some(cast) = each_cast(&query) {
        return call("_pg_array_or_empty", vec![cast]);
    }
    if let Some(role) = whose_roles(&query) {
        return call(catalog::MEMBER_OF, vec![role]);
    }
    let plain = match &*query.body {
        SetExpr::Select(select) => {
            let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty());
            select.projection.len() == 1 && !grouped && select.distinct.is_none() && query.limit_clause.is_none()
        }
        _ => false,
    };
    let order = query.order_by.take();
    if let (true, SetExpr::Select(select)) = (plain, &mut *query.body)
        && let SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. } = &mut select.projection[0]
    {
        let value = std::mem::replace(item, null());
        let mut gathered = call("array_agg", vec![value.clone()]);
        if let (Expr::Function(Function { args: FunctionArguments::List(list), .. }), Some(order)) =
            (&mut gathered, order)
            && let OrderByKind::Expressions(mut keys) = order.kind
        {
            for key in &mut keys {
                if matches!(&key.expr, Expr::Value(number) if matches!(number.value, Value::Number(..))) {
                    key.expr = value.clone();
                }
            }
            list.clauses.push(FunctionArgumentClause::OrderBy(keys));
        }
        *item = gathered;
    }
    call("_pg_array_or_empty", vec![Expr::Subquery(query)])
}
