//! `pg_description`: what COMMENT ON said.

use super::oid;
use super::row::Rows;
use crate::system::Facts;

/// `pg_class` itself, which is what is commented on.
const CLASS: i64 = 1259;

/// `pg_description`.
pub fn fill(rows: &mut Rows, facts: &Facts) {
    for entry in facts.catalog.entries() {
        let Some(comments) = facts.catalog.comments(entry.name()) else { continue };
        let whole = comments.relation.iter().map(|text| (0, text));
        let columns = comments.columns.iter().map(|(number, text)| (i64::from(*number), text));
        for (number, text) in whole.chain(columns) {
            rows.push([
                ("objoid", oid::relation(entry.id()).into()),
                ("classoid", CLASS.into()),
                ("objsubid", number.into()),
                ("description", text.as_str().into()),
            ]);
        }
    }
}
