//! A view's plan in words: each operator, what it keeps, and what a change costs it.

use std::collections::HashMap;

use arrow::datatypes::Schema;
use dataflow::exact::{Percentile, Spread};
use dataflow::limits::SEQUENCE_VALUES_MAX;
use dataflow::{
    Aggregate, AggregateFunction, Extremes, Figures, JoinKind, Matches, Order, Plan, PlannedView, Ranking, RelationId,
    RelationSchema, Rescan, Root, Sequence, SetOperation, Side, Taken, ViewFigures,
};
use storage::Extent;

/// What a running view has done since it was made or the node started, and what it keeps now.
#[derive(Debug)]
pub struct Live {
    pub figures: ViewFigures,
    /// Of the view and its operators' state.
    pub extents: HashMap<RelationId, Extent>,
}

/// The incremental plan as an indented tree, one line an operator and one for each thing it keeps. `name` gives the names
/// of the relations that the view reads; `live`: what they have done so far.
pub fn explain(view: &PlannedView, name: &dyn Fn(RelationId) -> Option<String>, live: Option<&Live>) -> Vec<String> {
    let mut text = Text { lines: Vec::new(), names: HashMap::new(), name, live, operators: 0, view: view.relation };
    text.names.insert(view.relation, view.name.clone());
    text.line(0, format!("View {}: {}", view.name, kept(view)));
    if let Some(live) = live {
        text.size(view.relation, 1);
        text.line(1, format!("* {}", done(&live.figures.whole)));
    }
    text.plan(&view.plan, 1);
    text.lines
}

fn done(figures: &Figures) -> String {
    let Figures { runs, changes_in, changes_out, nanos } = figures;
    let times = if *runs == 1 { "once".to_owned() } else { format!("{runs} times") };
    let counted = format!("{changes_in} changes in, {changes_out} out, {times}");
    match nanos {
        0 => counted,
        _ => format!("{counted}, {:.3} ms", *nanos as f64 / 1e6),
    }
}

/// An amount of memory or disk for people.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

fn kept(view: &PlannedView) -> String {
    let key = columns(&view.schema.columns, &view.schema.key);
    let id = view.relation;
    match view.root {
        Root::Keyed => format!("{id} keeps a row for each ({key}); a change is one write"),
        Root::Reduced if view.schema.key.is_empty() => {
            format!("{id} keeps its one row together with the aggregates' state")
        }
        Root::Reduced => format!("{id} keeps a row for each ({key}) together with the aggregates' state"),
        Root::Counted => {
            format!(
                "{id} keeps each different row and how often it occurs, as no key follows from the query; a change is one look-up and one write"
            )
        }
    }
}

struct Text<'a> {
    lines: Vec<String>,
    names: HashMap<RelationId, String>,
    name: &'a dyn Fn(RelationId) -> Option<String>,
    live: Option<&'a Live>,
    /// How many operators there are so far: the engine numbers them in the order of this text.
    operators: usize,
    view: RelationId,
}

