//! Arrays, as far as clients and their queries use them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{self, CastOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, ScalarUDF};

use super::any::AnyOf;
use super::cast::OwnCast;
use super::rowwise::pure::{called_on_null, strict, typed};
use super::rowwise::{number, text, texts, to_text};
use crate::error::SqlError;
use crate::types;

/// The functions; those whose names begin with `_pg_` are what PostgreSQL has syntax for.
pub fn functions() -> Vec<ScalarUDF> {
    vec![
        make_array(),
        array_cat(),
        element(),
        each_item(),
        expand(),
        called_on_null("array_to_string", DataType::Utf8, |args| {
            let (Some(items), Some(separator)) = (items(&args[0])?, args.get(1).and_then(text)) else {
                return to_text(None);
            };
            let instead = args.get(2).and_then(text);
            let shown = items.iter().filter_map(|item| text(item).or_else(|| instead.clone()));
            to_text(Some(shown.collect::<Vec<_>>().join(&separator)))
        }),
        length("array_length"),
        length("array_upper"),
        strict("array_lower", DataType::Int32, |args| {
            Ok(ScalarValue::Int32(items(&args[0])?.filter(|items| !items.is_empty()).map(|_| 1)))
        }),
        strict("cardinality", DataType::Int32, |args| {
            Ok(ScalarValue::Int32(items(&args[0])?.map(|items| items.len() as i32)))
        }),
        typed(
            "array_remove",
            |types| Ok(types.first().cloned().unwrap_or(DataType::Null)),
            |args| {
                let Some(found) = items(&args[0])? else { return Ok(args[0].clone()) };
                let gone = args.get(1).and_then(text);
                list(found.into_iter().filter(|item| text(item) != gone).collect(), &args[0].data_type())
            },
        ),
        strict("_pg_subscripts", numbers(), |args| {
            let count = items(&args[0])?.map_or(0, |items| items.len() as i64);
            let first = args.get(1).and_then(number).unwrap_or(1);
            list((first..first + count).map(|at| ScalarValue::Int64(Some(at))).collect(), &numbers())
        }),
        typed(
            "_pg_array_or_empty",
            |types| Ok(types[0].clone()),
            |args| match args[0].is_null() {
                true => list(Vec::new(), &args[0].data_type()),
                false => Ok(args[0].clone()),
            },
        ),
        ScalarUDF::from(AnyOf::default()),
    ]
}

/// What `unnest` in FROM is until a rule makes it an operator.
pub const ITEMS: &str = "_pg_items";

fn each_item() -> ScalarUDF {
    let of = |types: &[DataType]| match types.first() {
        Some(DataType::List(item)) => Ok(item.data_type().clone()),
        other => {
            let words = format!("function unnest({}) does not exist", other.map_or(String::new(), types::sql_name));
            Err(SqlError::new("42883", words).into())
        }
    };
    typed(ITEMS, of, |_| Err(SqlError::unsupported("unnest of an outer query's array here").into()))
}

fn numbers() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

fn length(name: &str) -> ScalarUDF {
    strict(name, DataType::Int32, |args| {
        let count = items(&args[0])?.map(|items| items.len() as i32);
        // Of arrays there is one dimension here; an empty one has none.
        let first = args.get(1).and_then(number).is_none_or(|dimension| dimension == 1);
        Ok(ScalarValue::Int32(count.filter(|&count| count > 0 && first)))
    })
}

/// The elements of an array; of `{a,b}` too.
fn items(value: &ScalarValue) -> Result<Option<Vec<ScalarValue>>> {
    match value {
        ScalarValue::List(array) if array.is_valid(0) => {
            let values: ArrayRef = array.value(0);
            (0..values.len()).map(|at| ScalarValue::try_from_array(&values, at)).collect::<Result<Vec<_>>>().map(Some)
        }
        ScalarValue::Utf8(Some(written)) => Ok(Some(read(written)?.into_iter().map(ScalarValue::Utf8).collect())),
        _ => Ok(None),
    }
}

/// Whether a cast between these types is ours: DataFusion's takes a text for an array of one.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    let lists = |of: &DataType| matches!(of, DataType::List(_));
    from.is_string() && lists(to) || lists(from) && to.is_string()
}

/// Text as an array or an array as text; `lenient`: NULL where a text is no array of such values, instead of an error.
pub fn cast(array: &ArrayRef, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    match to {
        DataType::List(item) => from_text(array, item, lenient),
        _ => Ok(compute::cast(&written(array.as_list::<i32>())?, to)?),
    }
}

