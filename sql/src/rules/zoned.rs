//! The time zone of a session in what its queries ask: casts between moments and text, dates or timestamps, `date_trunc`,
//! `to_char`, `extract` and the addition of days and months become calls that name the zone. Views are always in UTC, a plain
//! view that a query reads too: what a view answers does not depend on who asks.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, lit};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::named;
use crate::functions::session_zone::{InSessionZone, Work};
use crate::functions::zone::AtTimeZone;
use crate::functions::{OwnCast, json, making, series};
use crate::types;

/// See the [module](self). Runs last, on expressions that have their final types.
#[derive(Debug)]
pub struct Zoned {
    /// Its name, as a setting has it.
    pub zone: String,
}

impl AnalyzerRule for Zoned {
    fn name(&self) -> &str {
        "zoned"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| self.plan(plan)).map(|rewritten| rewritten.data)
    }
}

impl Zoned {
    fn plan(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let columns = named::columns_within(&plan)?;
        named::retype(plan, |expr| self.rewrite(expr, &columns))
    }

    /// One expression whose operands are rewritten already.
    fn rewrite(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Cast(Cast { expr, field }) => {
                let (from, to) = (expr.get_type(schema)?, field.data_type().clone());
                Ok(match self.cast(&expr, &from, &to) {
                    Some(cast) => Transformed::yes(cast),
                    None => Transformed::no(Expr::Cast(Cast { expr, field })),
                })
            }
            Expr::ScalarFunction(call) => self.call(call, schema),
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) => {
                let (mut moment, mut interval) = (left.clone(), right.clone());
                let mut types = (moment.get_type(schema)?, interval.get_type(schema)?);
                if op == Operator::Plus && matches!(types.0, DataType::Interval(_)) {
                    (moment, interval, types) = (interval, moment, (types.1, types.0));
                }
                if !is_moment(&types.0) || !matches!(types.1, DataType::Interval(_)) {
                    return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })));
                }
                let interval = if op == Operator::Minus { Expr::Negative(interval) } else { *interval };
                Ok(Transformed::yes(session(Work::Add, vec![micros(*moment), interval, self.zone()])))
            }
            other => Ok(Transformed::no(other)),
        }
    }

    fn cast(&self, expr: &Expr, from: &DataType, to: &DataType) -> Option<Expr> {
        let expr = || expr.clone();
        match (is_moment(from), is_moment(to)) {
            (true, true) => None,
            (true, false) => match to {
                DataType::Timestamp(..) | DataType::Date32 | DataType::Time64(_) => {
                    Some(cast(self.at_zone(micros(expr())), to))
                }
                text if text.is_string() => Some(cast(session(Work::Show, vec![micros(expr()), self.zone()]), text)),
                _ => None,
            },
            (false, true) => match from {
                DataType::Timestamp(..) | DataType::Date32 => {
                    Some(self.at_zone(cast(expr(), &DataType::Timestamp(TimeUnit::Microsecond, None))))
                }
                text if text.is_string() => Some(session(Work::Read, vec![cast(expr(), &DataType::Utf8), self.zone()])),
                _ => None,
            },
            (false, false) => None,
        }
    }

    fn call(&self, mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let types = call.args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>()?;
        // What has become a call of ours is still a cast.
        if let (Some(own), [from]) = (call.func.inner().downcast_ref::<OwnCast>(), &types[..])
            && let Some(cast) = self.cast(&call.args[0], from, own.to())
        {
            return Ok(Transformed::yes(cast));
        }
        match (call.name(), &types[..]) {
            (name, types) if json::MAKING.contains(&name) => {
                let of_moments = |of: &DataType| matches!(of, DataType::List(item) if is_moment(item.data_type()));
                for (arg, of) in call.args.iter_mut().zip(types) {
                    if is_moment(of) || of_moments(of) {
                        let value = if is_moment(of) { micros(arg.clone()) } else { arg.clone() };
                        *arg = json::shown_moment(value, self.zone());
                    }
                }
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            (making::MOMENT, [_, _, _, _, _, _]) => {
                call.args.push(self.zone());
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            ("date_trunc", [_, of]) | ("to_char", [of, _]) if is_moment(of) => {
                call.args.push(self.zone());
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            (series::NAME, [of, _, _]) if is_moment(of) || *of == DataType::Date32 => {
                let ends = call.args.iter_mut().zip(&types).take(2);
                for (end, of) in ends.filter(|(_, of)| !is_moment(of)) {
                    if let Some(moment) = self.cast(end, of, &types::timestamptz()) {
                        *end = moment;
                    }
                }
                call.args.push(self.zone());
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            ("age", [_, _]) => {
                for (end, _) in call.args.iter_mut().zip(&types).filter(|(_, of)| is_moment(of)) {
                    *end = self.at_zone(micros(end.clone()));
                }
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            ("date_part", [_, of]) if is_moment(of) && !is_epoch(&call.args[0]) => {
                call.args[1] = self.at_zone(micros(call.args[1].clone()));
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            ("current_date", []) => {
                let now = datafusion::functions::datetime::now(&ConfigOptions::default()).call(vec![]);
                Ok(Transformed::yes(cast(self.at_zone(micros(now)), &DataType::Date32)))
            }
            _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
        }
    }

    fn zone(&self) -> Expr {
        lit(self.zone.clone())
    }

    /// The local time of a moment, or the moment of a local time.
    fn at_zone(&self, stamp: Expr) -> Expr {
        ScalarUDF::from(AtTimeZone::new()).call(vec![self.zone(), stamp])
    }
}

fn session(work: Work, args: Vec<Expr>) -> Expr {
    ScalarUDF::from(InSessionZone::new(work)).call(args)
}

fn is_moment(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(_, Some(_)))
}

/// A moment as our functions have it; `now()` is of nanoseconds.
fn micros(moment: Expr) -> Expr {
    cast(moment, &types::timestamptz())
}

fn cast(expr: Expr, to: &DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to.clone()))
}

fn is_epoch(field: &Expr) -> bool {
    matches!(field, Expr::Literal(ScalarValue::Utf8(Some(name)), _) if name.eq_ignore_ascii_case("epoch"))
}
