//! `unnest(..)` in FROM, which may refer to the tables before it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, SelectItem, SetExpr, Statement, TableAlias,
    TableAliasColumnDef, TableFactor, TableFunctionArgs, Value, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::expressions::{ARRAY, gathered};
use super::types::call;
use crate::error::SqlError;
use crate::functions::array::ITEMS;
use crate::functions::{json, series};
use crate::system::pg_catalog;

const UNNEST: &str = "unnest";
const SERIES: &str = "generate_series";
/// DataFusion's own, which is no function outside of FROM.
const RANGE: &str = "range";

/// Rewrites `unnest(t.tags) AS tag` as `LATERAL (SELECT _pg_items(t.tags) AS tag) AS tag`, for a rule to find; and other
/// functions that give rows likewise, as the items of an array that they make: `generate_series(1, t.n)`,
/// `jsonb_array_elements(t.doc)`, `jsonb_each(t.doc)`.
pub fn spoken(factor: &mut TableFactor) -> Result<(), SqlError> {
    // psql asks for it so, of arrays of the catalogue within scalar subqueries.
    let of_catalog =
        matches!(factor, TableFactor::Table { name, .. } if name.to_string().to_lowercase().starts_with("pg_catalog."));
    let (called, args, alias, numbered) = match factor {
        TableFactor::UNNEST { array_exprs, alias, with_offset: false, with_ordinality, .. } => {
            (UNNEST.to_owned(), array_exprs.clone(), alias, *with_ordinality)
        }
        TableFactor::Function { name, args, with_ordinality, alias, .. }
        | TableFactor::Table { name, args: Some(TableFunctionArgs { args, .. }), with_ordinality, alias, .. } => {
            let Some(called) = function(name) else { return Ok(()) };
            // What it answers is a relation too.
            let shown = if called == "pg_show_all_settings" { "pg_settings" } else { &called };
            if args.is_empty() && pg_catalog::names().any(|known| known == shown) {
                *factor = relation(shown, alias.take());
                return Ok(());
            }
            (called, values(args)?, alias, *with_ordinality)
        }
        _ => return Ok(()),
    };
    // Whole numbers DataFusion counts as they are asked for.
    if called == SERIES && !args.iter().any(|arg| refers(arg) || may_be_time(arg)) {
        let alias = alias.get_or_insert_with(|| TableAlias {
            explicit: true,
            name: Ident::new(SERIES),
            columns: vec![],
            at: None,
        });
        if alias.columns.is_empty() {
            alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
        }
        return Ok(());
    }
    // What its columns are called where nothing else is said; of one column without a name, as the whole is.
    let (mut arrays, known): (Vec<Expr>, &[&str]) = match called.as_str() {
        UNNEST => (args, &[]),
        SERIES => (vec![call(series::NAME, args)], &[]),
        _ => match (json::rows(&called), gathered(&called)) {
            (Some((parts, known)), _) => (parts.iter().map(|part| call(part, args.clone())).collect(), known),
            (_, Some(array)) => (vec![call(array, args)], &[]),
            _ if called == RANGE => return Ok(()),
            // Any other has one row, of what it answers.
            _ => (vec![call(ARRAY, vec![call(&called, args)])], &[]),
        },
    };
    let of_catalog = of_catalog && called == UNNEST;
    let alias = alias.take();
    let arrays_only = arrays.len();
    if numbered {
        if called == UNNEST && arrays.len() > 1 {
            return Err(SqlError::unsupported("unnest of several arrays WITH ORDINALITY"));
        }
        arrays.push(call("_pg_subscripts", vec![arrays[0].clone()]));
    }
    let name = alias.as_ref().map_or_else(|| Ident::new(&called), |alias| alias.name.clone());
    let named = |at: usize, column: &TableAliasColumnDef| (at, column.name.clone());
    let given = alias.iter().flat_map(|alias| &alias.columns).enumerate().map(|(at, column)| named(at, column));
    let mut names: Vec<Ident> = given.map(|(_, name)| name).collect();
    names.extend(known.iter().skip(names.len()).map(|name| Ident::new(*name)));
    if names.is_empty() && arrays_only == 1 {
        names.push(name.clone());
    }
    if numbered && names.len() == arrays_only {
        names.push(Ident::new("ordinality"));
    }
    let more = (names.len()..arrays.len()).map(|at| Ident::new(format!("{UNNEST}{}", at + 1)));
    names.extend(more);
    if of_catalog || !arrays.iter().any(refers) {
        // It stands for itself, and the planner reads it so.
        let columns = names.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
        let alias = Some(TableAlias { explicit: true, name, columns, at: None });
        *factor = TableFactor::UNNEST {
            alias,
            array_exprs: arrays,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: false,
        };
        return Ok(());
    }
    let items = arrays.into_iter().zip(names);
    let items = items.map(|(array, alias)| SelectItem::ExprWithAlias { expr: call(ITEMS, vec![array]), alias });
    let mut parsed = Parser::parse_sql(&PostgreSqlDialect {}, "SELECT 1").expect("a statement");
    let Some(Statement::Query(mut subquery)) = parsed.pop() else { unreachable!("it is a query") };
    let SetExpr::Select(select) = &mut *subquery.body else { unreachable!("of one SELECT") };
    select.projection = items.collect();
    let alias = Some(TableAlias { explicit: true, name, columns: vec![], at: None });
    *factor = TableFactor::Derived { lateral: true, subquery, alias, sample: None };
    Ok(())
}

/// A relation of PostgreSQL's catalogue.
fn relation(name: &str, alias: Option<TableAlias>) -> TableFactor {
    let parts = [pg_catalog::SCHEMA, name].map(Ident::new);
    TableFactor::Table {
        name: ObjectName::from(parts.to_vec()),
        alias,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}

/// A function's name without PostgreSQL's schema.
fn function(name: &ObjectName) -> Option<String> {
    let last = name.0.last().and_then(|part| part.as_ident())?.value.to_lowercase();
    (name.0.len() == 1 || name.to_string().to_lowercase().starts_with("pg_catalog.")).then_some(last)
}

fn values(args: &[FunctionArg]) -> Result<Vec<Expr>, SqlError> {
    let value = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        other => Err(SqlError::unsupported(format!("{other} as an argument of a function in FROM"))),
    };
    args.iter().map(value).collect()
}

/// Whether an expression may be other than a number.
fn may_be_time(expr: &Expr) -> bool {
    visit_expressions(expr, |expr| match expr {
        Expr::Cast { .. } | Expr::TypedString(_) | Expr::Interval(_) | Expr::Function(_) | Expr::Subquery(_) => {
            ControlFlow::Break(())
        }
        Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Whether an expression has columns.
fn refers(expr: &Expr) -> bool {
    visit_expressions(expr, |expr| match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}
