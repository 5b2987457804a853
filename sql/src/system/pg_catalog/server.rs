//! What there is one of, or a few: the database, schemas, roles, settings, access methods.

use super::oid;
use super::row::{Rows, Value};
use crate::planner::CATALOG;
use crate::system::Facts;

/// The relations that are filled here.
pub const FILLED: [&str; 9] = [
    "pg_am",
    "pg_collation",
    "pg_database",
    "pg_language",
    "pg_namespace",
    "pg_roles",
    "pg_settings",
    "pg_tablespace",
    "pg_user",
];

/// Number, name, and whether it is of tables or of indexes.
pub const ACCESS_METHODS: [(i64, &str, &str); 2] = [(2, "heap", "t"), (403, "btree", "i")];

/// The encoding UTF8 by PostgreSQL's number.
const UTF8: i64 = 6;

pub fn fill(name: &str, rows: &mut Rows, facts: &Facts) {
    let user = || Value::from(facts.user.as_str());
    match name {
        "pg_am" => {
            for (oid, name, kind) in ACCESS_METHODS {
                rows.push([("oid", oid.into()), ("amname", name.into()), ("amtype", kind.into())]);
            }
        }
        "pg_collation" => rows.push([
            ("oid", 950.into()),
            ("collname", "C".into()),
            ("collnamespace", oid::schema(super::SCHEMA).into()),
            ("collowner", oid::OWNER.into()),
            ("collprovider", "c".into()),
            ("collisdeterministic", true.into()),
            ("collencoding", (-1).into()),
            ("collcollate", "C".into()),
            ("collctype", "C".into()),
        ]),
        "pg_database" => rows.push([
            ("oid", oid::DATABASE.into()),
            ("datname", CATALOG.into()),
            ("datdba", oid::OWNER.into()),
            ("encoding", UTF8.into()),
            ("datlocprovider", "c".into()),
            ("datallowconn", true.into()),
            ("datconnlimit", (-1).into()),
            ("dattablespace", 1663.into()),
            ("datcollate", "C".into()),
            ("datctype", "C".into()),
        ]),
        "pg_language" => {
            rows.push([("oid", 12.into()), ("lanname", "internal".into()), ("lanowner", oid::OWNER.into())])
        }
        "pg_namespace" => {
            for (oid, name) in oid::SCHEMAS {
                rows.push([("oid", oid.into()), ("nspname", name.into()), ("nspowner", oid::OWNER.into())]);
            }
        }
        "pg_roles" => rows.push([
            ("oid", oid::OWNER.into()),
            ("rolname", user()),
            ("rolsuper", true.into()),
            ("rolinherit", true.into()),
            ("rolcreaterole", true.into()),
            ("rolcreatedb", true.into()),
            ("rolcanlogin", true.into()),
            ("rolconnlimit", (-1).into()),
            ("rolpassword", "********".into()),
        ]),
        "pg_user" => rows.push([
            ("usename", user()),
            ("usesysid", oid::OWNER.into()),
            ("usecreatedb", true.into()),
            ("usesuper", true.into()),
            ("passwd", "********".into()),
        ]),
        "pg_settings" => {
            for (name, value) in facts.settings.all() {
                rows.push([
                    ("name", name.into()),
                    ("setting", value.into()),
                    ("category", "Caudal".into()),
                    ("context", "user".into()),
                    ("vartype", "string".into()),
                    ("source", "session".into()),
                ]);
            }
        }
        "pg_tablespace" => {
            rows.push([("oid", 1663.into()), ("spcname", "pg_default".into()), ("spcowner", oid::OWNER.into())])
        }
        _ => {}
    }
}
