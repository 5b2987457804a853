//! `ANY`, `ALL` and subscripts of arrays.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Subscript, Value,
};

use super::super::types::call;
use super::{ARRAY, column, not, null, number};
use crate::error::SqlError;
use crate::functions::array;
use crate::system::pg_catalog;

/// `x = ANY (array)` and `x <> ALL (array)`; an array that is written out is a list.
pub(super) fn quantified(expr: &mut Expr) -> Result<(), SqlError> {
    let (left, op, right, all) = match expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, true),
        _ => return Ok(()),
    };
    let negated = match (&*op, all) {
        (BinaryOperator::Eq, false) => false,
        (BinaryOperator::NotEq, true) => true,
        // The planner has the others for subqueries.
        _ => return Ok(()),
    };
    let mut inner = &mut **right;
    while let Expr::Nested(nested) = inner {
        inner = nested;
    }
    if matches!(inner, Expr::Subquery(_)) {
        return Ok(());
    }
    let listed = match inner {
        Expr::Function(_) if is_array(inner) => elements(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => {
                let value = |item: Option<String>| {
                    item.map_or_else(null, |text| Expr::Value(Value::SingleQuotedString(text).with_empty_span()))
                };
                Some(array::read(text)?.into_iter().map(value).collect())
            }
            _ => None,
        },
        _ => None,
    };
    let left = std::mem::replace(&mut **left, null());
    *expr = match listed {
        Some(list) if list.is_empty() => Expr::Value(Value::Boolean(negated).with_empty_span()),
        Some(list) => Expr::InList { expr: Box::new(left), list, negated },
        None => {
            let any = call("_pg_any", vec![left, std::mem::replace(inner, null())]);
            match negated {
                false => any,
                true => not(any),
            }
        }
    };
    Ok(())
}

/// Whether an expression was written `ARRAY[..]`.
pub fn is_array(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(called) if called.name.to_string() == ARRAY)
}

fn elements(array: &Expr) -> Option<Vec<Expr>> {
    let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = array else { return None };
    let element = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(element).collect()
}

/// `array[n]` and `(pair).field`.
pub(super) fn access(expr: &mut Expr) -> Result<(), SqlError> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return Ok(()) };
    let mut accessed = std::mem::replace(&mut **root, null());
    // `table.column[n]`: only what stands in parentheses has fields.
    let plain = access_chain.iter().take_while(|access| matches!(access, AccessExpr::Dot(Expr::Identifier(_)))).count();
    if let Expr::Identifier(table) = &accessed
        && plain > 0
    {
        let columns = access_chain.drain(..plain).filter_map(|access| match access {
            AccessExpr::Dot(Expr::Identifier(column)) => Some(column),
            _ => None,
        });
        accessed = Expr::CompoundIdentifier(std::iter::once(table.clone()).chain(columns).collect());
    }
    for access in std::mem::take(access_chain) {
        accessed = match access {
            AccessExpr::Subscript(Subscript::Index { index }) => {
                let counted = |index| {
                    let (left, right) = (Box::new(Expr::Nested(Box::new(index))), Box::new(number("1")));
                    Expr::BinaryOp { left, op: BinaryOperator::Plus, right }
                };
                let index = if is_vector(&accessed) { counted(index) } else { index };
                call("array_element", vec![accessed, index])
            }
            AccessExpr::Subscript(other) => {
                return Err(SqlError::unsupported(format!("a slice of an array, {other},")));
            }
            AccessExpr::Dot(field) => {
                let name = Value::SingleQuotedString(field.to_string().trim_matches('"').to_owned());
                call("get_field", vec![accessed, Expr::Value(name.with_empty_span())])
            }
        };
    }
    *expr = accessed;
    Ok(())
}

/// Whether an expression is a column of the catalogue whose elements are counted from 0.
pub(super) fn is_vector(expr: &Expr) -> bool {
    column(expr).is_some_and(|name| pg_catalog::is_vector_column(&name))
}
