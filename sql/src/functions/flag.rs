//! `WHERE valid = 't'`: a truth value compared with a text that is written out, which PostgreSQL reads as one.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::rowwise::text;
use crate::error::SqlError;

/// See the [module](self).
#[derive(Debug)]
pub struct Flags;

impl ExprPlanner for Flags {
    fn plan_binary_op(&self, mut expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if !matches!(expr.op, BinaryOperator::Eq | BinaryOperator::NotEq) {
            return Ok(PlannerResult::Original(expr));
        }
        let is_flag = |side: &Expr| side.get_type(schema).is_ok_and(|of| of == DataType::Boolean);
        match (written(&expr.left), written(&expr.right)) {
            (Some(text), None) if is_flag(&expr.right) => expr.left = read(&text)?,
            (None, Some(text)) if is_flag(&expr.left) => expr.right = read(&text)?,
            _ => {}
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn written(side: &Expr) -> Option<String> {
    match side {
        Expr::Literal(value, _) if !matches!(value, ScalarValue::Boolean(_)) => text(value),
        _ => None,
    }
}

/// As PostgreSQL reads it: any beginning of a word that is no other's.
fn read(text: &str) -> Result<Expr> {
    const TRUE: [&str; 4] = ["true", "yes", "on", "1"];
    const FALSE: [&str; 4] = ["false", "no", "off", "0"];
    let given = text.trim().to_lowercase();
    let begins =
        |words: [&str; 4]| !given.is_empty() && given != "o" && words.iter().any(|word| word.starts_with(&given));
    match (begins(TRUE), begins(FALSE)) {
        (true, false) => Ok(Expr::Literal(ScalarValue::Boolean(Some(true)), None)),
        (false, true) => Ok(Expr::Literal(ScalarValue::Boolean(Some(false)), None)),
        _ => Err(SqlError::new("22P02", format!("invalid input syntax for type boolean: \"{text}\"")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_by_their_beginnings() {
        for (text, expected) in [("t", true), ("TRUE", true), (" y ", true), ("on", true), ("f", false), ("of", false)]
        {
            assert_eq!(read(text).unwrap(), Expr::Literal(ScalarValue::Boolean(Some(expected)), None), "{text}");
        }
        assert!(["", "o", "maybe", "trueish"].iter().all(|text| read(text).is_err()));
    }
}
