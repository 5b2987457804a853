//! Conditions on the time: what of them is of the row alone, and when the rest turns.
//!
//! A condition may be made of comparisons with the time in any way, by AND, OR, NOT, CASE. Each comparison has the time on one
//! side, in an expression that only grows or only shrinks with it, and the row's own on the other; so it turns once, or twice
//! where it asks for equality, and between the turns of all its comparisons the condition is what it is. The engine asks the
//! condition as a whole, at each turn.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use dataflow::{Plan, Scalar};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, JoinType, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList, ScalarFunction};
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Join, LogicalPlan, Operator};

use super::lower::Lowering;
use super::lowered::{Lowered, Term};
use super::refuse::no;
use crate::error::SqlError;
use crate::functions::interval::Span;
use crate::functions::{OwnCast, Present};
use crate::scalar::{Halved, Passed, moved, physical, sql};

/// What to do where the time is no matter of a condition.
const CLOCK: &str = "Compare it in WHERE or HAVING, or join caudal.clock, which has a row for each minute.";

/// Whether an expression asks what time it is.
fn is_timed(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(Present::is_call(expr))).unwrap_or(true)
}

/// Refuses the time anywhere but in conditions, by name.
pub fn check(rewritten: &LogicalPlan) -> Result<(), SqlError> {
    rewritten.apply(|node| {
        let construct = match node {
            LogicalPlan::Filter(_) | LogicalPlan::TableScan(_) => return Ok(TreeNodeRecursion::Continue),
            LogicalPlan::Join(join) if join.on.iter().any(|(left, right)| is_timed(left) || is_timed(right)) => {
                "within an equality of a join"
            }
            LogicalPlan::Join(join) if join.join_type == JoinType::Inner => return Ok(TreeNodeRecursion::Continue),
            LogicalPlan::Join(_) => "in the condition of an outer join, or of a subquery's rows with those outside,",
            LogicalPlan::Aggregate(_) => "in GROUP BY, or within an aggregate or its FILTER,",
            LogicalPlan::Window(_) | LogicalPlan::Sort(_) => "in ORDER BY, or within a window function,",
            _ => "in the SELECT list",
        };
        node.apply_expressions(|expr| match is_timed(expr) {
            true => Err(DataFusionError::from(no(format!("now() {construct}")).hint(CLOCK))),
            false => Ok(TreeNodeRecursion::Continue),
        })
    })?;
    Ok(())
}

/// An inner join without what its condition says of the time, and that; `None` where it says nothing of it.
pub fn parted(join: &Join) -> Option<(Join, Expr)> {
    let filter = join.filter.as_ref().filter(|filter| join.join_type == JoinType::Inner && is_timed(filter))?;
    let (timed, rest): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(filter.clone()).into_iter().partition(is_timed);
    Some((Join { filter: conjunction(rest), ..join.clone() }, conjunction(timed)?))
}

impl Lowering<'_> {
    /// The rows for which a condition over `over`, DataFusion's node, is true.
    pub(super) fn filtered(&mut self, input: Lowered, condition: &Expr, over: &DFSchema) -> Result<Lowered, SqlError> {
        // What comes before the time is asked first, and of what it leaves out nothing is kept.
        let parts = split_conjunction(condition);
        let first = parts.iter().take_while(|part| !is_timed(part)).count();
        let (rows_own, timed) = parts.split_at(first);
        let joined = |parts: &[&Expr]| conjunction(parts.iter().map(|part| (*part).clone()));
        let input = match joined(rows_own) {
            Some(condition) => {
                let predicate = input.term(&condition, over)?;
                input.filtered(predicate)?
            }
            None => input,
        };
        match joined(timed) {
            Some(condition) => self.timed(input.settled(), &condition, over),
            None => Ok(input),
        }
    }

    fn timed(&mut self, input: Lowered, condition: &Expr, over: &DFSchema) -> Result<Lowered, SqlError> {
        let timed = Timed::new(&input, over)?;
        let predicate = timed.term(condition)?.scalar(&timed.schema)?;
        let mut turns: Vec<Arc<dyn Scalar>> = Vec::new();
        timed.turns(condition, &mut turns)?;
        // One that is asked for more than once turns once.
        let mut known = BTreeSet::new();
        turns.retain(|turn| known.insert(turn.fingerprint()));
        let all = || (0..input.columns.len()).collect();
        let plan = Plan::Temporal {
            key: input.key.clone().unwrap_or_else(all),
            input: Box::new(input.plan),
            predicate: Arc::new(predicate),
            turns,
            rows: (self.next_id)(),
            timers: (self.next_id)(),
        };
        // What rows there are does not follow from a relation's rows alone.
        Ok(Lowered { key: input.key, equal: input.equal, ..Lowered::new(plan, None, None) })
    }
}