impl Text<'_> {
    fn line(&mut self, depth: usize, words: String) {
        self.lines.push(format!("{}{words}", "  ".repeat(depth)));
    }

    fn named(&self, relation: RelationId) -> String {
        let known = self.names.get(&relation).cloned().or_else(|| (self.name)(relation));
        known.map_or_else(|| relation.to_string(), |name| format!("{name} ({relation})"))
    }

    fn plan(&mut self, plan: &Plan, depth: usize) {
        let operator = self.operators;
        self.operators += 1;
        match plan {
            Plan::Get { relation, .. } => {
                let words = format!("Get {}: its changes, nothing kept", self.named(*relation));
                self.line(depth, words);
            }
            Plan::Constant { rows } => self.line(depth, format!("Constant: {} rows", rows.num_rows())),
            Plan::Map { columns, schema, .. } => {
                let exprs = columns.iter().zip(schema.fields()).map(|(column, field)| {
                    let sql = column.sql();
                    if sql == *field.name() { sql } else { format!("{sql} AS {}", field.name()) }
                });
                self.line(depth, format!("Map {}", exprs.collect::<Vec<_>>().join(", ")));
            }
            Plan::Filter { predicate, .. } => self.line(depth, format!("Filter {}", predicate.sql())),
            Plan::Temporal { input, predicate, key, rows, timers, .. } => {
                self.line(depth, format!("Filter by the time {}", predicate.sql()));
                let by = columns(&input.schema(), key);
                let kept = format!(
                    "- {rows} keeps the rows that have yet to come or go by ({by}), {timers} when; a change is one look-up and up to two writes, and so is a row whose time comes"
                );
                self.line(depth + 1, kept);
            }
            Plan::Unnest { input, lists, outer, .. } => {
                let of = columns(&input.schema(), lists);
                let rest = if *outer { ", a row without any stays" } else { "" };
                self.line(
                    depth,
                    format!("Unnest {of}: a row for each item{rest}; a change costs one for each, nothing kept"),
                );
            }
            Plan::Union { inputs, .. } => self.line(depth, format!("Union of {} inputs", inputs.len())),
            Plan::Reduce { input, group, aggregates, state, .. } => {
                self.reduce(&input.schema(), group, aggregates, *state, depth);
            }
            Plan::Top { .. } => self.top(plan, depth),
            Plan::Neighbours { .. } => self.neighbours(plan, depth),
            Plan::Join { .. } => self.join(plan, depth),
            Plan::Combine { operation, state, .. } => {
                let name = match operation {
                    SetOperation::Intersect => "Intersect",
                    SetOperation::IntersectAll => "Intersect all",
                    SetOperation::Except => "Except",
                    SetOperation::ExceptAll => "Except all",
                };
                self.line(depth, name.to_string());
                let kept = format!(
                    "- {state} keeps how often each row occurs on either side; a changed row is one look-up and one write"
                );
                self.line(depth + 1, kept);
            }
        }
        self.live(plan, operator, depth + 1);
        for input in plan.inputs() {
            self.plan(input, depth + 1);
        }
    }

    /// What an operator has done and keeps now.
    fn live(&mut self, plan: &Plan, operator: usize, depth: usize) {
        let Some(live) = self.live else { return };
        let view = self.view;
        for state in plan.own_state_tables().into_iter().filter(|state| *state != view) {
            self.size(state, depth);
        }
        let Some(figures) = live.figures.operators.get(operator) else { return };
        // Maps and filters that run together with the operator above them have no figures of their own.
        if figures.runs > 0 || !matches!(plan, Plan::Map { .. } | Plan::Filter { .. }) {
            self.line(depth, format!("* {}", done(figures)));
        }
    }

    fn size(&mut self, state: RelationId, depth: usize) {
        let Some(extent) = self.live.and_then(|live| live.extents.get(&state)) else { return };
        let about = if extent.exact { "" } else { "about " };
        self.line(depth, format!("* {state}: {about}{} rows, {}", extent.rows, bytes(extent.bytes)));
    }

    fn reduce(&mut self, input: &Schema, group: &[usize], aggregates: &[Aggregate], state: RelationId, depth: usize) {
        let by = columns(input, group);
        let calls = aggregates.iter().map(|aggregate| call(aggregate, input)).collect::<Vec<_>>().join(", ");
        self.line(
            depth,
            match (group.is_empty(), aggregates.is_empty()) {
                (true, _) => format!("Reduce: {calls}"),
                (false, true) => format!("Reduce by {by}: each once"),
                (false, false) => format!("Reduce by {by}: {calls}"),
            },
        );
        let of = if group.is_empty() { "for all rows".to_string() } else { format!("for each ({by})") };
        let kept = format!(
            "- {state} keeps {of} the counts, exact sums and extremes; a changed group is one look-up and one write"
        );
        self.line(depth + 1, kept);
        let mut indexes: Vec<(RelationId, Vec<String>)> = Vec::new();
        let mut sequences: Vec<(&Sequence, String)> = Vec::new();
        for aggregate in aggregates {
            let call = call(aggregate, input);
            if let AggregateFunction::Min(Extremes::Rescan(rescan)) | AggregateFunction::Max(Extremes::Rescan(rescan)) =
                &aggregate.function
            {
                let (name, range) = (self.named(rescan.relation), rescanned(rescan));
                self.line(
                    depth + 1,
                    format!("- {call}: when the extreme is retracted, {name} is scanned again {range}"),
                );
            }
            if let AggregateFunction::Min(Extremes::Monotonic) | AggregateFunction::Max(Extremes::Monotonic) =
                &aggregate.function
            {
                self.line(depth + 1, format!("- {call}: no row is ever retracted, so no other value is kept"));
            }
            if let AggregateFunction::Sequence(sequence) = &aggregate.function {
                sequences.push((sequence, call));
                continue;
            }
            let Some(index) = aggregate.function.index() else { continue };
            match indexes.iter_mut().find(|(known, _)| *known == index) {
                Some((_, calls)) => calls.push(call),
                None => indexes.push((index, vec![call])),
            }
        }
        for (index, calls) in indexes {
            let words = format!(
                "- {}: {index} keeps each different value of a group and how often it occurs; a changed value is one look-up and one write",
                calls.join(", ")
            );
            self.line(depth + 1, words);
        }
        for (sequence, call) in sequences {
            let index = sequence.index;
            let read = match &sequence.taken {
                Taken::First => "the first of its group".to_string(),
                Taken::Last => "the last of its group".to_string(),
                Taken::Text { .. } | Taken::List { .. } => {
                    format!("all of its group, of which there may be {SEQUENCE_VALUES_MAX}")
                }
            };
            let words = format!(
                "- {call}: {index} keeps each value of a group in that order and how often it occurs; a changed value is one look-up and one write, and a changed group reads {read}"
            );
            self.line(depth + 1, words);
        }
    }

    fn top(&mut self, plan: &Plan, depth: usize) {
        let Plan::Top { input, group, order, ranking, skip, limit, numbered, monotonic, state, .. } = plan else {
            return;
        };
        let schema = input.schema();
        let rows = match ranking {
            Ranking::RowNumber => format!("{limit} rows"),
            Ranking::Rank => format!("{limit} rows and those that rank alike"),
            Ranking::DenseRank => format!("{limit} ranks"),
        };
        let by = if group.is_empty() { String::new() } else { format!(" of each ({})", columns(&schema, group)) };
        let after = if *skip > 0 { format!(" after {skip}") } else { String::new() };
        let numbered = if *numbered { ", numbered" } else { "" };
        let order = ordered(order, &schema);
        self.line(depth, format!("Top {rows}{after}{by} by {order}{numbered}"));
        let first = match ranking {
            Ranking::RowNumber => format!("the first {} rows of its group", skip + limit),
            Ranking::Rank | Ranking::DenseRank => "the first rows of its group, as many as rank so".to_string(),
        };
        let kept = match monotonic {
            true => format!("- {state} keeps {first}, as no row is ever retracted; a change reads them"),
            false => format!(
                "- {state} keeps every row in the order of its group; a change is one look-up and one write, and reads {first}"
            ),
        };
        self.line(depth + 1, kept);
    }

    fn neighbours(&mut self, plan: &Plan, depth: usize) {
        let Plan::Neighbours { input, group, order, functions, state, .. } = plan else { return };
        let schema = input.schema();
        let calls = functions.iter().map(|function| {
            let name = if function.offset < 0 { "lag" } else { "lead" };
            format!("{name}({}, {})", schema.field(function.column).name(), function.offset.abs())
        });
        let by = if group.is_empty() { String::new() } else { format!(" in each ({})", columns(&schema, group)) };
        let calls = calls.collect::<Vec<_>>().join(", ");
        self.line(depth, format!("Neighbours{by} by {}: {calls}", ordered(order, &schema)));
        let reach = functions.iter().map(|function| function.offset.abs()).max().unwrap_or(0);
        let kept = format!(
            "- {state} keeps every row in the order of its group; a change is one look-up and one write, and reads {} rows to either side",
            2 * reach
        );
        self.line(depth + 1, kept);
    }

    fn join(&mut self, plan: &Plan, depth: usize) {
        let Plan::Join { left, right, on, filter, kind, left_side, right_side, .. } = plan else { return };
        let inputs = [left.schema(), right.schema()];
        let equalities = on
            .iter()
            .map(|&(left, right)| format!("{} = {}", inputs[0].field(left).name(), inputs[1].field(right).name()));
        let conditions: Vec<String> = equalities.chain(filter.as_ref().map(|filter| filter.sql())).collect();
        let name = match kind {
            JoinKind::Inner => "Join",
            JoinKind::Left { .. } => "Outer join, each left row at least once,",
            JoinKind::Full { .. } => "Outer join, each row of both sides at least once,",
            JoinKind::Semi { .. } => "Left rows with a match",
            JoinKind::Anti { .. } => "Left rows without a match",
            JoinKind::Mark { .. } => "Left rows, marked if there is a match",
        };
        match conditions.is_empty() {
            true => self.line(depth, format!("{name} of any row with any other")),
            false => self.line(depth, format!("{name} on {}", conditions.join(" and "))),
        }
        for (side, place) in [left_side, right_side].into_iter().zip(["left", "right"]) {
            let words = self.side(side, place, on.is_empty());
            self.line(depth + 1, words);
        }
        for ((matches, place), input) in kind.matches().into_iter().zip(["left", "right"]).zip(&inputs) {
            if let Some(Matches { state, key }) = matches {
                let by = columns(input, key);
                let words = format!(
                    "- {place}: {state} keeps for each ({by}) how often it matches; a changed row or match is one look-up and one write"
                );
                self.line(depth + 1, words);
            }
        }
    }

    fn side(&self, side: &Side, place: &str, whole: bool) -> String {
        let found = if whole { "all of it" } else { "a range of it" };
        match side {
            Side::Stored { relation, schema, prefix, within: None } if prefix.is_empty() && !schema.key.is_empty() => {
                let name = self.named(*relation);
                format!("- {place}: {name} is read whole for a change of the other side, nothing more kept")
            }
            Side::Stored { relation, schema, prefix, within } => {
                let first = prefix.len() + usize::from(within.is_some());
                let key = columns(&schema.columns, &schema.key[..first]);
                let name = self.named(*relation);
                let cost = if prefix.len() == schema.key.len() { "one look-up" } else { "one range of the key" };
                format!(
                    "- {place}: {name} is found by its key ({key}), nothing more kept; a change of the other side is {cost}"
                )
            }
            Side::Resident { relation, .. } => {
                let name = self.named(*relation);
                format!(
                    "- {place}: {name} is kept in memory by the join columns, refilled at start; a change of the other side is one look-up in memory"
                )
            }
            Side::Reduced { .. } => {
                format!(
                    "- {place}: its groups are found by the join columns, nothing more kept; a change of the other side is one look-up"
                )
            }
            Side::Indexed { state, schema, .. } if schema.counted => {
                format!(
                    "- {place}: {state} keeps each different row, join columns first; a change is one look-up and one write, one of the other side {found}"
                )
            }
            Side::Indexed { state, schema, .. } if schema.key.is_empty() => {
                format!("- {place}: {state} keeps its one row")
            }
            Side::Indexed { state, schema, .. } => {
                let key = columns(&schema.columns, &schema.key);
                format!(
                    "- {place}: {state} keeps its rows by ({key}); a change is one write, one of the other side {found}"
                )
            }
        }
    }
}

