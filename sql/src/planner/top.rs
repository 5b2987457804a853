//! The first rows in an order: ORDER BY .. LIMIT, and numbered rows with an upper bound.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use dataflow::{Order, Plan, Ranking};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Limit, LogicalPlan, Operator, Projection, Sort, Window};

use super::lower::Lowering;
use super::lowered::Lowered;
use crate::error::SqlError;
use crate::limits::TOP_ROWS_MAX;

const BOUND: &str = "Bound it from above where it is read, SELECT * FROM (..) WHERE n <= 10: else one change would renumber all rows behind it.";

/// Which of the numbered rows are wanted.
struct Wanted {
    ranking: Ranking,
    skip: u64,
    limit: u64,
    numbered: bool,
}

impl Lowering<'_> {
    /// LIMIT and OFFSET over a sort.
    pub(super) fn limit(&mut self, limit: &Limit) -> Result<Lowered, SqlError> {
        let skip = limit.skip.as_deref().map_or(Some(0), constant);
        let fetch = limit.fetch.as_deref().map(constant);
        match (skip, fetch) {
            (Some(skip), Some(Some(fetch))) => self.first(&limit.input, skip, fetch),
            (Some(_), None) => Err(SqlError::unsupported("OFFSET without LIMIT in a materialized view")),
            _ => Err(SqlError::unsupported("LIMIT or OFFSET that is no constant in a materialized view")),
        }
    }

    /// The first rows of a plan, which must say in which order.
    fn first(&mut self, plan: &LogicalPlan, skip: u64, limit: u64) -> Result<Lowered, SqlError> {
        match plan {
            LogicalPlan::Sort(sort) => {
                let input = self.plan(&sort.input)?;
                let limit = sort.fetch.map_or(limit, |fetch| limit.min((fetch as u64).saturating_sub(skip)));
                let wanted = Wanted { ranking: Ranking::RowNumber, skip, limit, numbered: false };
                self.top(input, &sort.input, &[], &sort.expr, wanted)
            }
            LogicalPlan::Projection(Projection { expr, input, schema, .. }) => {
                let first = self.first(input, skip, limit)?;
                self.projected(first, expr, input.schema(), schema)
            }
            LogicalPlan::SubqueryAlias(alias) => self.first(&alias.input, skip, limit),
            _ => Err(SqlError::unsupported("LIMIT without ORDER BY in a materialized view")
                .hint("Say which rows come first.")),
        }
    }

    /// ORDER BY, which stands for something only with a bound.
    pub(super) fn sort(&mut self, sort: &Sort) -> Result<Lowered, SqlError> {
        if sort.fetch.is_none() {
            return Err(SqlError::unsupported("ORDER BY without LIMIT in a materialized view")
                .hint("Order the rows in the queries that read the view."));
        }
        self.first(&LogicalPlan::Sort(sort.clone()), 0, u64::MAX)
    }

    /// Numbered rows. `above`: the condition that they are read under, if any.
    pub(super) fn numbered(
        &mut self,
        window: &Window,
        function: &WindowFunction,
        ranking: Ranking,
        above: Option<&Expr>,
    ) -> Result<Lowered, SqlError> {
        let number = window.schema.columns().pop().expect("a window has its function's column");
        let Some(limit) = above.and_then(|above| upper_bound(above, &number)) else {
            let words = format!("{}() without an upper bound in a materialized view", function.fun.name());
            return Err(SqlError::unsupported(words).hint(BOUND));
        };
        let input = self.plan(&window.input)?;
        let params = &function.params;
        let wanted = Wanted { ranking, skip: 0, limit, numbered: true };
        self.top(input, &window.input, &params.partition_by, &params.order_by, wanted)
    }

    fn top(
        &mut self,
        input: Lowered,
        over: &LogicalPlan,
        partition: &[Expr],
        order: &[SortExpr],
        wanted: Wanted,
    ) -> Result<Lowered, SqlError> {
        let Wanted { ranking, skip, limit, numbered } = wanted;
        if skip.saturating_add(limit) > TOP_ROWS_MAX {
            let words = format!("the first {} rows in a materialized view", skip.saturating_add(limit));
            return Err(
                SqlError::unsupported(words).hint(format!("A change reads them all; at most {TOP_ROWS_MAX} are."))
            );
        }
        let exprs = partition.iter().chain(order.iter().map(|by| &by.expr));
        let (input, places) = input.settled().with_columns(exprs, over.schema())?;
        let (group, by) = places.split_at(partition.len());
        let group: Vec<usize> = group.to_vec();
        let mut order = ordered(by, order);
        let from = input.plan.schema();
        if ranking == Ranking::RowNumber {
            shorten(&mut order, &group, from.fields().len());
        }
        let mut fields: Vec<_> = from.fields().iter().cloned().collect();
        let mut columns = input.columns.clone();
        // One row of a group is known by the group.
        let visible = |place: &usize| input.columns.iter().position(|column| column == place);
        let of_group: Option<Vec<usize>> = group.iter().map(visible).collect();
        let lone = ranking == Ranking::RowNumber && limit == 1 && !group.is_empty();
        let mut key = of_group.clone().filter(|_| lone).or(input.key);
        if numbered {
            columns.push(fields.len());
            fields.push(Arc::new(Field::new("number", DataType::Int64, true)));
            if ranking == Ranking::RowNumber {
                let by_number = of_group.map(|group| [group, vec![columns.len() - 1]].concat());
                key = key.or(by_number);
            }
        }
        let plan = Plan::Top {
            monotonic: self.is_monotonic(&input.plan),
            input: Box::new(input.plan),
            group,
            order,
            ranking,
            skip,
            limit,
            numbered,
            schema: Arc::new(Schema::new(fields)),
            state: (self.next_id)(),
        };
        Ok(Lowered { columns, key, equal: input.equal, ..Lowered::new(plan, None, None) })
    }
}

