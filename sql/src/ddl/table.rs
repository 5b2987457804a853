//! CREATE TABLE.

use std::collections::BTreeSet;

use arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, ColumnDef, ColumnOption, CreateTable, DataType as SqlType, Expr, PrimaryKeyConstraint,
    TableConstraint,
};

use super::options::Options;
use super::{checks, column_name, new_name};
use crate::catalog::{Retention, Table, hidden, is_hidden};
use crate::error::SqlError;
use crate::feed::Pattern;
use crate::limits::{COLUMNS_MAX, PARTITIONS_MAX};
use crate::pipeline::NewTable;
use crate::types::{self, Types};

/// What tells rows apart where a table has no key: who sent the event, and what it is called.
const EVENT_KEY: [&str; 2] = ["_source", "_id"];

/// What tells the rows of a stream apart: where their event is in its topic.
const PLACE_KEY: [(&str, DataType); 2] = [("_partition", DataType::Int32), ("_offset", DataType::Int64)];

/// Options that are about rows that are kept, or that need them to know an event again.
const OF_KEPT_ROWS: [&str; 6] = ["version", "max_rows", "retention", "retention_by", "mqtt", "gem"];

const DAY_MS: i64 = 86_400_000;

/// The table that a statement makes. `sql`: the statement as written.
pub fn new_table(create: &CreateTable, sql: &str) -> Result<NewTable, SqlError> {
    refuse(create)?;
    let name = new_name(&create.name)?;
    let checks = checks::of(create, &name)?;
    let mut columns = Columns::default();
    for column in &create.columns {
        columns.add(column)?;
    }
    for constraint in &create.constraints {
        match constraint {
            TableConstraint::PrimaryKey(key) => columns.set_key(key)?,
            TableConstraint::Check(_) => {}
            other => return Err(SqlError::unsupported(format!("{other} in CREATE TABLE"))),
        }
    }
    let keyed = columns.key.is_some();
    let mut options = Options::of(&create.table_options)?;
    let stream = options.flag("stream")?;
    if stream {
        refuse_kept(&options, keyed)?;
    }
    let (fields, key) = columns.finish(stream)?;
    let table = Table { checks, ..table(options, &name, &fields, &key, keyed, stream)? };
    Ok(NewTable {
        name,
        if_not_exists: create.if_not_exists,
        sql: sql.trim().trim_end_matches(';').to_owned(),
        columns: fields,
        key,
        table,
    })
}

/// Refuses what cannot be of rows that are not kept.
fn refuse_kept(options: &Options, keyed: bool) -> Result<(), SqlError> {
    let kept = OF_KEPT_ROWS.into_iter().find(|option| options.has(option)).map(|option| format!("option {option}"));
    let Some(what) = kept.or_else(|| keyed.then(|| "a primary key".to_owned())) else { return Ok(()) };
    Err(SqlError::unsupported(format!("{what} of a stream")).hint(
        "Its rows are not kept, and each event is one, once: what is sent twice, as MQTT does after a lost acknowledgement, or \
         corrected later, goes into a table with a primary key, without stream.",
    ))
}

/// Reads the options.
fn table(
    mut options: Options,
    name: &str,
    fields: &[Field],
    key: &[usize],
    keyed: bool,
    stream: bool,
) -> Result<Table, SqlError> {
    let topic = options.text("topic").unwrap_or_else(|| default_topic(name));
    let version = options.text("version").map(|column| version_column(&column, fields, key, keyed)).transpose()?;
    let rows_max = options.count("max_rows")?;
    let partitions = options.count("partitions")?.unwrap_or(1);
    let retention = retention(&mut options, fields, key)?;
    let mqtt = options.text("mqtt").map(|text| mqtt_topics(&text, fields)).transpose()?;
    let gem = options.text("gem");
    options.finish(
        "The options of a table are topic, mqtt, gem, version, max_rows, partitions, retention, retention_by and stream.",
    )?;
    if partitions > PARTITIONS_MAX as u64 {
        return Err(SqlError::new("22023", format!("a topic has at most {PARTITIONS_MAX} partitions")));
    }
    if partitions > 1 && version.is_none() && !stream {
        return Err(SqlError::unsupported("a table with several partitions and no version column").hint(
            "Events of one key could overtake each other: add WITH (version = 'column'), or leave partitions at 1.",
        ));
    }
    Ok(Table {
        topic: topic.into(),
        partitions: partitions as i32,
        version,
        rows_max,
        added: vec![],
        retention,
        mqtt,
        gem,
        checks: vec![],
        stream,
    })
}

