//! Object ids: the same for the same thing after every restart.
//!
//! A relation's is made from its number, which is never given again; what comes with a relation, such as the index of its
//! key, has the same number in a range of its own.

use std::collections::BTreeMap;

use dataflow::RelationId;

use super::types;
use crate::catalog::{Catalog, PUBLIC, SYSTEM};
use crate::roles::Role;
use crate::system::{computed_names, declared, information_schema};

/// The owner of everything.
pub const OWNER: i64 = 10;
/// The schema `pg_catalog`.
pub const PG_CATALOG: i64 = 11;
/// The one database: no lower than the first that people make, as clients leave out those of the system.
pub const DATABASE: i64 = 16_384;

const FIRST_RELATION: i64 = 16_384;
const FIRST_INDEX: i64 = 1 << 28;
const FIRST_CONSTRAINT: i64 = 1 << 29;
const FIRST_RULE: i64 = 3 << 28;
const FIRST_ROLE: i64 = 1 << 30;
const FIRST_CHECK: i64 = 5 << 28;
/// Numbers that are left for the checks of a table.
const CHECKS_MAX: i64 = 256;
const FIRST_SCHEMA: i64 = 3 << 29;
/// Relations of the node that are worked out when they are read have no number; these follow their order, which only grows.
const FIRST_COMPUTED: i64 = 15_000;

/// Schemas that are always there: PostgreSQL's own have its numbers.
const SCHEMAS: [(i64, &str); 4] =
    [(PG_CATALOG, super::SCHEMA), (2200, PUBLIC), (14_999, information_schema::SCHEMA), (15_999, SYSTEM)];

/// All schemas by name.
pub fn schemas(catalog: &Catalog) -> BTreeMap<&str, i64> {
    let made = catalog.schemas().iter().map(|(name, schema)| (name.as_str(), FIRST_SCHEMA + i64::from(schema.number)));
    SCHEMAS.iter().map(|(oid, name)| (*name, *oid)).chain(made).collect()
}

pub fn schema(name: &str, catalog: &Catalog) -> i64 {
    let made = || catalog.schemas().get(name).map(|schema| FIRST_SCHEMA + i64::from(schema.number));
    SCHEMAS.iter().find(|(_, known)| *known == name).map(|(oid, _)| *oid).or_else(made).unwrap_or(0)
}

pub fn relation(id: RelationId) -> i64 {
    FIRST_RELATION + i64::from(id.0)
}

pub fn index(id: RelationId) -> i64 {
    FIRST_INDEX + i64::from(id.0)
}

pub fn constraint(id: RelationId) -> i64 {
    FIRST_CONSTRAINT + i64::from(id.0)
}

/// The rule that a view's query is.
pub fn rule(id: RelationId) -> i64 {
    FIRST_RULE + i64::from(id.0)
}

/// The check of a table by its position.
pub fn check(id: RelationId, position: usize) -> i64 {
    FIRST_CHECK + i64::from(id.0) * CHECKS_MAX + position as i64
}

pub fn role(role: &Role) -> i64 {
    FIRST_ROLE + i64::from(role.number)
}

pub fn computed(position: usize) -> i64 {
    FIRST_COMPUTED + position as i64
}

/// Schema and name of the relation or index with this object id.
pub fn relation_name(oid: i64, catalog: &Catalog) -> Option<(String, String)> {
    for (schema, own) in
        [(super::SCHEMA, &declared::PG_CATALOG), (information_schema::SCHEMA, &declared::INFORMATION_SCHEMA)]
    {
        if let Some(found) = own.iter().find(|own| own.oid == oid) {
            return Some((schema.to_owned(), found.name.to_owned()));
        }
    }
    if let Some(name) = usize::try_from(oid - FIRST_COMPUTED).ok().and_then(|at| computed_names().nth(at)) {
        return Some(split(name)).map(|(schema, name)| (schema.to_owned(), name.to_owned()));
    }
    let found = catalog.entries().find(|entry| relation(entry.id()) == oid);
    if let Some(entry) = found {
        let (schema, name) = split(entry.name());
        return Some((schema.to_owned(), name.to_owned()));
    }
    let index = super::indexes(catalog).into_iter().find(|index| index.oid == oid)?;
    Some((split(index.entry.name()).0.to_owned(), index.name))
}

/// The object id of a relation or index by its name, with or without its schema.
pub fn relation_oid(name: &str, catalog: &Catalog) -> Option<i64> {
    let name = name.strip_prefix("public.").unwrap_or(name);
    let plain = name.strip_prefix("pg_catalog.").unwrap_or(name);
    if let Some(own) = declared::PG_CATALOG.iter().find(|own| own.name == plain) {
        return Some(own.oid);
    }
    if let Some(plain) = name.strip_prefix("information_schema.") {
        return declared::INFORMATION_SCHEMA.iter().find(|view| view.name == plain).map(|view| view.oid);
    }
    if let Some(at) = computed_names().position(|own| own == name) {
        return Some(computed(at));
    }
    let (schema, plain) = split(name);
    let same = |index: &super::Index| index.name == plain && split(index.entry.name()).0 == schema;
    let index = || super::indexes(catalog).into_iter().find(same).map(|index| index.oid);
    catalog.get(name).map(|entry| relation(entry.id())).or_else(index)
}

/// The object id of a type by any of its names.
pub fn type_oid(name: &str) -> Option<i64> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name).to_lowercase();
    types::ALL.iter().find(|known| known.name == name || known.sql == name).map(|known| known.oid)
}

/// Schema and name of a qualified name of the catalogue.
pub fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((PUBLIC, name))
}
