//! Joins: which columns pair the rows, how each side finds its old ones, and what is counted.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dataflow::{Aggregate, AggregateFunction, Bound, JoinKind, Matches, Plan, RelationSchema, Scalar, Side, Within};
use datafusion::common::{DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, LogicalPlan, Operator, lit};

use super::lower::{Lowering, columns};
use super::lowered::{Lowered, Term};
use super::origin::{Derived, Origin};
use super::subquery::is_scalar_subquery;
use super::temporal;
use crate::error::SqlError;
use crate::limits::{CROSS_ROWS_MAX, RESIDENT_ROWS_MAX};
use crate::relation::{Relation, RelationKind};
use crate::scalar::{moved, physical, sql};

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Lowered, SqlError> {
        if join.null_equality != NullEquality::NullEqualsNothing {
            return self.set_operation(join);
        }
        if join.null_aware {
            return self.not_in(join);
        }
        if let Some((untimed, timed)) = temporal::parted(join) {
            let pairs = self.join(&untimed)?;
            return self.filtered(pairs, &timed, &join.schema);
        }
        let left = self.plan(&join.left)?;
        let mut right = self.plan(&join.right)?;
        let filter = join.filter.as_ref().filter(|filter| **filter != lit(true));
        let tests = matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark);
        if tests && join.on.is_empty() && filter.is_none() {
            right = self.whether_any(right)?;
        }
        let left = keyed(left, join.on.iter().map(|(left, _)| left), join.left.schema())?;
        let mut right = keyed(right, join.on.iter().map(|(_, right)| right), join.right.schema())?;
        let scalar = matches!(join.right.as_ref(), LogicalPlan::SubqueryAlias(alias) if is_scalar_subquery(alias));
        // One that refers to the outer query is aggregated by the columns that it is joined on.
        right.single = scalar && !join.on.is_empty();
        if scalar && !unique(&right) {
            let words = "a scalar subquery that may give more than one row in a materialized view";
            return Err(SqlError::unsupported(words).hint("Aggregate it: SELECT max(..) gives exactly one row."));
        }
        refuse_unbounded(join, &left, &right)?;
        columns(&join.schema)?;
        let filter =
            filter.map(|expr| Ok::<_, SqlError>(Filter { expr, over: join.left.schema().join(join.right.schema())? }));
        let filter = filter.transpose()?;
        // Of rows without a pair the other side's key is NULL, which must then be told from a key that has NULLs itself.
        let schemas = [join.left.schema(), join.right.schema()];
        let null_free = [&left, &right].into_iter().zip(schemas).any(|(side, schema)| {
            let key = side.lowered.key.as_ref();
            key.is_some_and(|key| key.iter().any(|&column| !schema.field(column).is_nullable()))
        });
        match join.join_type {
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                self.paired(join.join_type, [right, left], filter, null_free)
            }
            of => self.paired(of, [left, right], filter, null_free),
        }
    }

    /// The join of two sides, the preserved one first. `null_free`: the key of one of them has a column that is never NULL.
    pub(super) fn paired(
        &mut self,
        of: JoinType,
        [first, second]: [Keyed; 2],
        filter: Option<Filter>,
        null_free: bool,
    ) -> Result<Lowered, SqlError> {
        let swapped = matches!(of, JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark);
        let on: Vec<(usize, usize)> = first.on.iter().copied().zip(second.on.iter().copied()).collect();
        let pair = visible_pair(&first, &second, swapped);
        let compared =
            filter.as_ref().map_or(Vec::new(), |filter| compared(filter, &pair, first.lowered.columns.len()));
        let turned: Vec<Compared> = compared.iter().filter_map(Compared::turned).collect();
        let (left_side, right_side) = (self.found(&first, &compared), self.found(&second, &turned));
        let first = if left_side.is_none() { first.identified() } else { first };
        let second = if right_side.is_none() { second.identified() } else { second };
        // Where a row meets at most one, whether it does is what pairs say: none of them is there twice. Not where the one may be
        // forgotten, which takes back no pair, and another may come in its place.
        let semi = matches!(of, JoinType::LeftSemi | JoinType::RightSemi);
        let one = semi && unique(&second) && !self.is_forgetful(&second.lowered.plan);
        let kind = if one { JoinKind::Inner } else { self.kind(of, &first, &second) };
        let left_side = left_side.unwrap_or_else(|| self.own_index(&first, &compared));
        let right_side = right_side.unwrap_or_else(|| self.own_index(&second, &turned));
        let key = made_key(of, &first, &second, swapped).filter(|_| of != JoinType::Full || null_free);
        let width = first.lowered.columns.len();
        let of_first = 0..first.width;
        // Identified sides may be wider.
        let pair = visible_pair(&first, &second, swapped);
        let both = both(&first.lowered.plan, &second.lowered.plan);
        let predicate = filter.map(|filter| filter.term(&pair, &both)).transpose()?;
        let (visible, schema) = match &kind {
            JoinKind::Inner if semi => (of_first.collect(), both.clone()),
            JoinKind::Inner | JoinKind::Left { .. } | JoinKind::Full { .. } => (pair, both.clone()),
            JoinKind::Semi { .. } | JoinKind::Anti { .. } => (of_first.collect(), first.lowered.plan.schema()),
            JoinKind::Mark { .. } => {
                let plan = first.lowered.plan.schema();
                let mark = Field::new("mark", DataType::Boolean, true);
                let fields = plan.fields().iter().map(|field| field.as_ref().clone()).chain([mark]);
                (of_first.chain([width]).collect(), Arc::new(Schema::new(fields.collect::<Vec<_>>())))
            }
        };
        let equal = match kind {
            JoinKind::Inner if !semi => {
                let equal = on.iter().filter(|(l, r)| *l < first.width && *r < second.width);
                equal.map(|&(l, r)| (l, first.width + r)).collect()
            }
            JoinKind::Inner | JoinKind::Semi { .. } | JoinKind::Anti { .. } => first.lowered.equal.clone(),
            _ => Vec::new(),
        };
        let inner = matches!(kind, JoinKind::Inner);
        // What the pairs of an inner join must fulfil besides is a Filter like any other.
        let (within, above) = if inner { (None, predicate) } else { (predicate, None) };
        let filter =
            within.map(|term| Ok::<_, SqlError>(Arc::new(term.scalar(&both)?) as Arc<dyn Scalar>)).transpose()?;
        let plan = Plan::Join {
            left: Box::new(first.lowered.plan),
            right: Box::new(second.lowered.plan),
            on,
            filter,
            kind,
            left_side,
            right_side,
            schema,
        };
        let lowered = Lowered { columns: visible, key, equal, ..Lowered::new(plan, None, None) };
        match above {
            Some(predicate) => lowered.filtered(predicate),
            None => Ok(lowered),
        }
    }

    /// The kind of a join whose first side is the one that is preserved.
    fn kind(&mut self, of: JoinType, first: &Keyed, second: &Keyed) -> JoinKind {
        match of {
            JoinType::Inner => JoinKind::Inner,
            JoinType::Left | JoinType::Right => JoinKind::Left { left: self.matches(first) },
            JoinType::Full => JoinKind::Full { left: self.matches(first), right: self.matches(second) },
            JoinType::LeftSemi | JoinType::RightSemi => JoinKind::Semi { left: self.matches(first) },
            JoinType::LeftAnti | JoinType::RightAnti => JoinKind::Anti { left: self.matches(first) },
            JoinType::LeftMark | JoinType::RightMark => JoinKind::Mark { left: self.matches(first) },
        }
    }

    /// Whether rows of what a plan reads are forgotten.
    fn is_forgetful(&self, plan: &Plan) -> bool {
        plan.sources().iter().any(|source| self.forgetful.contains(source))
    }

    fn matches(&mut self, side: &Keyed) -> Matches {
        let all = || (0..side.lowered.columns.len()).collect();
        Matches { state: (self.next_id)(), key: side.key().cloned().unwrap_or_else(all) }
    }

    /// The best way to find the rows of a side in what there is: by the whole key of a stored relation, in memory where that is
    /// bounded, by the first columns of a key where these are all the join columns, by an index on the relation whose first
    /// columns they are, by the groups of an aggregate. `compared`: comparisons of the side's columns with the other's.
    fn found(&self, side: &Keyed, compared: &[Compared]) -> Option<Side> {
        let different = side.different();
        if let Some(origin) = &side.lowered.origin {
            let (relation, schema) = (origin.relation.id, origin.relation.schema.clone());
            let prefix = prefix(origin, &side.on);
            match prefix {
                Some(prefix) if prefix.len() == schema.key.len() => {
                    return Some(Side::Stored { relation, schema, prefix, within: None });
                }
                _ if resident(origin) => return Some(Side::Resident { relation, schema }),
                Some(prefix) if prefix.len() == different => {
                    let next = Derived::Column(schema.key[prefix.len()]);
                    let within = within(compared, |column| origin.columns[column] == next);
                    return Some(Side::Stored { relation, schema, prefix, within });
                }
                _ => {}
            }
            if let Some(side) = self.indexed(origin, &side.on, different, compared) {
                return Some(side);
            }
        }
        groups(&side.lowered.plan, &side.on).map(|prefix| Side::Reduced { prefix })
    }

    /// The rows of a side in an index of the join's own.
    fn own_index(&mut self, side: &Keyed, compared: &[Compared]) -> Side {
        let next = compared.iter().map(|compared| compared.column).find(|column| !side.on.contains(column));
        let within = next.and_then(|next| within(compared, |column| column == next));
        let plan = side.lowered.plan.schema();
        let mut columns: Vec<usize> = Vec::with_capacity(plan.fields().len());
        for column in side.on.iter().copied().chain(next).chain(0..plan.fields().len()) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        let first = side.different() + usize::from(next.is_some());
        let place =
            |column: &usize| columns.iter().position(|known| known == column).expect("an index has all columns");
        let key = side.key().map(|key| {
            let rest = key.iter().map(place).filter(|&place| place >= first);
            (0..first).chain(rest).collect::<Vec<usize>>()
        });
        let schema = RelationSchema {
            columns: Arc::new(plan.project(&columns).expect("columns of the side")),
            counted: key.is_none(),
            key: key.unwrap_or_else(|| (0..columns.len()).collect()),
        };
        Side::Indexed { state: (self.next_id)(), schema, columns, within }
    }
}

