//! What tells one view's plan from another: stored state belongs to the plan that made it.

use std::hash::Hash;

use arrow::datatypes::{DataType, Schema};
use dataflow::row::KeyEncoder;
use dataflow::{
    AggregateFunction, Extremes, JoinKind, Matches, Plan, PlannedView, Ranking, RelationSchema, Rescan, Root, Sequence,
    SetOperation, Side, Taken, Within,
};
use siphasher::sip128::{Hasher128, SipHasher13};

/// Grows when the engine keeps the same plan's state in another way.
const STATE_FORMAT: u32 = 1;

/// The same for the same plan in every process.
pub fn of(view: &PlannedView) -> u128 {
    let mut hasher = SipHasher13::new();
    STATE_FORMAT.hash(&mut hasher);
    relation_schema(&view.schema, &mut hasher);
    match view.root {
        Root::Keyed => 1_u8,
        Root::Reduced => 2,
        Root::Counted => 3,
    }
    .hash(&mut hasher);
    plan(&view.plan, &mut hasher);
    hasher.finish128().as_u128()
}

fn plan(of: &Plan, hasher: &mut SipHasher13) {
    match of {
        Plan::Get { relation, schema: columns } => {
            1_u8.hash(hasher);
            relation.hash(hasher);
            schema(columns, hasher);
        }
        Plan::Constant { rows } => {
            2_u8.hash(hasher);
            schema(&rows.schema(), hasher);
            let types: Vec<DataType> = rows.schema().fields().iter().map(|field| field.data_type().clone()).collect();
            let all: Vec<usize> = (0..types.len()).collect();
            KeyEncoder::new(&types).encode(rows, &all).iter().for_each(|row| row.hash(hasher));
        }
        Plan::Map { columns, schema: named, .. } => {
            3_u8.hash(hasher);
            columns.iter().for_each(|column| column.fingerprint().hash(hasher));
            schema(named, hasher);
        }
        Plan::Filter { predicate, .. } => {
            4_u8.hash(hasher);
            predicate.fingerprint().hash(hasher);
        }
        Plan::Temporal { predicate, turns, key, rows, timers, .. } => {
            30_u8.hash(hasher);
            predicate.fingerprint().hash(hasher);
            turns.len().hash(hasher);
            turns.iter().for_each(|turn| turn.fingerprint().hash(hasher));
            (key, rows, timers).hash(hasher);
        }
        Plan::Unnest { lists, outer, schema: named, .. } => {
            22_u8.hash(hasher);
            (lists, outer).hash(hasher);
            schema(named, hasher);
        }
        Plan::Union { schema: named, .. } => {
            5_u8.hash(hasher);
            schema(named, hasher);
        }
        Plan::Reduce { group, aggregates, schema: named, state, .. } => {
            6_u8.hash(hasher);
            group.hash(hasher);
            state.hash(hasher);
            schema(named, hasher);
            for aggregate in aggregates {
                aggregate.input.hash(hasher);
                function(&aggregate.function, hasher);
            }
        }
        Plan::Top { group, order, ranking, skip, limit, numbered, monotonic, schema: named, state, .. } => {
            20_u8.hash(hasher);
            (group, skip, limit, numbered, state).hash(hasher);
            order.iter().for_each(|by| (by.column, by.descending, by.nulls_first).hash(hasher));
            match ranking {
                Ranking::RowNumber => 1_u8,
                Ranking::Rank => 2,
                Ranking::DenseRank => 3,
            }
            .hash(hasher);
            if *monotonic {
                1_u8.hash(hasher);
            }
            schema(named, hasher);
        }
        Plan::Neighbours { group, order, functions, schema: named, state, .. } => {
            21_u8.hash(hasher);
            (group, state).hash(hasher);
            order.iter().for_each(|by| (by.column, by.descending, by.nulls_first).hash(hasher));
            functions.len().hash(hasher);
            functions.iter().for_each(|function| (function.column, function.offset).hash(hasher));
            schema(named, hasher);
        }
        Plan::Join { on, filter, kind, left_side, right_side, schema: named, .. } => {
            7_u8.hash(hasher);
            on.hash(hasher);
            filter.as_ref().map(|filter| filter.fingerprint()).hash(hasher);
            join_kind(kind, hasher);
            side(left_side, hasher);
            side(right_side, hasher);
            schema(named, hasher);
        }
        Plan::Combine { operation, state, schema: named, .. } => {
            8_u8.hash(hasher);
            match operation {
                SetOperation::Intersect => 1_u8,
                SetOperation::IntersectAll => 2,
                SetOperation::Except => 3,
                SetOperation::ExceptAll => 4,
            }
            .hash(hasher);
            state.hash(hasher);
            schema(named, hasher);
        }
    }
    let inputs = of.inputs();
    inputs.len().hash(hasher);
    inputs.into_iter().for_each(|input| plan(input, hasher));
}

