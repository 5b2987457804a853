//! `json` and `jsonb`: access to the parts of documents, what is asked of them, and what they are made of.
//!
//! Each function costs one pass over its document, up to the part that it looks for.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, LargeBinaryBuilder, StringArray, StringBuilder};
use arrow::compute;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::rowwise::pure::{called_on_null, strict};
use super::rowwise::{text, texts};
use crate::decode::number;
use crate::error::SqlError;
use crate::json::{self, Kind, Step};
use crate::types::{self, JSON};

/// The functions; those whose names begin with `_pg_` are what PostgreSQL has syntax for.
pub fn functions() -> Vec<ScalarUDF> {
    let mut functions: Vec<ScalarUDF> = [false, true].into_iter().flat_map(Access::all).map(ScalarUDF::from).collect();
    functions.extend([
        strict("_pg_json_contains", DataType::Boolean, |args| {
            Ok(json::contains(&document(&args[0])?, &document(&args[1])?).into())
        }),
        strict("_pg_json_has", DataType::Boolean, |args| {
            Ok(text(&args[1]).is_some_and(|name| json::has(&document_of(&args[0]), &name)).into())
        }),
        strict("_pg_json_has_any", DataType::Boolean, |args| {
            let document = document_of(&args[0]);
            Ok(names(&args[1]).iter().flatten().any(|name| json::has(&document, name)).into())
        }),
        strict("_pg_json_has_all", DataType::Boolean, |args| {
            let document = document_of(&args[0]);
            Ok(names(&args[1]).iter().flatten().all(|name| json::has(&document, name)).into())
        }),
        strict("_pg_json_concat", JSON, |args| {
            Ok(value(json::concatenated(&document(&args[0])?, &document(&args[1])?)))
        }),
        strict("_pg_json_without", JSON, |args| without(&document_of(&args[0]), &args[1])),
        strict(GATHERED, JSON, |args| {
            let ScalarValue::List(list) = &args[0] else { return ScalarValue::try_from(&JSON) };
            let items = list.value(0);
            let items = (0..items.len()).map(|at| made_of(&ScalarValue::try_from_array(&items, at)?));
            canonical(&format!("[{}]", items.collect::<Result<Vec<_>>>()?.join(", ")))
        }),
        strict(ELEMENTS, documents(), |args| {
            let document = array(&args[0], "extract elements from")?;
            Ok(list(json::items(&document).map(|item| value(item.to_owned())).collect(), &JSON))
        }),
        strict(ELEMENTS_TEXT, texts(), |args| {
            let document = array(&args[0], "extract elements from")?;
            let text = |item| ScalarValue::Utf8(json::text(item).map(Into::into));
            Ok(list(json::items(&document).map(text).collect(), &DataType::Utf8))
        }),
        strict(NAMES, texts(), |args| {
            let document = object(&args[0], "jsonb_object_keys")?;
            let name = |(name, _)| ScalarValue::Utf8(json::text(name).map(Into::into));
            Ok(list(json::members(&document).map(name).collect(), &DataType::Utf8))
        }),
        strict(VALUES, documents(), |args| {
            let document = object(&args[0], "jsonb_each")?;
            Ok(list(json::members(&document).map(|(_, item)| value(item.to_owned())).collect(), &JSON))
        }),
        strict(VALUES_TEXT, texts(), |args| {
            let document = object(&args[0], "jsonb_each_text")?;
            let text = |(_, item)| ScalarValue::Utf8(json::text(item).map(Into::into));
            Ok(list(json::members(&document).map(text).collect(), &DataType::Utf8))
        }),
    ]);
    for kind in ["json", "jsonb"] {
        functions.extend([
            strict(&format!("{kind}_typeof"), DataType::Utf8, |args| Ok(json::type_name(&document(&args[0])?).into())),
            strict(&format!("{kind}_array_length"), DataType::Int32, |args| {
                let document = array(&args[0], "get array length of")?;
                Ok(ScalarValue::Int32(i32::try_from(json::items(&document).count()).ok()))
            }),
            called_on_null(&format!("{kind}_build_object"), JSON, |args| {
                let (pairs, rest) = args.as_chunks::<2>();
                if !rest.is_empty() {
                    let words = "argument list must have even number of elements";
                    return Err(SqlError::new("22023", words).into());
                }
                let mut members = Vec::with_capacity(pairs.len());
                for [name, item] in pairs {
                    let name = text(name).ok_or_else(|| SqlError::new("22023", "argument 1: key must not be null"))?;
                    let mut member = String::new();
                    json::write_text(&name, &mut member);
                    member.push_str(": ");
                    member.push_str(&made_of(item)?);
                    members.push(member);
                }
                canonical(&format!("{{{}}}", members.join(", ")))
            }),
            called_on_null(&format!("{kind}_build_array"), JSON, |args| {
                let items = args.iter().map(made_of).collect::<Result<Vec<_>>>()?;
                canonical(&format!("[{}]", items.join(", ")))
            }),
            strict(&format!("to_{kind}"), JSON, |args| canonical(&made_of(&args[0])?)),
            strict(&format!("{kind}_strip_nulls"), JSON, |args| Ok(value(json::without_nulls(&document(&args[0])?)))),
        ]);
    }
    functions
}

