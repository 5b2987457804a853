//! Inner joins: which columns pair the rows, and how each side finds its old ones.

use dataflow::{Plan, Side};
use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::{Expr, Join, JoinConstraint, Operator, binary_expr};

use super::lower::{Lowering, columns};
use super::lowered::{Lowered, Term};
use super::origin::{Derived, Origin};
use crate::error::SqlError;
use crate::limits::{JOIN_COLUMNS_MAX, RESIDENT_ROWS_MAX};
use crate::relation::RelationKind;

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Lowered, SqlError> {
        refuse_kind(join)?;
        let left = keyed(self.plan(&join.left)?, join.on.iter().map(|(left, _)| left), join.left.schema())?;
        let right = keyed(self.plan(&join.right)?, join.on.iter().map(|(_, right)| right), join.right.schema())?;
        let pairs: Vec<(usize, usize)> = left.on.iter().copied().zip(right.on.iter().copied()).collect();
        let found = sides(&left.lowered, &right.lowered, &pairs)?;
        let on: Vec<(usize, usize)> = found.pairs.iter().map(|&pair| pairs[pair]).collect();
        let key = joined_key(&left, &right);
        let width = left.lowered.columns.len();
        let visible = (0..left.width).chain((0..right.width).map(|column| width + column)).collect::<Vec<_>>();
        let schema = both(&left.lowered.plan, &right.lowered.plan);
        let plan = Plan::Join {
            left: Box::new(left.lowered.plan),
            right: Box::new(right.lowered.plan),
            on,
            left_side: found.left,
            right_side: found.right,
            schema,
        };
        columns(&join.schema)?;
        let equal = pairs.iter().filter(|(l, r)| *l < left.width && *r < right.width);
        let equal = equal.map(|&(l, r)| (l, left.width + r)).collect();
        let mut lowered = Lowered { columns: visible, key, equal, ..Lowered::new(plan, None, None) };
        for (index, (left, right)) in join.on.iter().enumerate() {
            if !found.pairs.contains(&index) {
                let equals = binary_expr(left.clone(), Operator::Eq, right.clone());
                let predicate = lowered.term(&equals, &join.schema)?;
                lowered = lowered.filtered(predicate)?;
            }
        }
        if let Some(filter) = &join.filter {
            let predicate = lowered.term(filter, &join.schema)?;
            lowered = lowered.filtered(predicate)?;
        }
        Ok(lowered)
    }
}

fn refuse_kind(join: &Join) -> Result<(), SqlError> {
    let no = |construct: &str| SqlError::unsupported(format!("{construct} in a materialized view"));
    let kind = match join.join_type {
        JoinType::Inner => None,
        JoinType::Left => Some("LEFT JOIN"),
        JoinType::Right => Some("RIGHT JOIN"),
        JoinType::Full => Some("FULL JOIN"),
        JoinType::LeftSemi | JoinType::RightSemi => Some("a semi join"),
        JoinType::LeftAnti | JoinType::RightAnti => Some("an anti join"),
        JoinType::LeftMark | JoinType::RightMark => Some("a mark join"),
    };
    if let Some(kind) = kind {
        return Err(no(kind).hint("An inner join is."));
    }
    if join.null_equality != NullEquality::NullEqualsNothing || join.null_aware {
        return Err(no("a join ON .. IS NOT DISTINCT FROM").hint("Join with =, which NULL never is."));
    }
    if join.on.is_empty() {
        let natural = join.join_constraint == JoinConstraint::Using;
        let construct = if join.filter.is_some() && !natural { "a join without an equality" } else { "CROSS JOIN" };
        return Err(no(construct).hint("Join ON at least one equality between a column of each side."));
    }
    Ok(())
}

/// One side, its join columns in its plan, and how many of its columns are visible above.
struct Keyed {
    lowered: Lowered,
    on: Vec<usize>,
    width: usize,
}

/// Settles a side; join columns that are computed become columns behind the visible ones.
fn keyed<'a>(
    side: Lowered,
    on: impl Iterator<Item = &'a Expr>,
    schema: &datafusion::common::DFSchema,
) -> Result<Keyed, SqlError> {
    let side = side.settled();
    let width = side.columns.len();
    let terms = on.map(|expr| side.term(expr, schema)).collect::<Result<Vec<_>, _>>()?;
    if let Some(on) = terms.iter().map(Term::column).collect::<Option<Vec<_>>>() {
        return Ok(Keyed { lowered: side, on, width });
    }
    let names = side.plan.schema();
    let columns = schema.columns().into_iter().map(Expr::Column);
    let mut all = columns
        .zip(names.fields())
        .map(|(expr, field)| Ok((side.term(&expr, schema)?, field.name().clone())))
        .collect::<Result<Vec<_>, SqlError>>()?;
    let on = terms
        .into_iter()
        .map(|term| {
            term.column().unwrap_or_else(|| {
                let name = term.sql.clone();
                all.push((term, name));
                all.len() - 1
            })
        })
        .collect();
    Ok(Keyed { lowered: side.mapped(all)?, on, width })
}

/// The columns of both plans, which may share names.
fn both(left: &Plan, right: &Plan) -> arrow::datatypes::SchemaRef {
    let fields = left.schema().fields().iter().chain(right.schema().fields()).cloned().collect::<Vec<_>>();
    let nullable = fields.iter().map(|field| field.as_ref().clone().with_nullable(true));
    std::sync::Arc::new(arrow::datatypes::Schema::new(nullable.collect::<Vec<_>>()))
}

