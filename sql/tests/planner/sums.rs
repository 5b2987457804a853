//! Sums and averages: the same bits whatever the order of rows, and an error where they do not fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::planned::Catalogue;
use arrow::array::{
    ArrayRef, AsArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sql::Relations;

fn readings(watts: &[Option<f64>]) -> RecordBatch {
    let schema = Catalogue::new().relation("readings").unwrap().schema.columns.clone();
    let count = watts.len() as i64;
    let energy: Decimal128Array = watts.iter().enumerate().map(|(row, _)| Some(row as i128 * 7 - 1_000)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values((0..count).map(|row| format!("c{}", row % 3)))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(0..count).with_timezone("+00:00")),
        Arc::new(Float64Array::from(watts.to_vec())),
        Arc::new(energy.with_precision_and_scale(12, 3).unwrap()),
        Arc::new(Int32Array::from_iter((0..count).map(|row| (row % 5 != 0).then_some(row as i32)))),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

fn orders(ids: &[i64]) -> RecordBatch {
    let schema = Catalogue::new().relation("orders").unwrap().schema.columns.clone();
    let count = ids.len() as i32;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(Int32Array::from_iter_values(0..count)),
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(StringArray::from_iter_values(ids.iter().map(|_| "p"))),
        Arc::new(Decimal128Array::from_iter_values(ids.iter().map(|_| 1)).with_precision_and_scale(12, 2).unwrap()),
        Arc::new(Int32Array::from_iter_values(0..count)),
        Arc::new(Date32Array::from_iter_values(0..count)),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

async fn query(sql: &str, table: &str, batches: Vec<RecordBatch>) -> Result<RecordBatch, sql::SqlError> {
    Catalogue::new().query(sql, &BTreeMap::from([(table.to_string(), batches)])).await
}

#[tokio::test]
async fn sums_have_the_same_bits_in_every_order() {
    let seed: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121);
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let watts: Vec<Option<f64>> = (0..3_000)
        .map(|row| (row % 17 != 0).then(|| random.random_range(-1.0..1.0) * 10f64.powi(random.random_range(-300..300))))
        .collect();
    let rows = readings(&watts);
    let sql = "SELECT circuit, count(*) AS n, sum(watts) AS w, avg(watts) AS m, sum(energy) AS e, avg(energy) AS d, \
               sum(flags) AS f, avg(flags) AS g, min(watts) AS low, max(watts) AS high, stddev(watts), var_pop(energy), \
               sum(DISTINCT watts), avg(DISTINCT flags), median(watts), percentile_disc(0.9) WITHIN GROUP (ORDER BY energy) \
               FROM readings GROUP BY circuit ORDER BY circuit";
    let known = query(sql, "readings", vec![rows.clone()]).await.unwrap();
    assert_eq!(known.num_rows(), 3);
    assert_eq!(known.schema().field(4).data_type(), &DataType::Decimal128(38, 3));
    assert_eq!(known.schema().field(5).data_type(), &DataType::Decimal128(16, 7));
    assert_eq!(known.schema().field(6).data_type(), &DataType::Int64);
    for _ in 0..10 {
        let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
        order.shuffle(&mut random);
        let order = arrow::array::UInt32Array::from(order);
        let columns = rows.columns().iter().map(|column| take(column, &order, None).unwrap()).collect();
        let shuffled = RecordBatch::try_new(rows.schema(), columns).unwrap();
        let cut = random.random_range(1..rows.num_rows());
        let batches = vec![shuffled.slice(0, cut), shuffled.slice(cut, rows.num_rows() - cut)];
        assert_eq!(query(sql, "readings", batches).await.unwrap(), known);
    }
}

#[tokio::test]
async fn a_filter_decides_before_the_value_is_computed() {
    let rows = readings(&[Some(1.0), Some(2.0), Some(f64::NAN), None, Some(5.0)]);
    let sql = "SELECT sum(12 / flags) FILTER (WHERE flags <> 0) AS s, count(*) FILTER (WHERE watts > 1) AS n, \
               percentile_cont(0.25) WITHIN GROUP (ORDER BY watts) FILTER (WHERE watts < 10) AS p, stddev(flags) AS d, \
               var_samp(watts) AS v, bool_and(flags > 1) FILTER (WHERE flags > 1) AS a FROM readings";
    let answer = query(sql, "readings", vec![rows]).await.unwrap();
    let float = |column: usize| answer.column(column).as_primitive::<Float64Type>().value(0);
    let int = |column: usize| answer.column(column).as_primitive::<Int64Type>().value(0);
    // The flags are NULL, 1, 2, 3, 4; NaN is more than any number.
    assert_eq!((int(0), int(1)), (25, 3));
    assert_eq!((float(2), float(3)), (1.5, (5.0_f64 / 3.0).sqrt()));
    assert!(float(4).is_nan());
    assert!(answer.column(5).as_boolean().value(0));
}

#[tokio::test]
async fn rows_of_one_partition_are_numbered_whatever_else_is_asked() {
    let rows = readings(&[Some(3.0), Some(2.0), Some(1.0), Some(3.0), Some(2.0), Some(1.0), Some(3.0)]);
    let sql = "SELECT flags, n, r FROM (SELECT circuit, flags, row_number() OVER (PARTITION BY circuit ORDER BY watts) AS n, \
               rank() OVER (PARTITION BY circuit ORDER BY watts) AS r FROM readings) AS numbered \
               WHERE circuit = 'c0' AND (12 / flags > 1 OR flags > 5) AND n <= 3 ORDER BY flags";
    let answer = query(sql, "readings", vec![rows]).await.unwrap();
    let numbers = |column: usize| answer.column(column).as_primitive::<Int64Type>().values().to_vec();
    // All of c0 are alike in watts, so the earliest comes first; its flags are NULL and pass no condition.
    assert_eq!((numbers(1), numbers(2)), (vec![2, 3], vec![1, 1]));
}

#[tokio::test]
async fn terms_that_cancel_leave_nothing_behind() {
    let rows = readings(&[Some(1e308), Some(1e-300), Some(1e308), Some(-1e308), Some(-1e308), Some(3.0)]);
    let answer =
        query("SELECT sum(watts) - 3.0 AS w, avg(energy) AS e FROM readings", "readings", vec![rows]).await.unwrap();
    assert_eq!(answer.column(0).as_primitive::<Float64Type>().value(0), 0.0);
    assert_eq!(answer.column(1).as_primitive::<Decimal128Type>().value(0), -9_825_000);
}

#[tokio::test]
async fn a_sum_of_integers_that_does_not_fit_is_an_error_only_in_the_end() {
    let fits = orders(&[i64::MAX, 1, -1]);
    let answer = query("SELECT sum(customer) AS s FROM orders", "orders", vec![fits]).await.unwrap();
    assert_eq!(answer.column(0).as_primitive::<Int64Type>().value(0), i64::MAX);
    let error =
        query("SELECT sum(customer) AS s FROM orders", "orders", vec![orders(&[i64::MAX, 1])]).await.unwrap_err();
    assert_eq!((error.sqlstate, error.message.as_str()), ("22003", "sum is out of range of BIGINT"));
    let mean =
        query("SELECT avg(customer) AS m FROM orders", "orders", vec![orders(&[i64::MAX, i64::MAX])]).await.unwrap();
    assert_eq!(mean.column(0).as_primitive::<Float64Type>().value(0), i64::MAX as f64);
}

#[tokio::test]
async fn nan_is_the_greatest_number_and_infinity_is_known_wherever_they_come() {
    for watts in [[Some(f64::NAN), Some(1.0), Some(2.0)], [Some(1.0), Some(2.0), Some(f64::NAN)]] {
        let sql =
            "SELECT flags IS NULL AS g, min(watts) AS low, max(watts) AS high FROM readings GROUP BY 1 ORDER BY 1";
        let watts = [Some(0.5)].into_iter().chain(watts).collect::<Vec<_>>();
        let answer = query(sql, "readings", vec![readings(&watts)]).await.unwrap();
        assert_eq!(answer.column(1).as_primitive::<Float64Type>().value(0), 1.0);
        assert!(answer.column(2).as_primitive::<Float64Type>().value(0).is_nan());
    }
    let lone = readings(&[Some(f64::NEG_INFINITY)]);
    let answer =
        query("SELECT max(watts) AS high FROM readings GROUP BY circuit", "readings", vec![lone]).await.unwrap();
    assert_eq!(answer.column(0).as_primitive::<Float64Type>().value(0), f64::NEG_INFINITY);
}

#[tokio::test]
async fn over_no_rows_count_is_zero_and_the_others_are_null() {
    let sql = "SELECT count(*) AS n, sum(watts) AS s, avg(energy) AS a, max(circuit) AS m FROM readings";
    let answer = query(sql, "readings", vec![]).await.unwrap();
    assert_eq!(answer.column(0).as_primitive::<Int64Type>().value(0), 0);
    assert!(answer.columns()[1..].iter().all(|column| column.is_null(0)));
}
