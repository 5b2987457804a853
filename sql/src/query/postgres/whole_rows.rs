//! A relation's name where a value stands, `jsonb_agg(t)`, `row_to_json(t)`: its whole row, as a document.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinOperator, ObjectName, Select, SelectItem,
    SetExpr, TableFactor, Value, VisitMut, VisitorMut,
};

use super::types::call;
use super::{expressions, named};
use crate::catalog::Catalog;
use crate::functions::json;
use crate::query::relation_name;

/// Functions that take a row for a document.
const TAKING: [&str; 14] = [
    "row_to_json",
    "to_json",
    "to_jsonb",
    "json_agg",
    "jsonb_agg",
    "json_build_object",
    "jsonb_build_object",
    "json_build_array",
    "jsonb_build_array",
    "json_object_agg",
    "jsonb_object_agg",
    "json_strip_nulls",
    "jsonb_strip_nulls",
    "count",
];

/// The relations of a FROM, each as the planner knows it, and whether an outer join may leave its rows out.
type Relations = BTreeMap<String, (ObjectName, bool)>;

/// Rewrites the lists of columns and the conditions of one SELECT.
pub fn spoken(select: &mut Select, catalog: &Catalog) {
    let mut relations = Relations::new();
    for from in &select.from {
        let mut here = Relations::new();
        add(&from.relation, false, catalog, &mut here);
        for join in &from.joins {
            let (left, right) = match &join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => (false, true),
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (true, false),
                JoinOperator::FullOuter(_) => (true, true),
                _ => (false, false),
            };
            here.values_mut().for_each(|(_, missing)| *missing |= left);
            add(&join.relation, right, catalog, &mut here);
        }
        relations.extend(here);
    }
    let mut rows = Rows { relations, used: BTreeSet::new() };
    for item in &mut select.projection {
        let _ = item.visit(&mut rows);
    }
    let _ = select.having.visit(&mut rows);
    // The names of a subquery's columns are seen in the document.
    let factors = select.from.iter_mut().flat_map(|from| {
        std::iter::once(&mut from.relation).chain(from.joins.iter_mut().map(|join| &mut join.relation))
    });
    for factor in factors {
        if let TableFactor::Derived { subquery, alias: Some(alias), .. } = factor
            && rows.used.contains(&folded(&alias.name))
        {
            named::name_columns(&mut subquery.body);
        }
    }
}

/// Adds a relation, unless it has a column of its own name, which is what is meant then.
fn add(factor: &TableFactor, missing: bool, catalog: &Catalog, relations: &mut Relations) {
    let (called, known) = match factor {
        TableFactor::Table { name, alias, args: None, .. } => {
            let Ok(known) = relation_name(name) else { return };
            let (called, planned) = match alias {
                Some(alias) => (folded(&alias.name), ObjectName::from(vec![alias.name.clone()])),
                None => (known.rsplit('.').next().unwrap_or(&known).to_owned(), name.clone()),
            };
            let relation = catalog.get(&known).and_then(|entry| entry.relation.as_ref());
            if relation.is_some_and(|relation| relation.schema.columns.field_with_name(&called).is_ok()) {
                return;
            }
            (called, planned)
        }
        TableFactor::Derived { subquery, alias: Some(alias), .. } => {
            let called = folded(&alias.name);
            let renamed = alias.columns.iter().any(|column| folded(&column.name) == called);
            let given = match &*subquery.body {
                SetExpr::Select(select) => select.projection.iter().any(|item| match item {
                    SelectItem::UnnamedExpr(expr) => expressions::column_name(expr) == called,
                    SelectItem::ExprWithAlias { alias, .. } => folded(alias) == called,
                    _ => false,
                }),
                _ => false,
            };
            if renamed || given {
                return;
            }
            (called, ObjectName::from(vec![alias.name.clone()]))
        }
        TableFactor::NestedJoin { table_with_joins, .. } => {
            add(&table_with_joins.relation, true, catalog, relations);
            table_with_joins.joins.iter().for_each(|join| add(&join.relation, true, catalog, relations));
            return;
        }
        _ => return,
    };
    relations.insert(called, (known, missing));
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

struct Rows {
    relations: Relations,
    used: BTreeSet<String>,
}

impl Rows {
    /// The row that an argument means.
    fn row(&mut self, arg: &FunctionArgExpr) -> Option<Expr> {
        let name = match arg {
            FunctionArgExpr::Expr(Expr::Identifier(name)) => folded(name),
            FunctionArgExpr::QualifiedWildcard(name) => name.0.last().and_then(|part| part.as_ident()).map(folded)?,
            FunctionArgExpr::Expr(Expr::Function(row)) if row.name.to_string().eq_ignore_ascii_case("row") => {
                return constructed(&row.args);
            }
            _ => return None,
        };
        let (known, missing) = self.relations.get(&name)?;
        let of = FunctionArgExpr::QualifiedWildcard(known.clone());
        let mut row = call(if *missing { json::ROW_OR_NULL } else { json::ROW }, vec![]);
        if let Expr::Function(called) = &mut row
            && let FunctionArguments::List(list) = &mut called.args
        {
            list.args.push(FunctionArg::Unnamed(of));
        }
        self.used.insert(name);
        Some(row)
    }
}

/// `row(a, b)`, whose columns are called f1 and f2.
fn constructed(args: &FunctionArguments) -> Option<Expr> {
    let FunctionArguments::List(list) = args else { return None };
    let values = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        // Of `row(t.*)` nobody knows here how many columns it has.
        _ => None,
    });
    let values = values.collect::<Option<Vec<_>>>()?;
    let name = |at: usize| Expr::Value(Value::SingleQuotedString(format!("f{}", at + 1)).into());
    let members = values.into_iter().enumerate().flat_map(|(at, value)| [name(at), value]);
    Some(call("jsonb_build_object", members.collect()))
}

impl VisitorMut for Rows {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(called) = expr else { return ControlFlow::Continue(()) };
        let name = called.name.to_string().to_lowercase();
        let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        let FunctionArguments::List(list) = &mut called.args else { return ControlFlow::Continue(()) };
        if !TAKING.contains(&name) {
            return ControlFlow::Continue(());
        }
        for arg in &mut list.args {
            if let FunctionArg::Unnamed(arg) = arg
                && (name != "count" || matches!(arg, FunctionArgExpr::Expr(_)))
                && let Some(row) = self.row(arg)
            {
                *arg = FunctionArgExpr::Expr(row);
            }
        }
        ControlFlow::Continue(())
    }
}
