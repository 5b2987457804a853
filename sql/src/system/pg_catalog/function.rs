//! `pg_proc`: the functions by their names. Most take arguments of several types, so none are told.

use std::sync::LazyLock;

use super::row::{Rows, Value};
use super::{oid, types};
use crate::functions;

/// `pg_language`'s number of what is built in.
const INTERNAL: i64 = 12;
/// Object ids of functions follow their order by kind and name.
const FIRST: i64 = 100_000;

/// What reads and writes values of a type, and what stores relations: the catalogue refers to them, and nobody calls them.
const HANDLERS: [&str; 2] = ["bthandler", "heap_tableam_handler"];

/// (kind, name), in order.
static ALL: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let mut names: Vec<(&str, String)> =
        functions::scalars().iter().map(|function| ("f", function.name().to_owned())).collect();
    names.extend(functions::aggregates().iter().map(|function| ("a", function.name().to_owned())));
    names.extend(types::ALL.iter().flat_map(types::PgType::functions).map(|name| ("f", name)));
    names.extend(HANDLERS.map(|name| ("f", name.to_owned())));
    names.sort_unstable();
    names.dedup();
    names
});

/// The object id of a function, with or without its schema.
pub fn oid(name: &str) -> Option<i64> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    ALL.iter().position(|(_, known)| known == name).map(|at| FIRST + at as i64)
}

/// How a value of type regproc is printed.
pub fn name(oid: i64) -> String {
    let known = usize::try_from(oid - FIRST).ok().and_then(|at| ALL.get(at));
    match known {
        Some((_, name)) => name.clone(),
        None if oid == 0 => "-".to_owned(),
        None => oid.to_string(),
    }
}

/// `pg_proc`.
pub fn fill(rows: &mut Rows) {
    for (number, (kind, name)) in ALL.iter().enumerate() {
        rows.push([
            ("oid", (FIRST + number as i64).into()),
            ("proname", name.as_str().into()),
            ("pronamespace", oid::PG_CATALOG.into()),
            ("proowner", oid::OWNER.into()),
            ("prolang", INTERNAL.into()),
            ("prokind", (*kind).into()),
            ("prorettype", 2276.into()),
            ("provolatile", "i".into()),
            ("proparallel", "s".into()),
            ("proargtypes", Value::Ints(Vec::new())),
            ("prosrc", name.as_str().into()),
        ]);
    }
}
