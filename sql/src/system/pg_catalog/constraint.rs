//! Keys and indexes as clients look for them: a primary key is a constraint and an index, the key of a materialised view a
//! unique index.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::class::shown;
use super::row::{Rows, Value};
use super::types::{self, PgType};
use super::{classes_of_operators, oid};
use crate::catalog::{Catalog, Check, Definition, Entry, is_hidden};
use crate::system::Facts;

/// The index that a relation's key is, or one that was made.
pub struct Index {
    pub oid: i64,
    pub name: String,
    pub entry: Arc<Entry>,
    /// Of a table; a view's is unique only.
    pub primary: bool,
    /// One that was made: its own entry, whereas `entry` is what it is on.
    pub made: Option<Arc<Entry>>,
}

impl Index {
    /// Its columns: positions and fields of what it is on.
    pub fn columns(&self) -> Vec<(usize, FieldRef)> {
        let Some(made) = &self.made else { return key_columns(&self.entry) };
        let Some(relation) = &made.relation else { return Vec::new() };
        let fields = relation.schema.columns.fields();
        made.index().unwrap_or_default().iter().map(|&at| (at, fields[at].clone())).collect()
    }
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
        if let Some(on) = entry.indexed() {
            let (oid, name) = (oid::relation(entry.id()), entry.name().to_owned());
            let on = catalog.get(on)?.clone();
            return Some(Index { oid, name, entry: on, primary: false, made: Some(entry.clone()) });
        }
        let primary = !matches!(entry.definition, Definition::MaterializedView(_));
        let plain = oid::split(entry.name()).1;
        let name = format!("{plain}_{}", if primary { "pkey" } else { "key" });
        (!key_columns(entry).is_empty()).then(|| Index {
            oid: oid::index(entry.id()),
            name,
            entry: entry.clone(),
            primary,
            made: None,
        })
    };
    catalog.entries().filter_map(index).collect()
}

/// `(circuit, at)`.
fn columns_of(index: &Index) -> String {
    let names: Vec<String> = index.columns().iter().map(|(_, field)| shown(field.name())).collect();
    format!("({})", names.join(", "))
}

/// What `pg_get_constraintdef` says of a primary key or a check.
pub fn definition(oid: i64, catalog: &Catalog) -> Option<String> {
    let mut keys = indexes(catalog).into_iter().filter(|index| index.primary);
    if let Some(key) = keys.find(|index| oid::constraint(index.entry.id()) == oid) {
        return Some(format!("PRIMARY KEY {}", columns_of(&key)));
    }
    checks(catalog).find(|(of, ..)| *of == oid).map(|(_, _, check)| format!("CHECK (({}))", check.sql))
}

/// The checks of all tables, each with its object id and its table.
fn checks(catalog: &Catalog) -> impl Iterator<Item = (i64, &Arc<Entry>, &Check)> {
    catalog.entries().flat_map(|entry| {
        let checks = entry.table().map_or(&[][..], |table| &table.checks);
        checks.iter().enumerate().map(move |(at, check)| (oid::check(entry.id(), at), entry, check))
    })
}

/// The numbers of the columns that a check speaks of.
fn checked_columns(entry: &Entry, check: &Check) -> Vec<i64> {
    let Some(relation) = &entry.relation else { return Vec::new() };
    let words = tokens_of(&check.sql);
    let named = |name: &str| words.iter().any(|word| word == name);
    let fields = relation.schema.columns.fields().iter().enumerate();
    fields.filter(|(_, field)| named(field.name())).map(|(at, _)| at as i64 + 1).collect()
}

/// The names in an expression, folded as SQL folds them.
fn tokens_of(sql: &str) -> Vec<String> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().unwrap_or_default();
    let names = tokens.into_iter().filter_map(|token| match token {
        Token::Word(word) if word.quote_style.is_some() => Some(word.value),
        Token::Word(word) => Some(word.value.to_lowercase()),
        _ => None,
    });
    names.collect()
}

/// What `pg_get_indexdef` says.
pub fn index_definition(index: &Index) -> String {
    let (schema, table) = oid::split(index.entry.name());
    let (name, columns) = (shown(&index.name), columns_of(index));
    let unique = if index.made.is_some() { "" } else { "UNIQUE " };
    format!("CREATE {unique}INDEX {name} ON {schema}.{} USING btree {columns}", shown(table))
}

/// Column numbers as PostgreSQL counts them, from 1.
fn numbers(index: &Index) -> Vec<i64> {
    index.columns().iter().map(|(at, _)| *at as i64 + 1).collect()
}

/// `pg_index`.
pub fn fill_indexes(rows: &mut Rows, facts: &Facts) {
    for index in indexes(&facts.catalog) {
        let numbers = numbers(&index);
        let count = numbers.len() as i64;
        let of_type: Vec<i64> = index.columns().iter().map(|(_, field)| types::of(field.data_type()).0).collect();
        rows.push([
            ("indexrelid", index.oid.into()),
            ("indrelid", oid::relation(index.entry.id()).into()),
            ("indnatts", count.into()),
            ("indnkeyatts", count.into()),
            ("indisunique", index.made.is_none().into()),
            ("indisprimary", index.primary.into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indoption", Value::Ints(vec![0; numbers.len()])),
            ("indclass", Value::Ints(of_type.iter().map(|&of| classes_of_operators::of(of)).collect())),
            ("indcollation", Value::Ints(of_type.iter().map(|&of| collation(of)).collect())),
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
            ("conkey", Value::Ints(numbers(&index))),
            ("confupdtype", " ".into()),
            ("confdeltype", " ".into()),
            ("confmatchtype", " ".into()),
        ]);
    }
    for (oid, entry, check) in checks(&facts.catalog) {
        rows.push([
            ("oid", oid.into()),
            ("conname", check.name.as_str().into()),
            ("connamespace", oid::schema(oid::split(entry.name()).0, &facts.catalog).into()),
            ("contype", "c".into()),
            ("convalidated", true.into()),
            ("conrelid", oid::relation(entry.id()).into()),
            ("conislocal", true.into()),
            ("conkey", Value::Ints(checked_columns(entry, check))),
            ("conbin", check.sql.as_str().into()),
            ("confupdtype", " ".into()),
            ("confdeltype", " ".into()),
            ("confmatchtype", " ".into()),
        ]);
    }
}

fn collation(of_type: i64) -> i64 {
    types::by_oid(of_type).map_or(0, PgType::collation)
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
