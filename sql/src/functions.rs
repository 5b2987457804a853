//! The SQL functions: DataFusion's but for those that would be wrong here, and our own in place of some.

mod any;
pub mod arithmetic;
pub mod array;
pub mod array_order;
mod bucket;
mod bytea;
mod cast;
pub mod catalog;
mod coalesce;
mod date_bin;
mod date_part;
mod date_trunc;
mod different;
mod digest;
pub mod extreme;
pub mod flag;
mod float;
pub mod interval;
pub mod json;
pub mod known_as;
mod local;
pub mod making;
mod moment;
mod now;
pub mod numbering;
pub mod percentile;
pub mod regexp;
pub mod rowwise;
pub mod sequence;
pub mod series;
pub mod session_zone;
mod span;
mod sum;
mod to_char;
mod total;
mod words;
pub mod zone;

use std::sync::{Arc, LazyLock};

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

pub use arithmetic::{Checked, Negate};
pub use cast::OwnCast;
pub use now::Present;

/// Functions of DataFusion's that are left out, and why.
const LEFT_OUT: &[&str] = &[
    // Gives text that PostgreSQL's does not: its patterns are chrono's. Ours follows.
    "to_char",
    "date_format",
    // Has nanoseconds only; ours follows.
    "date_bin",
    // Loses fractions of seconds; ours follows.
    "date_part",
    // Is in nanoseconds; ours follows.
    "now",
    // Goes with it.
    "current_date",
    // Takes no text for a document; ours follows.
    "coalesce",
    // Has another code for what is no date; ours follows.
    "make_date",
    // Have neither PostgreSQL's flags nor its patterns; ours follow.
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    // Leave out the end of base64, and know no `escape`; ours follow.
    "encode",
    "decode",
    // Knows no zone of its own argument, and not all units; ours follows.
    "date_trunc",
];

/// Functions that answer otherwise than they did, with how often they have changed: a view that calls one is made anew.
const REVISED: [(&str, u8); 7] = [
    ("decode", 1),
    ("encode", 1),
    ("regexp_count", 1),
    ("regexp_instr", 1),
    ("regexp_like", 1),
    ("regexp_match", 1),
    ("regexp_replace", 1),
];

/// How often the answers of a function have changed.
pub fn revision(name: &str) -> u8 {
    REVISED.iter().find(|(revised, _)| *revised == name).map_or(0, |(_, times)| *times)
}

/// Every scalar function that a statement may call.
pub fn scalars() -> Vec<Arc<ScalarUDF>> {
    let mut functions = SessionStateDefaults::default_scalar_functions();
    functions.retain(|function| {
        !LEFT_OUT.contains(&function.name())
            && !function.aliases().iter().any(|alias| LEFT_OUT.contains(&alias.as_str()))
    });
    functions.push(Arc::new(ScalarUDF::from(date_bin::DateBin::new())));
    functions.push(Arc::new(ScalarUDF::from(date_part::DatePart::default())));
    functions.extend(array::functions().into_iter().map(Arc::new));
    functions.extend(json::functions().into_iter().map(Arc::new));
    functions.push(Arc::new(ScalarUDF::from(coalesce::Coalesce::default())));
    functions.push(Arc::new(series::series()));
    functions.extend(regexp::functions().into_iter().map(Arc::new));
    functions.extend(digest::functions().into_iter().map(Arc::new));
    functions.extend(making::functions().into_iter().map(Arc::new));
    functions.extend(bucket::functions().into_iter().map(Arc::new));
    functions.extend(words::functions().into_iter().map(Arc::new));
    functions.extend(span::functions().into_iter().map(Arc::new));
    functions.extend(interval::Scaled::all().map(|scaled| Arc::new(ScalarUDF::from(scaled))));
    functions.push(Arc::new(ScalarUDF::from(interval::Span::default())));
    functions.push(Arc::new(ScalarUDF::from(array_order::ArrayOrder::default())));
    functions.extend(array_order::ArrayExtreme::all().map(|extreme| Arc::new(ScalarUDF::from(extreme))));
    functions.push(Arc::new(ScalarUDF::from(to_char::ToChar::new())));
    functions.push(Arc::new(ScalarUDF::from(zone::AtTimeZone::new())));
    functions.push(Arc::new(ScalarUDF::from(date_trunc::DateTrunc::new())));
    functions.extend(local::Local::all().map(|local| Arc::new(ScalarUDF::from(local))));
    functions.extend(now::Present::all().map(|present| Arc::new(ScalarUDF::from(present))));
    functions
}

/// Every aggregate function that a statement may call. Sums, averages, variances, extremes, percentiles and what is
/// gathered in an order are ours, so that the answer of a query is bit for bit the one that a view maintains.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let mut functions = SessionStateDefaults::default_aggregate_functions();
    let mut ours = vec![
        AggregateUDF::from(sum::Exact::sum()),
        AggregateUDF::from(sum::Exact::avg()),
        AggregateUDF::from(extreme::Extreme::min()),
        AggregateUDF::from(extreme::Extreme::max()),
        AggregateUDF::from(percentile::PercentileOf::continuous()),
        AggregateUDF::from(percentile::PercentileOf::discrete()),
        AggregateUDF::from(percentile::PercentileOf::median()),
    ];
    ours.extend(sum::Exact::spreads().map(AggregateUDF::from));
    ours.extend(sequence::InOrder::all().map(AggregateUDF::from));
    functions.retain(|function| !ours.iter().any(|own| own.name() == function.name()));
    functions.extend(ours.into_iter().map(Arc::new));
    functions
}

/// Every window function that a statement may call.
pub fn windows() -> Vec<Arc<WindowUDF>> {
    let mut functions = SessionStateDefaults::default_window_functions();
    functions.retain(|function| numbering::ranking(function.name()).is_none());
    functions.extend(numbering::Numbering::all().map(|numbering| Arc::new(WindowUDF::from(numbering))));
    functions
}

/// `row_number`.
pub fn row_number() -> Arc<WindowUDF> {
    static ROW_NUMBER: LazyLock<Arc<WindowUDF>> = LazyLock::new(|| {
        let [row_number, ..] = numbering::Numbering::all();
        Arc::new(WindowUDF::from(row_number))
    });
    ROW_NUMBER.clone()
}
