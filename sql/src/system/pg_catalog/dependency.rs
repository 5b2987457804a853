//! `pg_rewrite` and `pg_depend`: a view's query is a rule in PostgreSQL, and hangs on what it reads. Clients draw from it what
//! depends on what.

use super::row::Rows;
use super::{class, oid};
use crate::system::Facts;

/// The relations of the catalogue that a dependency is between.
const RULES: i64 = 2618;
const CLASSES: i64 = 1259;

/// `pg_rewrite`: the rule of each view that is its query.
pub fn fill_rules(rows: &mut Rows, facts: &Facts) {
    for entry in facts.catalog.entries().filter(|entry| entry.index().is_none() && class::kind(entry) != "r") {
        rows.push([
            ("oid", oid::rule(entry.id()).into()),
            ("rulename", "_RETURN".into()),
            ("ev_class", oid::relation(entry.id()).into()),
            ("ev_type", "1".into()),
            ("ev_enabled", "O".into()),
            ("is_instead", true.into()),
        ]);
    }
}

/// `pg_depend`: what views read, and the rules of the views themselves.
pub fn fill(rows: &mut Rows, facts: &Facts) {
    for entry in facts.catalog.entries().filter(|entry| entry.index().is_none() && class::kind(entry) != "r") {
        let read = entry.reads().iter().filter_map(|name| oid::relation_oid(name, &facts.catalog));
        let own = std::iter::once((oid::relation(entry.id()), "i"));
        for (on, kind) in own.chain(read.map(|on| (on, "n"))) {
            rows.push([
                ("classid", RULES.into()),
                ("objid", oid::rule(entry.id()).into()),
                ("refclassid", CLASSES.into()),
                ("refobjid", on.into()),
                ("deptype", kind.into()),
            ]);
        }
    }
}
