//! The operators of documents, as calls of their functions.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::functions;
use crate::error::SqlError;
use crate::functions::rowwise::texts;
use crate::types::{self, JSON};

/// What has syntax of its own: `->` and the other operators of documents.
#[derive(Debug)]
pub struct Documents;

impl ExprPlanner for Documents {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator as Op;
        let of = |side: &Expr| side.get_type(schema).ok();
        let (left, right) = (of(&expr.left), of(&expr.right));
        let is_document = |of: &Option<DataType>| *of == Some(JSON);
        let name = match &expr.op {
            Op::Arrow => "_pg_json_get",
            Op::LongArrow => "_pg_json_get_text",
            Op::HashArrow => "_pg_json_path",
            Op::HashLongArrow => "_pg_json_path_text",
            Op::Question => "_pg_json_has",
            Op::QuestionPipe => "_pg_json_has_any",
            Op::QuestionAnd => "_pg_json_has_all",
            Op::AtArrow | Op::ArrowAt if is_document(&left) || is_document(&right) => "_pg_json_contains",
            Op::StringConcat if is_document(&left) || is_document(&right) => "_pg_json_concat",
            Op::Minus if is_document(&left) => "_pg_json_without",
            Op::HashMinus => "_pg_json_without_path",
            Op::AtQuestion => super::jsonpath::EXISTS,
            Op::AtAt if is_document(&left) => super::jsonpath::MATCHES,
            Op::Eq | Op::NotEq if is_document(&left) || is_document(&right) => {
                let RawBinaryExpr { op, left, right } = expr;
                let (left, right) = (read_as(left, &JSON), read_as(right, &JSON));
                return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let no_operator = || {
            let type_of = |of: &Option<DataType>| of.as_ref().map_or_else(|| "unknown".to_owned(), types::sql_name);
            let words = format!("operator does not exist: {} {} {}", type_of(&left), expr.op, type_of(&right));
            SqlError::new("42883", words).hint("Documents are of type jsonb: cast a text, as in value::jsonb.")
        };
        let RawBinaryExpr { op, left: of_left, right: of_right } = expr.clone();
        let args = match op {
            Op::AtArrow => vec![read_as(of_left, &JSON), read_as(of_right, &JSON)],
            Op::ArrowAt => vec![read_as(of_right, &JSON), read_as(of_left, &JSON)],
            Op::StringConcat => vec![read_as(of_left, &JSON), read_as(of_right, &JSON)],
            Op::HashArrow | Op::HashLongArrow | Op::HashMinus | Op::QuestionPipe | Op::QuestionAnd => {
                vec![of_left, read_as(of_right, &texts())]
            }
            Op::AtQuestion | Op::AtAt => vec![of_left, read_as(of_right, &DataType::Utf8)],
            _ => vec![of_left, of_right],
        };
        let types = args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>()?;
        let is_null = |of: &DataType| of.is_null();
        let second = is_null(&types[1])
            || match op {
                Op::AtArrow | Op::ArrowAt | Op::StringConcat => types[1] == JSON,
                Op::HashArrow | Op::HashLongArrow | Op::HashMinus | Op::QuestionPipe | Op::QuestionAnd => {
                    types[1] == texts()
                }
                Op::Question | Op::AtQuestion | Op::AtAt => types[1].is_string(),
                Op::Minus => types[1].is_string() || types[1].is_integer() || types[1] == texts(),
                _ => types[1].is_string() || types[1].is_integer(),
            };
        if types[0] != JSON && !is_null(&types[0]) || !second {
            return Err(no_operator().into());
        }
        Ok(PlannerResult::Planned(named(name).call(args)))
    }
}

/// An object of names and values, one after the other.
pub fn object_of(members: Vec<Expr>) -> Expr {
    named("jsonb_build_object").call(members)
}

/// A moment, or an array of them, as the text that documents have in a zone.
pub fn shown_moment(value: Expr, zone: Expr) -> Expr {
    named(super::MOMENT).call(vec![value, zone])
}

/// A function of this module's.
fn named(name: &str) -> Arc<ScalarUDF> {
    static ALL: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| functions().into_iter().map(Arc::new).collect());
    ALL.iter().find(|function| function.name() == name).expect("it is one of them").clone()
}

/// A constant text is what is asked for.
fn read_as(expr: Expr, of: &DataType) -> Expr {
    match &expr {
        Expr::Literal(value, _) if value.data_type().is_string() || value.is_null() => {
            Expr::Cast(Cast::new(Box::new(expr), of.clone()))
        }
        Expr::Placeholder(_) => Expr::Cast(Cast::new(Box::new(expr), of.clone())),
        _ => expr,
    }
}
