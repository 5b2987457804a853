//! `pg_attribute`: the columns of tables, views and indexes.

use arrow::datatypes::Field;

use super::row::Rows;
use super::{Columns, constraint, declared, oid, schema_of, types};
use crate::catalog::{Definition, default_json, is_hidden};
use crate::system::{Facts, computed_names, information_schema};
use crate::types::Spoken;

/// `pg_attribute`.
pub fn fill(rows: &mut Rows, facts: &Facts, columns: &Columns) {
    let catalog = &*facts.catalog;
    for entry in catalog.entries() {
        let Some(schema) = columns.get(entry.name()) else { continue };
        let required = entry.table().is_some() || entry.definition == Definition::System;
        for (at, field) in schema.fields().iter().enumerate().filter(|(_, field)| !is_hidden(field)) {
            push(rows, oid::relation(entry.id()), at + 1, field, required && !field.is_nullable());
        }
    }
    for index in constraint::indexes(catalog) {
        for (number, (_, field)) in index.columns().into_iter().enumerate() {
            push(rows, index.oid, number + 1, &field, false);
        }
    }
    for (at, name) in computed_names().enumerate() {
        push_all(rows, oid::computed(at), columns.get(name));
    }
    for (oid, name, _) in declared::RELATIONS {
        push_all(rows, *oid, schema_of(name).as_ref());
    }
    for (at, name) in information_schema::names().enumerate() {
        push_all(rows, oid::information(at), columns.get(&format!("{}.{name}", information_schema::SCHEMA)));
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
        _ => return default.to_owned(),
    };
    let of = types::format_type(types::of(field.data_type()).0, None);
    format!("'{}'::{of}", text.replace('\'', "''"))
}

fn push_all(rows: &mut Rows, relation: i64, schema: Option<&arrow::datatypes::SchemaRef>) {
    for (at, field) in schema.iter().flat_map(|schema| schema.fields().iter()).enumerate() {
        push(rows, relation, at + 1, field, false);
    }
}

fn push(rows: &mut Rows, relation: i64, number: usize, field: &Field, required: bool) {
    let (of_type, modifier) = match Spoken::of(field) {
        Some(spoken) => (spoken.oid().into(), -1),
        None => types::of(field.data_type()),
    };
    let known = types::by_oid(of_type).expect("columns are of types that there are");
    rows.push([
        ("attrelid", relation.into()),
        ("attname", field.name().as_str().into()),
        ("atttypid", of_type.into()),
        ("attstattarget", (-1).into()),
        ("attlen", known.length.into()),
        ("attnum", (number as i64).into()),
        ("attndims", i64::from(known.category == "A").into()),
        ("attcacheoff", (-1).into()),
        ("atttypmod", modifier.into()),
        ("attbyval", known.by_value.into()),
        ("attalign", known.align.into()),
        ("attstorage", known.storage.into()),
        ("attnotnull", required.into()),
        ("atthasdef", default_json(field).is_some().into()),
        ("attislocal", true.into()),
    ]);
}
