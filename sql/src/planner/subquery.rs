//! What subqueries become that is more than a join: whether there are rows, whether there are NULLs.

use dataflow::{Aggregate, AggregateFunction, Plan};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::{Expr, Join, SubqueryAlias, col, lit, not};

use super::join::keyed;
use super::lower::Lowering;
use super::lowered::{Lowered, Term};
use super::reduce::placed;
use crate::error::SqlError;
use crate::scalar::{physical, sql};

/// The columns of [`Lowering::flags`].
const ANY: &str = "any row";
const ANY_NULL: &str = "any null";

/// How DataFusion calls the joined form of a scalar subquery.
const SCALAR: &str = "__scalar_sq";

/// Whether a join's side was a scalar subquery.
pub fn is_scalar_subquery(alias: &SubqueryAlias) -> bool {
    alias.alias.table().starts_with(SCALAR)
}

impl Lowering<'_> {
    /// At most one row, which is there while the input has any.
    pub(super) fn whether_any(&mut self, input: Lowered) -> Result<Lowered, SqlError> {
        let counted = self.flags(input, None)?;
        let over = DFSchema::try_from(counted.plan.schema().as_ref().clone())?;
        let any = counted.term(&column(ANY), &over)?;
        counted.filtered(any)
    }

    /// `x NOT IN (SELECT s ..)`, where x or s may be NULL: of the left rows those without a match, but none while there is a
    /// NULL among the s, and none whose x is NULL while there are rows at all.
    pub(super) fn not_in(&mut self, join: &Join) -> Result<Lowered, SqlError> {
        let ([(x, s)], None) = (&join.on[..], &join.filter) else {
            let words = "NOT IN (SELECT ..) that refers to the outer query, of columns that may be NULL, in a materialized view";
            return Err(SqlError::unsupported(words).hint("Write it as NOT EXISTS."));
        };
        let left = self.plan(&join.left)?;
        let nothing = || std::iter::empty::<&Expr>();
        let left = keyed(left, nothing(), join.left.schema())?;
        let width = left.width;
        let right = self.plan(&join.right)?;
        let given = right.term(s, join.right.schema())?;
        let flags = self.flags(right, Some(given))?;
        let over_flags = DFSchema::try_from(flags.plan.schema().as_ref().clone())?;
        let flags = keyed(flags, nothing(), &over_flags)?;
        let over = join.left.schema().join(&over_flags)?;
        let crossed = self.paired(JoinType::Inner, [left, flags], None, false)?;
        let kept = not(column(ANY)).or(x.clone().is_not_null().and(not(column(ANY_NULL))));
        let kept = crossed.term(&kept, &over)?;
        let mut kept = crossed.filtered(kept)?;
        kept.columns.truncate(width);
        let left = keyed(kept, [x].into_iter(), join.left.schema())?;
        let right = keyed(self.plan(&join.right)?, [s].into_iter(), join.right.schema())?;
        self.paired(JoinType::LeftAnti, [left, right], None, false)
    }

    /// One row: whether the input has any row, and, if a column is given, whether that is NULL in any.
    fn flags(&mut self, input: Lowered, given: Option<Term>) -> Result<Lowered, SqlError> {
        let (input, _, arguments) = placed(input, vec![], vec![vec![], given.into_iter().collect()])?;
        let aggregates = arguments
            .into_iter()
            .map(|places| Aggregate { function: AggregateFunction::Count, input: places.first().copied() });
        let schema = counts();
        let state = (self.next_id)();
        let aggregates = aggregates.collect();
        let plan =
            Plan::Reduce { input: Box::new(input.plan), group: vec![], aggregates, schema: schema.clone(), state };
        let counted = Lowered::new(plan, Some(vec![]), None);
        let over = DFSchema::try_from(schema.as_ref().clone())?;
        let flags = [(col("total").gt(lit(0_i64)), ANY), (col("total").gt(col("given")), ANY_NULL)];
        let terms = flags
            .into_iter()
            .map(|(expr, name)| Ok((Term { expr: physical(&expr, &over)?, sql: sql(&expr) }, name.to_string())));
        let terms = terms.collect::<Result<Vec<_>, SqlError>>()?;
        counted.mapped(terms)
    }
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// The columns of a Reduce that counts rows and what is not NULL.
fn counts() -> arrow::datatypes::SchemaRef {
    use arrow::datatypes::{DataType, Field, Schema};
    let fields = ["total", "given"].map(|name| Field::new(name, DataType::Int64, true));
    std::sync::Arc::new(Schema::new(fields.to_vec()))
}
