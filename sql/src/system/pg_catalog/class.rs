//! `pg_class` and the lists of relations by their kind.

use super::row::{Rows, Value};
use super::{Columns, constraint, declared, oid};
use crate::catalog::{Catalog, Definition, Entry, is_hidden};
use crate::query::quoted_name;
use crate::system::{Facts, computed_names, information_schema};

/// One relation as clients see it.
struct Class<'a> {
    oid: i64,
    name: &'a str,
    schema: &'a str,
    kind: &'static str,
    columns: usize,
    indexed: bool,
    options: Option<Vec<String>>,
}

impl Class<'_> {
    fn push(self, rows: &mut Rows, catalog: &Catalog) {
        let stored = matches!(self.kind, "r" | "m");
        let method = if stored { oid_of_method("heap") } else { 0 };
        rows.push([
            ("oid", self.oid.into()),
            ("relname", self.name.into()),
            ("relnamespace", oid::schema(self.schema, catalog).into()),
            ("relowner", oid::OWNER.into()),
            ("relam", if self.kind == "i" { oid_of_method("btree") } else { method }.into()),
            ("relkind", self.kind.into()),
            ("relnatts", (self.columns as i64).into()),
            ("relhasindex", self.indexed.into()),
            ("relhasrules", (self.kind == "v").into()),
            ("relispopulated", true.into()),
            ("relpersistence", "p".into()),
            ("relreplident", "d".into()),
            ("reltuples", Value::Int(-1)),
            ("reloptions", self.options.map_or(Value::Null, Value::Texts)),
        ]);
    }
}

fn oid_of_method(name: &str) -> i64 {
    super::server::ACCESS_METHODS.iter().find(|(_, known, _)| *known == name).expect("it is one of ours").0
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
            indexed: !constraint::key_columns(entry).is_empty(),
            options: options(entry),
        }
        .push(rows, catalog);
    }
    for index in constraint::indexes(catalog) {
        let (schema, columns) = (oid::split(index.entry.name()).0, index.columns().len());
        let class =
            Class { oid: index.oid, name: &index.name, schema, kind: "i", columns, indexed: false, options: None };
        class.push(rows, catalog);
    }
    for (at, name) in computed_names().enumerate() {
        let (schema, name) = oid::split(name);
        let class =
            Class { oid: oid::computed(at), name, schema, kind: "v", columns: 0, indexed: false, options: None };
        class.push(rows, catalog);
    }
    for (oid, name, columns) in declared::RELATIONS {
        let columns = columns.split(", ").count();
        let class = Class { oid: *oid, name, schema: super::SCHEMA, kind: "r", columns, indexed: false, options: None };
        class.push(rows, catalog);
    }
    for (at, name) in information_schema::names().enumerate() {
        let schema = information_schema::SCHEMA;
        let class =
            Class { oid: oid::information(at), name, schema, kind: "v", columns: 0, indexed: false, options: None };
        class.push(rows, catalog);
    }
}

/// What WITH (..) says of a table.
fn options(entry: &Entry) -> Option<Vec<String>> {
    let table = entry.table()?;
    let fields = entry.relation.as_ref()?.schema.columns.fields();
    let mut options = vec![format!("topic={}", table.topic)];
    options.extend(table.version.map(|at| format!("version={}", fields[at].name())));
    options.extend(table.rows_max.map(|rows| format!("max_rows={rows}")));
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
    for entry in facts.catalog.entries().filter(|entry| entry.index().is_none()) {
        let (schema, name) = oid::split(entry.name());
        let indexed = !constraint::key_columns(entry).is_empty();
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

/// The name as SQL where it needs its quotes, else as it is.
pub fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    let needs = name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit());
    if needs { quoted_name(name) } else { name.to_owned() }
}