fn from_text(array: &ArrayRef, item: &FieldRef, lenient: bool) -> Result<ArrayRef> {
    let texts = compute::cast(array, &DataType::Utf8)?;
    let (mut items, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for text in texts.as_string::<i32>() {
        let list = match text.map(read).transpose() {
            Err(_) if lenient => None,
            read => read?,
        };
        valid.push(list.is_some());
        lengths.push(list.as_ref().map_or(0, Vec::len));
        items.extend(list.into_iter().flatten());
    }
    let items: ArrayRef = Arc::new(StringArray::from(items));
    let values = match OwnCast::between(&DataType::Utf8, item.data_type(), lenient) {
        Some(cast) => cast.cast(&items)?,
        None => {
            compute::cast_with_options(&items, item.data_type(), &CastOptions { safe: lenient, ..Default::default() })?
        }
    };
    let offsets = OffsetBuffer::from_lengths(lengths);
    if lenient {
        let failed = |at: usize| values.is_null(at) && items.is_valid(at);
        for (row, valid) in valid.iter_mut().enumerate() {
            *valid &= !(offsets[row] as usize..offsets[row + 1] as usize).any(failed);
        }
    }
    Ok(Arc::new(ListArray::new(item.clone(), offsets, values, Some(valid.into()))))
}

/// `{a,"b c",NULL}`.
fn written(lists: &ListArray) -> Result<ArrayRef> {
    let letters = lists.values().as_boolean_opt().map(|truths| {
        let letter = |truth: Option<bool>| truth.map(|truth| if truth { "t" } else { "f" });
        Arc::new(truths.iter().map(letter).collect::<StringArray>()) as ArrayRef
    });
    let items = match (letters, OwnCast::between(&lists.value_type(), &DataType::Utf8, false)) {
        (Some(letters), _) => letters,
        (None, Some(cast)) => cast.cast(lists.values())?,
        (None, None) => compute::cast(lists.values(), &DataType::Utf8)?,
    };
    let items = items.as_string::<i32>();
    let list = |row: usize| {
        lists.is_valid(row).then(|| {
            let range = lists.value_offsets()[row] as usize..lists.value_offsets()[row + 1] as usize;
            let items = range.map(|at| if items.is_valid(at) { quoted(items.value(at)) } else { "NULL".into() });
            format!("{{{}}}", items.collect::<Vec<_>>().join(","))
        })
    };
    Ok(Arc::new((0..lists.len()).map(list).collect::<StringArray>()))
}

/// An element as [`read`] reads it.
fn quoted(item: &str) -> String {
    let special = |c: char| matches!(c, '"' | '\\' | '{' | '}' | ',') || c.is_ascii_whitespace();
    if !item.is_empty() && !item.contains(special) && !item.eq_ignore_ascii_case("null") {
        return item.to_owned();
    }
    format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Reads `{a,"b c",NULL}`.
pub fn read(written: &str) -> Result<Vec<Option<String>>, SqlError> {
    let malformed = || SqlError::new("22P02", format!("malformed array literal: \"{written}\""));
    let inner = written.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(malformed)?;
    let mut items = Vec::new();
    if inner.trim().is_empty() {
        return Ok(items);
    }
    let mut letters = inner.chars();
    let (mut item, mut quoted, mut open) = (String::new(), false, false);
    loop {
        match letters.next() {
            Some('"') => (quoted, open) = (true, !open),
            Some('\\') => item.push(letters.next().ok_or_else(malformed)?),
            Some('{' | '}') if !open => return Err(SqlError::unsupported("an array of arrays")),
            None if open => return Err(malformed()),
            ended @ (Some(',') | None) if !open => {
                let plain = if quoted { item.as_str() } else { item.trim() };
                items.push((quoted || !plain.eq_ignore_ascii_case("null")).then(|| plain.to_owned()));
                if ended.is_none() {
                    return Ok(items);
                }
                (item, quoted) = (String::new(), false);
            }
            Some(letter) => item.push(letter),
            None => unreachable!("an end within and without quotes is dealt with"),
        }
    }
}

/// An array of these elements, each of the type that the array's has.
fn list(items: Vec<ScalarValue>, of: &DataType) -> Result<ScalarValue> {
    let DataType::List(item) = of else { return Ok(ScalarValue::Null) };
    let items = items.iter().map(|value| value.cast_to(item.data_type())).collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list(&items, item.data_type(), true)))
}

/// The type that all elements can have.
fn common(types: &[DataType]) -> Result<DataType> {
    let known = types.iter().filter(|of| **of != DataType::Null);
    let item = known
        .cloned()
        .map(Some)
        .reduce(|left, right| comparison_coercion(&left?, &right?))
        .unwrap_or(Some(DataType::Utf8));
    let item = item.ok_or_else(|| SqlError::new("42804", "the elements of an array must be of one type"))?;
    Ok(DataType::List(Arc::new(Field::new_list_field(item, true))))
}

/// `ARRAY[..]`.
pub fn make_array() -> ScalarUDF {
    typed("make_array", common, |args| {
        let types: Vec<DataType> = args.iter().map(ScalarValue::data_type).collect();
        list(args.to_vec(), &common(&types)?)
    })
}

fn array_cat() -> ScalarUDF {
    let of =
        |types: &[DataType]| Ok(types.iter().find(|of| matches!(of, DataType::List(_))).cloned().unwrap_or_else(texts));
    typed("array_cat", of, move |args| {
        let types: Vec<DataType> = args.iter().map(ScalarValue::data_type).collect();
        let parts = args.iter().map(items).collect::<Result<Vec<_>>>()?;
        match parts.iter().all(Option::is_none) {
            true => ScalarValue::try_from(of(&types)?),
            false => list(parts.into_iter().flatten().flatten().collect(), &of(&types)?),
        }
    })
}

