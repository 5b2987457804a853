//! GROUP BY: the Reduce, what it computes, and where the next extreme comes from.

use arrow::datatypes::DataType;
use dataflow::exact::Spread;
use dataflow::limits::RESCAN_MICROS_MAX;
use dataflow::{Aggregate, AggregateFunction, Extremes, Order, Plan, RelationId, Rescan, Sequence, Taken};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{NullTreatment, Sort as SortExpr};
use datafusion::logical_expr::{Aggregate as Grouping, Expr};

use super::lower::{Lowering, columns};
use super::lowered::{Lowered, Term};
use super::origin::{Derived, Origin};
use super::top::ordered;
use crate::error::SqlError;
use crate::functions::{percentile, sequence};
use crate::properties::{AGGREGATES, Property};
use crate::relation::RelationKind;

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, grouping: &Grouping) -> Result<Lowered, SqlError> {
        let input = self.plan(&grouping.input)?;
        let over = grouping.input.schema();
        let schema = columns(&grouping.schema)?;
        let group = grouping.group_expr.iter().map(|expr| input.term(expr, over)).collect::<Result<Vec<_>, _>>()?;
        let calls = grouping.aggr_expr.iter().map(Call::of).collect::<Result<Vec<_>, _>>()?;
        let arguments = calls.iter().map(|call| call.exprs().map(|expr| input.term(expr, over)).collect());
        let arguments = arguments.collect::<Result<Vec<Vec<Term>>, SqlError>>()?;
        let (input, group, arguments) = placed(input, group, arguments)?;
        let monotonic = self.is_monotonic(&input.plan);
        let mut indexes = Indexes { next_id: &mut *self.next_id, known: Vec::new(), monotonic };
        let mut aggregates = Vec::with_capacity(calls.len());
        for (call, places) in calls.iter().zip(arguments) {
            let function = call.function(&places, &input, &group, &mut indexes)?;
            aggregates.push(Aggregate { function, input: places.first().copied() });
        }
        let key = (0..group.len()).collect();
        let state = (self.next_id)();
        let plan = Plan::Reduce { input: Box::new(input.plan), group, aggregates, schema, state };
        Ok(Lowered::new(plan, Some(key), None))
    }
}

/// The state tables of the values of columns: one for each column that needs it in an order, whatever asks.
struct Indexes<'a> {
    next_id: &'a mut dyn FnMut() -> RelationId,
    known: Vec<(Kept, RelationId)>,
    /// Whether no row of the input is ever retracted.
    monotonic: bool,
}

/// Which values are kept in which order.
#[derive(PartialEq)]
struct Kept {
    column: usize,
    /// `None`: those that are not NULL, in their own.
    sequence: Option<(Vec<Order>, bool, Option<usize>)>,
}

impl Indexes<'_> {
    fn of(&mut self, kept: Kept) -> RelationId {
        let known = self.known.iter().find(|(known, _)| *known == kept).map(|(_, index)| *index);
        known.unwrap_or_else(|| {
            let index = (self.next_id)();
            self.known.push((kept, index));
            index
        })
    }
}

/// One aggregate call of the query.
struct Call<'a> {
    name: &'a str,
    /// `None` for `count(*)`, which DataFusion writes as the count of a constant.
    argument: Option<&'a Expr>,
    distinct: bool,
    /// The second argument, where it is a constant.
    constant: Option<&'a ScalarValue>,
    /// What values are gathered in.
    order: &'a [SortExpr],
    /// FILTER, where it is no part of the argument.
    among: Option<&'a Expr>,
    ignores_nulls: bool,
}

impl<'a> Call<'a> {
    fn of(expr: &'a Expr) -> Result<Call<'a>, SqlError> {
        match expr {
            Expr::Alias(alias) => Call::of(&alias.expr),
            Expr::AggregateFunction(function) => {
                let name = function.func.name();
                let all = |expr: &&Expr| name == "count" && matches!(expr, Expr::Literal(value, _) if !value.is_null());
                let constant = match function.params.args.get(1) {
                    Some(Expr::Literal(value, _)) => Some(value),
                    _ => None,
                };
                let distinct = function.params.distinct;
                let argument = function.params.args.first().filter(|expr| distinct || !all(expr));
                let in_order = AGGREGATES.has(name, Property::InOrder);
                let order = if in_order { &function.params.order_by[..] } else { &[] };
                let among = function.params.filter.as_deref();
                let ignores_nulls = function.params.null_treatment == Some(NullTreatment::IgnoreNulls);
                Ok(Call { name, argument, distinct, constant, order, among, ignores_nulls })
            }
            other => Err(SqlError::unsupported(format!("{other} as an aggregate in a materialized view"))),
        }
    }

    /// What it is computed from: the argument, then the order, then the filter.
    fn exprs(&self) -> impl Iterator<Item = &'a Expr> {
        self.argument.into_iter().chain(self.order.iter().map(|by| &by.expr)).chain(self.among)
    }

