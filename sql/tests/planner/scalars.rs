//! What expressions promise: no wrapping, no silent NULL, and one row's error is only its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::planned::Catalogue;
use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use dataflow::{EvalError, Plan, Scalar};
use sql::Relations;

/// Rows of `orders`: (id, quantity, product, amount in cents).
fn orders(rows: &[(i64, Option<i32>, &str, i128)]) -> RecordBatch {
    let schema = Catalogue::new().relation("orders").unwrap().schema.columns.clone();
    let count = rows.len() as i32;
    let amount =
        Decimal128Array::from_iter_values(rows.iter().map(|row| row.3)).with_precision_and_scale(12, 2).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(Int32Array::from_iter_values(0..count)),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(amount),
        Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.1))),
        Arc::new(Date32Array::from_iter_values(0..count)),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

/// Readings with these watts.
fn readings(watts: &[f64]) -> RecordBatch {
    let schema = Catalogue::new().relation("readings").unwrap().schema.columns.clone();
    let count = watts.len() as i64;
    let stamps = TimestampMicrosecondArray::from_iter_values(0..count).with_timezone("+00:00");
    let energy = Decimal128Array::from_iter_values(watts.iter().map(|_| 1)).with_precision_and_scale(12, 3).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(watts.iter().map(|_| "c"))),
        Arc::new(stamps),
        Arc::new(Float64Array::from(watts.to_vec())),
        Arc::new(energy),
        Arc::new(Int32Array::from_iter_values(watts.iter().map(|_| 1))),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

/// The expression of a view over one table, and the columns that it takes from it.
async fn scalar(expression: &str, table: &str) -> Arc<dyn Scalar> {
    let view = Catalogue::new().plan(&format!("SELECT {expression} AS x FROM {table}")).await.unwrap();
    match view.plan {
        Plan::Map { columns, .. } => columns[0].clone(),
        other => panic!("{other:?}"),
    }
}

async fn eval(expression: &str, rows: &RecordBatch) -> (ArrayRef, Vec<(usize, String)>) {
    let table = if rows.num_columns() == 7 { "orders" } else { "readings" };
    let (array, errors) = scalar(expression, table).await.eval(rows);
    for (row, _) in &errors {
        assert!(array.is_null(*row), "a failing row has no value");
    }
    (array, errors.into_iter().map(|(row, EvalError(words))| (row, words)).collect())
}

/// The error of a query over the same rows, which must be that of its view.
async fn query_error(expression: &str, rows: &RecordBatch) -> Option<(&'static str, String)> {
    let table = if rows.num_columns() == 7 { "orders" } else { "readings" };
    let tables = BTreeMap::from([(table.to_string(), vec![rows.clone()])]);
    let answer = Catalogue::new().query(&format!("SELECT {expression} AS x FROM {table}"), &tables).await;
    answer.err().map(|error| (error.sqlstate, error.message))
}

#[tokio::test]
async fn integers_fail_rather_than_wrap_in_views_and_in_queries() {
    let rows = orders(&[(i64::MAX, Some(i32::MAX), "", 0), (i64::MIN, Some(i32::MIN), "", 0)]);
    for (expression, row, words) in [
        ("id + 1", 0, "bigint out of range"),
        ("id - 1", 1, "bigint out of range"),
        ("id * 3", 0, "bigint out of range"),
        ("quantity * quantity", 0, "integer out of range"),
        ("-id", 1, "bigint out of range"),
        ("id / -1", 1, "bigint out of range"),
        ("1 + id + 0", 0, "bigint out of range"),
    ] {
        let (_, errors) = eval(expression, &rows).await;
        assert_eq!(errors.iter().find(|error| error.0 == row), Some(&(row, words.to_string())), "{expression}");
        assert_eq!(query_error(expression, &rows).await, Some(("22003", words.to_string())), "{expression}");
    }
    assert_eq!(query_error("9223372036854775807 + 1", &rows).await.map(|error| error.0), Some("22003"));
}

#[tokio::test]
async fn division_by_zero_is_an_error_for_every_type_of_number() {
    let rows = orders(&[(1, Some(0), "", 1)]);
    for expression in ["id / quantity", "id % quantity", "amount / quantity", "CAST(id AS double precision) / quantity"]
    {
        let (_, errors) = eval(expression, &rows).await;
        assert_eq!(errors, [(0, "division by zero".to_string())], "{expression}");
        assert_eq!(query_error(expression, &rows).await, Some(("22012", "division by zero".into())), "{expression}");
    }
}

