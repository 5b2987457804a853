//! An expression as a person would write it.

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, TryCast};
use datafusion::sql::sqlparser::ast::DataType as SqlType;
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::{Dialect, IntervalStyle};

use crate::functions::interval::Span;
use crate::functions::{Checked, Negate, OwnCast};

/// PostgreSQL's types, and names in quotes only where they need them to be one.
struct Words;

impl Dialect for Words {
    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (!identifier.chars().all(plain)).then_some('"')
    }

    fn interval_style(&self) -> IntervalStyle {
        IntervalStyle::PostgresVerbose
    }

    fn float64_ast_dtype(&self) -> SqlType {
        SqlType::DoublePrecision
    }

    fn utf8_cast_dtype(&self) -> SqlType {
        SqlType::Text
    }
}

/// The expression as SQL, without the tables' names before its columns.
pub fn sql(expr: &Expr) -> String {
    let plain = expr.clone().transform_up(|node| Ok(Transformed::yes(plain(node)))).map(|plain| plain.data);
    let plain = plain.unwrap_or_else(|_| expr.clone());
    match Unparser::new(&Words).with_pretty(true).expr_to_sql(&plain) {
        Ok(ast) => ast.to_string(),
        Err(_) => plain.human_display().to_string(),
    }
}

/// Our functions as the operators that they stand for.
fn plain(expr: Expr) -> Expr {
    match expr {
        Expr::Column(column) => Expr::Column(Column::new_unqualified(column.name)),
        Expr::Alias(alias) => *alias.expr,
        Expr::ScalarFunction(function) => operator(function),
        other => other,
    }
}

fn written_cast(expr: Box<Expr>, to: DataType, lenient: bool) -> Expr {
    if lenient { Expr::TryCast(TryCast::new(expr, to)) } else { Expr::Cast(Cast::new(expr, to)) }
}

fn operator(mut function: ScalarFunction) -> Expr {
    let inner = function.func.inner().clone();
    if let Some(checked) = inner.downcast_ref::<Checked>() {
        let op = checked.operator();
        let right = Box::new(function.args.remove(1));
        return Expr::BinaryExpr(BinaryExpr { left: Box::new(function.args.remove(0)), op, right });
    }
    if inner.is::<Span>() {
        return function.args.remove(0);
    }
    if inner.is::<Negate>() {
        return Expr::Negative(Box::new(function.args.remove(0)));
    }
    if let Some(cast) = inner.downcast_ref::<OwnCast>() {
        let (to, lenient) = (cast.to().clone(), cast.lenient());
        let expr = Box::new(function.args.remove(0));
        if cast.is_implied() {
            return *expr;
        }
        return written_cast(expr, to, lenient);
    }
    Expr::ScalarFunction(function)
}