fn function(of: &AggregateFunction, hasher: &mut SipHasher13) {
    match of {
        AggregateFunction::Count => 1_u8.hash(hasher),
        AggregateFunction::Sum => 2_u8.hash(hasher),
        AggregateFunction::Avg => 3_u8.hash(hasher),
        AggregateFunction::Min(extremes_from) => {
            4_u8.hash(hasher);
            extremes(extremes_from, hasher);
        }
        AggregateFunction::Max(extremes_from) => {
            5_u8.hash(hasher);
            extremes(extremes_from, hasher);
        }
        AggregateFunction::BoolAnd => 6_u8.hash(hasher),
        AggregateFunction::BoolOr => 7_u8.hash(hasher),
        AggregateFunction::CountDistinct(index) => (8_u8, index).hash(hasher),
        AggregateFunction::SumDistinct(index) => (9_u8, index).hash(hasher),
        AggregateFunction::AvgDistinct(index) => (10_u8, index).hash(hasher),
        AggregateFunction::Variance(of) => (11_u8, of.least()).hash(hasher),
        AggregateFunction::Deviation(of) => (12_u8, of.least()).hash(hasher),
        AggregateFunction::Percentile(percentile, index) => {
            (13_u8, percentile.continuous, percentile.fraction.to_bits(), index).hash(hasher);
        }
        AggregateFunction::Sequence(Sequence { taken, order, nulls, among, index }) => {
            14_u8.hash(hasher);
            match taken {
                Taken::First => 1_u8.hash(hasher),
                Taken::Last => 2_u8.hash(hasher),
                Taken::Text { separator, distinct } => (3_u8, separator, distinct).hash(hasher),
                Taken::List { distinct } => (4_u8, distinct).hash(hasher),
            }
            order.len().hash(hasher);
            order.iter().for_each(|by| (by.column, by.descending, by.nulls_first).hash(hasher));
            (nulls, among, index).hash(hasher);
        }
    }
}

fn extremes(of: &Extremes, hasher: &mut SipHasher13) {
    match of {
        Extremes::Rescan(Rescan { relation, schema, prefix, window }) => {
            1_u8.hash(hasher);
            relation.hash(hasher);
            relation_schema(schema, hasher);
            (prefix, window).hash(hasher);
        }
        Extremes::Index(state) => {
            2_u8.hash(hasher);
            state.hash(hasher);
        }
        Extremes::Monotonic => 3_u8.hash(hasher),
    }
}

fn join_kind(of: &JoinKind, hasher: &mut SipHasher13) {
    match of {
        JoinKind::Inner => 1_u8,
        JoinKind::Left { .. } => 2,
        JoinKind::Full { .. } => 3,
        JoinKind::Semi { .. } => 4,
        JoinKind::Anti { .. } => 5,
        JoinKind::Mark { .. } => 6,
    }
    .hash(hasher);
    for Matches { state, key } in of.matches().into_iter().flatten() {
        (state, key).hash(hasher);
    }
}

fn side(of: &Side, hasher: &mut SipHasher13) {
    match of {
        Side::Stored { relation, schema, prefix, within } => {
            1_u8.hash(hasher);
            relation.hash(hasher);
            relation_schema(schema, hasher);
            prefix.hash(hasher);
            range(within.as_ref(), hasher);
        }
        Side::Resident { relation, schema } => {
            2_u8.hash(hasher);
            relation.hash(hasher);
            relation_schema(schema, hasher);
        }
        Side::Reduced { prefix } => {
            4_u8.hash(hasher);
            prefix.hash(hasher);
        }
        Side::Indexed { state, schema, columns, within } => {
            3_u8.hash(hasher);
            state.hash(hasher);
            relation_schema(schema, hasher);
            columns.hash(hasher);
            range(within.as_ref(), hasher);
        }
    }
}

fn range(of: Option<&Within>, hasher: &mut SipHasher13) {
    of.is_some().hash(hasher);
    for bound in of.into_iter().flat_map(|within| [within.lower, within.upper]) {
        bound.map(|bound| (bound.column, bound.inclusive)).hash(hasher);
    }
}

fn relation_schema(of: &RelationSchema, hasher: &mut SipHasher13) {
    schema(&of.columns, hasher);
    of.key.hash(hasher);
    of.counted.hash(hasher);
}

/// Names and types; what else a field says does not shape what is stored.
fn schema(of: &Schema, hasher: &mut SipHasher13) {
    of.fields().len().hash(hasher);
    for field in of.fields() {
        field.name().hash(hasher);
        field.data_type().to_string().hash(hasher);
    }
}
