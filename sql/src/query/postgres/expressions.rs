//! Expressions of PostgreSQL in the planner's words, from the inside out.

mod arrays;
mod patterns;
mod subqueries;

use std::ops::ControlFlow;

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, ObjectName, SelectItem, SetExpr, UnaryOperator, Value, visit_expressions,
};

pub use arrays::is_array;
use arrays::{access, is_vector, quantified};
use patterns::{regular, similar};
use subqueries::array_of;

use super::types::{self, call, spoken_cast};
use crate::ddl;
use crate::decode::interval::read;
use crate::error::SqlError;
use crate::functions::{catalog, json, making, regexp, series};
use crate::system::{information_schema, pg_catalog};

/// The function that `ARRAY[..]` is.
pub const ARRAY: &str = "make_array";

/// Digits of a numeric.
const NUMERIC_DIGITS: i64 = 38;

pub fn null() -> Expr {
    Expr::Value(Value::Null.with_empty_span())
}

/// Rewrites one expression whose parts are rewritten already.
pub fn spoken(expr: &mut Expr) -> Result<(), SqlError> {
    match expr {
        Expr::Function(_) => function(expr),
        Expr::Cast { .. } => spoken_cast(expr),
        Expr::Value(value) => {
            if let Value::Number(number, _) = &value.value
                && beyond_numeric(number)
            {
                let text = Value::SingleQuotedString(number.clone()).with_empty_span();
                let double = SqlType::DoublePrecision;
                *expr = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(Expr::Value(text)),
                    data_type: double,
                    array: false,
                    format: None,
                };
            }
        }
        // The planner reads fewer forms of intervals than PostgreSQL.
        Expr::Interval(interval) if interval.leading_field.is_none() => {
            if let Expr::Value(written) = &mut *interval.value
                && let Value::SingleQuotedString(text) = &mut written.value
            {
                let refused = || SqlError::new("22007", format!("invalid input syntax for type interval: \"{text}\""));
                let IntervalMonthDayNano { months, days, nanoseconds } = read(text).ok_or_else(refused)?;
                *text = format!("{months} months {days} days {nanoseconds} nanoseconds");
            }
        }
        Expr::AtTimeZone { timestamp, time_zone } => {
            let moment = std::mem::replace(&mut **timestamp, null());
            *expr = call("timezone", vec![std::mem::replace(time_zone, null()), moment]);
        }
        Expr::Collate { expr: inner, .. } => *expr = std::mem::replace(inner, null()),
        Expr::BinaryOp { op, .. } => {
            if let BinaryOperator::PGCustomBinaryOperator(parts) = op {
                *op = operator(parts)?;
            }
            compared_by_column(expr);
            types::compared_with_function(expr);
            regular(expr);
        }
        Expr::SimilarTo { .. } => similar(expr),
        Expr::Substring { expr: of, substring_from: Some(from), substring_for: None, .. } if is_text(from) => {
            let args = [of, from].map(|part| std::mem::replace(&mut **part, null()));
            *expr = call(regexp::SUBSTRING, args.into());
        }
        // The parser takes all that follows for the right side.
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) if is_logic(right) => regroup(expr),
        // The planner looks for no columns of an outer query in its own.
        Expr::Array(array) => *expr = call(ARRAY, std::mem::take(&mut array.elem)),
        Expr::AnyOp { .. } | Expr::AllOp { .. } => quantified(expr)?,
        Expr::CompoundFieldAccess { .. } => access(expr)?,
        // The planner has the backslash alone.
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            if let Some(escape) = escape_char.take() {
                let written = std::mem::replace(&mut **pattern, null());
                **pattern = call("like_escape", vec![written, Expr::Value(escape)]);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether an expression is a text, as it is written.
fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)))
}

fn is_logic(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
}

/// `(a, b) = (c, d)` as `a = c AND b = d`, and `<>` as `a <> c OR b <> d`.
fn compared_by_column(expr: &mut Expr) {
    let Expr::BinaryOp { left, op, right } = expr else { return };
    let (Expr::Tuple(left), Expr::Tuple(right)) = (&mut **left, &mut **right) else { return };
    let joined = match op {
        BinaryOperator::Eq => BinaryOperator::And,
        BinaryOperator::NotEq => BinaryOperator::Or,
        _ => return,
    };
    if left.len() != right.len() {
        return;
    }
    let binary = |left, op: &BinaryOperator, right| Expr::BinaryOp {
        left: Box::new(left),
        op: op.clone(),
        right: Box::new(right),
    };
    let pairs = left.drain(..).zip(right.drain(..)).map(|(left, right)| binary(left, op, right));
    if let Some(all) = pairs.reduce(|all, pair| binary(all, &joined, pair)) {
        *expr = Expr::Nested(Box::new(all));
    }
}

