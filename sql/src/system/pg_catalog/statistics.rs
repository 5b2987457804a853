//! `pg_stat_user_tables`: which relations there are to count. How often each was read and written is not counted.

use super::row::{Rows, Value};
use super::{class, oid};
use crate::catalog::SYSTEM;
use crate::system::Facts;

/// `pg_stat_user_tables` and `pg_stat_all_tables`. How many rows there are is not known without counting them.
pub fn fill(rows: &mut Rows, facts: &Facts) {
    for entry in facts.catalog.entries().filter(|entry| entry.index().is_none() && class::kind(entry) != "v") {
        let (schema, name) = oid::split(entry.name());
        if schema == SYSTEM {
            continue;
        }
        rows.push([
            ("relid", oid::relation(entry.id()).into()),
            ("schemaname", schema.into()),
            ("relname", name.into()),
            ("n_live_tup", Value::Null),
            ("n_dead_tup", Value::Null),
        ]);
    }
}