/// The columns of a plan, and the time behind them.
struct Timed {
    over: DFSchema,
    now: Expr,
    schema: SchemaRef,
    columns: Vec<usize>,
}

/// What an expression does while the time goes on, the row staying as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Stays,
    Grows,
    Shrinks,
}

impl Timed {
    fn new(input: &Lowered, over: &DFSchema) -> Result<Timed, SqlError> {
        let field = Arc::new(Field::new("now", Plan::now(), false));
        // No relation of a query is called so.
        let clock = DFSchema::try_from_qualified_schema("now()", &Schema::new(vec![field.clone()]))?;
        let fields = input.plan.schema();
        let fields = fields.fields().iter().cloned().chain([field]);
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let columns = input.columns.iter().copied().chain([schema.fields().len() - 1]).collect();
        let now = Expr::Column(Column::new(Some("now()"), "now"));
        Ok(Timed { over: over.join(&clock)?, now, schema, columns })
    }

    /// An expression with the time as a column.
    fn term(&self, expr: &Expr) -> Result<Term, SqlError> {
        let timed = expr.clone().transform_up(|expr| Ok(Transformed::yes(Present::at(expr, &self.now))))?.data;
        Ok(Term { expr: moved(physical(&timed, &self.over)?, &self.columns, &self.schema)?, sql: sql(expr) })
    }

    /// The turns of all comparisons with the time in a condition.
    fn turns(&self, condition: &Expr, turns: &mut Vec<Arc<dyn Scalar>>) -> Result<(), SqlError> {
        if !is_timed(condition) {
            return Ok(());
        }
        let compare = |left: &Expr, op: Operator, right: &Expr| {
            BinaryExpr::new(Box::new(left.clone()), op, Box::new(right.clone()))
        };
        match condition {
            Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. })
            | Expr::Not(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::Case(_) => condition
                .apply_children(|part| {
                    self.turns(part, turns)?;
                    Ok(TreeNodeRecursion::Continue)
                })
                .map(|_| ())
                .map_err(SqlError::from),
            Expr::BinaryExpr(comparison) => self.turns_of(comparison, turns),
            Expr::Between(Between { expr, low, high, .. }) => {
                self.turns_of(&compare(expr, Operator::GtEq, low), turns)?;
                self.turns_of(&compare(expr, Operator::LtEq, high), turns)
            }
            Expr::InList(InList { expr, list, .. }) => {
                list.iter().try_for_each(|item| self.turns_of(&compare(expr, Operator::Eq, item), turns))
            }
            other => Err(no(format!("{} in a condition", sql(other)))
                .hint("Compare the time with what is the row's own, by <, <=, =, >=, > or BETWEEN.")),
        }
    }

    fn turns_of(&self, comparison: &BinaryExpr, turns: &mut Vec<Arc<dyn Scalar>>) -> Result<(), SqlError> {
        let (left, right) = (&*comparison.left, &*comparison.right);
        let (timed, op, own) = match (is_timed(left), is_timed(right), comparison.op.swap()) {
            (false, false, _) => return Ok(()),
            (true, false, _) => (left, comparison.op, right),
            (false, true, Some(op)) => (right, op, left),
            _ => {
                return Err(no(format!("{} in a condition", sql(&Expr::BinaryExpr(comparison.clone()))))
                    .hint("Bring the time to one side of the comparison."));
            }
        };
        // At each of these the comparison turns: when the time's side is no longer less, and when it is more.
        let reached = matches!(op, Operator::Lt | Operator::GtEq);
        let passed = matches!(op, Operator::Gt | Operator::LtEq);
        let equal =
            matches!(op, Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom);
        if !reached && !passed && !equal {
            return Err(no(format!("{} in a condition", sql(&Expr::BinaryExpr(comparison.clone())))));
        }
        for (op, after) in [(Operator::GtEq, false), (Operator::Gt, true)] {
            if !equal && after != passed {
                continue;
            }
            turns.push(match (shift_us(timed), own.get_type(&self.over)?) {
                (Some(shift_us), DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                    Arc::new(Passed { time: self.term(own)?.scalar(&self.schema)?, shift_us, after })
                }
                _ => {
                    self.course(timed)?;
                    let comparison = BinaryExpr::new(Box::new(timed.clone()), op, Box::new(own.clone()));
                    let comparison = self.term(&Expr::BinaryExpr(comparison))?.scalar(&self.schema)?;
                    Arc::new(Halved { comparison })
                }
            });
        }
        Ok(())
    }

    /// What an expression does while the time goes on; refuses one that does now this, now that.
    fn course(&self, expr: &Expr) -> Result<Course, SqlError> {
        use Course::{Grows, Shrinks, Stays};
        if !is_timed(expr) {
            return Ok(Stays);
        }
        if Present::is_call(expr) {
            return Ok(Grows);
        }
        let refused = || Err(no(format!("{} in a condition", sql(expr))).hint(CLOCK));
        match expr {
            Expr::Cast(Cast { expr: inner, field }) if is_time(field.data_type()) => self.course(inner),
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) => {
                for part in [left, right] {
                    self.refuse_months(part)?;
                }
                Ok(match (self.course(left)?, self.course(right)?, op) {
                    (course, Stays, _) | (Stays, course, Operator::Plus) => course,
                    (Grows, Grows, Operator::Plus) | (Stays | Grows, Shrinks, Operator::Minus) => Grows,
                    (Shrinks, Shrinks, Operator::Plus) | (Stays | Shrinks, Grows, Operator::Minus) => Shrinks,
                    _ => return refused(),
                })
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                if func.inner().is::<OwnCast>() && is_time(&expr.get_type(&self.over)?) {
                    return self.course(&args[0]);
                }
                if func.inner().is::<Span>() {
                    return self.course(&args[0]);
                }
                // What rounds down, to a unit or a bin, of UTC or of a zone.
                let rounded = match (func.name(), &args[..]) {
                    ("date_trunc" | "date_bin", [by, time, rest @ ..]) => {
                        Some((time, [std::slice::from_ref(by), rest].concat()))
                    }
                    ("local_hour" | "local_day" | "local_month", [time, rest @ ..]) => Some((time, rest.to_vec())),
                    _ => None,
                };
                match rounded {
                    Some((time, rest)) if !rest.iter().any(is_timed) => self.course(time),
                    _ => refused(),
                }
            }
            _ => refused(),
        }
    }

    /// Where the days of a month end, the time a month ago stands still, or goes back.
    fn refuse_months(&self, part: &Expr) -> Result<(), SqlError> {
        let DataType::Interval(_) = part.get_type(&self.over)? else { return Ok(()) };
        match micros(part) {
            Some(_) => Ok(()),
            None => Err(no(format!("the time with {} added or taken away in a condition", sql(part)))
                .hint("Months have different lengths: bring it to the row's side, at + INTERVAL '1 month' > now().")),
        }
    }
}

