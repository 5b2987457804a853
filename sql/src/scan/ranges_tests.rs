//! Ranges hold exactly the rows that their predicates pass.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Field, Schema};
use dataflow::RowCodec;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{BinaryExpr, col, in_list, lit};
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_expr::execution_props::ExecutionProps;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::decode::{Cell, RowsBuilder};

fn schema() -> RelationSchema {
    let fields = vec![
        Field::new("a", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
        Field::new("b", DataType::Utf8, true),
        Field::new("c", DataType::Decimal128(10, 2), true),
    ];
    RelationSchema { columns: Arc::new(Schema::new(fields)), key: vec![0, 2, 3], counted: false }
}

fn random_rows(random: &mut impl RngExt, rows: usize) -> RecordBatch {
    let mut builder = RowsBuilder::new(schema().columns);
    for _ in 0..rows {
        let mut or_null = |cell: Cell<'static>| if random.random_ratio(1, 6) { Cell::Null } else { cell };
        let cells =
            [or_null(Cell::Int(0)), or_null(Cell::Int(0)), or_null(Cell::Text("".into())), or_null(Cell::Decimal(0))];
        let filled = cells.map(|cell| match cell {
            Cell::Int(_) => Cell::Int(random.random_range(-2..3)),
            Cell::Text(_) => Cell::Text(["", "a", "a\0", "ab", "b"][random.random_range(0..5)].into()),
            Cell::Decimal(_) => Cell::Decimal(random.random_range(-2..3)),
            other => other,
        });
        builder.push(&filled);
    }
    builder.finish()
}

fn random_literal(column: &str, random: &mut impl RngExt) -> Expr {
    if random.random_ratio(1, 12) {
        let null = ScalarValue::try_from(schema().columns.field_with_name(column).unwrap().data_type()).unwrap();
        return Expr::Literal(null, None);
    }
    match column {
        "a" | "v" => lit(random.random_range(-2_i64..3)),
        "b" => lit(["", "a", "a\0", "ab", "b"][random.random_range(0..5)]),
        _ => Expr::Literal(ScalarValue::Decimal128(Some(random.random_range(-2..3)), 10, 2), None),
    }
}

fn random_filter(random: &mut impl RngExt) -> Expr {
    let column = ["a", "b", "c", "v"][random.random_range(0..4)];
    let ops = [Operator::Eq, Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq, Operator::NotEq];
    match random.random_range(0..4) {
        0 => in_list(
            col(column),
            (0..random.random_range(1..4)).map(|_| random_literal(column, random)).collect(),
            false,
        ),
        1 => col(column).between(random_literal(column, random), random_literal(column, random)),
        swapped => {
            let op = ops[random.random_range(0..ops.len())];
            let (left, right) = (Box::new(col(column)), Box::new(random_literal(column, random)));
            Expr::BinaryExpr(if swapped == 2 {
                BinaryExpr::new(right, op, left)
            } else {
                BinaryExpr::new(left, op, right)
            })
        }
    }
}

/// Rows that a predicate is true for, evaluated by DataFusion.
fn passing(filter: &Expr, rows: &RecordBatch) -> Vec<bool> {
    let schema = datafusion::common::DFSchema::try_from(rows.schema()).unwrap();
    let physical =
        create_physical_expr(filter, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default()).unwrap();
    let answer = physical.evaluate(rows).unwrap().into_array(rows.num_rows()).unwrap();
    let answer = answer.as_boolean();
    (0..rows.num_rows()).map(|row| answer.is_valid(row) && answer.value(row)).collect()
}

/// The predicates with parameters in the place of some of their values, and those.
fn parameterized(filters: &[Expr], random: &mut impl RngExt) -> (Vec<Expr>, Vec<ScalarValue>) {
    let mut values = Vec::new();
    let mut place = |expr: Expr| match &expr {
        Expr::Literal(value, _) if random.random_bool(0.5) => {
            values.push(value.clone());
            let field = Some(Arc::new(Field::new("", value.data_type(), true)));
            Ok(Transformed::yes(Expr::Placeholder(Placeholder { id: format!("${}", values.len()), field })))
        }
        _ => Ok(Transformed::no(expr)),
    };
    let placed = filters.iter().map(|filter| filter.clone().transform_up(&mut place).unwrap().data).collect();
    (placed, values)
}

#[test]
fn a_range_holds_exactly_the_rows_that_its_predicates_pass() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let codec = RowCodec::new(&schema());
    let mut pushed_down = 0;
    for _ in 0..500 {
        let rows = random_rows(&mut random, 60);
        let keys = codec.keys(&rows);
        let filters: Vec<Expr> = (0..random.random_range(1..5)).map(|_| random_filter(&mut random)).collect();
        let pushed = push_down(&schema(), &filters.iter().collect::<Vec<_>>());
        let absorbed =
            filters.iter().zip(&pushed.absorbed).filter(|(_, absorbed)| **absorbed).map(|(filter, _)| filter);
        let absorbed: Vec<&Expr> = absorbed.collect();
        pushed_down += absorbed.len();
        let passes: Vec<Vec<bool>> = absorbed.iter().map(|filter| passing(filter, &rows)).collect();
        for row in 0..rows.num_rows() {
            let key = keys.get(row);
            let within =
                |range: &&KeyRange| *range.start <= *key && range.end.as_ref().is_none_or(|end| key < &end[..]);
            let held = pushed.ranges.iter().filter(within).count();
            let expected = usize::from(passes.iter().all(|passes| passes[row]));
            assert_eq!(held, expected, "row {row} of {rows:?} under {absorbed:?}");
        }
        // What was taken once is taken again when only that is given: the scan relies on it.
        assert!(push_down(&schema(), &absorbed).absorbed.iter().all(|absorbed| *absorbed));
        for column in &pushed.constant {
            let passing = (0..rows.num_rows()).filter(|&row| passes.iter().all(|passes| passes[row]));
            let values: BTreeSet<_> = passing
                .map(|row| format!("{:?}", ScalarValue::try_from_array(rows.column(*column), row).unwrap()))
                .collect();
            assert!(values.len() < 2, "column {column} has {values:?} under {absorbed:?}");
        }
        // What is taken with parameters is taken with their values, and is the same.
        let (unknown, values) = parameterized(&filters, &mut random);
        let planned = push_down(&schema(), &unknown.iter().collect::<Vec<_>>());
        let taken = |(at, filter): (usize, &Expr)| planned.absorbed[at].then(|| filter.clone());
        let with_parameters: Vec<Expr> = unknown.iter().enumerate().filter_map(taken).collect();
        let known = with_values(&with_parameters, &values).unwrap();
        let literal: Vec<&Expr> =
            (0..filters.len()).filter(|&at| planned.absorbed[at]).map(|at| &filters[at]).collect();
        assert_eq!(known.iter().collect::<Vec<_>>(), literal);
        let run = push_down(&schema(), &literal);
        assert!(run.absorbed.iter().all(|absorbed| *absorbed), "{with_parameters:?} with {values:?}");
        assert!(planned.constant.iter().all(|column| run.constant.contains(column) || run.ranges.is_empty()));
    }
    // About 315 of 1,250 do; far fewer would mean that the test looks at nothing.
    assert!(pushed_down > 200, "{pushed_down} predicates became ranges");
}

#[test]
fn a_column_without_a_prefix_before_it_is_left_alone() {
    let pushed = push_down(&schema(), &[&col("b").eq(lit("x"))]);
    assert_eq!(
        pushed,
        Pushed { ranges: vec![KeyRange::all()], absorbed: vec![false], constant: vec![], whole_keys: false }
    );
}

#[test]
fn too_many_ranges_are_not_made() {
    let many: Vec<Expr> = (0..SCAN_RANGES_MAX as i64 + 1).map(lit).collect();
    let pushed = push_down(&schema(), &[&in_list(col("a"), many, false)]);
    assert_eq!(pushed.absorbed, [false]);
    assert_eq!(pushed.ranges, [KeyRange::all()]);
}
