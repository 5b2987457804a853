//! `pg_class` and the lists of relations by their kind.

use std::collections::BTreeSet;

use super::row::{self, NEWEST, Rows, Value};
use super::{Columns, constraint, oid, server};
use crate::catalog::{Catalog, Definition, Entry, is_hidden};
use crate::query::quoted_name;
use crate::system::{Facts, computed_names, declared, information_schema};

/// One relation as clients see it.
struct Class<'a> {
    oid: i64,
    name: &'a str,
    schema: &'a str,
    kind: &'static str,
    columns: usize,
    indexed: bool,
    checks: usize,
    options: Option<Vec<String>>,
    written_by: i64,
}

impl<'a> Class<'a> {
    /// One that nobody made.
    fn own(oid: i64, name: &'a str, schema: &'a str, kind: &'static str, columns: usize) -> Class<'a> {
        Class { oid, name, schema, kind, columns, indexed: false, checks: 0, options: None, written_by: NEWEST }
    }

    fn push(self, rows: &mut Rows, catalog: &Catalog) {
        let stored = matches!(self.kind, "r" | "m");
        let method = if stored { server::method("heap") } else { 0 };
        rows.push([
            ("oid", self.oid.into()),
            ("relname", self.name.into()),
            ("relnamespace", oid::schema(self.schema, catalog).into()),
            ("relowner", oid::OWNER.into()),
            ("relam", if self.kind == "i" { server::method("btree") } else { method }.into()),
            ("relkind", self.kind.into()),
            ("relnatts", (self.columns as i64).into()),
            ("relhasindex", self.indexed.into()),
            ("relhasrules", matches!(self.kind, "v" | "m").into()),
            ("relchecks", (self.checks as i64).into()),
            (row::WRITTEN_BY, self.written_by.into()),
            ("relispopulated", true.into()),
            ("relpersistence", "p".into()),
            ("relreplident", "d".into()),
            ("reltuples", Value::Int(-1)),
            ("reloptions", self.options.map_or(Value::Null, Value::Texts)),
        ]);
    }
}

/// The letter of a relation's kind.
pub fn kind(entry: &Entry) -> &'static str {
    match entry.definition {
        Definition::Table(_) | Definition::System => "r",
        Definition::View(_) => "v",
        Definition::MaterializedView(_) => "m",
    }
}

/// `pg_class`.
pub fn fill(rows: &mut Rows, facts: &Facts, columns: &Columns) {
    let catalog = &*facts.catalog;
    let indexed = indexed(catalog);
    for entry in catalog.entries().filter(|entry| entry.index().is_none()) {
        let (schema, name) = oid::split(entry.name());
        let visible =
            columns.get(entry.name()).map_or(0, |schema| schema.fields().iter().filter(|f| !is_hidden(f)).count());
        Class {
            oid: oid::relation(entry.id()),
            name,
            schema,
            kind: kind(entry),
            columns: visible,
            indexed: indexed.contains(entry.name()),
            checks: entry.table().map_or(0, |table| table.checks.len()),
            options: options(entry),
            written_by: written_by(entry),
        }
        .push(rows, catalog);
    }
    for index in constraint::indexes(catalog) {
        let (schema, columns) = (oid::split(index.entry.name()).0, index.columns().len());
        let written_by = written_by(index.made.as_ref().unwrap_or(&index.entry));
        let class = Class { written_by, ..Class::own(index.oid, &index.name, schema, "i", columns) };
        class.push(rows, catalog);
    }
    for (at, name) in computed_names().enumerate() {
        let (schema, name) = oid::split(name);
        Class::own(oid::computed(at), name, schema, "v", 0).push(rows, catalog);
    }
    for own in declared::PG_CATALOG.iter() {
        let kind = if own.is_view() { "v" } else { "r" };
        Class::own(own.oid, own.name, super::SCHEMA, kind, own.columns.len()).push(rows, catalog);
    }
    for view in declared::INFORMATION_SCHEMA.iter() {
        Class::own(view.oid, view.name, information_schema::SCHEMA, "v", 0).push(rows, catalog);
    }
}

/// The names of the relations that have a key or another index.
fn indexed(catalog: &Catalog) -> BTreeSet<String> {
    constraint::indexes(catalog).into_iter().map(|index| index.entry.name().to_owned()).collect()
}

/// The transaction that made the relation, or changed its columns: another one than that of what was there before.
pub fn written_by(entry: &Entry) -> i64 {
    let added = entry.table().and_then(|table| table.added.last().copied());
    NEWEST + i64::from(added.unwrap_or_default().max(entry.id().0))
}

/// What WITH (..) says of a table.
fn options(entry: &Entry) -> Option<Vec<String>> {
    let table = entry.table()?;
    let fields = entry.relation.as_ref()?.schema.columns.fields();
    let mut options = vec![format!("topic={}", table.topic)];
    options.extend(table.version.map(|at| format!("version={}", fields[at].name())));
    options.extend(table.rows_max.map(|rows| format!("max_rows={rows}")));
    options.extend(table.stream.then(|| "stream=true".to_owned()));
    options.extend((table.partitions > 1).then(|| format!("partitions={}", table.partitions)));
    Some(options)
}

/// The query of a view with its semicolon, as `pg_get_viewdef` gives it.
pub fn view_definition(name: &str, catalog: &Catalog) -> Option<String> {
    match &catalog.get(name)?.definition {
        Definition::View(view) => Some(format!("{};", view.query)),
        Definition::MaterializedView(view) => Some(format!("{};", view.query)),
        Definition::Table(_) | Definition::System => None,
    }
}

/// The list of one kind of relation.
pub fn fill_by_kind(list: &str, rows: &mut Rows, facts: &Facts) {
    let indexed = indexed(&facts.catalog);
    for entry in facts.catalog.entries().filter(|entry| entry.index().is_none()) {
        let (schema, name) = oid::split(entry.name());
        let indexed = indexed.contains(entry.name());
        let definition = view_definition(entry.name(), &facts.catalog);
        match (list, kind(entry)) {
            ("pg_tables", "r") => rows.push([
                ("schemaname", schema.into()),
                ("tablename", name.into()),
                ("tableowner", facts.operator().into()),
                ("hasindexes", indexed.into()),
            ]),
            ("pg_views", "v") => rows.push([
                ("schemaname", schema.into()),
                ("viewname", name.into()),
                ("viewowner", facts.operator().into()),
                ("definition", definition.into()),
            ]),
            ("pg_matviews", "m") => rows.push([
                ("schemaname", schema.into()),
                ("matviewname", name.into()),
                ("matviewowner", facts.operator().into()),
                ("hasindexes", indexed.into()),
                ("ispopulated", true.into()),
                ("definition", definition.into()),
            ]),
            _ => {}
        }
    }
}

/// PostgreSQL's words that are no names of everything without quotes.
const RESERVED: &str = "all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both \
    case cast char character check coalesce collate collation column concurrently constraint create cross \
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec \
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign \
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect \
    interval into is isnull join lateral leading least left like limit localtime localtimestamp national natural \
    nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay \
    placing position precision primary real references returning right row select session_user setof similar \
    smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union \
    unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement \
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable";

/// The name as SQL where it needs its quotes, else as it is.
pub fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    let needs = name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit());
    let needs = needs || RESERVED.split_ascii_whitespace().any(|word| word == name);
    if needs { quoted_name(name) } else { name.to_owned() }
}
