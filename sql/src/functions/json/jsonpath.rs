//! SQL/JSON paths, as `@?`, `@@` and `jsonb_path_query` ask them: `$.lines[*] ? (@.qty > 2).sku`.
//!
//! A path is read once and kept by its thread; a row costs a pass over what the path visits.

mod eval;
mod number;
mod read;

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;
use regex::Regex;

use self::eval::Fault;
use super::super::rowwise::pure::strict;
use super::super::rowwise::text;
use super::{document, documents, list, value};
use crate::error::SqlError;
use crate::limits::PATTERNS_KEPT_MAX;
use crate::types::JSON;

/// What `@?` and `@@` call, where what is wrong with a document is no error; and the items of `jsonb_path_query` as an array.
pub const EXISTS: &str = "_pg_json_path_exists";
pub const MATCHES: &str = "_pg_json_path_match";
pub const ITEMS: &str = "_pg_json_path_items";

/// A path, read.
#[derive(Debug)]
struct Path {
    /// Whether arrays are taken apart and put around values where a step wants it, and what is not there is no error.
    lax: bool,
    expr: Expr,
}

#[derive(Debug)]
enum Expr {
    Root,
    Current,
    Last,
    Variable(String),
    /// A document.
    Literal(String),
    Steps(Box<Expr>, Vec<Step>),
    Sign(Arithmetic, Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    IsUnknown(Box<Expr>),
    Exists(Box<Expr>),
    StartsWith(Box<Expr>, Box<Expr>),
    LikeRegex(Box<Expr>, Rc<Regex>),
}

impl Expr {
    /// Whether it is true or false.
    fn is_predicate(&self) -> bool {
        match self {
            Expr::Compare(..) | Expr::And(..) | Expr::Or(..) | Expr::Not(_) | Expr::IsUnknown(_) => true,
            Expr::Exists(_) | Expr::StartsWith(..) | Expr::LikeRegex(..) => true,
            Expr::Root | Expr::Current | Expr::Last | Expr::Variable(_) | Expr::Literal(_) => false,
            Expr::Steps(..) | Expr::Sign(..) | Expr::Arithmetic(..) => false,
        }
    }
}

#[derive(Debug)]
enum Step {
    Member(String),
    AnyMember,
    /// From one place to another.
    Places(Vec<(Expr, Option<Expr>)>),
    AnyItem,
    /// At all depths between two; of the deepest ones alone where both have no end.
    Within(u32, u32),
    Filter(Expr),
    Method(Method),
}

#[derive(Clone, Copy, Debug)]
enum Method {
    Type,
    Size,
    Double,
    Ceiling,
    Floor,
    Abs,
}

#[derive(Clone, Copy, Debug)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Arithmetic {
    fn sign(self) -> char {
        match self {
            Arithmetic::Add => '+',
            Arithmetic::Subtract => '-',
            Arithmetic::Multiply => '*',
            Arithmetic::Divide => '/',
            Arithmetic::Modulo => '%',
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterEqual => order.is_ge(),
        }
    }
}

pub fn functions() -> Vec<ScalarUDF> {
    let boolean = |truth: Option<bool>| ScalarValue::Boolean(truth);
    vec![
        strict(EXISTS, DataType::Boolean, move |args| Ok(boolean(exists(args, true)?))),
        strict("jsonb_path_exists", DataType::Boolean, move |args| Ok(boolean(exists(args, is_silent(args))?))),
        strict(MATCHES, DataType::Boolean, move |args| Ok(boolean(matches(args, true)?))),
        strict("jsonb_path_match", DataType::Boolean, move |args| Ok(boolean(matches(args, is_silent(args))?))),
        strict(ITEMS, documents(), |args| {
            let items = found(args, is_silent(args))?.unwrap_or_default();
            Ok(list(items.into_iter().map(value).collect(), &JSON))
        }),
        strict("jsonb_path_query_array", JSON, |args| {
            let items = found(args, is_silent(args))?.unwrap_or_default();
            Ok(value(format!("[{}]", items.join(", "))))
        }),
        strict("jsonb_path_query_first", JSON, |args| {
            let first = found(args, is_silent(args))?.unwrap_or_default().into_iter().next();
            first.map_or_else(|| ScalarValue::try_from(&JSON), |first| Ok(value(first)))
        }),
    ]
}

fn is_silent(args: &[ScalarValue]) -> bool {
    matches!(args.get(3), Some(ScalarValue::Boolean(Some(true))))
}

/// The path that is the second argument.
fn path(args: &[ScalarValue]) -> Result<Rc<Path>, SqlError> {
    thread_local! {
        static KEPT: RefCell<HashMap<String, Rc<Path>>> = RefCell::default();
    }
    let missing = || SqlError::new("42883", "a function of JSON paths takes a document and a path");
    let written = args.get(1).and_then(text).ok_or_else(missing)?;
    KEPT.with_borrow_mut(|kept| {
        if let Some(known) = kept.get(&written) {
            return Ok(known.clone());
        }
        let made = Rc::new(Path::read(&written)?);
        if kept.len() >= PATTERNS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(written, made.clone());
        Ok(made)
    })
}

/// The variables that are the third argument.
fn variables(args: &[ScalarValue]) -> Result<Option<String>> {
    args.get(2).map(|variables| super::object(variables, "\"vars\" argument of a jsonpath function")).transpose()
}

/// All items, none where there was an error that is not to be told.
fn found(args: &[ScalarValue], silent: bool) -> Result<Option<Vec<String>>> {
    let (path, document, variables) = (path(args)?, document(&args[0])?, variables(args)?);
    match path.items(&document, variables.as_deref()) {
        Ok(items) => Ok(Some(items)),
        Err(Fault::OfData(_)) if silent => Ok(None),
        Err(Fault::OfData(error) | Fault::OfPath(error)) => Err(error.into()),
    }
}

fn exists(args: &[ScalarValue], silent: bool) -> Result<Option<bool>> {
    let (path, document, variables) = (path(args)?, document(&args[0])?, variables(args)?);
    match path.exists(&document, variables.as_deref()) {
        Ok(exists) => Ok(Some(exists)),
        Err(Fault::OfData(_)) if silent => Ok(None),
        Err(Fault::OfData(error) | Fault::OfPath(error)) => Err(error.into()),
    }
}

fn matches(args: &[ScalarValue], silent: bool) -> Result<Option<bool>> {
    let Some(items) = found(args, silent)? else { return Ok(None) };
    match items.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["true"] => Ok(Some(true)),
        ["false"] => Ok(Some(false)),
        ["null"] => Ok(None),
        _ if silent => Ok(None),
        _ => Err(SqlError::new("22038", "single boolean result is expected").into()),
    }
}