const ELEMENTS: &str = "_pg_json_elements";
const ELEMENTS_TEXT: &str = "_pg_json_elements_text";
const NAMES: &str = "_pg_json_names";
const VALUES: &str = "_pg_json_values";
const VALUES_TEXT: &str = "_pg_json_values_text";

/// A function that gives rows, as functions of the same arguments that give arrays, an array for each of its columns; and what
/// PostgreSQL calls these, where it does.
pub fn rows(function: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    let function = function.strip_prefix("jsonb_").or_else(|| function.strip_prefix("json_"))?;
    Some(match function {
        "array_elements" => (&[ELEMENTS], &["value"]),
        "array_elements_text" => (&[ELEMENTS_TEXT], &["value"]),
        "object_keys" => (&[NAMES], &[]),
        "each" => (&[NAMES, VALUES], &["key", "value"]),
        "each_text" => (&[NAMES, VALUES_TEXT], &["key", "value"]),
        _ => return None,
    })
}

/// An aggregate of documents, as a function of what `array_agg` gathers.
pub const GATHERED: &str = "_pg_json_gathered";

fn documents() -> DataType {
    DataType::new_list(JSON, true)
}

fn list(items: Vec<ScalarValue>, of: &DataType) -> ScalarValue {
    ScalarValue::List(ScalarValue::new_list(&items, of, true))
}

fn value(document: String) -> ScalarValue {
    ScalarValue::LargeBinary(Some(document.into_bytes()))
}

fn canonical(written: &str) -> Result<ScalarValue> {
    Ok(parse(written)?)
}

/// The value that a text is; 22P02 if it is no document.
pub fn parse(written: &str) -> Result<ScalarValue, SqlError> {
    read(written).map(value)
}

fn read(written: &str) -> Result<String, SqlError> {
    json::canonical(written).map_err(|why| {
        let mut error = SqlError::syntax("json", written);
        error.detail = Some(format!("{why}."));
        error
    })
}

/// An argument that is a document, or a text that is one.
fn document(argument: &ScalarValue) -> Result<String> {
    match argument {
        ScalarValue::LargeBinary(_) => Ok(document_of(argument)),
        ScalarValue::Utf8(Some(written)) => Ok(read(written)?),
        other => {
            let words = format!("{} is no jsonb", types::sql_name(&other.data_type()));
            Err(SqlError::new("42883", words).hint("Cast it, as in value::jsonb.").into())
        }
    }
}

/// An argument that the planner has made sure of.
fn document_of(argument: &ScalarValue) -> String {
    match argument {
        ScalarValue::LargeBinary(Some(bytes)) => spoken(bytes).to_owned(),
        _ => "null".to_owned(),
    }
}

fn spoken(document: &[u8]) -> &str {
    std::str::from_utf8(document).expect("a document is text")
}

fn array(argument: &ScalarValue, what: &str) -> Result<String> {
    let document = document(argument)?;
    let of = match json::kind(&document) {
        Kind::Array => return Ok(document),
        Kind::Object if what.starts_with("extract") => "an object",
        Kind::Object => "a non-array",
        _ => "a scalar",
    };
    Err(SqlError::new("22023", format!("cannot {what} {of}")).into())
}

fn object(argument: &ScalarValue, function: &str) -> Result<String> {
    let document = document(argument)?;
    let of = match json::kind(&document) {
        Kind::Object => return Ok(document),
        Kind::Array => "an array",
        _ => "a scalar",
    };
    Err(SqlError::new("22023", format!("cannot call {function} on {of}")).into())
}

/// The elements of an array of text.
fn names(argument: &ScalarValue) -> Vec<Option<String>> {
    let ScalarValue::List(list) = argument else { return Vec::new() };
    list.value(0).as_string::<i32>().iter().map(|name| name.map(str::to_owned)).collect()
}