/// The topics of MQTT that feed the table, whose named levels are columns.
fn mqtt_topics(text: &str, fields: &[Field]) -> Result<Pattern, SqlError> {
    let pattern = Pattern::parse(text)
        .map_err(|words| SqlError::new("22023", format!("option mqtt is no pattern of topics: {words}")))?;
    said_by_topics(&pattern, fields)?;
    Ok(pattern)
}

/// Refuses topics that name what is no column, or one that no topic can say.
pub fn said_by_topics(topics: &Pattern, fields: &[impl AsRef<Field>]) -> Result<(), SqlError> {
    for name in topics.names() {
        let mut fields = fields.iter().map(AsRef::as_ref);
        let field = fields.find(|field: &&Field| field.name() == name && !is_hidden(field));
        let field = field.ok_or_else(|| {
            SqlError::new("42703", format!("column \"{name}\", in the topics of MQTT, does not exist"))
        })?;
        if matches!(field.data_type(), DataType::List(_) | DataType::Binary | DataType::LargeBinary) {
            let of = types::sql_name(field.data_type());
            return Err(SqlError::unsupported(format!("column \"{name}\" of type {of} in the topics of MQTT")));
        }
    }
    Ok(())
}

/// How long rows are kept, and by which time: the first of the key's, unless a column is named.
fn retention(options: &mut Options, fields: &[Field], key: &[usize]) -> Result<Option<Retention>, SqlError> {
    let (kept, by) = (options.text("retention"), options.text("retention_by"));
    let Some(kept) = kept else {
        return match by {
            None => Ok(None),
            Some(_) => Err(SqlError::new("22023", "option retention_by goes with retention")),
        };
    };
    let refused = || {
        let words = format!("a retention is a time of at least two days, such as '90 days', not '{kept}'");
        SqlError::new("22023", words).hint("A row takes no corrections on the last day before it is forgotten.")
    };
    let interval = parse_interval_month_day_nano(&kept).map_err(|_| refused())?;
    let ms =
        i64::from(interval.days).checked_mul(DAY_MS).and_then(|ms| ms.checked_add(interval.nanoseconds / 1_000_000));
    let ms = ms.filter(|ms| interval.months == 0 && *ms >= 2 * DAY_MS).ok_or_else(refused)?;
    let is_time = |at: usize| matches!(fields[at].data_type(), DataType::Timestamp(..) | DataType::Date32);
    let column = match by {
        None => key.iter().copied().find(|&at| is_time(at)).ok_or_else(|| {
            SqlError::new("42P16", "a retention needs a time, and there is none in the primary key")
                .hint("Name the column: WITH (retention = '90 days', retention_by = 'column').")
        })?,
        Some(name) => {
            let at = fields.iter().position(|field| *field.name() == name);
            let at = at
                .ok_or_else(|| SqlError::new("42703", format!("column \"{name}\", the retention's, does not exist")))?;
            if !is_time(at) {
                let of = types::sql_name(fields[at].data_type());
                return Err(SqlError::unsupported(format!("a retention by a column of type {of}"))
                    .hint("It is by a timestamp or a date."));
            }
            at
        }
    };
    Ok(Some(Retention { column, ms }))
}

/// The topic of a table that names none; what a topic's name cannot have becomes `-`.
fn default_topic(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    format!("table.{}", name.chars().map(|c| if allowed(c) { c } else { '-' }).collect::<String>())
}

fn version_column(column: &str, fields: &[Field], key: &[usize], keyed: bool) -> Result<usize, SqlError> {
    if !keyed {
        return Err(SqlError::unsupported("a version column without a primary key").hint("Add PRIMARY KEY (...)."));
    }
    let at = fields.iter().position(|field| field.name() == column);
    let at = at.ok_or_else(|| SqlError::new("42703", format!("column \"{column}\", the version, does not exist")))?;
    if key.contains(&at) {
        return Err(SqlError::new(
            "42P16",
            format!("column \"{column}\" cannot be both the version and part of the key"),
        ));
    }
    match fields[at].data_type() {
        DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Timestamp(_, _)
        | DataType::Decimal128(_, _) => Ok(at),
        other => Err(SqlError::unsupported(format!("a version column of type {}", types::sql_name(other)))
            .hint("A version is a whole number, a numeric, a date or a timestamp.")),
    }
}

/// Columns while they are read.
#[derive(Default)]
struct Columns {
    fields: Vec<Field>,
    names: BTreeSet<String>,
    key: Option<Vec<String>>,
}

