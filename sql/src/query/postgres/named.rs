//! The names of a query's columns: PostgreSQL's, and as often as it likes.
//!
//! The planner names an expression by its text and wants every name once. What PostgreSQL would call it is given as an
//! alias instead; a name that is there already is marked with a number that nobody is shown.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{Expr, Ident, SelectItem, SetExpr, Statement};

use super::{each_outermost, expressions};

/// Stands between a name and the number of its repetition; no statement has this character in a name.
const MARK: char = '\u{1}';

/// Names given so far.
#[derive(Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// The name, marked where it was given before.
    pub(super) fn ident(&mut self, name: &str) -> Ident {
        let times = self.0.entry(name.to_owned()).and_modify(|times| *times += 1).or_insert(1);
        let marked = if *times == 1 { name.to_owned() } else { format!("{name}{MARK}{times}") };
        Ident::with_quote('"', marked)
    }
}

/// The statement with PostgreSQL's names for the columns that it gives none.
pub fn named(mut statement: Statement) -> Statement {
    if let Statement::Query(query) = &mut statement {
        name_columns(&mut query.body);
    }
    statement
}

/// Names the columns of a query that have no names.
pub(super) fn name_columns(body: &mut SetExpr) {
    each_outermost(body, &mut |select| {
        let mut names = Names::default();
        // What a wildcard stands for may have the name of a column that is there beside it.
        let wildcard = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        let with_wildcard = select.projection.iter().any(wildcard);
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = expressions::column_name(expr);
                    if with_wildcard {
                        names.ident(&name);
                    }
                    let ident = names.ident(&name);
                    let column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                    if !column || ident.value.contains(MARK) {
                        let expr = std::mem::replace(expr, expressions::null());
                        *item = SelectItem::ExprWithAlias { expr, alias: ident };
                    }
                }
                SelectItem::ExprWithAlias { alias, .. } => {
                    let name =
                        if alias.quote_style.is_some() { alias.value.clone() } else { alias.value.to_lowercase() };
                    let ident = names.ident(&name);
                    if ident.value.contains(MARK) {
                        *alias = ident;
                    }
                }
                _ => {}
            }
        }
    });
}

/// The name that people are shown.
pub fn shown_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}