fn without(document: &str, gone: &ScalarValue) -> Result<ScalarValue> {
    let of = |what| SqlError::new("22023", format!("cannot delete from {what}"));
    if !matches!(json::kind(document), Kind::Object | Kind::Array) {
        return Err(of("scalar").into());
    }
    let left = match gone {
        ScalarValue::List(_) => {
            names(gone).iter().flatten().try_fold(document.to_owned(), |left, name| json::without_member(&left, name))
        }
        ScalarValue::Utf8(Some(name)) => json::without_member(document, name),
        place => {
            let place = super::rowwise::number(place).unwrap_or(i64::MAX);
            let left = json::without_item(document, place);
            return left.map(value).ok_or_else(|| of("object using integer index").into());
        }
    };
    Ok(value(left.expect("it has parts")))
}

/// Any value as JSON.
fn made_of(argument: &ScalarValue) -> Result<String> {
    if argument.is_null() {
        return Ok("null".to_owned());
    }
    let array = argument.to_array()?;
    let kept = match types::canonical(array.data_type()) {
        Some(kept) => compute::cast(&array, &kept)?,
        None => compute::cast(&array, &DataType::Utf8)?,
    };
    Ok(crate::encode::value_json(&kept, 0).expect("it is not NULL"))
}

/// Which steps lead to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Steps {
    /// One, a name or a place.
    One,
    /// An array of them.
    Listed,
    /// An argument each.
    Each,
}

/// `->`, `#>`, `jsonb_extract_path`, and what gives the part as text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Access {
    name: &'static str,
    steps: Steps,
    text: bool,
    signature: Signature,
}

impl Access {
    fn all(text: bool) -> impl Iterator<Item = Access> {
        let each = match text {
            false => [
                ("_pg_json_get", Steps::One),
                ("_pg_json_path", Steps::Listed),
                ("jsonb_extract_path", Steps::Each),
                ("json_extract_path", Steps::Each),
            ],
            true => [
                ("_pg_json_get_text", Steps::One),
                ("_pg_json_path_text", Steps::Listed),
                ("jsonb_extract_path_text", Steps::Each),
                ("json_extract_path_text", Steps::Each),
            ],
        };
        let signature = Signature::variadic_any(Volatility::Immutable);
        each.into_iter().map(move |(name, steps)| Access { name, steps, text, signature: signature.clone() })
    }

    /// The part of one row's document.
    fn part<'d>(&self, document: &'d str, step: &ArrayRef, row: usize) -> Option<&'d str> {
        match step.data_type() {
            DataType::Int64 => json::element(document, step.as_primitive::<Int64Type>().value(row)),
            DataType::Utf8 if json::kind(document) == Kind::Array => None,
            DataType::Utf8 => json::member(document, &Step::new(step.as_string::<i32>().value(row))),
            _ => {
                let steps = step.as_list::<i32>().value(row);
                let steps: Option<Vec<Step>> =
                    steps.as_string::<i32>().iter().map(|name| name.map(Step::new)).collect();
                json::path(document, &steps?)
            }
        }
    }
}

impl ScalarUDFImpl for Access {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if !matches!(types.first(), Some(&JSON | DataType::Null)) || types.len() < 2 && self.steps != Steps::Each {
            let types: Vec<String> = types.iter().map(types::sql_name).collect();
            let words = format!("function {}({}) does not exist", self.name, types.join(", "));
            return Err(SqlError::new("42883", words)
                .hint("Its first argument is a jsonb: cast it, as in value::jsonb.")
                .into());
        }
        Ok(if self.text { DataType::Utf8 } else { JSON })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let documents = compute::cast(&args.args[0].to_array(args.number_rows)?, &JSON)?;
        let documents: &LargeBinaryArray = documents.as_binary::<i64>();
        // A step that is the same for all rows is read once.
        let constant = match &args.args[1..] {
            [ColumnarValue::Scalar(ScalarValue::Utf8(Some(name)))] if self.steps == Steps::One => Some(Step::new(name)),
            _ => None,
        };
        let mut steps = Vec::with_capacity(args.args.len() - 1);
        for step in &args.args[1..] {
            let step = step.to_array(args.number_rows)?;
            let kept = match (self.steps, step.data_type()) {
                (Steps::Listed, _) => texts(),
                (Steps::One, of) if of.is_integer() => DataType::Int64,
                _ => DataType::Utf8,
            };
            steps.push(if step.data_type() == &kept { step } else { compute::cast(&step, &kept)? });
        }
        let part = |row: usize| {
            if documents.is_null(row) || steps.iter().any(|step| step.is_null(row)) {
                return None;
            }
            let document = spoken(documents.value(row));
            match (&constant, self.steps) {
                (Some(_), _) if json::kind(document) == Kind::Array => None,
                (Some(step), _) => json::member(document, step),
                (None, Steps::Each) => {
                    let names = steps.iter().map(|step| Step::new(step.as_string::<i32>().value(row)));
                    json::path(document, &names.collect::<Vec<_>>())
                }
                (None, _) => self.part(document, &steps[0], row),
            }
        };
        let rows = 0..args.number_rows;
        Ok(ColumnarValue::Array(match self.text {
            true => {
                let mut found = StringBuilder::new();
                rows.for_each(|row| found.append_option(part(row).and_then(json::text)));
                Arc::new(found.finish())
            }
            false => {
                let mut found = LargeBinaryBuilder::new();
                rows.for_each(|row| found.append_option(part(row)));
                Arc::new(found.finish())
            }
        }))
    }
}