impl Columns {
    fn add(&mut self, column: &ColumnDef) -> Result<(), SqlError> {
        let name = column_name(&column.name);
        if !self.names.insert(name.clone()) {
            return Err(SqlError::new("42701", format!("column \"{name}\" is there twice")));
        }
        let mut nullable = true;
        for option in &column.options {
            match &option.option {
                ColumnOption::NotNull => nullable = false,
                ColumnOption::Null | ColumnOption::Check(_) => {}
                ColumnOption::PrimaryKey(_) => self.put_key(vec![name.clone()])?,
                other => return Err(SqlError::unsupported(format!("{other} of column \"{name}\""))),
            }
        }
        self.fields.push(Field::new(&name, data_type(&name, &column.data_type)?, nullable));
        Ok(())
    }

    fn set_key(&mut self, key: &PrimaryKeyConstraint) -> Result<(), SqlError> {
        let names = key.columns.iter().map(|column| match &column.column.expr {
            Expr::Identifier(ident) => Ok(column_name(ident)),
            other => Err(SqlError::unsupported(format!("{other} in PRIMARY KEY"))),
        });
        let names = names.collect::<Result<_, _>>()?;
        self.put_key(names)
    }

    fn put_key(&mut self, names: Vec<String>) -> Result<(), SqlError> {
        match self.key.replace(names) {
            None => Ok(()),
            Some(_) => Err(SqlError::new("42P16", "a table has one primary key")
                .hint("Write PRIMARY KEY (a, b) for several columns.")),
        }
    }

    /// The fields and the positions of the key. Without a key, hidden columns name the event, or in a `stream` its place.
    fn finish(mut self, stream: bool) -> Result<(Vec<Field>, Vec<usize>), SqlError> {
        if self.fields.is_empty() {
            return Err(SqlError::unsupported("a table without columns"));
        }
        if self.fields.len() > COLUMNS_MAX {
            return Err(SqlError::new("54011", format!("a table has at most {COLUMNS_MAX} columns")));
        }
        let Some(names) = self.key else {
            let event_key = match stream {
                true => PLACE_KEY,
                false => EVENT_KEY.map(|name| (name, DataType::Utf8)),
            };
            if let Some((taken, _)) = event_key.iter().find(|(name, _)| self.names.contains(*name)) {
                let (whose, hint) = match stream {
                    true => ("in a stream", "Rename it."),
                    false => ("where a table has no primary key", "Rename it, or add PRIMARY KEY (...)."),
                };
                return Err(SqlError::new("42939", format!("column \"{taken}\" is the node's own {whose}")).hint(hint));
            }
            let first = self.fields.len();
            self.fields.extend(event_key.map(|(name, data_type)| hidden(Field::new(name, data_type, false))));
            return Ok((self.fields, vec![first, first + 1]));
        };
        let mut key = Vec::with_capacity(names.len());
        for name in names {
            let at = self.fields.iter().position(|field| *field.name() == name);
            let at = at.ok_or_else(|| {
                SqlError::new("42703", format!("column \"{name}\" of the primary key does not exist"))
            })?;
            if key.contains(&at) {
                return Err(SqlError::new("42701", format!("column \"{name}\" is in the primary key twice")));
            }
            key.push(at);
            self.fields[at].set_nullable(false);
        }
        Ok((self.fields, key))
    }
}

pub(super) fn data_type(column: &str, sql_type: &SqlType) -> Result<DataType, SqlError> {
    if let Some(field) = Types.plan_type_field(sql_type)? {
        let kept = types::canonical(field.data_type());
        return kept.ok_or_else(|| SqlError::unsupported(format!("type {sql_type} of column \"{column}\"")));
    }
    Ok(match sql_type {
        SqlType::Array(ArrayElemTypeDef::SquareBracket(item, _))
            if matches!(**item, SqlType::JSON | SqlType::JSONB) =>
        {
            return Err(SqlError::unsupported(format!("type {sql_type} of column \"{column}\""))
                .hint("A jsonb can be an array itself."));
        }
        SqlType::Array(ArrayElemTypeDef::SquareBracket(item, _)) if !matches!(**item, SqlType::Array(_)) => {
            DataType::new_list(data_type(column, item)?, true)
        }
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::SmallInt(None) | SqlType::Int2(None) => DataType::Int32,
        SqlType::Int(None) | SqlType::Integer(None) | SqlType::Int4(None) => DataType::Int32,
        SqlType::BigInt(None) | SqlType::Int8(None) => DataType::Int64,
        SqlType::Float8 | SqlType::DoublePrecision | SqlType::Double(_) => DataType::Float64,
        SqlType::Date => DataType::Date32,
        SqlType::Bytea => DataType::Binary,
        other => {
            return Err(SqlError::unsupported(format!("type {other} of column \"{column}\""))
                .hint("Types are boolean, integer, bigint, double precision, numeric(p, s), text, bytea, jsonb, date, timestamp and timestamptz, and arrays of these."));
        }
    })
}

