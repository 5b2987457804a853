//! `pg_attribute`: the columns of tables, views and indexes.

use arrow::datatypes::Field;

use super::class::written_by;
use super::row::{self, NEWEST, Rows};
use super::{Columns, constraint, oid, schema_of, types};
use crate::catalog::{Definition, default_json, is_hidden};
use crate::system::{Facts, computed_names, declared, information_schema};
use crate::types::Spoken;

/// `pg_attribute`.
pub fn fill(rows: &mut Rows, facts: &Facts, columns: &Columns) {
    let catalog = &*facts.catalog;
    for entry in catalog.entries() {
        let Some(schema) = columns.get(entry.name()) else { continue };
        let required = entry.table().is_some() || entry.definition == Definition::System;
        let has_defaults = entry.table().is_some();
        let of = Relation { oid: oid::relation(entry.id()), written_by: written_by(entry), has_defaults };
        for (at, field) in schema.fields().iter().enumerate().filter(|(_, field)| !is_hidden(field)) {
            push(rows, of, at + 1, field, required && !field.is_nullable());
        }
    }
    for index in constraint::indexes(catalog) {
        let of = Relation { oid: index.oid, written_by: NEWEST, has_defaults: false };
        for (number, (_, field)) in index.columns().into_iter().enumerate() {
            push(rows, of, number + 1, &field, false);
        }
    }
    for (at, name) in computed_names().enumerate() {
        push_all(rows, oid::computed(at), columns.get(name));
    }
    for own in declared::PG_CATALOG.iter() {
        push_all(rows, own.oid, schema_of(own.name).as_ref());
    }
    for view in declared::INFORMATION_SCHEMA.iter() {
        push_all(rows, view.oid, columns.get(&format!("{}.{}", information_schema::SCHEMA, view.name)));
    }
}

/// `pg_attrdef`: the defaults of columns, each as PostgreSQL writes one.
pub fn fill_defaults(rows: &mut Rows, facts: &Facts) {
    for entry in facts.catalog.entries().filter(|entry| entry.table().is_some()) {
        let Some(relation) = &entry.relation else { continue };
        for (at, field) in relation.schema.columns.fields().iter().enumerate() {
            let Some(default) = default_json(field) else { continue };
            let table = oid::relation(entry.id());
            rows.push([
                ("oid", (table * 4_096 + at as i64 + 1).into()),
                ("adrelid", table.into()),
                ("adnum", (at as i64 + 1).into()),
                ("adbin", written(default, field).as_str().into()),
            ]);
        }
    }
}

/// A default, kept as JSON, in SQL: a number or a word as it is, else a text with its type.
fn written(default: &str, field: &Field) -> String {
    let text = match serde_json::from_str(default) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Object(_) | serde_json::Value::Array(_)) => default.to_owned(),
        // A float that is whole has no point.
        _ => return default.strip_suffix(".0").unwrap_or(default).to_owned(),
    };
    let of = types::format_type(types::of(field.data_type()).0, None);
    format!("'{}'::{of}", text.replace('\'', "''"))
}

fn push_all(rows: &mut Rows, relation: i64, schema: Option<&arrow::datatypes::SchemaRef>) {
    let of = Relation { oid: relation, written_by: NEWEST, has_defaults: false };
    let fields = schema.iter().flat_map(|schema| schema.fields().iter());
    for (at, field) in fields.filter(|field| !is_hidden(field)).enumerate() {
        push(rows, of, at + 1, field, false);
    }
}

/// What a column is of.
#[derive(Clone, Copy)]
struct Relation {
    oid: i64,
    written_by: i64,
    /// Of a table; what a view takes from one has no default.
    has_defaults: bool,
}

fn push(rows: &mut Rows, of: Relation, number: usize, field: &Field, required: bool) {
    let (of_type, modifier) = match Spoken::of(field) {
        Some(spoken) => (spoken.oid().into(), -1),
        None => types::of(field.data_type()),
    };
    let known = types::by_oid(of_type).expect("columns are of types that there are");
    rows.push([
        ("attrelid", of.oid.into()),
        (row::WRITTEN_BY, of.written_by.into()),
        ("attname", field.name().as_str().into()),
        ("atttypid", of_type.into()),
        ("attstattarget", (-1).into()),
        ("attlen", known.length.into()),
        ("attnum", (number as i64).into()),
        ("attndims", i64::from(known.category == "A").into()),
        ("attcacheoff", (-1).into()),
        ("atttypmod", modifier.into()),
        ("attbyval", known.by_value.into()),
        ("attcollation", known.collation().into()),
        ("attalign", known.align.into()),
        ("attstorage", known.storage.into()),
        ("attnotnull", required.into()),
        ("atthasdef", (of.has_defaults && default_json(field).is_some()).into()),
        ("attislocal", true.into()),
    ]);
}
