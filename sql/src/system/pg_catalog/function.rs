//! `pg_proc`: the functions by their names. Most take arguments of several types, so none are told.

use super::oid;
use super::row::{Rows, Value};
use crate::functions;

/// `pg_language`'s number of what is built in.
const INTERNAL: i64 = 12;
/// Object ids of functions follow their order by kind and name.
const FIRST: i64 = 100_000;

/// `pg_proc`.
pub fn fill(rows: &mut Rows) {
    let scalars = functions::scalars();
    let aggregates = functions::aggregates();
    let mut names: Vec<(&str, &str)> = scalars.iter().map(|function| ("f", function.name())).collect();
    names.extend(aggregates.iter().map(|function| ("a", function.name())));
    names.sort_unstable();
    for (number, (kind, name)) in names.into_iter().enumerate() {
        rows.push([
            ("oid", (FIRST + number as i64).into()),
            ("proname", name.into()),
            ("pronamespace", oid::PG_CATALOG.into()),
            ("proowner", oid::OWNER.into()),
            ("prolang", INTERNAL.into()),
            ("prokind", kind.into()),
            ("prorettype", 2276.into()),
            ("provolatile", "i".into()),
            ("proparallel", "s".into()),
            ("proargtypes", Value::Ints(Vec::new())),
            ("prosrc", name.into()),
        ]);
    }
}