/// Microseconds that are added to the time, where that is all that an expression does to it.
fn shift_us(timed: &Expr) -> Option<i64> {
    match timed {
        call if Present::is_call(call) => {
            let of = call.get_type(&DFSchema::empty()).ok()?;
            matches!(of, DataType::Timestamp(..)).then_some(0)
        }
        Expr::Cast(Cast { expr, field }) => match field.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => shift_us(expr),
            _ => None,
        },
        // To the other side it goes with the other sign.
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right }) => match micros(right) {
            Some(micros) => shift_us(left)?.checked_sub(micros),
            None => shift_us(right)?.checked_sub(micros(left)?),
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => {
            shift_us(left)?.checked_add(micros(right)?)
        }
        _ => None,
    }
}

/// Microseconds of an interval that is a constant and as long at any time of the year.
fn micros(interval: &Expr) -> Option<i64> {
    const DAY_MICROS: i64 = 86_400_000_000;
    let Expr::Literal(value, _) = interval else { return None };
    match value {
        ScalarValue::IntervalMonthDayNano(Some(interval))
            if interval.months == 0 && interval.nanoseconds % 1_000 == 0 =>
        {
            i64::from(interval.days).checked_mul(DAY_MICROS)?.checked_add(interval.nanoseconds / 1_000)
        }
        ScalarValue::DurationMicrosecond(Some(micros)) => Some(*micros),
        _ => None,
    }
}

/// Whether a cast to the type keeps the order of times, dates and spans.
fn is_time(of: &DataType) -> bool {
    matches!(of, DataType::Timestamp(..) | DataType::Date32 | DataType::Duration(_) | DataType::Interval(_))
}
