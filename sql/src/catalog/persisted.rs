//! Catalogue entries as JSON, with a format number.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use dataflow::{RelationId, RelationSchema};
use serde::{Deserialize, Serialize};

use super::default::{self, default_json, with_default};
use super::entry::{self, Check, Definition, Entry, Materialized, Retention, Table, View};
use crate::feed::Pattern;
use crate::relation::{Relation, RelationKind};
use crate::types::{JSON, timestamptz};

/// The format of entries that every version reads. Pinned by golden entries; a change of it is a new number.
const FIRST: u32 = 1;

/// The format of entries with columns added later, with defaults, as of another moment than that of their making, with a
/// retention, or with topics of MQTT.
const ALTERED: u32 = 2;

/// The format of entries of indexes, of tables with checks, and of views that are alerts.
const MARKED: u32 = 3;

/// The format of entries of tables that have the channels of meters.
const CHANNELS: u32 = 4;

/// The format of entries of streams.
const STREAMS: u32 = 5;

/// The last format that this version reads.
const LAST: u32 = STREAMS;

/// An entry that this version cannot read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("catalogue entry {name} cannot be read: {reason}")]
pub struct Unreadable {
    pub name: String,
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredAllocator {
    format: u32,
    next: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    format: u32,
    id: u32,
    name: String,
    sql: String,
    #[serde(flatten)]
    kind: StoredKind,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum StoredKind {
    Table {
        topic: String,
        partitions: i32,
        version: Option<usize>,
        max_rows: Option<u64>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        added: Vec<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retention: Option<StoredRetention>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mqtt: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gem: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<StoredCheck>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stream: bool,
        rows: StoredRows,
    },
    View {
        query: String,
        reads: BTreeSet<String>,
        /// The entry's id where it does not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of: Option<u32>,
    },
    MaterializedView {
        query: String,
        reads: BTreeSet<String>,
        states: Vec<u32>,
        /// 32 hexadecimal digits.
        fingerprint: String,
        order: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        covers_from_ms: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<Vec<usize>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alert: Option<String>,
        rows: StoredRows,
    },
}

impl StoredKind {
    /// The first format that has what it says.
    fn format(&self) -> u32 {
        match self {
            StoredKind::Table { stream: true, .. } => STREAMS,
            StoredKind::Table { gem: Some(_), .. } => CHANNELS,
            StoredKind::MaterializedView { index: Some(_), .. }
            | StoredKind::MaterializedView { alert: Some(_), .. } => MARKED,
            StoredKind::Table { checks, .. } if !checks.is_empty() => MARKED,
            kind if kind.is_altered() => ALTERED,
            _ => FIRST,
        }
    }

    fn is_altered(&self) -> bool {
        match self {
            StoredKind::Table { added, retention, mqtt, rows, .. } => {
                let has_more = retention.is_some() || mqtt.is_some();
                !added.is_empty() || has_more || rows.columns.iter().any(|column| column.default.is_some())
            }
            StoredKind::View { as_of, .. } => as_of.is_some(),
            StoredKind::MaterializedView { as_of, covers_from_ms, .. } => as_of.is_some() || covers_from_ms.is_some(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredRetention {
    column: usize,
    ms: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredCheck {
    name: String,
    sql: String,
}

#[derive(Serialize, Deserialize)]
struct StoredRows {
    columns: Vec<StoredColumn>,
    key: Vec<usize>,
    counted: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredColumn {
    /// What its values are stored under; the position in the table today.
    id: usize,
    name: String,
    r#type: String,
    nullable: bool,
    hidden: bool,
    /// As JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<String>,
}

/// The name of a relation's entry: numbers sort as they count.
pub fn entry_key(id: RelationId) -> String {
    format!("relation/{:010}", id.0)
}

pub fn write_allocator(next: u32) -> Bytes {
    json(&StoredAllocator { format: FIRST, next })
}

pub fn read_allocator(value: &[u8]) -> Result<u32, Unreadable> {
    read::<StoredAllocator>("allocator", value).map(|stored| stored.next)
}

pub fn write_entry(entry: &Entry) -> Bytes {
    let rows = || stored_rows(&entry.relation.as_ref().expect("it has rows").schema);
    let other = |as_of: u32| (as_of != entry.id.0).then_some(as_of);
    let kind = match &entry.definition {
        Definition::Table(table) => StoredKind::Table {
            topic: table.topic.to_string(),
            partitions: table.partitions,
            version: table.version,
            max_rows: table.rows_max,
            added: table.added.clone(),
            retention: table.retention.map(|Retention { column, ms }| StoredRetention { column, ms }),
            mqtt: table.mqtt.as_ref().map(Pattern::to_string),
            gem: table.gem.clone(),
            checks: table.checks.iter().map(|Check { name, sql }| stored_check(name, sql)).collect(),
            stream: table.stream,
            rows: rows(),
        },
        Definition::View(view) => {
            StoredKind::View { query: view.query.clone(), reads: view.reads.clone(), as_of: other(view.as_of) }
        }
        Definition::MaterializedView(view) => StoredKind::MaterializedView {
            query: view.query.clone(),
            reads: view.reads.clone(),
            states: view.states.iter().map(|id| id.0).collect(),
            fingerprint: format!("{:032x}", view.fingerprint),
            order: view.order,
            as_of: other(view.as_of),
            covers_from_ms: view.covers_from_ms,
            index: view.index.clone(),
            alert: view.alert.clone(),
            rows: rows(),
        },
        Definition::System => panic!("the node's own relations are not in the catalogue's entries"),
    };
    json(&StoredEntry { format: kind.format(), id: entry.id.0, name: entry.name.clone(), sql: entry.sql.clone(), kind })
}

pub fn read_entry(name: &str, value: &[u8]) -> Result<Entry, Unreadable> {
    let unreadable = |reason: &str| Unreadable { name: name.to_owned(), reason: reason.to_owned() };
    let stored: StoredEntry = read(name, value)?;
    let id = RelationId(stored.id);
    let relation = |rows: &StoredRows, added: usize, kind| -> Result<Option<Arc<Relation>>, Unreadable> {
        let schema = read_rows(rows, added).map_err(|reason| unreadable(&reason))?;
        Ok(Some(Arc::new(Relation { id, name: stored.name.clone(), schema, kind })))
    };
    let (relation, definition) = match stored.kind {
        StoredKind::Table {
            topic,
            partitions,
            version,
            max_rows: rows_max,
            added,
            retention,
            mqtt,
            gem,
            checks,
            stream,
            rows,
        } => {
            let mqtt = mqtt.map(|text| Pattern::parse(&text)).transpose().map_err(|words| unreadable(&words))?;
            let retention = retention.map(|StoredRetention { column, ms }| Retention { column, ms });
            let columns_added = added.len();
            let checks = checks.into_iter().map(|StoredCheck { name, sql }| Check { name, sql }).collect();
            let topic = topic.into();
            let table = Table { topic, partitions, version, rows_max, added, retention, mqtt, gem, checks, stream };
            (relation(&rows, columns_added, table.kind())?, Definition::Table(table))
        }
        StoredKind::View { query, reads, as_of } => {
            (None, Definition::View(View { query, reads, as_of: as_of.unwrap_or(id.0) }))
        }
        StoredKind::MaterializedView {
            query,
            reads,
            states,
            fingerprint,
            order,
            as_of,
            covers_from_ms,
            index,
            alert,
            rows,
        } => {
            let fingerprint =
                u128::from_str_radix(&fingerprint, 16).map_err(|_| unreadable("the fingerprint is not hexadecimal"))?;
            let states = states.into_iter().map(RelationId).collect();
            let as_of = as_of.unwrap_or(id.0);
            let view = Materialized { query, reads, states, fingerprint, order, as_of, covers_from_ms, index, alert };
            (relation(&rows, 0, RelationKind::MaterializedView)?, Definition::MaterializedView(view))
        }
    };
    Ok(Entry { id, name: stored.name, sql: stored.sql, relation, definition })
}

fn stored_check(name: &str, sql: &str) -> StoredCheck {
    StoredCheck { name: name.to_owned(), sql: sql.to_owned() }
}

fn stored_rows(schema: &RelationSchema) -> StoredRows {
    let column = |(id, field): (usize, &Arc<Field>)| StoredColumn {
        id,
        name: field.name().clone(),
        r#type: type_name(field.data_type()),
        nullable: field.is_nullable(),
        hidden: entry::is_hidden(field),
        default: default_json(field).map(str::to_owned),
    };
    StoredRows {
        columns: schema.columns.fields().iter().enumerate().map(column).collect(),
        key: schema.key.clone(),
        counted: schema.counted,
    }
}

/// `added`: how many of the columns were added later, the last ones.
fn read_rows(rows: &StoredRows, added: usize) -> Result<RelationSchema, String> {
    let mut fields = Vec::with_capacity(rows.columns.len());
    for (at, column) in rows.columns.iter().enumerate() {
        if column.id != at {
            return Err(format!("column {} has the id {} at position {at}", column.name, column.id));
        }
        let data_type = read_type(&column.r#type).ok_or_else(|| format!("unknown type {}", column.r#type))?;
        let field = Field::new(&column.name, data_type, column.nullable);
        let mut field = if column.hidden { entry::hidden(field) } else { field };
        if let Some(default) = &column.default {
            field = with_default(field, default).map_err(|reason| reason.0)?;
        }
        fields.push(if at + added >= rows.columns.len() { default::added(field) } else { field });
    }
    Ok(RelationSchema { columns: Arc::new(Schema::new(fields)), key: rows.key.clone(), counted: rows.counted })
}

/// Names of types in entries: a name is never given to another type.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Utf8 => "text".to_owned(),
        DataType::Binary => "bytea".to_owned(),
        DataType::LargeBinary => "jsonb".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamptz".to_owned(),
        DataType::List(item) => format!("{}[]", type_name(item.data_type())),
        other => panic!("a column of type {other} cannot be stored"),
    }
}

fn read_type(name: &str) -> Option<DataType> {
    Some(match name {
        "boolean" => DataType::Boolean,
        "integer" => DataType::Int32,
        "bigint" => DataType::Int64,
        "double precision" => DataType::Float64,
        "text" => DataType::Utf8,
        "bytea" => DataType::Binary,
        "jsonb" => JSON,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamptz" => timestamptz(),
        _ if name.ends_with("[]") => DataType::new_list(read_type(name.strip_suffix("[]")?)?, true),
        _ => {
            let (precision, scale) = name.strip_prefix("numeric(")?.strip_suffix(')')?.split_once(',')?;
            DataType::Decimal128(precision.parse().ok()?, scale.parse().ok()?)
        }
    })
}

pub(super) fn json(stored: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(stored).expect("an entry is JSON"))
}

pub(super) fn read<'a, T: Deserialize<'a>>(name: &str, value: &'a [u8]) -> Result<T, Unreadable> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let unreadable = |reason: String| Unreadable { name: name.to_owned(), reason };
    let Format { format } = serde_json::from_slice(value).map_err(|error| unreadable(error.to_string()))?;
    if format > LAST {
        return Err(unreadable(format!("it has format {format}, and this version reads up to {LAST}")));
    }
    serde_json::from_slice(value).map_err(|error| unreadable(error.to_string()))
}