fn columns(schema: &Schema, positions: &[usize]) -> String {
    positions.iter().map(|&position| schema.field(position).name().as_str()).collect::<Vec<_>>().join(", ")
}

fn ordered(order: &[Order], schema: &Schema) -> String {
    let by = order.iter().map(|by| {
        let name = schema.field(by.column).name();
        let direction = if by.descending { " DESC" } else { "" };
        let nulls = match (by.descending, by.nulls_first) {
            (false, true) => " NULLS FIRST",
            (true, false) => " NULLS LAST",
            _ => "",
        };
        format!("{name}{direction}{nulls}")
    });
    if order.is_empty() { "its other columns".into() } else { by.collect::<Vec<_>>().join(", ") }
}

fn call(aggregate: &Aggregate, input: &Schema) -> String {
    let of = aggregate.input.map_or("*", |column| input.field(column).name());
    let name = match &aggregate.function {
        AggregateFunction::Count => "count",
        AggregateFunction::Sum => "sum",
        AggregateFunction::Avg => "avg",
        AggregateFunction::CountDistinct(_) => return format!("count(DISTINCT {of})"),
        AggregateFunction::SumDistinct(_) => return format!("sum(DISTINCT {of})"),
        AggregateFunction::AvgDistinct(_) => return format!("avg(DISTINCT {of})"),
        AggregateFunction::BoolAnd => "bool_and",
        AggregateFunction::BoolOr => "bool_or",
        AggregateFunction::Variance(Spread::Sample) => "var_samp",
        AggregateFunction::Variance(Spread::Population) => "var_pop",
        AggregateFunction::Deviation(Spread::Sample) => "stddev_samp",
        AggregateFunction::Deviation(Spread::Population) => "stddev_pop",
        AggregateFunction::Min(_) => "min",
        AggregateFunction::Max(_) => "max",
        AggregateFunction::Percentile(Percentile { continuous, fraction }, _) => {
            let name = if *continuous { "percentile_cont" } else { "percentile_disc" };
            return format!("{name}({fraction}) WITHIN GROUP (ORDER BY {of})");
        }
        AggregateFunction::Sequence(sequence) => return gathered(sequence, of, input),
    };
    format!("{name}({of})")
}