/// `a IS DISTINCT FROM (b AND c)`, which nobody wrote with parentheses, as `(a IS DISTINCT FROM b) AND c`.
fn regroup(expr: &mut Expr) {
    let (Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right)) = expr else { return };
    let mut whole = std::mem::replace(&mut **right, null());
    let mut first = &mut whole;
    while is_logic(first) {
        let Expr::BinaryOp { left, .. } = first else { unreachable!("it is AND or OR") };
        first = left;
    }
    **right = std::mem::replace(first, null());
    *first = std::mem::replace(expr, null());
    *expr = whole;
}

/// Whether a number, as it is written, has more digits before or behind its point than any numeric that there is.
fn beyond_numeric(number: &str) -> bool {
    let Some((digits, exponent)) = number.split_once(['e', 'E']) else { return false };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let Ok(exponent) = exponent.parse::<i64>() else { return false };
    whole.len() as i64 + exponent > NUMERIC_DIGITS || fraction.len() as i64 - exponent > NUMERIC_DIGITS
}

/// `OPERATOR(pg_catalog.=)`.
fn operator(parts: &[String]) -> Result<BinaryOperator, SqlError> {
    Ok(match parts.last().map(String::as_str) {
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        Some("~~") => BinaryOperator::PGLikeMatch,
        Some("!~~") => BinaryOperator::PGNotLikeMatch,
        Some("=") => BinaryOperator::Eq,
        Some("<>") => BinaryOperator::NotEq,
        Some("<") => BinaryOperator::Lt,
        Some("<=") => BinaryOperator::LtEq,
        Some(">") => BinaryOperator::Gt,
        Some(">=") => BinaryOperator::GtEq,
        Some("||") => BinaryOperator::StringConcat,
        other => return Err(SqlError::unsupported(format!("operator {}", other.unwrap_or_default()))),
    })
}

fn function(expr: &mut Expr) {
    let Expr::Function(called) = expr else { return };
    let schema = called.name.0.first().map(|part| part.to_string().to_lowercase()).unwrap_or_default();
    if called.name.0.len() == 2 && [pg_catalog::SCHEMA, information_schema::SCHEMA].contains(&&*schema) {
        called.name.0.remove(0);
    }
    if let FunctionArguments::Subquery(_) = &called.args {
        if called.name.to_string().eq_ignore_ascii_case("array") {
            let FunctionArguments::Subquery(query) = std::mem::replace(&mut called.args, FunctionArguments::None)
            else {
                return;
            };
            *expr = array_of(query);
        }
        return;
    }
    let name = called.name.to_string().to_lowercase();
    match name.as_str() {
        "_pg_expandarray" => {
            let expanded = std::mem::replace(expr, null());
            *expr = call("unnest", vec![expanded]);
        }
        "bpchar" => {
            let FunctionArguments::List(list) = &called.args else { return };
            if let [FunctionArg::Unnamed(FunctionArgExpr::Expr(text))] = &list.args[..] {
                *expr = types::cast(text.clone(), SqlType::Text);
            }
        }
        "aclexplode" => {
            called.name = ObjectName::from(vec![Ident::new(catalog::RIGHTS)]);
            let rights = std::mem::replace(expr, null());
            *expr = call("unnest", vec![rights]);
        }
        "generate_subscripts" => {
            let FunctionArguments::List(list) = &called.args else { return };
            let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(of))) = list.args.first().cloned() else { return };
            let first = number(if is_vector(&of) { "0" } else { "1" });
            *expr = call("unnest", vec![call("_pg_subscripts", vec![of, first])]);
        }
        "json_agg" | "jsonb_agg" => {
            called.name = ObjectName::from(vec![Ident::new("array_agg")]);
            let gathered = std::mem::replace(expr, null());
            *expr = call(json::GATHERED, vec![gathered]);
        }
        "json_object_agg" | "jsonb_object_agg" => {
            let FunctionArguments::List(list) = &mut called.args else { return };
            let pair = list.args.drain(..).filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => Some(arg),
                _ => None,
            });
            let pair = call(json::PAIR, pair.collect());
            list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(pair)));
            called.name = ObjectName::from(vec![Ident::new("array_agg")]);
            let gathered = std::mem::replace(expr, null());
            *expr = call(json::JOINED, vec![gathered]);
        }
        "generate_series" => {
            called.name = ObjectName::from(vec![Ident::new(series::NAME)]);
            let array = std::mem::replace(expr, null());
            *expr = call("unnest", vec![array]);
        }
        "regexp_matches" | "regexp_split_to_table" | "string_to_table" => {
            called.name = ObjectName::from(vec![Ident::new(gathered(&name).expect("it gives rows"))]);
            let array = std::mem::replace(expr, null());
            *expr = call("unnest", vec![array]);
        }
        making::SPAN => spans(called),
        "row_to_json" => called.name = ObjectName::from(vec![Ident::new("to_json")]),
        // Other names of what there is.
        "ceiling" | "every" | "gen_random_uuid" | "transaction_timestamp" => {
            let known = match name.as_str() {
                "ceiling" => "ceil",
                "every" => "bool_and",
                "gen_random_uuid" => "uuid",
                _ => "now",
            };
            called.name = ObjectName::from(vec![Ident::new(known)]);
        }
        name => {
            // What gives rows of one column, in a list of columns.
            let (FunctionArguments::List(list), Some(([part], _))) = (&called.args, json::rows(name)) else { return };
            let args = list.args.iter().map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => Some(arg.clone()),
                _ => None,
            });
            let Some(args) = args.collect::<Option<Vec<_>>>() else { return };
            *expr = call("unnest", vec![call(part, args)]);
        }
    }
}

