//! The relations of PostgreSQL's own schemas as the files beside this one declare them.
//!
//! Blocks of such a file are apart by an empty line: names with their object ids, a line each; below them, indented, the columns
//! that these relations all have; and the query of those that have one.

use std::sync::LazyLock;

/// The relations of `pg_catalog`.
pub static PG_CATALOG: LazyLock<Vec<Declared>> = LazyLock::new(|| read(include_str!("declared/pg_catalog.txt")));

/// The views of `information_schema`.
pub static INFORMATION_SCHEMA: LazyLock<Vec<Declared>> =
    LazyLock::new(|| read(include_str!("declared/information_schema.txt")));

pub struct Declared {
    pub oid: i64,
    pub name: &'static str,
    /// (name, PostgreSQL's shorter name of its type).
    pub columns: Vec<(&'static str, &'static str)>,
    pub query: Option<&'static str>,
}

impl Declared {
    /// Whether PostgreSQL makes a view of it, which has no hidden columns: those have the numbers from here on.
    pub fn is_view(&self) -> bool {
        const FIRST_VIEW: i64 = 12_000;
        self.oid >= FIRST_VIEW
    }
}

fn read(file: &'static str) -> Vec<Declared> {
    file.split("\n\n").filter(|block| !block.starts_with("--")).flat_map(block).collect()
}

fn block(block: &'static str) -> Vec<Declared> {
    let (names, below) = block.split_once("\n ").expect("columns are indented below the names");
    let (columns, query) = match below.find("\n    SELECT ") {
        Some(at) => (&below[..at], Some(below[at..].trim())),
        None => (below, None),
    };
    let columns = columns.split(',').map(pair).collect::<Vec<_>>();
    let declared = names.lines().map(pair).map(|(name, oid)| {
        let oid = oid.parse().expect("an object id is a number");
        Declared { oid, name, columns: columns.clone(), query }
    });
    declared.collect()
}

fn pair(words: &'static str) -> (&'static str, &'static str) {
    words.trim().split_once(' ').expect("two words")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn object_ids_and_names_are_each_there_once() {
        let all = || PG_CATALOG.iter().chain(INFORMATION_SCHEMA.iter());
        let oids: BTreeSet<i64> = all().map(|relation| relation.oid).collect();
        let names: BTreeSet<&str> = all().map(|relation| relation.name).collect();
        assert_eq!((oids.len(), names.len()), (all().count(), all().count()));
    }
}