impl Lowering<'_> {
    /// A side found by an index that there is. A table that forgets rows is left out: what a join finds of it must not hang
    /// on there being an index.
    fn indexed(&self, origin: &Origin, on: &[usize], different: usize, compared: &[Compared]) -> Option<Side> {
        if forgets(&origin.relation) || on.is_empty() {
            return None;
        }
        let width = origin.relation.schema.columns.fields().len();
        let known = |index: &Arc<Relation>| {
            let has_all = index.schema.columns.fields().len() >= width;
            index.id < self.view && has_all && index.schema.key.iter().all(|&column| column < width)
        };
        let indexes = self.relations.indexes(&origin.relation.name).into_iter().filter(known);
        indexes.map(|index| index.narrowed(width)).find_map(|index| {
            let by_index = Origin { relation: index.clone(), columns: origin.columns.clone() };
            let prefix = prefix(&by_index, on).filter(|prefix| prefix.len() == different)?;
            let schema = index.schema.clone();
            let next = schema.key.get(prefix.len()).map(|&column| Derived::Column(column));
            let within = next.and_then(|next| within(compared, |column| origin.columns[column] == next));
            Some(Side::Stored { relation: index.id, schema, prefix, within })
        })
    }
}

/// A condition between a column of one side and one of the other: `column operator of_other`.
struct Compared {
    column: usize,
    operator: Operator,
    of_other: usize,
}

