//! Regular expressions, and what `SIMILAR TO` makes one.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Value, ValueWithSpan};
use regex::Regex;

use super::super::types::{call, cast};
use super::{not, null};
use crate::functions::regexp;

/// `text ~ pattern` where the planner's own operator has another answer than PostgreSQL: it knows letters and what is between
/// them.
pub(super) fn regular(expr: &mut Expr) {
    let Expr::BinaryOp { left, op, right } = expr else { return };
    let (negated, flags) = match op {
        BinaryOperator::PGRegexMatch => (false, ""),
        BinaryOperator::PGRegexIMatch => (false, "i"),
        BinaryOperator::PGRegexNotMatch => (true, ""),
        BinaryOperator::PGRegexNotIMatch => (true, "i"),
        _ => return,
    };
    let plain = |letter: char| letter.is_alphanumeric() || "_^$()|- ".contains(letter);
    let known = |side: &Expr| match side {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(pattern) => pattern.chars().all(plain) && Regex::new(pattern).is_ok(),
            _ => false,
        },
        _ => false,
    };
    if known(right) {
        return;
    }
    // The operator would have told a parameter's type.
    let take = |side: &mut Box<Expr>| match std::mem::replace(&mut **side, null()) {
        parameter @ Expr::Value(ValueWithSpan { value: Value::Placeholder(_), .. }) => cast(parameter, DataType::Text),
        other => other,
    };
    let flags = Expr::Value(Value::SingleQuotedString(flags.to_owned()).into());
    let found = call(regexp::FOUND, vec![take(left), take(right), flags]);
    *expr = if negated { not(found) } else { found };
}

/// `x SIMILAR TO pattern`, which the planner takes for a regular expression.
pub(super) fn similar(expr: &mut Expr) {
    let Expr::SimilarTo { negated, expr: of, pattern, escape_char } = expr else { return };
    let mut args = vec![std::mem::replace(&mut **pattern, null())];
    args.extend(escape_char.take().map(Expr::Value));
    let found = call(regexp::FOUND, vec![std::mem::replace(&mut **of, null()), call(regexp::SIMILAR, args)]);
    *expr = if *negated { not(found) } else { found };
}