fn gathered(sequence: &Sequence, of: &str, input: &Schema) -> String {
    let by = if sequence.order.is_empty() { of.to_string() } else { ordered(&sequence.order, input) };
    let (name, rest) = match &sequence.taken {
        Taken::First => ("first_value", of.to_string()),
        Taken::Last => ("last_value", of.to_string()),
        Taken::Text { separator, distinct } => {
            let distinct = if *distinct { "DISTINCT " } else { "" };
            ("string_agg", format!("{distinct}{of}, '{}'", separator.replace('\'', "''")))
        }
        Taken::List { distinct: true } => ("array_agg", format!("DISTINCT {of}")),
        Taken::List { distinct: false } => ("array_agg", of.to_string()),
    };
    let of_some = sequence.among.map(|among| format!(" FILTER (WHERE {})", input.field(among).name()));
    format!("{name}({rest} ORDER BY {by}){}", of_some.unwrap_or_default())
}

fn rescanned(rescan: &Rescan) -> String {
    let RelationSchema { columns: schema, key, .. } = &rescan.schema;
    let by = columns(schema, &key[..rescan.prefix.len()]);
    match rescan.window {
        Some((_, width)) => {
            let stamp = schema.field(key[rescan.prefix.len()]).name();
            let within = format!("{} seconds of {stamp}", width as f64 / 1e6);
            if by.is_empty() { format!("within {within}") } else { format!("for its ({by}) within {within}") }
        }
        None => format!("for its ({by})"),
    }
}
