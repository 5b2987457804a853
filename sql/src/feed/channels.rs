//! Meters of many channels: which rows the channels of a meter are about, as a table says it.
//!
//! Such a meter knows its serial number and the numbers of its channels, and nothing of customers and circuits. A table WITH (gem =
//! 'readings') has its channels: `serial` and `channel` are its key, and its other columns are those of the table `readings` that they
//! say. What is not a row there does not come in.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use dataflow::RelationSchema;

use super::{Feed, Said};
use crate::catalog::{Catalog, Entry, is_hidden};
use crate::decode::Column;
use crate::encode::value_json;
use crate::error::SqlError;
use crate::query::quoted_name;
use crate::types;

/// The key of a table of channels.
const KEY: [&str; 2] = ["serial", "channel"];

/// What the channels of one meter feed, by their numbers.
#[derive(Clone, Debug)]
pub struct Channels {
    /// The table that has them.
    pub table: String,
    /// The table that they feed.
    pub fed: String,
    pub feeds: BTreeMap<i64, Feed>,
}

/// The table of channels, and the one that they feed.
pub(crate) fn tables(catalog: &Catalog) -> Option<(&Entry, &Entry)> {
    let (channels, fed) = catalog.entries().find_map(|entry| Some((entry, entry.table()?.gem.as_ref()?)))?;
    Some((channels, catalog.get(fed)?))
}

/// The query for the channels of a meter, whose serial number is its parameter.
pub(crate) fn query(channels: &Entry) -> String {
    format!("SELECT * FROM {} WHERE {} = $1", quoted_name(channels.name()), KEY[0])
}

impl Channels {
    /// What the rows of [`query`] say.
    pub(crate) fn of(channels: &Entry, fed: &Entry, serial: &str, rows: &[RecordBatch]) -> Result<Channels, SqlError> {
        let mut feeds = BTreeMap::new();
        for batch in rows {
            let schema = batch.schema();
            let at = schema.index_of(KEY[1]).expect("a table of channels has their numbers");
            let numbers = cast(batch.column(at), &DataType::Int64).expect("whole numbers become larger ones");
            let numbers = numbers.as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let said = schema.fields().iter().zip(batch.columns()).filter_map(|(field, cells)| {
                    // A column that came later may be about the channel alone.
                    let is_said = !KEY.contains(&field.name().as_str()) && column(fed, field.name()).is_some();
                    let json = value_json(cells, row).filter(|_| is_said)?;
                    let (name, data_type) = (field.name().clone(), field.data_type().clone());
                    let column = Column { name, data_type, nullable: true, default: None };
                    Some(Said { column, text: json.clone(), json })
                });
                let (number, said) = (numbers.value(row), said.collect());
                let topic = format!("gem/{serial}/{number}");
                feeds.insert(number, Feed { table: fed.name().to_owned(), topic, said });
            }
        }
        Ok(Channels { table: channels.name().to_owned(), fed: fed.name().to_owned(), feeds })
    }
}

/// Refuses a table that cannot be one of channels that feed a table `fed`.
pub(crate) fn check(catalog: &Catalog, table: &RelationSchema, fed: &str) -> Result<(), SqlError> {
    if let Some(other) = catalog.entries().find(|entry| entry.table().is_some_and(|table| table.gem.is_some())) {
        let words = format!("the channels of GEMs are in table \"{}\" already", other.name());
        return Err(SqlError::new("42710", words).hint("There is one table for all meters of this kind."));
    }
    let fields = table.columns.fields();
    let key: Vec<&str> = table.key.iter().map(|at| fields[*at].name().as_str()).collect();
    let types: Vec<&DataType> = table.key.iter().map(|at| fields[*at].data_type()).collect();
    if key != KEY || !matches!(types[..], [DataType::Utf8, DataType::Int32 | DataType::Int64]) {
        return Err(SqlError::new("42P16", "a table of channels has the primary key (serial, channel)")
            .hint("Write serial TEXT, channel INTEGER, .., PRIMARY KEY (serial, channel)."));
    }
    let entry = catalog.expect(fed)?;
    if entry.table().is_none() {
        let words = format!("\"{fed}\" is a {}: channels feed a table", entry.kind());
        return Err(SqlError::new("42809", words));
    }
    if entry.is_stream() {
        let words = format!("\"{fed}\" is a stream, which cannot know a reading again that is sent twice");
        return Err(SqlError::new("42809", words).hint("Channels feed a table with a primary key."));
    }
    if column(entry, "at").is_none_or(|at| !matches!(at, DataType::Timestamp(..))) {
        let words = format!("table \"{fed}\" has no timestamp \"at\", the time of a reading");
        return Err(SqlError::new("42703", words));
    }
    for field in fields.iter().filter(|field| !KEY.contains(&field.name().as_str())) {
        let name = field.name();
        let there = column(entry, name).ok_or_else(|| {
            let words = format!("column \"{name}\" is not one of table \"{fed}\", which the channels feed");
            SqlError::new("42703", words)
        })?;
        if there != field.data_type() {
            let (is, want) = (types::sql_name(field.data_type()), types::sql_name(there));
            let words = format!("column \"{name}\" is of type {is}, and in table \"{fed}\" of type {want}");
            return Err(SqlError::new("42804", words));
        }
    }
    Ok(())
}

fn column<'e>(table: &'e Entry, name: &str) -> Option<&'e DataType> {
    let fields = table.relation.as_ref()?.schema.columns.fields();
    fields.iter().find(|field| field.name() == name && !is_hidden(field)).map(|field| field.data_type())
}
