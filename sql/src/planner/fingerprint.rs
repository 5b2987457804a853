//! One number for a view's plan: state that one plan keeps is never read by another.

use std::fmt::Write;
use std::hash::Hasher;

use arrow::datatypes::{DataType, Schema};
use dataflow::row::KeyEncoder;
use dataflow::{Aggregate, AggregateFunction, Extremes, Plan, PlannedView, RelationSchema, Rescan, Side};
use siphasher::sip128::{Hasher128, SipHasher13};

/// The version of the text that is hashed; a new one makes every view another.
const VERSION: u8 = 1;

/// SipHash-1-3 (128 bits, zero key) of everything that decides what the view keeps and how: its operators with their
/// expressions' fingerprints, relations, keys, and the columns with their types. It depends on nothing of this process.
pub fn fingerprint(view: &PlannedView) -> u128 {
    let mut text = format!("{VERSION} {} {:?} ", view.relation, view.root);
    relation(&view.schema, &mut text);
    plan(&view.plan, &mut text);
    let mut hasher = SipHasher13::new();
    hasher.write(text.as_bytes());
    hasher.finish128().as_u128()
}

macro_rules! say {
    ($text:expr, $($words:tt)*) => { write!($text, $($words)*).expect("writing to a string") };
}

fn plan(of: &Plan, text: &mut String) {
    match of {
        Plan::Get { relation, schema } => {
            say!(text, "get {relation}");
            columns(schema, text);
        }
        Plan::Constant { rows } => {
            columns(&rows.schema(), text);
            let types: Vec<DataType> = rows.schema().fields().iter().map(|field| field.data_type().clone()).collect();
            let all: Vec<usize> = (0..types.len()).collect();
            say!(text, "constant {} {:?}", rows.num_rows(), KeyEncoder::new(&types).encode(rows, &all));
        }
        Plan::Map { columns, .. } => {
            say!(text, "map");
            columns.iter().for_each(|column| say!(text, " {:x}", column.fingerprint()));
        }
        Plan::Filter { predicate, .. } => say!(text, "filter {:x}", predicate.fingerprint()),
        Plan::Union { schema, .. } => {
            say!(text, "union");
            columns(schema, text);
        }
        Plan::Reduce { group, aggregates, schema, state, .. } => {
            say!(text, "reduce {group:?} in {state}");
            columns(schema, text);
            aggregates.iter().for_each(|call| aggregate(call, text));
        }
        Plan::Join { on, left_side, right_side, .. } => {
            say!(text, "join {on:?}");
            side(left_side, text);
            side(right_side, text);
        }
    }
    text.push('(');
    for input in of.inputs() {
        plan(input, text);
        text.push(',');
    }
    text.push(')');
}

fn aggregate(of: &Aggregate, text: &mut String) {
    say!(text, " of {:?}", of.input);
    let (name, extremes) = match &of.function {
        AggregateFunction::Count => ("count", None),
        AggregateFunction::Sum => ("sum", None),
        AggregateFunction::Avg => ("avg", None),
        AggregateFunction::Min(extremes) => ("min", Some(extremes)),
        AggregateFunction::Max(extremes) => ("max", Some(extremes)),
    };
    text.push_str(name);
    match extremes {
        Some(Extremes::Index(index)) => say!(text, " index {index}"),
        Some(Extremes::Rescan(Rescan { relation: of, schema, prefix, window })) => {
            say!(text, " rescan {of} {prefix:?} {window:?}");
            relation(schema, text);
        }
        None => {}
    }
}

fn side(of: &Side, text: &mut String) {
    match of {
        Side::Stored { relation: of, schema, prefix } => {
            say!(text, " stored {of} {prefix:?}");
            relation(schema, text);
        }
        Side::Resident { relation: of, schema } => {
            say!(text, " resident {of}");
            relation(schema, text);
        }
    }
}

fn relation(schema: &RelationSchema, text: &mut String) {
    say!(text, "{:?} {}", schema.key, schema.counted);
    columns(&schema.columns, text);
}

fn columns(schema: &Schema, text: &mut String) {
    text.push('[');
    for field in schema.fields() {
        say!(text, "{:?} {},", field.name(), field.data_type());
    }
    text.push(']');
}