/// The function that gives as an array what a function gives as rows.
pub fn gathered(function: &str) -> Option<&'static str> {
    match function {
        "regexp_matches" => Some(regexp::MATCHES),
        "regexp_split_to_table" => Some(regexp::SPLIT),
        "string_to_table" => Some("string_to_array"),
        _ => None,
    }
}

/// `make_interval(days => 3)` as a call with all arguments in their places.
fn spans(called: &mut Function) {
    let FunctionArguments::List(list) = &mut called.args else { return };
    let zero = || FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(Value::Number("0".into(), false).into())));
    let mut places: Vec<FunctionArg> = making::SPANS.iter().map(|_| zero()).collect();
    for (at, arg) in list.args.iter().enumerate() {
        let (place, value) = match arg {
            FunctionArg::Unnamed(value) => (Some(at), value),
            FunctionArg::Named { name, arg, .. } | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => {
                (making::SPANS.iter().position(|known| name.value.eq_ignore_ascii_case(known)), arg)
            }
            FunctionArg::ExprNamed { .. } => return,
        };
        // What has no place is left for the planner to refuse.
        let Some(place) = place.and_then(|place| places.get_mut(place)) else { return };
        *place = FunctionArg::Unnamed(value.clone());
    }
    list.args = places;
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).with_empty_span())
}

/// The name of an expression that is a column and nothing else.
pub fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.to_lowercase()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.to_lowercase()),
        _ => None,
    }
}

/// Whether a column has an aggregate in it, which has a row even where there are none.
pub fn aggregates(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return false };
    visit_expressions(expr, |part| {
        let Expr::Function(called) = part else { return ControlFlow::Continue(()) };
        let name = called.name.0.last().map(|part| part.to_string().to_lowercase()).unwrap_or_default();
        match ["count", "sum", "min", "max", "array_agg", "string_agg", "bool_and", "bool_or"].contains(&&*name) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })
    .is_break()
}

/// Whether an expression names its column only where no cast is around it.
fn is_weak(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_weak(inner),
        Expr::Cast { expr: inner, .. } => is_weak(inner),
        Expr::Case { else_result, .. } => else_result.as_deref().is_none_or(is_weak),
        Expr::TypedString(_) | Expr::Interval(_) | Expr::Value(_) => true,
        other => column_name(other) == "?column?",
    }
}

/// The name that PostgreSQL gives to a column without one.
pub fn column_name(expr: &Expr) -> String {
    let last = |name: &ObjectName| name.0.last().map(|part| part.to_string().trim_matches('"').to_lowercase());
    match expr {
        Expr::Identifier(ident) => ddl::column_name(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map(ddl::column_name).unwrap_or_default(),
        Expr::Function(called) if !is_array(expr) => last(&called.name).unwrap_or_default(),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => column_name(inner),
        Expr::Cast { expr: inner, data_type, .. } if is_weak(inner) => types::short_name(data_type),
        Expr::Cast { expr: inner, .. } => column_name(inner),
        Expr::TypedString(typed) => types::short_name(&typed.data_type),
        Expr::Interval(_) => "interval".to_owned(),
        Expr::Case { else_result, .. } => match else_result.as_deref().map(column_name) {
            Some(name) if name != "?column?" => name,
            _ => "case".to_owned(),
        },
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Overlay { .. } => "overlay".to_owned(),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(field)) => Some(ddl::column_name(field)),
                _ => None,
            });
            field.unwrap_or_else(|| column_name(root))
        }
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::AtTimeZone { .. } => "timezone".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Array(_) => "array".to_owned(),
        expr if is_array(expr) => "array".to_owned(),
        Expr::Subquery(query) => match &*query.body {
            SetExpr::Select(select) => match &select.projection[..] {
                [SelectItem::UnnamedExpr(expr)] => column_name(expr),
                [SelectItem::ExprWithAlias { alias, .. }] => ddl::column_name(alias),
                _ => "?column?".to_owned(),
            },
            _ => "?column?".to_owned(),
        },
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => "bool".to_owned(),
        _ => "?column?".to_owned(),
    }
}