/// Both keys together; one of them where each of its rows meets at most one row of the other side.
fn joined_key(left: &Keyed, right: &Keyed) -> Option<Vec<usize>> {
    let (left_key, right_key) = (left.lowered.key.as_ref()?, right.lowered.key.as_ref()?);
    let unique = |key: &[usize], on: &[usize]| key.iter().all(|column| on.contains(column));
    let moved = |key: &[usize]| key.iter().map(|column| left.width + column).collect::<Vec<_>>();
    if unique(right_key, &right.on) {
        return Some(left_key.clone());
    }
    if unique(left_key, &left.on) {
        return Some(moved(right_key));
    }
    Some(left_key.iter().copied().chain(moved(right_key)).collect())
}

/// How both sides are found, by which of the pairs; the other pairs become a filter.
struct Found {
    pairs: Vec<usize>,
    left: Side,
    right: Side,
}

/// The best way that serves both sides: of all sets of pairs, the cheapest look-ups, then the most pairs.
fn sides(left: &Lowered, right: &Lowered, pairs: &[(usize, usize)]) -> Result<Found, SqlError> {
    if pairs.len() > JOIN_COLUMNS_MAX {
        let words = format!("a join of more than {JOIN_COLUMNS_MAX} equalities in a materialized view");
        return Err(SqlError::unsupported(words));
    }
    let mut best: Option<(u32, Found)> = None;
    let mut subsets: Vec<u32> = (1..1u32 << pairs.len()).collect();
    subsets.sort_by_key(|subset| std::cmp::Reverse(subset.count_ones()));
    for subset in subsets {
        let chosen: Vec<usize> = (0..pairs.len()).filter(|pair| subset & (1 << pair) != 0).collect();
        let of = |columns: Vec<usize>, side: &Lowered| side.origin.as_ref().and_then(|origin| way(origin, &columns));
        let left = of(chosen.iter().map(|&pair| pairs[pair].0).collect(), left);
        let right = of(chosen.iter().map(|&pair| pairs[pair].1).collect(), right);
        let (Some(left), Some(right)) = (left, right) else { continue };
        let cost = left.cost + right.cost;
        if best.as_ref().is_none_or(|(known, _)| cost < *known) {
            best = Some((cost, Found { pairs: chosen, left: left.side, right: right.side }));
        }
    }
    match best {
        Some((_, found)) => Ok(found),
        None => Err(unfindable(left, right, pairs)),
    }
}

/// A way to find the rows of a side, and what it costs, relatively.
struct Way {
    side: Side,
    cost: u32,
}

/// By the whole key of a stored relation, else in memory where that is bounded, else by the key's first columns.
fn way(origin: &Origin, on: &[usize]) -> Option<Way> {
    let full = |prefix: &[usize]| prefix.len() == origin.relation.schema.key.len();
    let prefix = prefix(origin, on);
    match prefix {
        Some(prefix) if full(&prefix) => Some(stored(origin, prefix, 1)),
        _ if resident(origin) => {
            let schema = origin.relation.schema.clone();
            Some(Way { side: Side::Resident { relation: origin.relation.id, schema }, cost: 2 })
        }
        Some(prefix) => Some(stored(origin, prefix, 4)),
        None => None,
    }
}

fn stored(origin: &Origin, prefix: Vec<usize>, cost: u32) -> Way {
    let schema = origin.relation.schema.clone();
    Way { side: Side::Stored { relation: origin.relation.id, schema, prefix }, cost }
}

/// For each of the relation's first key columns the join column that gives it; every join column must be one of them.
fn prefix(origin: &Origin, on: &[usize]) -> Option<Vec<usize>> {
    origin.stored()?;
    let key = &origin.relation.schema.key;
    let first = key.get(..on.len())?;
    first.iter().map(|&key| on.iter().position(|&column| origin.columns[column] == Derived::Column(key))).collect()
}

fn resident(origin: &Origin) -> bool {
    matches!(origin.relation.kind, RelationKind::Table { rows_max: Some(rows) } if rows <= RESIDENT_ROWS_MAX)
}

fn unfindable(left: &Lowered, right: &Lowered, pairs: &[(usize, usize)]) -> SqlError {
    let left_on: Vec<usize> = pairs.iter().map(|pair| pair.0).collect();
    let right_on: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
    let (side, on) = if findable(left, &left_on) { (right, right_on) } else { (left, left_on) };
    let schema = side.plan.schema();
    let named: Vec<&str> = on.iter().map(|&column| schema.field(column).name().as_str()).collect();
    let named = named.join(", ");
    let Some(origin) = &side.origin else {
        return SqlError::unsupported(format!(
            "a join that looks up a join, a union or an aggregation by ({named}) in a materialized view"
        ))
        .hint(format!("Make that side a materialized view of its own whose key begins with ({named})."));
    };
    let name = &origin.relation.name;
    let words = format!("a join that looks up {name} by ({named}) in a materialized view");
    SqlError::unsupported(words).hint(match origin.relation.kind {
        RelationKind::Table { .. } => format!(
            "Let the primary key of {name} begin with ({named}), of the same types, or, if the table is small, declare it \
             WITH (max_rows = ..) of at most {RESIDENT_ROWS_MAX}."
        ),
        _ => format!("Let the key of {name}, its GROUP BY, begin with ({named}), of the same types."),
    })
}

/// Whether some of the join columns find the rows of a side.
fn findable(side: &Lowered, on: &[usize]) -> bool {
    let Some(origin) = &side.origin else { return false };
    (1..1u32 << on.len()).any(|subset| {
        let chosen: Vec<usize> = (0..on.len()).filter(|at| subset & (1 << at) != 0).map(|at| on[at]).collect();
        way(origin, &chosen).is_some()
    })
}