/// Refuses, by name, what a table here cannot be.
fn refuse(create: &CreateTable) -> Result<(), SqlError> {
    let named = [
        (create.or_replace, "CREATE OR REPLACE TABLE"),
        (create.temporary, "CREATE TEMPORARY TABLE"),
        (create.external, "CREATE EXTERNAL TABLE"),
        (create.query.is_some(), "CREATE TABLE .. AS SELECT"),
        (create.like.is_some(), "CREATE TABLE .. LIKE"),
        (create.inherits.is_some(), "INHERITS"),
        (create.partition_by.is_some() || create.partition_of.is_some(), "PARTITION BY"),
        (create.on_commit.is_some(), "ON COMMIT"),
    ];
    if let Some((_, what)) = named.into_iter().find(|(present, _)| *present) {
        return Err(SqlError::unsupported(what));
    }
    // Whatever else the parser knows shows in the statement's text.
    let plain = CreateTable {
        if_not_exists: create.if_not_exists,
        columns: create.columns.clone(),
        constraints: create.constraints.clone(),
        table_options: create.table_options.clone(),
        ..empty(create)
    };
    if plain.to_string() != create.to_string() {
        return Err(SqlError::unsupported(format!("this form of CREATE TABLE: {create}"))
            .hint("Write CREATE TABLE name (columns, PRIMARY KEY (...)) WITH (options)."));
    }
    Ok(())
}