impl Compared {
    /// The same from the other side.
    fn turned(&self) -> Option<Compared> {
        Some(Compared { column: self.of_other, operator: self.operator.swap()?, of_other: self.column })
    }
}

/// The comparisons among what a filter demands, of columns of the first side, `width` wide, with columns of the second.
/// `pair`: where the columns of the query's sides are in a pair.
fn compared(filter: &Filter, pair: &[usize], width: usize) -> Vec<Compared> {
    // Of numbers with a NaN bytes and comparisons might disagree about what is last.
    let ordered = |at: usize| !filter.over.field(at).data_type().is_floating();
    let place = |expr: &Expr| match expr {
        Expr::Column(column) => filter.over.maybe_index_of_column(column).filter(|&at| ordered(at)).map(|at| pair[at]),
        _ => None,
    };
    let comparison = |part: &Expr| {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { return None };
        if !matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq) {
            return None;
        }
        match (place(left)?, place(right)?) {
            (left, right) if left < width && right >= width => {
                Some(Compared { column: left, operator: *op, of_other: right - width })
            }
            (right, left) if left < width && right >= width => {
                Some(Compared { column: left, operator: op.swap()?, of_other: right - width })
            }
            _ => None,
        }
    };
    split_conjunction(filter.expr).into_iter().filter_map(comparison).collect()
}