/// Whether a cast between these types is ours.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    let scalar = |of: &DataType| of.is_string() || of.is_numeric() || *of == DataType::Boolean;
    from.is_string() && *to == JSON || *from == JSON && scalar(to)
}

/// Text as documents, documents as text, scalars that are documents as what they are; `lenient`: NULL where there is none,
/// instead of an error.
pub fn cast(values: &ArrayRef, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    if *to == JSON {
        let texts = compute::cast(values, &DataType::Utf8)?;
        let mut documents = LargeBinaryBuilder::new();
        for text in texts.as_string::<i32>() {
            documents.append_option(match text.map(read).transpose() {
                Err(_) if lenient => None,
                document => document?,
            });
        }
        return Ok(Arc::new(documents.finish()));
    }
    let documents = values.as_binary::<i64>().iter().map(|document| document.map(spoken));
    if to.is_string() {
        return Ok(compute::cast(&documents.collect::<StringArray>(), to)?);
    }
    let mut scalars = Vec::with_capacity(values.len());
    for document in documents {
        scalars.push(match document.map(|document| scalar(document, to)).transpose() {
            Err(_) if lenient => None,
            scalar => scalar?,
        });
    }
    let scalars: ArrayRef = Arc::new(StringArray::from(scalars));
    Ok(match super::OwnCast::between(&DataType::Utf8, to, lenient) {
        Some(cast) => cast.cast(&scalars)?,
        None => {
            let options = compute::CastOptions { safe: lenient, ..Default::default() };
            compute::cast_with_options(&scalars, to, &options)?
        }
    })
}

/// The text of a scalar as the cast of its type reads it.
fn scalar(document: &str, to: &DataType) -> Result<String> {
    let kind = json::kind(document);
    let is_so = if *to == DataType::Boolean { kind == Kind::Boolean } else { kind == Kind::Number };
    if !is_so {
        let of = match kind {
            Kind::Array | Kind::Object => format!("array or object to type {}", types::sql_name(to)),
            _ => format!("jsonb {} to type {}", json::type_name(document), types::sql_name(to)),
        };
        let words =
            if of.starts_with("array") { format!("cannot cast jsonb {of}") } else { format!("cannot cast {of}") };
        return Err(SqlError::new("22023", words).into());
    }
    if !to.is_integer() {
        return Ok(document.to_owned());
    }
    // PostgreSQL rounds.
    let rounded = number::scaled(document, 0, false);
    let out_of_range = || SqlError::new("22003", format!("{} out of range", types::sql_name(to)));
    Ok(rounded.map_err(|_| out_of_range())?.to_string())
}

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
            Op::HashArrow | Op::HashLongArrow | Op::QuestionPipe | Op::QuestionAnd => {
                vec![of_left, read_as(of_right, &texts())]
            }
            _ => vec![of_left, of_right],
        };
        let types = args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>()?;
        let is_null = |of: &DataType| of.is_null();
        let second = is_null(&types[1])
            || match op {
                Op::AtArrow | Op::ArrowAt | Op::StringConcat => types[1] == JSON,
                Op::HashArrow | Op::HashLongArrow | Op::QuestionPipe | Op::QuestionAnd => types[1] == texts(),
                Op::Question => types[1].is_string(),
                Op::Minus => types[1].is_string() || types[1].is_integer() || types[1] == texts(),
                _ => types[1].is_string() || types[1].is_integer(),
            };
        if types[0] != JSON && !is_null(&types[0]) || !second {
            return Err(no_operator().into());
        }
        Ok(PlannerResult::Planned(named(name).call(args)))
    }
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
