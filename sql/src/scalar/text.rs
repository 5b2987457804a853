//! An expression as a person would write it.

use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, TryCast};
use datafusion::sql::sqlparser::ast::{DataType as SqlType, Expr as Written, Value, visit_expressions_mut};
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::{Dialect, IntervalStyle};

use crate::functions::array_order::ArrayOrder;
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
        Ok(mut ast) => {
            let _: ControlFlow<()> = visit_expressions_mut(&mut ast, |part| {
                if let Written::Interval(interval) = part
                    && let Written::Value(value) = interval.value.as_mut()
                    && let Value::SingleQuotedString(text) = &mut value.value
                {
                    *text = interval_words(text);
                }
                ControlFlow::Continue(())
            });
            ast.to_string()
        }
        Err(_) => plain.human_display().to_string(),
    }
}

/// `1 DAYS 90.500000000 SECS` as people write it: `1 day 90.5 seconds`.
fn interval_words(text: &str) -> String {
    const UNITS: [(&str, &str); 6] =
        [("YEAR", "year"), ("MON", "month"), ("DAY", "day"), ("HOUR", "hour"), ("MIN", "minute"), ("SEC", "second")];
    let parts: Vec<&str> = text.split_whitespace().collect();
    let word = |pair: &[&str]| {
        let [number, unit] = pair else { return None };
        let (_, unit) = UNITS.iter().find(|(printed, _)| unit.starts_with(printed))?;
        let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
        Some(format!("{number} {unit}{}", if number == "1" { "" } else { "s" }))
    };
    let words: Option<Vec<String>> = parts.chunks(2).map(word).collect();
    words.map_or_else(|| text.to_owned(), |words| words.join(" "))
}

/// Our functions as the operators that they stand for.
fn plain(expr: Expr) -> Expr {
    match expr {
        Expr::Column(column) => Expr::Column(Column::new_unqualified(column.name)),
        Expr::Alias(alias) => *alias.expr,
        Expr::ScalarFunction(function) => operator(function),
        Expr::BinaryExpr(compared) => arrays(compared),
        other => other,
    }
}

fn written_cast(expr: Box<Expr>, to: DataType, lenient: bool) -> Expr {
    if lenient { Expr::TryCast(TryCast::new(expr, to)) } else { Expr::Cast(Cast::new(expr, to)) }
}

/// What compares an order with 0, as what compares the arrays.
fn arrays(compared: BinaryExpr) -> Expr {
    match *compared.left {
        Expr::ScalarFunction(mut order) if order.func.inner().is::<ArrayOrder>() => {
            let right = Box::new(order.args.remove(1));
            Expr::BinaryExpr(BinaryExpr { left: Box::new(order.args.remove(0)), op: compared.op, right })
        }
        left => Expr::BinaryExpr(BinaryExpr { left: Box::new(left), ..compared }),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_as_people_write_them() {
        for (printed, written) in [
            ("3.000000000 SECS", "3 seconds"),
            ("1 DAYS 90.500000000 SECS", "1 day 90.5 seconds"),
            ("1 MONS -2 DAYS 15 MINS", "1 month -2 days 15 minutes"),
            ("100 HOURS", "100 hours"),
            ("P1D", "P1D"),
        ] {
            assert_eq!(interval_words(printed), written);
        }
    }
}