    /// `places`: where those are among the columns of the input.
    fn function(
        &self,
        places: &[usize],
        input: &Lowered,
        group: &[usize],
        indexes: &mut Indexes,
    ) -> Result<AggregateFunction, SqlError> {
        let argument = || *places.first().expect("only count(*) has no argument");
        if AGGREGATES.has(self.name, Property::InOrder) {
            return self.sequence(places, indexes).map(AggregateFunction::Sequence);
        }
        let monotonic = indexes.monotonic;
        let mut index = || indexes.of(Kept { column: argument(), sequence: None });
        let mut extremes = || match input.origin.as_ref().and_then(|origin| rescan(origin, group)) {
            _ if monotonic => Extremes::Monotonic,
            Some(rescan) => Extremes::Rescan(rescan),
            None => Extremes::Index(index()),
        };
        Ok(match (self.name, self.distinct) {
            ("count", false) => AggregateFunction::Count,
            ("count", true) => AggregateFunction::CountDistinct(index()),
            ("sum", false) => AggregateFunction::Sum,
            ("sum", true) => AggregateFunction::SumDistinct(index()),
            ("avg", false) => AggregateFunction::Avg,
            ("avg", true) => AggregateFunction::AvgDistinct(index()),
            // The extremes of a set are those of the bag, and so is whether all or any are true.
            ("min", _) => AggregateFunction::Min(extremes()),
            ("max", _) => AggregateFunction::Max(extremes()),
            ("bool_and", _) => AggregateFunction::BoolAnd,
            ("bool_or", _) => AggregateFunction::BoolOr,
            ("var", false) => AggregateFunction::Variance(Spread::Sample),
            ("var_pop", false) => AggregateFunction::Variance(Spread::Population),
            ("stddev", false) => AggregateFunction::Deviation(Spread::Sample),
            ("stddev_pop", false) => AggregateFunction::Deviation(Spread::Population),
            ("percentile_cont" | "percentile_disc" | "median", false) => {
                AggregateFunction::Percentile(percentile::asked(self.name, self.constant)?, index())
            }
            (other, _) => return Err(SqlError::unsupported(format!("the aggregate {other} in a materialized view"))),
        })
    }

    fn sequence(&self, places: &[usize], indexes: &mut Indexes) -> Result<Sequence, SqlError> {
        let column = places[0];
        let taken = match self.name {
            "string_agg" => Taken::Text { separator: sequence::separator(self.constant)?, distinct: self.distinct },
            "array_agg" => Taken::List { distinct: self.distinct },
            "first_value" => Taken::First,
            _ => Taken::Last,
        };
        let mut order: Vec<Order> = Vec::with_capacity(self.order.len());
        for by in ordered(&places[1..], self.order) {
            if order.iter().all(|known| known.column != by.column) {
                order.push(by);
            }
        }
        // The value decides last of all.
        order.pop_if(|by| by.column == column && !by.descending && !by.nulls_first);
        let nulls = !self.ignores_nulls && !matches!(taken, Taken::Text { .. });
        let among = self.among.map(|_| places[places.len() - 1]);
        let index = indexes.of(Kept { column, sequence: Some((order.clone(), nulls, among)) });
        Ok(Sequence { taken, order, nulls, among, index })
    }
}

/// The plan's columns that make the group and are aggregated: as they are where all are columns, else through a Map.
#[allow(clippy::type_complexity)]
pub fn placed(
    input: Lowered,
    group: Vec<Term>,
    arguments: Vec<Vec<Term>>,
) -> Result<(Lowered, Vec<usize>, Vec<Vec<usize>>), SqlError> {
    let all = |terms: &[Term]| terms.iter().map(Term::column).collect::<Option<Vec<usize>>>();
    let plain = arguments.iter().map(|terms| all(terms)).collect::<Option<Vec<_>>>();
    if let (Some(group), Some(arguments)) = (all(&group), plain) {
        return Ok((input, group, arguments));
    }
    let mut terms: Vec<(Term, String)> = Vec::new();
    let mut place = |term: Term| {
        let same = |known: &(Term, String)| known.0.expr.as_ref() == term.expr.as_ref();
        terms.iter().position(same).unwrap_or_else(|| {
            let name = term.sql.clone();
            terms.push((term, name));
            terms.len() - 1
        })
    };
    let group = group.into_iter().map(&mut place).collect();
    let arguments = arguments.into_iter().map(|terms| terms.into_iter().map(&mut place).collect()).collect();
    Ok((input.mapped(terms)?, group, arguments))
}

/// The group as a range of the relation's key of at most a day: the group columns are the key's first columns and then,
/// perhaps, a bin of the next. Without a bin the range must be bounded otherwise: one row, or a day that is in the key.
fn rescan(origin: &Origin, group: &[usize]) -> Option<Rescan> {
    let relation = origin.stored()?;
    let schema = &origin.relation.schema;
    let mut positions = vec![None; schema.key.len()];
    let mut bin = None;
    for (position, &column) in group.iter().enumerate() {
        match origin.columns[column] {
            Derived::Column(column) => {
                let at = schema.key.iter().position(|&key| key == column)?;
                positions[at].get_or_insert(position);
            }
            Derived::Bin { column, width } if bin.is_none() => bin = Some((position, column, width)),
            Derived::Bin { .. } | Derived::Other => return None,
        }
    }
    let prefix: Vec<usize> = positions.iter().map_while(|&position| position).collect();
    if prefix.len() != positions.iter().flatten().count() {
        return None;
    }
    let window = match bin {
        Some((position, column, width)) => {
            let next = schema.key.get(prefix.len()) == Some(&column);
            Some((next && width <= RESCAN_MICROS_MAX).then_some((position, width))?)
        }
        None => None,
    };
    // A group that is scanned again must be there as a whole: its rows are of one time, or of one day at most.
    if let RelationKind::Table { forgets_by: Some(column), .. } = origin.relation.kind {
        let by_window = window.is_some() && schema.key.get(prefix.len()) == Some(&column);
        if !by_window && !schema.key[..prefix.len()].contains(&column) {
            return None;
        }
    }
    let daily = |&key: &usize| *schema.columns.field(key).data_type() == DataType::Date32;
    let bounded = window.is_some() || prefix.len() == schema.key.len() || schema.key[..prefix.len()].iter().any(daily);
    bounded.then(|| Rescan { relation, schema: schema.clone(), prefix, window })
}
