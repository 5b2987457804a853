//! A numeric that meets a double precision becomes one, as in PostgreSQL, and not the other way round: a double may be NaN, or
//! larger than any numeric.
//!
//! It is so for the operands of comparisons, of IN and BETWEEN, for the choices of CASE, COALESCE, NULLIF, GREATEST, LEAST and
//! ARRAY, for the columns of joins and of set operations. Arithmetic has it so by itself.

use std::sync::Arc;

use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, DecimalType};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList, InSubquery, SetComparison};
use datafusion::logical_expr::expr_schema::cast_subquery;
use datafusion::logical_expr::{
    BinaryExpr, Case, Cast, Expr, ExprSchemable, Join, LogicalPlan, Operator, Projection, Union,
};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::named;

/// Functions that give one of their arguments back, or are over values of one type.
const OF_ONE_TYPE: [&str; 5] = ["coalesce", "nullif", "greatest", "least", "make_array"];

/// See the [module](self). Runs before type coercion, which would make a numeric of both.
#[derive(Debug)]
pub struct DoublesFirst;

impl AnalyzerRule for DoublesFirst {
    fn name(&self) -> &str {
        "doubles_first"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_plan).map(|rewritten| rewritten.data)
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let plan = match plan {
        LogicalPlan::Union(union) => return Ok(Transformed::yes(of_union(union)?)),
        LogicalPlan::Join(join) => LogicalPlan::Join(of_join(join)?),
        other => other,
    };
    // A child may have changed its types.
    let plan = plan.recompute_schema()?;
    let columns = named::columns_within(&plan)?;
    named::retype(plan, |expr| rewrite(expr, &columns))
}

fn of_join(mut join: Join) -> Result<Join> {
    let (left, right) = (join.left.schema().clone(), join.right.schema().clone());
    for (mine, theirs) in &mut join.on {
        let (of_mine, of_theirs) = (mine.get_type(&left)?, theirs.get_type(&right)?);
        if is_decimal(&of_mine) && of_theirs.is_floating() {
            *mine = double(std::mem::take(mine));
        } else if of_mine.is_floating() && is_decimal(&of_theirs) {
            *theirs = double(std::mem::take(theirs));
        }
    }
    Ok(join)
}

/// Inputs whose numeric columns meet doubles get them cast.
fn of_union(union: Union) -> Result<LogicalPlan> {
    let width = union.schema.fields().len();
    let of = |input: &LogicalPlan, at: usize| input.schema().field(at).data_type().clone();
    let meets: Vec<bool> = (0..width)
        .map(|at| {
            let types: Vec<DataType> = union.inputs.iter().map(|input| of(input, at)).collect();
            types.iter().any(DataType::is_floating) && types.iter().any(is_decimal)
        })
        .collect();
    if !meets.contains(&true) {
        return Ok(LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?));
    }
    let mut inputs = Vec::with_capacity(union.inputs.len());
    for input in union.inputs {
        let columns = input.schema().columns().into_iter().enumerate().map(|(at, column)| {
            let name = column.name.clone();
            let expr = Expr::Column(column);
            if meets[at] && is_decimal(&of(&input, at)) { double(expr).alias(name) } else { expr }
        });
        let columns: Vec<Expr> = columns.collect();
        inputs.push(Arc::new(LogicalPlan::Projection(Projection::try_new(columns, input)?)));
    }
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if compares(op) => {
            let changed = meet(&mut [&mut left, &mut right], schema);
            Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed)
        }
        Expr::Between(Between { mut expr, negated, mut low, mut high }) => {
            let changed = meet(&mut [&mut expr, &mut low, &mut high], schema);
            Transformed::new_transformed(Expr::Between(Between { expr, negated, low, high }), changed)
        }
        Expr::InList(InList { mut expr, mut list, negated }) => {
            let mut all: Vec<&mut Expr> = std::iter::once(&mut *expr).chain(&mut list).collect();
            let changed = meet(&mut all, schema);
            Transformed::new_transformed(Expr::InList(InList { expr, list, negated }), changed)
        }
        Expr::Case(case) => of_case(case, schema),
        Expr::ScalarFunction(mut called) if OF_ONE_TYPE.contains(&called.name()) => {
            let mut all: Vec<&mut Expr> = called.args.iter_mut().collect();
            let changed = meet(&mut all, schema);
            Transformed::new_transformed(Expr::ScalarFunction(called), changed)
        }
        Expr::ScalarFunction(mut called) if called.name() == "_pg_any" => {
            let changed = of_any(&mut called.args, schema);
            Transformed::new_transformed(Expr::ScalarFunction(called), changed)
        }
        Expr::InSubquery(InSubquery { mut expr, mut subquery, negated }) => {
            let of_rows = subquery.subquery.schema().field(0).data_type().clone();
            let changed = meet_type(&mut expr, &of_rows, schema);
            if expr.get_type(schema).is_ok_and(|of| of.is_floating()) && is_decimal(&of_rows) {
                subquery = cast_subquery(subquery, &DataType::Float64)?;
            }
            Transformed::new_transformed(Expr::InSubquery(InSubquery { expr, subquery, negated }), changed)
        }
        Expr::SetComparison(SetComparison { mut expr, mut subquery, op, quantifier }) => {
            let of_rows = subquery.subquery.schema().field(0).data_type().clone();
            let changed = meet_type(&mut expr, &of_rows, schema);
            if expr.get_type(schema).is_ok_and(|of| of.is_floating()) && is_decimal(&of_rows) {
                subquery = cast_subquery(subquery, &DataType::Float64)?;
            }
            Transformed::new_transformed(Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }), changed)
        }
        other => Transformed::no(other),
    })
}