/// The range that the comparisons leave to one of the side's columns; the first one of each end.
fn within(compared: &[Compared], is: impl Fn(usize) -> bool) -> Option<Within> {
    let end = |with: Operator, or: Operator| {
        let found = compared.iter().find(|compared| is(compared.column) && [with, or].contains(&compared.operator))?;
        Some(Bound { column: found.of_other, inclusive: found.operator == or })
    };
    let (lower, upper) = (end(Operator::Gt, Operator::GtEq), end(Operator::Lt, Operator::LtEq));
    (lower.is_some() || upper.is_some()).then_some(Within { lower, upper })
}

/// What the pairs of a join must fulfil besides, over the columns of both of the query's sides.
pub(super) struct Filter<'a> {
    expr: &'a Expr,
    over: DFSchema,
}

impl Filter<'_> {
    /// The same over pairs, where column `i` of the query's sides is column `columns[i]`.
    fn term(&self, columns: &[usize], pairs: &SchemaRef) -> Result<Term, SqlError> {
        Ok(Term { expr: moved(physical(self.expr, &self.over)?, columns, pairs)?, sql: sql(self.expr) })
    }
}

/// Refuses a join that compares every row of one side with every row of the other, unless one is small.
fn refuse_unbounded(join: &Join, left: &Keyed, right: &Keyed) -> Result<(), SqlError> {
    const ADVICE: &str = "Join ON at least one equality between a column of each side, or declare one of the tables \
                          WITH (max_rows = ..) of at most 10000.";
    let small = |side: &Keyed| {
        let one = side.lowered.key.as_ref().is_some_and(Vec::is_empty);
        one || side.lowered.origin.as_ref().and_then(rows_max).is_some_and(|rows| rows <= CROSS_ROWS_MAX)
    };
    if !join.on.is_empty() || small(left) || small(right) {
        return Ok(());
    }
    let construct = match (join.join_type, &join.filter) {
        (JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark, _) => "EXISTS (SELECT ..) without an equality",
        (JoinType::Inner, None) => "CROSS JOIN of two sides of any size",
        _ => "a join without an equality of two sides of any size",
    };
    Err(SqlError::unsupported(format!("{construct} in a materialized view")).hint(ADVICE))
}

/// One side, its join columns in its plan, and how many of its columns are visible above.
pub(super) struct Keyed {
    pub lowered: Lowered,
    pub on: Vec<usize>,
    pub width: usize,
    /// Columns of its plan behind the visible ones whose values no two rows share, where it has such.
    identity: Option<Vec<usize>>,
    /// Whether it is known that each row of the other side meets at most one.
    pub single: bool,
}

impl Keyed {
    /// How many join columns there are, each counted once.
    fn different(&self) -> usize {
        (0..self.on.len()).filter(|&at| !self.on[..at].contains(&self.on[at])).count()
    }

    /// Columns of the plan whose values no two rows share.
    fn key(&self) -> Option<&Vec<usize>> {
        self.lowered.key.as_ref().or(self.identity.as_ref())
    }

    /// The same with the key of the relation that its rows come from, where the query left that out and rows are hardly ever
    /// alike without it, as those with a time are not: to write them by a key asks for nothing, to count them asks how many
    /// there are. Where rows are alike, to count them keeps far fewer.
    fn identified(self) -> Keyed {
        // Of a table that forgets rows a key may come again while the row before still counts.
        let lasting = |origin: &&Origin| origin.is_keyed() && !forgets(&origin.relation);
        let Some(origin) = self.lowered.origin.as_ref().filter(lasting) else { return self };
        let timed = |column: &usize| {
            let time = matches!(self.lowered.plan.schema().field(*column).data_type(), DataType::Timestamp(..));
            time && !self.on.contains(column) && matches!(origin.columns[*column], Derived::Column(_))
        };
        if self.lowered.key.is_some() || !(0..self.width).any(|column| timed(&column)) {
            return self;
        }
        let (lowered, key) = self.lowered.with_key_of_origin();
        Keyed { lowered, identity: Some(key), ..self }
    }
}

