//! GROUP BY: the Reduce, what it computes, and where the next extreme comes from.

use arrow::datatypes::DataType;
use dataflow::limits::RESCAN_MICROS_MAX;
use dataflow::{Aggregate, AggregateFunction, Extremes, Plan, Rescan};
use datafusion::logical_expr::{Aggregate as Grouping, Expr};

use super::lower::{Lowering, columns};
use super::lowered::{Lowered, Term};
use super::origin::{Derived, Origin};
use crate::error::SqlError;

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, grouping: &Grouping) -> Result<Lowered, SqlError> {
        let input = self.plan(&grouping.input)?;
        let over = grouping.input.schema();
        let schema = columns(&grouping.schema)?;
        let group = grouping.group_expr.iter().map(|expr| input.term(expr, over)).collect::<Result<Vec<_>, _>>()?;
        let calls = grouping.aggr_expr.iter().map(Call::of).collect::<Result<Vec<_>, _>>()?;
        let arguments = calls.iter().map(|call| call.argument.map(|expr| input.term(expr, over)).transpose());
        let arguments = arguments.collect::<Result<Vec<_>, SqlError>>()?;
        let (input, group, arguments) = placed(input, group, arguments)?;
        let mut aggregates = Vec::with_capacity(calls.len());
        for (call, argument) in calls.iter().zip(arguments) {
            let function = self.function(call.name, &input, &group)?;
            aggregates.push(Aggregate { function, input: argument });
        }
        let key = (0..group.len()).collect();
        let state = (self.next_id)();
        let plan = Plan::Reduce { input: Box::new(input.plan), group, aggregates, schema, state };
        Ok(Lowered::new(plan, Some(key), None))
    }

    fn function(&mut self, name: &str, input: &Lowered, group: &[usize]) -> Result<AggregateFunction, SqlError> {
        let mut extremes = || match input.origin.as_ref().and_then(|origin| rescan(origin, group)) {
            Some(rescan) => Extremes::Rescan(rescan),
            None => Extremes::Index((self.next_id)()),
        };
        Ok(match name {
            "count" => AggregateFunction::Count,
            "sum" => AggregateFunction::Sum,
            "avg" => AggregateFunction::Avg,
            "min" => AggregateFunction::Min(extremes()),
            "max" => AggregateFunction::Max(extremes()),
            other => return Err(SqlError::unsupported(format!("the aggregate {other} in a materialized view"))),
        })
    }
}

/// One aggregate call of the query.
struct Call<'a> {
    name: &'a str,
    /// `None` for `count(*)`, which DataFusion writes as the count of a constant.
    argument: Option<&'a Expr>,
}

impl Call<'_> {
    fn of(expr: &Expr) -> Result<Call<'_>, SqlError> {
        match expr {
            Expr::Alias(alias) => Call::of(&alias.expr),
            Expr::AggregateFunction(function) => {
                let argument = function.params.args.first();
                let constant = |expr: &&Expr| matches!(expr, Expr::Literal(value, _) if !value.is_null());
                let name = function.func.name();
                Ok(Call { name, argument: argument.filter(|expr| !(name == "count" && constant(expr))) })
            }
            other => Err(SqlError::unsupported(format!("{other} as an aggregate in a materialized view"))),
        }
    }
}

/// The plan's columns that make the group and are aggregated: as they are where all are columns, else through a Map.
#[allow(clippy::type_complexity)]
pub fn placed(
    input: Lowered,
    group: Vec<Term>,
    arguments: Vec<Option<Term>>,
) -> Result<(Lowered, Vec<usize>, Vec<Option<usize>>), SqlError> {
    let plain = group.iter().chain(arguments.iter().flatten()).all(|term| term.column().is_some());
    if plain {
        let group = group.iter().filter_map(Term::column).collect();
        let arguments = arguments.iter().map(|argument| argument.as_ref().and_then(Term::column)).collect();
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
    let arguments = arguments.into_iter().map(|argument| argument.map(&mut place)).collect();
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
    let daily = |&key: &usize| *schema.columns.field(key).data_type() == DataType::Date32;
    let bounded = window.is_some() || prefix.len() == schema.key.len() || schema.key[..prefix.len()].iter().any(daily);
    bounded.then(|| Rescan { relation, schema: schema.clone(), prefix, window })
}