fn of_case(mut case: Case, schema: &DFSchema) -> Transformed<Expr> {
    let mut changed = false;
    if let Some(of) = &mut case.expr {
        let mut all: Vec<&mut Expr> = case.when_then_expr.iter_mut().map(|(when, _)| &mut **when).collect();
        all.push(of);
        changed |= meet(&mut all, schema);
    }
    let mut all: Vec<&mut Expr> = case.when_then_expr.iter_mut().map(|(_, then)| &mut **then).collect();
    all.extend(case.else_expr.as_deref_mut());
    changed |= meet(&mut all, schema);
    Transformed::new_transformed(Expr::Case(case), changed)
}

/// `x = ANY (array)`.
fn of_any(args: &mut [Expr], schema: &DFSchema) -> bool {
    let [item, array] = args else { return false };
    let (Ok(of), Ok(DataType::List(items))) = (item.get_type(schema), array.get_type(schema)) else { return false };
    if of.is_floating() && is_decimal(items.data_type()) {
        let to = DataType::new_list(DataType::Float64, true);
        *array = Expr::Cast(Cast::new(Box::new(std::mem::take(array)), to));
        return true;
    }
    meet_type(item, items.data_type(), schema)
}

/// Makes doubles of the numerics where there is a double among them; whether there was.
fn meet(all: &mut [&mut Expr], schema: &DFSchema) -> bool {
    let types: Vec<Option<DataType>> = all.iter().map(|expr| expr.get_type(schema).ok()).collect();
    if !types.iter().flatten().any(DataType::is_floating) {
        return false;
    }
    let mut changed = false;
    for (expr, of) in all.iter_mut().zip(types) {
        if of.as_ref().is_some_and(is_decimal) {
            **expr = double(std::mem::take(*expr));
            changed = true;
        }
    }
    changed
}

fn meet_type(expr: &mut Expr, other: &DataType, schema: &DFSchema) -> bool {
    let meets = other.is_floating() && expr.get_type(schema).is_ok_and(|of| is_decimal(&of));
    if meets {
        *expr = double(std::mem::take(expr));
    }
    meets
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn is_decimal(of: &DataType) -> bool {
    matches!(
        of,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..)
    )
}

/// The expression as a double; a literal from its text, so that `0.1` is what it would be had it been written as a double.
fn double(expr: Expr) -> Expr {
    let text = match &expr {
        Expr::Literal(ScalarValue::Decimal128(Some(value), precision, scale), _) => {
            Some(Decimal128Type::format_decimal(*value, *precision, *scale))
        }
        Expr::Literal(ScalarValue::Decimal256(Some(value), precision, scale), _) => {
            Some(Decimal256Type::format_decimal(*value, *precision, *scale))
        }
        Expr::Negative(inner) => match double((**inner).clone()) {
            Expr::Literal(ScalarValue::Float64(Some(value)), _) => Some((-value).to_string()),
            _ => None,
        },
        _ => None,
    };
    match text.and_then(|text| text.parse::<f64>().ok()) {
        Some(value) => Expr::Literal(ScalarValue::Float64(Some(value)), None),
        None => Expr::Cast(Cast::new(Box::new(expr), DataType::Float64)),
    }
}
