//! Keys as clients look for them: a primary key is a constraint and an index, the key of a materialised view a unique index.

use std::sync::Arc;

use arrow::datatypes::FieldRef;

use super::class::shown;
use super::oid;
use super::row::{Rows, Value};
use crate::catalog::{Catalog, Definition, Entry, is_hidden};
use crate::system::Facts;

/// The index that a relation's key is.
pub struct Index {
    pub oid: i64,
    pub name: String,
    pub entry: Arc<Entry>,
    /// Of a table; a view's is unique only.
    pub primary: bool,
}

/// Key columns that people know: positions and fields; none where rows have no key of their own.
pub fn key_columns(entry: &Entry) -> Vec<(usize, FieldRef)> {
    let Some(relation) = entry.relation.as_ref().filter(|relation| !relation.schema.counted) else { return Vec::new() };
    let fields = relation.schema.columns.fields();
    let key = relation.schema.key.iter().map(|&at| (at, fields[at].clone()));
    key.filter(|(_, field)| !is_hidden(field)).collect()
}

/// The indexes of all relations.
pub fn indexes(catalog: &Catalog) -> Vec<Index> {
    let index = |entry: &Arc<Entry>| {
        let primary = !matches!(entry.definition, Definition::MaterializedView(_));
        let plain = oid::split(entry.name()).1;
        let name = format!("{plain}_{}", if primary { "pkey" } else { "key" });
        (!key_columns(entry).is_empty()).then(|| Index {
            oid: oid::index(entry.id()),
            name,
            entry: entry.clone(),
            primary,
        })
    };
    catalog.entries().filter_map(index).collect()
}

/// `(circuit, at)`.
fn columns_of(entry: &Entry) -> String {
    let names: Vec<String> = key_columns(entry).iter().map(|(_, field)| shown(field.name())).collect();
    format!("({})", names.join(", "))
}

/// What `pg_get_constraintdef` says.
pub fn definition(index: &Index) -> String {
    format!("PRIMARY KEY {}", columns_of(&index.entry))
}

/// What `pg_get_indexdef` says.
pub fn index_definition(index: &Index) -> String {
    let (schema, table) = oid::split(index.entry.name());
    let (name, columns) = (shown(&index.name), columns_of(&index.entry));
    format!("CREATE UNIQUE INDEX {name} ON {schema}.{} USING btree {columns}", shown(table))
}

/// Column numbers as PostgreSQL counts them, from 1.
fn numbers(entry: &Entry) -> Vec<i64> {
    key_columns(entry).iter().map(|(at, _)| *at as i64 + 1).collect()
}

/// `pg_index`.
pub fn fill_indexes(rows: &mut Rows, facts: &Facts) {
    for index in indexes(&facts.catalog) {
        let numbers = numbers(&index.entry);
        let count = numbers.len() as i64;
        rows.push([
            ("indexrelid", index.oid.into()),
            ("indrelid", oid::relation(index.entry.id()).into()),
            ("indnatts", count.into()),
            ("indnkeyatts", count.into()),
            ("indisunique", true.into()),
            ("indisprimary", index.primary.into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indoption", Value::Ints(vec![0; numbers.len()])),
            ("indclass", Value::Ints(vec![0; numbers.len()])),
            ("indcollation", Value::Ints(vec![0; numbers.len()])),
            ("indkey", Value::Ints(numbers)),
        ]);
    }
}

/// `pg_constraint`.
pub fn fill_constraints(rows: &mut Rows, facts: &Facts) {
    for index in indexes(&facts.catalog).into_iter().filter(|index| index.primary) {
        rows.push([
            ("oid", oid::constraint(index.entry.id()).into()),
            ("conname", index.name.as_str().into()),
            ("connamespace", oid::schema(oid::split(index.entry.name()).0, &facts.catalog).into()),
            ("contype", "p".into()),
            ("convalidated", true.into()),
            ("conrelid", oid::relation(index.entry.id()).into()),
            ("conindid", index.oid.into()),
            ("conislocal", true.into()),
            ("connoinherit", true.into()),
            ("conkey", Value::Ints(numbers(&index.entry))),
        ]);
    }
}

/// `pg_indexes`.
pub fn fill_index_names(rows: &mut Rows, facts: &Facts) {
    for index in indexes(&facts.catalog) {
        let (schema, table) = oid::split(index.entry.name());
        rows.push([
            ("schemaname", schema.into()),
            ("tablename", table.into()),
            ("indexname", index.name.as_str().into()),
            ("indexdef", index_definition(&index).into()),
        ]);
    }
}
