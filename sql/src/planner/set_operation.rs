//! INTERSECT and EXCEPT, which DataFusion writes as semi and anti joins on all columns, NULL equal to NULL; and joins that are
//! written so.

use dataflow::{Plan, SetOperation};
use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, Join, LogicalPlan};

use super::lower::{Lowering, columns};
use super::lowered::Lowered;
use crate::error::SqlError;
use crate::functions::array;

/// The operation that a join stands for, over the rows of which plan on its left. A left side whose rows are made distinct
/// first is that of INTERSECT or EXCEPT without ALL.
pub fn operation(join: &Join) -> Option<(SetOperation, &LogicalPlan)> {
    let whole = join.null_equality == NullEquality::NullEqualsNull && join.filter.is_none();
    let widths = [&join.left, &join.right].map(|side| side.schema().fields().len());
    let in_order = join.on.iter().enumerate().all(|(at, (left, right))| {
        let is = |expr: &Expr, side: &LogicalPlan| {
            matches!(expr, Expr::Column(column) if side.schema().maybe_index_of_column(column) == Some(at))
        };
        is(left, &join.left) && is(right, &join.right)
    });
    if !whole || !in_order || widths != [join.on.len(); 2] {
        return None;
    }
    let distinct = distinct(&join.left);
    Some(match (join.join_type, distinct) {
        (JoinType::LeftSemi, Some(all)) => (SetOperation::Intersect, all),
        (JoinType::LeftSemi, None) => (SetOperation::IntersectAll, &join.left),
        (JoinType::LeftAnti, Some(all)) => (SetOperation::Except, all),
        (JoinType::LeftAnti, None) => (SetOperation::ExceptAll, &join.left),
        _ => return None,
    })
}

/// What a plan makes distinct, if that is all it does.
fn distinct(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    match plan {
        LogicalPlan::Aggregate(Aggregate { input, group_expr, aggr_expr, .. }) => {
            let as_it_is = group_expr.iter().enumerate().all(|(at, expr)| {
                matches!(expr, Expr::Column(column) if input.schema().maybe_index_of_column(column) == Some(at))
            });
            let all = aggr_expr.is_empty() && as_it_is && group_expr.len() == input.schema().fields().len();
            all.then_some(input)
        }
        _ => None,
    }
}

/// A join ON a IS NOT DISTINCT FROM b as one ON ARRAY[a] = ARRAY[b]: an array is never NULL, and two of one NULL are equal. What
/// is NULL on one side at most is equal as it is.
fn null_equal(join: &Join) -> Result<Join, SqlError> {
    let (left, right) = (join.left.schema(), join.right.schema());
    let mut on = Vec::with_capacity(join.on.len());
    for (l, r) in &join.on {
        if l.get_type(left)?.is_nested() {
            let words = "a join ON .. IS NOT DISTINCT FROM of arrays in a materialized view";
            return Err(SqlError::unsupported(words).hint("Join with =, which NULL never is."));
        }
        let both = l.nullable(left)? && r.nullable(right)?;
        let array = |expr: &Expr| if both { array::make_array().call(vec![expr.clone()]) } else { expr.clone() };
        on.push((array(l), array(r)));
    }
    Ok(Join { on, null_equality: NullEquality::NullEqualsNothing, ..join.clone() })
}

impl Lowering<'_> {
    pub(super) fn set_operation(&mut self, join: &Join) -> Result<Lowered, SqlError> {
        let Some((operation, left)) = operation(join) else {
            if let JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full = join.join_type {
                return self.join(&null_equal(join)?);
            }
            let words = "EXISTS of nothing but IS NOT DISTINCT FROM, or INTERSECT or EXCEPT of columns of other types, in a materialized view";
            return Err(SqlError::unsupported(words).hint("Ask for an equality besides; cast the columns."));
        };
        let schema = columns(&join.schema)?;
        let left = self.plan(left)?.settled();
        let right = self.plan(&join.right)?.settled();
        let key = match operation {
            SetOperation::Intersect | SetOperation::Except => Some((0..schema.fields().len()).collect()),
            SetOperation::IntersectAll | SetOperation::ExceptAll => left.key,
        };
        let state = (self.next_id)();
        let (left, right) = (Box::new(left.plan), Box::new(right.plan));
        Ok(Lowered::new(Plan::Combine { left, right, operation, state, schema }, key, None))
    }
}
