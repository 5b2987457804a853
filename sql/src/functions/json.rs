//! `json` and `jsonb`: access to the parts of documents, what is asked of them, and what they are made of.
//!
//! Each function costs one pass over its document, up to the part that it looks for.

mod access;
mod casts;
mod jsonpath;
mod operators;

use arrow::array::{Array, AsArray};
use arrow::compute;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;

pub use casts::{cast, covers};
pub use operators::{Documents, object_of, shown_moment};

use self::access::Access;
use super::OwnCast;
use super::rowwise::pure::{called_on_null, strict, typed};
use super::rowwise::{text, texts};
use super::session_zone::in_document;
use super::zone::Zone;
use crate::error::SqlError;
use crate::json::{self, Change, Kind};
use crate::types::{self, JSON};

/// The functions; those whose names begin with `_pg_` are what PostgreSQL has syntax for.
pub fn functions() -> Vec<ScalarUDF> {
    let mut functions: Vec<ScalarUDF> = [false, true].into_iter().flat_map(Access::all).map(ScalarUDF::from).collect();
    // What the operators call has names too.
    for name in ["_pg_json_contains", "jsonb_contains"] {
        functions.push(strict(name, DataType::Boolean, |args| {
            Ok(json::contains(&document(&args[0])?, &document(&args[1])?).into())
        }));
    }
    for name in ["_pg_json_has", "jsonb_exists"] {
        functions.push(strict(name, DataType::Boolean, |args| {
            Ok(text(&args[1]).is_some_and(|name| json::has(&document_of(&args[0]), &name)).into())
        }));
    }
    for name in ["_pg_json_concat", "jsonb_concat"] {
        functions
            .push(strict(name, JSON, |args| Ok(value(json::concatenated(&document(&args[0])?, &document(&args[1])?)))));
    }
    for name in ["_pg_json_without_path", "jsonb_delete_path"] {
        functions.push(strict(name, JSON, |args| at_path(args, Change::Delete)));
    }
    for name in ["_pg_json_without", "jsonb_delete"] {
        functions.push(strict(name, JSON, |args| without(&document_of(&args[0]), &args[1])));
    }
    functions.extend([
        strict("_pg_json_has_any", DataType::Boolean, |args| {
            let document = document_of(&args[0]);
            Ok(names(&args[1]).iter().flatten().any(|name| json::has(&document, name)).into())
        }),
        strict("_pg_json_has_all", DataType::Boolean, |args| {
            let document = document_of(&args[0]);
            Ok(names(&args[1]).iter().flatten().all(|name| json::has(&document, name)).into())
        }),
        strict("jsonb_pretty", DataType::Utf8, |args| Ok(json::pretty(&document(&args[0])?).into())),
        strict("jsonb_set", JSON, |args| {
            let create = !matches!(args.get(3), Some(ScalarValue::Boolean(Some(false))));
            at_path(args, Change::Set { value: &document(third(args, "jsonb_set")?)?, create })
        }),
        strict("jsonb_insert", JSON, |args| {
            let after = matches!(args.get(3), Some(ScalarValue::Boolean(Some(true))));
            at_path(args, Change::Insert { value: &document(third(args, "jsonb_insert")?)?, after })
        }),
        strict(ROW, JSON, |_| Err(SqlError::unsupported("a whole row here").into())),
        strict(ROW_OR_NULL, JSON, |_| Err(SqlError::unsupported("a whole row here").into())),
        typed(
            MOMENT,
            |types| Ok(if matches!(types.first(), Some(DataType::List(_))) { texts() } else { DataType::Utf8 }),
            |args| moment(&args[0], Zone::of(&args.get(1).and_then(text).unwrap_or_default())?),
        ),
        strict("array_to_json", JSON, |args| canonical(&made_of(&args[0])?)),
        called_on_null(PAIR, JSON, |args| {
            let [name, value] = args else {
                return Err(SqlError::new("42883", "jsonb_object_agg takes a name and a value").into());
            };
            let name = match OwnCast::between(&name.data_type(), &DataType::Utf8, false) {
                Some(own) => text(&ScalarValue::try_from_array(&own.cast(&name.to_array()?)?, 0)?),
                None => text(name),
            };
            let name = name.ok_or_else(|| SqlError::new("22004", "field name must not be null"))?;
            let mut member = String::new();
            json::write_text(&name, &mut member);
            canonical(&format!("{{{member}: {}}}", made_of(value)?))
        }),
        strict(JOINED, JSON, |args| {
            let ScalarValue::List(list) = &args[0] else { return ScalarValue::try_from(&JSON) };
            let objects = list.value(0);
            let objects = objects.as_binary::<i64>();
            let all: Vec<&str> = objects.iter().flatten().map(|one| &spoken(one)[1..one.len() - 1]).collect();
            canonical(&format!("{{{}}}", all.join(", ")))
        }),
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
    functions.extend(jsonpath::functions());
    functions
}

/// The whole row of a relation, and the same where an outer join may have left it out: then NULL. A rule takes their place.
pub const ROW: &str = "_pg_row";
pub const ROW_OR_NULL: &str = "_pg_row_or_null";

/// A moment as text in documents, or an array of them, in the zone that is the second argument.
pub const MOMENT: &str = "_pg_json_moment";

/// Functions that make documents of any values.
pub const MAKING: [&str; 9] = [
    "to_json",
    "to_jsonb",
    "json_build_object",
    "jsonb_build_object",
    "json_build_array",
    "jsonb_build_array",
    "array_to_json",
    GATHERED,
    PAIR,
];

/// An object of one member, and the objects of an array as one: an aggregate of names and values.
pub const PAIR: &str = "_pg_json_pair";
pub const JOINED: &str = "_pg_json_joined";

/// A change at the path that is the second argument.
fn at_path(args: &[ScalarValue], change: Change) -> Result<ScalarValue> {
    let path = match &args[1] {
        ScalarValue::Utf8(Some(written)) => crate::functions::array::read(written)?,
        listed => names(listed),
    };
    Ok(value(json::changed(&document(&args[0])?, &path, change)?))
}

fn third<'a>(args: &'a [ScalarValue], function: &str) -> Result<&'a ScalarValue> {
    let missing = || SqlError::new("42883", format!("{function} takes a document, a path and a value"));
    args.get(2).ok_or_else(|| missing().into())
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
        "path_query" => (&[jsonpath::ITEMS], &[]),
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

/// A moment, or moments, as documents have them.
fn moment(value: &ScalarValue, zone: Zone) -> Result<ScalarValue> {
    match value {
        ScalarValue::TimestampMicrosecond(Some(micros), _) => Ok(in_document(*micros, zone)?.into()),
        ScalarValue::List(list) if !value.is_null() => {
            let items = list.value(0);
            let items = (0..items.len()).map(|at| moment(&ScalarValue::try_from_array(&items, at)?, zone));
            Ok(self::list(items.collect::<Result<_>>()?, &DataType::Utf8))
        }
        ScalarValue::List(_) => ScalarValue::try_from(&texts()),
        _ => Ok(ScalarValue::Utf8(None)),
    }
}

/// Any value as JSON.
fn made_of(argument: &ScalarValue) -> Result<String> {
    if argument.is_null() {
        return Ok("null".to_owned());
    }
    let array = argument.to_array()?;
    let kept = match types::canonical(array.data_type()) {
        // As PostgreSQL writes them in documents, which is not how events have them.
        Some(DataType::Timestamp(_, zone)) => {
            let offset = if zone.is_some() { "+00:00" } else { "" };
            let text = OwnCast::between(array.data_type(), &DataType::Utf8, false).expect("it is ours").cast(&array)?;
            let text = text.as_string::<i32>().value(0).trim_end_matches("+00").replacen(' ', "T", 1);
            return Ok(format!("\"{text}{offset}\""));
        }
        Some(DataType::List(_)) => {
            let items = array.as_list::<i32>().value(0);
            let items = (0..items.len()).map(|at| made_of(&ScalarValue::try_from_array(&items, at)?));
            return Ok(format!("[{}]", items.collect::<Result<Vec<_>>>()?.join(", ")));
        }
        Some(kept) => compute::cast(&array, &kept)?,
        None => match OwnCast::between(array.data_type(), &DataType::Utf8, false) {
            Some(own) => own.cast(&array)?,
            None => compute::cast(&array, &DataType::Utf8)?,
        },
    };
    Ok(crate::encode::value_json(&kept, 0).expect("it is not NULL"))
}