fn empty(create: &CreateTable) -> CreateTable {
    use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
    CreateTableBuilder::new(create.name.clone()).build()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;

    use super::*;
    use crate::query::parse;

    fn made(sql: &str) -> Result<NewTable, SqlError> {
        match parse(sql).unwrap() {
            Statement::CreateTable(create) => new_table(&create, sql),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_table_has_what_its_statement_says() {
        let table = made(
            "CREATE TABLE IF NOT EXISTS Readings (meter bigint, at timestamptz, \"kWh\" numeric(12, 3) NOT NULL, v int,
             PRIMARY KEY (at, meter)) WITH (topic = 'meters', version = v, max_rows = 10, partitions = 2)",
        )
        .unwrap();
        assert_eq!((table.name.as_str(), table.if_not_exists, &table.key), ("readings", true, &vec![1, 0]));
        assert_eq!(*table.columns[2].data_type(), DataType::Decimal128(12, 3));
        let nullable: Vec<bool> = table.columns.iter().map(Field::is_nullable).collect();
        assert_eq!(nullable, [false, false, false, true]);
        let expected = Table {
            topic: "meters".into(),
            partitions: 2,
            version: Some(3),
            rows_max: Some(10),
            added: vec![],
            retention: None,
            mqtt: None,
            gem: None,
            checks: vec![],
            stream: false,
        };
        assert_eq!(table.table, expected);
    }

    #[test]
    fn without_a_key_the_event_is_the_key_and_the_topic_has_the_tables_name() {
        let table = made("CREATE TABLE \"Chat é\" (words text)").unwrap();
        assert_eq!((&table.key, &*table.table.topic), (&vec![1, 2], "table.Chat--"));
        assert!(crate::catalog::is_hidden(&table.columns[1]));
    }

    #[test]
    fn a_stream_is_keyed_by_the_place_of_its_events_and_has_nothing_of_kept_rows() {
        let table = made("CREATE TABLE t (words text, at timestamptz) WITH (stream = true, partitions = 4)").unwrap();
        assert!(table.table.stream && table.table.partitions == 4);
        let key: Vec<(&str, &DataType)> =
            table.key.iter().map(|&at| (table.columns[at].name().as_str(), table.columns[at].data_type())).collect();
        assert_eq!(key, [("_partition", &DataType::Int32), ("_offset", &DataType::Int64)]);
        assert!(!made("CREATE TABLE t (words text) WITH (stream = false)").unwrap().table.stream);
        for (columns, options) in [
            ("a int primary key", "stream = true"),
            ("a int", "stream = true, max_rows = 5"),
            ("a timestamptz", "stream = true, retention = '9 days', retention_by = a"),
            ("a int", "stream = true, mqtt = 'casa/{a}'"),
        ] {
            let error = made(&format!("CREATE TABLE t ({columns}) WITH ({options})")).unwrap_err();
            assert!(error.sqlstate == "0A000" && error.message.contains("of a stream"), "{options}: {error:?}");
        }
        assert_eq!(made("CREATE TABLE t (a int) WITH (stream = 'si')").unwrap_err().sqlstate, "22023");
        assert_eq!(made("CREATE TABLE t (_offset int) WITH (stream = true)").unwrap_err().sqlstate, "42939");
    }

    #[test]
    fn topics_of_mqtt_name_columns_of_the_table() {
        let fed = |topics: &str| {
            made(&format!("CREATE TABLE t (customer text, circuit int, tags text[]) WITH (mqtt = '{topics}')"))
        };
        let pattern = fed("casa/{customer}/{circuit}").unwrap().table.mqtt.unwrap();
        assert_eq!(pattern.names().collect::<Vec<_>>(), ["customer", "circuit"]);
        for (topics, sqlstate) in
            [("casa/{house}", "42703"), ("casa/{_id}", "42703"), ("{tags}", "0A000"), ("a/#", "22023")]
        {
            assert_eq!(fed(topics).unwrap_err().sqlstate, sqlstate, "{topics}");
        }
    }

    #[test]
    fn a_retention_is_by_the_first_time_of_the_key_or_by_the_column_named() {
        let by = |columns: &str, options: &str| {
            let table = made(&format!("CREATE TABLE t (id int, day date, at timestamptz, {columns}) WITH ({options})"));
            table.map(|table| table.table.retention.unwrap())
        };
        let days = |column, days: i64| Retention { column, ms: days * DAY_MS };
        assert_eq!(by("PRIMARY KEY (id, at)", "retention = '90 days'").unwrap(), days(2, 90));
        assert_eq!(by("PRIMARY KEY (id, at)", "retention = '48 hours', retention_by = day").unwrap(), days(1, 2));
        assert_eq!(days(0, 90).words(), "90 days");
        let refused = |columns: &str, options: &str, sqlstate: &str| {
            assert_eq!(by(columns, options).unwrap_err().sqlstate, sqlstate, "{columns} {options}");
        };
        refused("PRIMARY KEY (id)", "retention = '90 days'", "42P16");
        refused("PRIMARY KEY (id)", "retention = '90 days', retention_by = id", "0A000");
        refused("PRIMARY KEY (id)", "retention = '90 days', retention_by = other", "42703");
        refused("PRIMARY KEY (at)", "retention = '1 day'", "22023");
        refused("PRIMARY KEY (at)", "retention = '1 month'", "22023");
        refused("PRIMARY KEY (at)", "retention = 'long'", "22023");
        refused("PRIMARY KEY (at)", "retention_by = at", "22023");
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let refused = |sql: &str, sqlstate: &str, words: &str| {
            let error = made(sql).unwrap_err();
            assert!(error.sqlstate == sqlstate && error.message.contains(words), "{sql}: {error:?}");
        };
        refused("CREATE TABLE t (a int DEFAULT 1)", "0A000", "DEFAULT 1 of column \"a\"");
        refused("CREATE TABLE t (a int REFERENCES u)", "0A000", "REFERENCES");
        refused("CREATE TABLE t (a int, UNIQUE (a))", "0A000", "UNIQUE");
        refused("CREATE TABLE t (a uuid)", "0A000", "UUID");
        refused("CREATE TABLE t (a jsonb[])", "0A000", "JSONB[]");
        refused("CREATE TABLE t (a int) WITH (colour = 'red')", "0A000", "option colour");
        refused("CREATE TABLE t AS SELECT 1", "0A000", "AS SELECT");
        refused("CREATE TEMP TABLE t (a int)", "0A000", "TEMPORARY");
        refused("CREATE TABLE t (a int, a int)", "42701", "twice");
        refused("CREATE TABLE t (a int, PRIMARY KEY (b))", "42703", "\"b\"");
        refused("CREATE TABLE t (a int primary key) WITH (version = 'a')", "42P16", "both");
        refused("CREATE TABLE t (a int primary key, v text) WITH (version = 'v')", "0A000", "text");
        refused("CREATE TABLE t (a int) WITH (max_rows = 0)", "22023", "max_rows");
        refused("CREATE TABLE caudal.t (a int)", "42501", "the node's own");
        refused("CREATE TABLE other.s.t (a int)", "0A000", "other");
        refused("CREATE TABLE s.\"t.u\" (a int)", "42602", "dot");
        refused("CREATE TABLE t (_id text)", "42939", "_id");
    }
}
