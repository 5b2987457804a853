//! `information_schema`: the standard's views, as queries over `pg_catalog`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::declared::{Declared, INFORMATION_SCHEMA};

/// The schema's name.
pub const SCHEMA: &str = "information_schema";

/// The names of the views.
pub fn names() -> impl Iterator<Item = &'static str> {
    INFORMATION_SCHEMA.iter().map(|view| view.name)
}

/// The query of a view.
pub fn query(name: &str) -> Option<&'static str> {
    static QUERIES: LazyLock<BTreeMap<&str, String>> =
        LazyLock::new(|| INFORMATION_SCHEMA.iter().map(|view| (view.name, whole(view))).collect());
    QUERIES.get(name).map(String::as_str)
}

/// The query with all of its view's columns.
fn whole(view: &Declared) -> String {
    let words = view.query.unwrap_or_default().split_whitespace().map(|word| word.trim_end_matches(','));
    let words: Vec<&str> = words.collect();
    let named = |name: &str| words.windows(2).any(|pair| pair == ["AS", name]);
    let columns = view.columns.iter().map(|(name, of_type)| match named(name) {
        true => (*name).to_owned(),
        false => format!("CAST(NULL AS {}) AS {name}", if *of_type == "name" { "text" } else { of_type }),
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    match view.query {
        None => format!("SELECT {columns} WHERE false"),
        Some(known) => format!("SELECT {columns} FROM ({known}) AS known"),
    }
}