/// `array[n]`, counted from 1.
fn element() -> ScalarUDF {
    let of = |types: &[DataType]| match types.first() {
        Some(DataType::List(item)) => Ok(item.data_type().clone()),
        other => Err(SqlError::new(
            "42804",
            format!("cannot subscript type {}", other.map_or(String::new(), types::sql_name)),
        )
        .into()),
    };
    typed("array_element", of, move |args| {
        let place = args.get(1).and_then(number).and_then(|place| usize::try_from(place - 1).ok());
        let found = items(&args[0])?.zip(place).and_then(|(items, place)| items.into_iter().nth(place));
        found.map_or_else(|| ScalarValue::try_from(of(&[args[0].data_type()])?), Ok)
    })
}

/// `information_schema._pg_expandarray`: elements with their places, for drivers that look for keys.
fn expand() -> ScalarUDF {
    fn of(types: &[DataType]) -> Result<DataType> {
        let item = match types.first() {
            Some(DataType::List(item)) => item.data_type().clone(),
            _ => DataType::Int64,
        };
        let fields = Fields::from(vec![Field::new("x", item, true), Field::new("n", DataType::Int64, true)]);
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Struct(fields), true))))
    }
    typed("_pg_expandarray", of, |args| {
        let DataType::List(pair) = of(&[args[0].data_type()])? else { unreachable!("it is a list") };
        let DataType::Struct(fields) = pair.data_type() else { unreachable!("of pairs") };
        let Some(items) = items(&args[0])? else { return ScalarValue::try_from(DataType::List(pair.clone())) };
        let places: ArrayRef = Arc::new(arrow::array::Int64Array::from_iter_values(1..=items.len() as i64));
        let values = match items.is_empty() {
            true => arrow::array::new_empty_array(fields[0].data_type()),
            false => ScalarValue::iter_to_array(items)?,
        };
        let count = values.len();
        let pairs: ArrayRef = Arc::new(arrow::array::StructArray::new(fields.clone(), vec![values, places], None));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([count]);
        Ok(ScalarValue::List(Arc::new(ListArray::new(pair.clone(), offsets, pairs, None))))
    })
}

/// A constant text beside an array is one.
fn beside(expr: Expr, other: &Expr, schema: &DFSchema) -> Result<Expr> {
    if !matches!(&expr, Expr::Literal(value, _) if value.data_type().is_string()) {
        return Ok(expr);
    }
    match other.get_type(schema) {
        Ok(list @ DataType::List(_)) => Ok(Expr::Cast(Cast::new(Box::new(expr), list))),
        _ => Ok(expr),
    }
}

/// What has syntax of its own: `ARRAY[..]`, and `||` between arrays.
#[derive(Debug)]
pub struct Arrays;

impl ExprPlanner for Arrays {
    fn plan_array_literal(&self, exprs: Vec<Expr>, _schema: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(make_array().call(exprs)))
    }

    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        use datafusion::sql::sqlparser::ast::BinaryOperator;
        let lists = |side: &Expr| matches!(side.get_type(schema), Ok(DataType::List(_)));
        match expr.op {
            BinaryOperator::StringConcat if lists(&expr.left) || lists(&expr.right) => {
                Ok(PlannerResult::Planned(array_cat().call(vec![expr.left, expr.right])))
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                let RawBinaryExpr { op, left, right } = expr;
                let left = beside(left, &right, schema)?;
                let right = beside(right, &left, schema)?;
                Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
            }
            _ => Ok(PlannerResult::Original(expr)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_read_as_postgresql_writes_them() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            read("{a, b ,\"c,\\\"d\", NULL,\"null\"}").unwrap(),
            [some("a"), some("b"), some("c,\"d"), None, some("null")]
        );
        assert!(read("{}").unwrap().is_empty());
        assert_eq!(read("{\"a}").unwrap_err().sqlstate, "22P02");
        assert_eq!(read("a,b").unwrap_err().sqlstate, "22P02");
    }

    #[test]
    fn an_array_is_read_back_as_it_is_written() {
        let text: ArrayRef =
            Arc::new(StringArray::from(vec![Some("{a,\"b c\",NULL,\"null\",\"\",\"\\\\\\\"\"}"), Some("{}"), None]));
        let lists = cast(&text, &texts(), false).unwrap();
        assert_eq!(lists.as_list::<i32>().value(0).len(), 6);
        assert_eq!(&cast(&lists, &DataType::Utf8, false).unwrap(), &text);
        let numbers = DataType::new_list(DataType::Int64, true);
        let wrong: ArrayRef = Arc::new(StringArray::from(vec!["{1,2}", "{1,x}", "1"]));
        assert!(cast(&wrong, &numbers, false).is_err());
        let lenient = cast(&wrong, &numbers, true).unwrap();
        assert_eq!((lenient.is_valid(0), lenient.is_valid(1), lenient.is_valid(2)), (true, false, false));
    }
}
