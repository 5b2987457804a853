//! What there is one of, or a few: the database, schemas, roles, settings, access methods.

use std::collections::BTreeMap;

use super::row::{Rows, Value};
use super::types::COLLATIONS;
use super::{Columns, Fill, function, oid};
use crate::functions::zone::Zone;
use crate::planner::CATALOG;
use crate::system::Facts;

/// Number, name, the function that PostgreSQL has for it, and whether it is of tables or of indexes.
const ACCESS_METHODS: [(i64, &str, &str, &str); 2] =
    [(2, "heap", "heap_tableam_handler", "t"), (403, "btree", "bthandler", "i")];

/// The object id of an access method.
pub fn method(name: &str) -> i64 {
    ACCESS_METHODS.iter().find(|(_, known, ..)| *known == name).expect("it is one of ours").0
}

/// The encoding UTF8 by PostgreSQL's number.
const UTF8: i64 = 6;

/// What fills a relation, if it is one of these.
pub fn fill(name: &str) -> Option<Fill> {
    let fill: Fill = match name {
        "pg_am" => fill_am,
        "pg_auth_members" => fill_auth_members,
        "pg_collation" => fill_collation,
        "pg_database" => fill_database,
        "pg_language" => fill_language,
        "pg_namespace" => fill_namespace,
        "pg_roles" => fill_roles,
        "pg_settings" => fill_settings,
        "pg_tablespace" => fill_tablespace,
        "pg_timezone_names" => fill_timezone_names,
        "pg_user" => fill_user,
        _ => return None,
    };
    Some(fill)
}

fn fill_am(rows: &mut Rows, _: &Facts, _: &Columns) {
    for (oid, name, handler, kind) in ACCESS_METHODS {
        let handler = function::oid(handler);
        rows.push([
            ("oid", oid.into()),
            ("amname", name.into()),
            ("amhandler", handler.into()),
            ("amtype", kind.into()),
        ]);
    }
}

fn fill_collation(rows: &mut Rows, _: &Facts, _: &Columns) {
    for (oid, name) in COLLATIONS {
        let named = name == "C";
        rows.push([
            ("oid", oid.into()),
            ("collname", name.into()),
            ("collnamespace", oid::PG_CATALOG.into()),
            ("collowner", oid::OWNER.into()),
            ("collprovider", if named { "c" } else { "d" }.into()),
            ("collisdeterministic", true.into()),
            ("collencoding", (-1).into()),
            ("collcollate", named.then_some("C").into()),
            ("collctype", named.then_some("C").into()),
        ]);
    }
}

fn fill_timezone_names(rows: &mut Rows, _: &Facts, _: &Columns) {
    let now = chrono::Utc::now().naive_utc();
    for (name, zone) in Zone::all() {
        let (east_s, is_dst) = zone.clock_at(&now);
        rows.push([
            ("name", name.into()),
            ("abbrev", zone.abbreviation_at(name, &now).into()),
            ("utc_offset", Value::Seconds(i64::from(east_s))),
            ("is_dst", is_dst.into()),
        ]);
    }
}

fn fill_database(rows: &mut Rows, _: &Facts, _: &Columns) {
    rows.push([
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
    ]);
}

fn fill_language(rows: &mut Rows, _: &Facts, _: &Columns) {
    rows.push([("oid", 12.into()), ("lanname", "internal".into()), ("lanowner", oid::OWNER.into())])
}

fn fill_namespace(rows: &mut Rows, facts: &Facts, _: &Columns) {
    for (name, oid) in oid::schemas(&facts.catalog) {
        rows.push([("oid", oid.into()), ("nspname", name.into()), ("nspowner", oid::OWNER.into())]);
    }
}

fn fill_roles(rows: &mut Rows, facts: &Facts, _: &Columns) {
    for (oid, name, superuser, login) in facts.everybody() {
        rows.push([
            ("oid", oid.into()),
            ("rolname", name.into()),
            ("rolsuper", superuser.into()),
            ("rolinherit", true.into()),
            ("rolcreaterole", superuser.into()),
            ("rolcreatedb", false.into()),
            ("rolcanlogin", login.into()),
            ("rolconnlimit", (-1).into()),
            ("rolpassword", "********".into()),
        ]);
    }
}

fn fill_user(rows: &mut Rows, facts: &Facts, _: &Columns) {
    for (oid, name, superuser, _) in facts.everybody().into_iter().filter(|(.., login)| *login) {
        rows.push([
            ("usename", name.into()),
            ("usesysid", oid.into()),
            ("usecreatedb", false.into()),
            ("usesuper", superuser.into()),
            ("passwd", "********".into()),
        ]);
    }
}

fn fill_auth_members(rows: &mut Rows, facts: &Facts, _: &Columns) {
    let numbers: BTreeMap<&str, i64> = facts.everybody().into_iter().map(|(oid, name, ..)| (name, oid)).collect();
    for role in facts.catalog.roles() {
        for group in role.member_of.iter().filter_map(|group| numbers.get(group.as_str())) {
            rows.push([
                ("roleid", (*group).into()),
                ("member", numbers[role.name.as_str()].into()),
                ("grantor", oid::OWNER.into()),
                ("admin_option", false.into()),
            ]);
        }
    }
}

fn fill_settings(rows: &mut Rows, facts: &Facts, _: &Columns) {
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

fn fill_tablespace(rows: &mut Rows, _: &Facts, _: &Columns) {
    rows.push([("oid", 1663.into()), ("spcname", "pg_default".into()), ("spcowner", oid::OWNER.into())])
}
