//! Arrays, as far as clients and their queries use them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};

use super::rowwise::{called_on_null, number, strict, text, texts, to_text, typed};
use crate::error::SqlError;
use crate::types;

/// The functions; those whose names begin with `_pg_` are what PostgreSQL has syntax for.
pub fn functions() -> Vec<ScalarUDF> {
    vec![
        make_array(),
        array_cat(),
        element(),
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
            list((1..=count).map(|at| ScalarValue::Int64(Some(at))).collect(), &numbers())
        }),
        typed(
            "_pg_array_or_empty",
            |types| Ok(types[0].clone()),
            |args| match args[0].is_null() {
                true => list(Vec::new(), &args[0].data_type()),
                false => Ok(args[0].clone()),
            },
        ),
        called_on_null("_pg_any", DataType::Boolean, |args| {
            let (Some(wanted), Some(items)) = (text(&args[0]), items(&args[1])?) else {
                return Ok(ScalarValue::Boolean(None));
            };
            let found = items.iter().any(|item| text(item).as_deref() == Some(&wanted));
            let unknown = !found && items.iter().any(ScalarValue::is_null);
            Ok(ScalarValue::Boolean((!unknown).then_some(found)))
        }),
    ]
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

fn make_array() -> ScalarUDF {
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
    typed("_pg_element", of, move |args| {
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
}