/// Settles a side; join columns that are computed become columns behind the visible ones.
pub(super) fn keyed<'a>(
    side: Lowered,
    on: impl Iterator<Item = &'a Expr>,
    schema: &DFSchema,
) -> Result<Keyed, SqlError> {
    let side = side.settled();
    let width = side.columns.len();
    let terms = on.map(|expr| side.term(expr, schema)).collect::<Result<Vec<_>, _>>()?;
    if let Some(on) = terms.iter().map(Term::column).collect::<Option<Vec<_>>>() {
        return Ok(Keyed { lowered: side, on, width, identity: None, single: false });
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
    Ok(Keyed { lowered: side.mapped(all)?, on, width, identity: None, single: false })
}

/// Where the columns of the query's sides are in a pair, in the query's order.
fn visible_pair(first: &Keyed, second: &Keyed, swapped: bool) -> Vec<usize> {
    let of_first = 0..first.width;
    let of_second = (0..second.width).map(|column| first.lowered.columns.len() + column);
    match swapped {
        false => of_first.chain(of_second).collect(),
        true => of_second.chain(of_first).collect(),
    }
}

/// The columns of both plans, which may share names.
fn both(left: &Plan, right: &Plan) -> SchemaRef {
    let fields = left.schema().fields().iter().chain(right.schema().fields()).cloned().collect::<Vec<_>>();
    let nullable = fields.iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(nullable.collect::<Vec<_>>()))
}

/// Whether each row of the other side meets at most one of this one.
fn unique(side: &Keyed) -> bool {
    let key = side.lowered.key.as_ref();
    side.single || key.is_some_and(|key| key.iter().all(|column| side.on.contains(column)))
}

/// The columns of what comes out whose values no two rows share, as positions among the query's columns.
fn made_key(of: JoinType, first: &Keyed, second: &Keyed, swapped: bool) -> Option<Vec<usize>> {
    let first_key = first.lowered.key.as_ref()?;
    let tests = !matches!(of, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full);
    let (first_at, second_at) = if swapped && !tests { (second.width, 0) } else { (0, first.width) };
    let of_first = || first_key.iter().map(|column| first_at + column).collect::<Vec<_>>();
    let of_second = || Some(second.lowered.key.as_ref()?.iter().map(|column| second_at + column).collect::<Vec<_>>());
    match of {
        JoinType::Inner | JoinType::Left | JoinType::Right if unique(second) => Some(of_first()),
        JoinType::Inner if unique(first) => of_second(),
        _ if tests => Some(of_first()),
        _ => Some(of_first().into_iter().chain(of_second()?).collect()),
    }
}

/// For each column by which an aggregate below maps and filters is grouped, which of the join columns gives it; `None` where
/// one is not given, or where the state of a group does not tell its row.
fn groups(side: &Plan, on: &[usize]) -> Option<Vec<usize>> {
    match side {
        Plan::Filter { input, .. } => groups(input, on),
        Plan::Map { input, columns, .. } => {
            let passed: Vec<usize> = (0..on.len()).filter(|&at| columns[on[at]].column().is_some()).collect();
            let below: Vec<usize> = passed.iter().filter_map(|&at| columns[on[at]].column()).collect();
            Some(groups(input, &below)?.into_iter().map(|at| passed[at]).collect())
        }
        Plan::Reduce { group, aggregates, .. } => {
            let told = |aggregate: &Aggregate| !matches!(aggregate.function, AggregateFunction::Sequence(_));
            let all = !group.is_empty() && aggregates.iter().all(told);
            let given = |column: usize| on.iter().position(|&on| on == column);
            all.then(|| (0..group.len()).map(given).collect())?
        }
        _ => None,
    }
}

/// For each of the relation's first key columns that are among the join columns, which of these gives it.
fn prefix(origin: &Origin, on: &[usize]) -> Option<Vec<usize>> {
    origin.stored()?;
    let given = |key: &usize| on.iter().position(|&column| origin.columns[column] == Derived::Column(*key));
    Some(origin.relation.schema.key.iter().map_while(given).collect())
}

fn forgets(relation: &Relation) -> bool {
    matches!(relation.kind, RelationKind::Table { forgets_by: Some(_), .. })
}

fn resident(origin: &Origin) -> bool {
    rows_max(origin).is_some_and(|rows| rows <= RESIDENT_ROWS_MAX)
}

/// How many rows a table may have, where that is bounded.
fn rows_max(origin: &Origin) -> Option<u64> {
    match origin.relation.kind {
        RelationKind::Table { rows_max, .. } => rows_max,
        RelationKind::Stream | RelationKind::MaterializedView | RelationKind::System => None,
    }
}