/// The order by columns of the input.
pub(super) fn ordered(columns: &[usize], by: &[SortExpr]) -> Vec<Order> {
    let order = |(&column, by): (&usize, &SortExpr)| Order { column, descending: !by.asc, nulls_first: by.nulls_first };
    columns.iter().zip(by).map(order).collect()
}

/// Drops the end of an order that says no more than the operator does: that all other columns decide, one after the other.
pub(super) fn shorten(order: &mut Vec<Order>, group: &[usize], width: usize) {
    let plain = |by: &&Order| !by.descending && !by.nulls_first;
    let tail = order.iter().rev().take_while(plain).count();
    let whole = |from: usize| {
        let (head, tail) = order.split_at(from);
        let head = |column: usize| group.contains(&column) || head.iter().any(|by| by.column == column);
        let others = (0..width).filter(|column| !head(*column));
        others.eq(tail.iter().map(|by| by.column).filter(|column| !head(*column)))
    };
    if let Some(from) = (order.len() - tail..=order.len()).find(|from| whole(*from)) {
        order.truncate(from);
    }
}

/// A constant that is not negative.
fn constant(expr: &Expr) -> Option<u64> {
    let Expr::Literal(value, _) = expr else { return None };
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(number))) => u64::try_from(number).ok(),
        _ => None,
    }
}

/// The greatest number for which the condition can be true, where it says so.
fn upper_bound(condition: &Expr, number: &Column) -> Option<u64> {
    let is_number = |expr: &Expr| matches!(expr, Expr::Column(column) if column == number);
    let bounds = split_conjunction(condition).into_iter().filter_map(|part| {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { return None };
        let (op, bound) = match (is_number(left), is_number(right)) {
            (true, _) => (*op, right),
            (_, true) => (op.swap()?, left),
            _ => return None,
        };
        let Expr::Literal(value, _) = bound.as_ref() else { return None };
        let Ok(ScalarValue::Int64(Some(bound))) = value.cast_to(&DataType::Int64) else { return None };
        match op {
            Operator::Eq | Operator::LtEq => Some(bound.max(0) as u64),
            Operator::Lt => Some(bound.saturating_sub(1).max(0) as u64),
            _ => None,
        }
    });
    bounds.min()
}