#[tokio::test]
async fn decimals_that_do_not_fit_are_an_error() {
    let rows = orders(&[(1, Some(1), "", 999_999_999_999)]);
    let widest = "CAST('99999999999999999999999999999999999999' AS numeric(38, 0)) + CAST(id AS numeric(38, 0))";
    let cube = "CAST(amount AS numeric(38, 6)) * CAST(amount AS numeric(38, 6)) * CAST(amount AS numeric(38, 6))";
    for expression in [widest, cube] {
        assert_eq!(eval(expression, &rows).await.1.len(), 1, "{expression}");
        assert_eq!(query_error(expression, &rows).await.map(|error| error.0), Some("22003"), "{expression}");
    }
}

#[tokio::test]
async fn a_row_is_an_error_if_and_only_if_its_expression_fails_alone() {
    let quantities = [Some(2), Some(0), None, Some(0), Some(5), Some(4), Some(0), Some(1)];
    let rows: Vec<_> = quantities.iter().enumerate().map(|(at, quantity)| (at as i64, *quantity, "7", 100)).collect();
    let rows = orders(&rows);
    let zeros: Vec<usize> = (0..quantities.len()).filter(|&at| quantities[at] == Some(0)).collect();
    for (expression, fails) in [
        ("10 / quantity", true),
        ("quantity = 0 OR 10 / quantity > 3", false),
        ("quantity <> 0 AND 10 / quantity > 3", false),
        ("10 / quantity > 3 AND quantity <> 0", true),
        ("CASE WHEN quantity = 0 THEN 0 ELSE 10 / quantity END", false),
        ("coalesce(quantity, 10 / quantity)", false),
        ("10 / nullif(quantity, 0)", false),
    ] {
        let scalar = scalar(expression, "orders").await;
        let (array, errors) = scalar.eval(&rows);
        let failed: Vec<usize> = errors.iter().map(|error| error.0).collect();
        assert_eq!(failed, if fails { zeros.clone() } else { vec![] }, "{expression}");
        for row in 0..rows.num_rows() {
            let (alone, error) = scalar.eval(&rows.slice(row, 1));
            assert_eq!(!error.is_empty(), failed.contains(&row), "{expression} of row {row}");
            assert_eq!(alone.as_ref(), array.slice(row, 1).as_ref(), "{expression} of row {row}");
        }
        assert_eq!(query_error(expression, &rows).await.is_some(), fails, "{expression} as a query");
    }
}

#[tokio::test]
async fn a_condition_that_can_fail_is_asked_last() {
    let rows = orders(&[(1, Some(0), "", 100), (2, Some(2), "", 100)]);
    let query = "SELECT id FROM (SELECT * FROM orders WHERE quantity <> 0) AS o WHERE 10 / quantity > 1";
    let tables = BTreeMap::from([("orders".to_string(), vec![rows])]);
    let answer = Catalogue::new().query(query, &tables).await.unwrap();
    assert_eq!(answer.column(0).as_primitive::<Int64Type>().values(), &[2]);
}

