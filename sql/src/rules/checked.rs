//! Arithmetic on numbers becomes [`Checked`] arithmetic, casts to floats become canonical ones, casts between text and bytea
//! PostgreSQL's, intervals are compared by how long they are, and arrays have PostgreSQL's order.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, lit, not};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::named;
use crate::functions::array_order::{ArrayExtreme, ArrayOrder};
use crate::functions::interval::Span;
use crate::functions::{Checked, Negate, OwnCast, arithmetic};

/// See the [module](self). Runs after type coercion, so both sides of an operator have their final types.
#[derive(Debug)]
pub struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_plan).map(|rewritten| rewritten.data)
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let columns = named::columns_within(&plan)?;
    named::retype(plan, |expr| rewrite(expr, &columns))
}

/// One expression whose operands are rewritten already.
pub(super) fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let types = (left.get_type(schema)?, right.get_type(schema)?);
            if op.supports_propagation() && matches!(types, (DataType::Interval(_), DataType::Interval(_))) {
                let [left, right] = [*left, *right].map(|side| Box::new(span(side)));
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })));
            }
            if precedes(op) && matches!(types.0, DataType::List(_)) && types.0 == types.1 {
                let (left, right) = (Box::new(array_order(*left, *right)), Box::new(lit(0)));
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })));
            }
            match checked(&op).filter(|_| arithmetic::covers(&op, &types.0, &types.1)) {
                Some(function) => Ok(Transformed::yes(function.call(vec![*left, *right]))),
                None => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            }
        }
        // Of such values one is compared otherwise than DataFusion does.
        Expr::Between(Between { expr, negated, low, high })
            if matches!(expr.get_type(schema)?, DataType::Interval(_) | DataType::List(_)) =>
        {
            let compared = |op, with| Expr::BinaryExpr(BinaryExpr { left: expr.clone(), op, right: with });
            let least = rewrite(compared(Operator::GtEq, low), schema)?.data;
            let within = least.and(rewrite(compared(Operator::LtEq, high), schema)?.data);
            Ok(Transformed::yes(if negated { not(within) } else { within }))
        }
        Expr::Negative(inner) if inner.get_type(schema)?.is_numeric() => {
            static NEGATE: LazyLock<Arc<ScalarUDF>> =
                LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(Negate::default())));
            Ok(Transformed::yes(NEGATE.call(vec![*inner])))
        }
        Expr::Cast(cast) => match own_cast(&cast.expr.get_type(schema)?, cast.field.data_type(), false) {
            Some(function) => Ok(Transformed::yes(function.call(vec![*cast.expr]))),
            None => Ok(Transformed::no(Expr::Cast(cast))),
        },
        Expr::TryCast(cast) => match own_cast(&cast.expr.get_type(schema)?, cast.field.data_type(), true) {
            Some(function) => Ok(Transformed::yes(function.call(vec![*cast.expr]))),
            None => Ok(Transformed::no(Expr::TryCast(cast))),
        },
        Expr::ScalarFunction(function)
            if ["greatest", "least"].contains(&function.name())
                && matches!(function.args[0].get_type(schema)?, DataType::List(_)) =>
        {
            let extreme = Arc::new(ScalarUDF::from(ArrayExtreme::new(function.name() == "greatest")));
            let of_all = function.args.into_iter().reduce(|best, next| extreme.call(vec![best, next]));
            Ok(Transformed::yes(of_all.expect("it has an argument")))
        }
        Expr::ScalarFunction(function) => function_result(function, schema),
        other => Ok(Transformed::no(other)),
    }
}

/// Whatever function computes a float, what comes out is canonical. Ours give such floats already.
fn function_result(mut function: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let inner = function.func.inner().clone();
    if inner.is::<Checked>() || inner.is::<Negate>() {
        return Ok(Transformed::no(Expr::ScalarFunction(function)));
    }
    if let Some(cast) = inner.downcast_ref::<OwnCast>() {
        // The rules may run twice, and what was made canonical is then found to be a function again.
        let again =
            cast.is_implied() && matches!(&function.args[0], Expr::ScalarFunction(below) if gives_canonical(below));
        return Ok(match again {
            true => Transformed::yes(function.args.remove(0)),
            false => Transformed::no(Expr::ScalarFunction(function)),
        });
    }
    let expr = Expr::ScalarFunction(function);
    let of = expr.get_type(schema)?;
    Ok(match of.is_floating() {
        true => Transformed::yes(ScalarUDF::new_from_impl(OwnCast::implied(of)).call(vec![expr])),
        false => Transformed::no(expr),
    })
}

fn gives_canonical(function: &ScalarFunction) -> bool {
    let inner = function.func.inner();
    inner.is::<OwnCast>() || inner.is::<Checked>() || inner.is::<Negate>()
}

/// Our function for a cast that DataFusion's would get wrong.
fn own_cast(from: &DataType, to: &DataType, lenient: bool) -> Option<ScalarUDF> {
    OwnCast::between(from, to, lenient).map(ScalarUDF::new_from_impl)
}

fn span(interval: Expr) -> Expr {
    static SPAN: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(Span::default())));
    SPAN.call(vec![interval])
}

fn precedes(op: Operator) -> bool {
    matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

fn array_order(left: Expr, right: Expr) -> Expr {
    static ORDER: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(ArrayOrder::default())));
    ORDER.call(vec![left, right])
}

fn checked(operator: &Operator) -> Option<Arc<ScalarUDF>> {
    static OPERATORS: LazyLock<[(Operator, Arc<ScalarUDF>); 5]> = LazyLock::new(|| {
        [Operator::Plus, Operator::Minus, Operator::Multiply, Operator::Divide, Operator::Modulo]
            .map(|operator| (operator, Arc::new(ScalarUDF::new_from_impl(Checked::new(operator)))))
    });
    OPERATORS.iter().find(|(known, _)| known == operator).map(|(_, function)| function.clone())
}