#[tokio::test]
async fn what_keeps_a_row_from_a_failing_expression_does_so_in_every_clause() {
    let quantities = [Some(2), Some(0), None, Some(0), Some(5)];
    let rows: Vec<_> = quantities.iter().enumerate().map(|(at, quantity)| (at as i64, *quantity, "7", 100)).collect();
    let tables = BTreeMap::from([("orders".to_string(), vec![orders(&rows)])]);
    let guarded = "CASE WHEN quantity = 0 THEN 0 ELSE 10 / quantity END";
    let part = "(quantity <> 0 AND 10 / quantity > 3)";
    let pair = "a.quantity <> 0 AND b.quantity <> 0";
    for (query, answers) in [
        (format!("SELECT sum({guarded}) FROM orders"), 1),
        (format!("SELECT count(*) FROM orders GROUP BY {guarded}"), 4),
        (format!("SELECT max(id) FILTER (WHERE {part}) FROM orders"), 1),
        (format!("SELECT id FROM orders ORDER BY {guarded}, id"), 5),
        (format!("SELECT id FROM orders ORDER BY {guarded} DESC, id LIMIT 2"), 2),
        ("SELECT count(*) FROM orders HAVING count(*) = 0 OR 10 / count(*) > 1".to_string(), 1),
        (format!("SELECT a.id FROM orders a JOIN orders b ON {pair} AND 10 / a.quantity = 10 / b.quantity"), 2),
        (format!("SELECT a.id FROM orders a LEFT JOIN orders b ON {pair} AND 10 / a.quantity = 10 / b.quantity"), 5),
        (format!("SELECT a.id FROM orders a FULL JOIN orders b ON {pair} AND a.id = b.id AND 10 / a.quantity > 3"), 9),
        (format!("SELECT a.id FROM orders a LEFT JOIN orders b ON a.id = b.id AND {pair} AND 10 / b.quantity > 3"), 5),
        (format!("SELECT a.id FROM orders a JOIN orders b ON {pair} AND 10 / a.quantity > b.quantity"), 1),
        (
            "SELECT id FROM orders o WHERE quantity <> 0 AND EXISTS (SELECT 1 FROM orders WHERE 10 / o.quantity = id)"
                .to_string(),
            1,
        ),
    ] {
        let answer = Catalogue::new().query(&query, &tables).await;
        assert_eq!(answer.unwrap_or_else(|error| panic!("{query}: {error:?}")).num_rows(), answers, "{query}");
    }
    for query in [
        "SELECT sum(10 / quantity) FROM orders",
        "SELECT count(*) FROM orders GROUP BY 10 / quantity",
        "SELECT id FROM orders ORDER BY 10 / quantity",
        "SELECT a.id FROM orders a LEFT JOIN orders b ON 10 / a.quantity = b.id",
        "SELECT sum(CASE WHEN quantity > 1 THEN 1 ELSE 10 / quantity END) FROM orders",
        "SELECT id FROM orders WHERE quantity = 0 AND 10 / quantity > 1",
    ] {
        let told = Catalogue::new().query(query, &tables).await.unwrap_err();
        assert_eq!((told.sqlstate, told.message.as_str()), ("22012", "division by zero"), "{query}");
    }
}

#[tokio::test]
async fn casts_fail_rather_than_give_null() {
    let rows = orders(&[(1 << 40, Some(1), "12", 1), (2, Some(1), "x", 1)]);
    for (expression, row) in [
        ("CAST(product AS bigint)", 1),
        ("CAST(product AS double precision)", 1),
        ("CAST(product AS numeric(10, 2))", 1),
        ("CAST(id AS integer)", 0),
        ("CAST(id AS smallint)", 0),
    ] {
        let (_, errors) = eval(expression, &rows).await;
        assert_eq!(errors.iter().map(|error| error.0).collect::<Vec<_>>(), [row], "{expression}");
        let code = query_error(expression, &rows).await.unwrap();
        assert!(["22P02", "22003"].contains(&code.0), "{expression}: {code:?}");
    }
    assert_eq!(eval("TRY_CAST(product AS double precision)", &rows).await.1, []);
}

#[tokio::test]
async fn floats_are_canonical_behind_every_expression() {
    let rows = readings(&[0.0, f64::INFINITY]);
    for expression in ["-watts", "watts * -1.0", "CAST('-0' AS double precision) + watts", "0.0 - watts"] {
        let (array, _) = eval(expression, &rows).await;
        assert_eq!(array.as_primitive::<Float64Type>().value(0).to_bits(), 0, "{expression}");
    }
    let (array, _) = eval("watts - watts", &rows).await;
    assert_eq!(array.as_primitive::<Float64Type>().value(1).to_bits(), f64::NAN.to_bits());
    let (array, _) = eval("watts * -1.0 = 0.0", &rows).await;
    assert!(array.as_boolean().value(0), "a zero equals a zero within an expression too");
}

#[tokio::test]
async fn numbers_with_a_point_are_decimals() {
    let rows = orders(&[(1, Some(1), "", 10)]);
    let (array, _) = eval("amount * 0.13", &rows).await;
    assert_eq!(array.data_type(), &DataType::Decimal128(15, 4));
    assert_eq!(scalar("amount * 0.13", "orders").await.sql(), "amount * 0.13");
}

#[tokio::test]
async fn an_expression_has_the_same_fingerprint_in_every_process() {
    let known = "8d76284f4a0a5cc6e291b44f87d79818";
    assert_eq!(format!("{:032x}", scalar("id + 1", "orders").await.fingerprint()), known);
    assert_ne!(
        scalar("quantity + CAST(1 AS integer)", "orders").await.fingerprint(),
        scalar("quantity + 1", "orders").await.fingerprint(),
        "types count"
    );
}
