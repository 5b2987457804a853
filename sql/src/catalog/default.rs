//! DEFAULT: what a column is where an event does not say.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use dataflow::row;

use super::entry::Entry;
use crate::decode::{Cell, Column, Reason, RowDecoder, RowsBuilder};
use crate::encode;

/// Key of a field's metadata with the default as JSON, as an event would say it.
const DEFAULT: &str = "caudal.default";

/// The field with a default; `json`: a value of its type.
pub fn with_default(field: Field, json: &str) -> Result<Field, Reason> {
    let mut metadata = field.metadata().clone();
    metadata.insert(DEFAULT.to_owned(), json.to_owned());
    let field = field.with_metadata(metadata);
    cell(&field, json).map(|_| field)
}

/// The default as JSON.
pub fn default_json(field: &Field) -> Option<&str> {
    field.metadata().get(DEFAULT).map(String::as_str)
}

/// The default as an event's cell.
pub fn default_cell(field: &Field) -> Option<Cell<'static>> {
    default_json(field).map(|json| cell(field, json).expect("a default was read when it was given"))
}

/// The default as an array of one value.
pub fn default_value(field: &Field) -> Option<ArrayRef> {
    let mut rows = RowsBuilder::new(Schema::new(vec![field.clone().with_nullable(true)]).into());
    rows.push(&[default_cell(field)?]);
    Some(rows.finish().column(0).clone())
}

/// The field as that of a column which comes to a table that may have rows: those have its default.
pub fn added(field: Field) -> Field {
    let default = default_value(&field);
    row::added(field, default.as_deref())
}

/// JSON of the first value of a batch's only column; `None` where it is NULL.
pub fn as_json(value: &RecordBatch) -> Option<String> {
    encode::value_json(value.column(0), 0)
}

fn cell(field: &Field, json: &str) -> Result<Cell<'static>, Reason> {
    let column =
        Column { name: "value".to_owned(), data_type: field.data_type().clone(), nullable: true, default: None };
    let object = format!("{{\"value\":{json}}}");
    let mut cells = RowDecoder::new(vec![column]).row(object.as_bytes())?;
    Ok(cells.remove(0).owned())
}

impl Entry {
    /// The entry as those see it who were there before some columns: those added at `moment` or later are not in it.
    /// `None` where there are none such.
    pub(super) fn as_of(&self, moment: u32) -> Option<Entry> {
        let table = self.table()?;
        let later = table.added.iter().filter(|&&added| added >= moment).count();
        if later == 0 {
            return None;
        }
        let relation = self.relation.as_ref().expect("a table has rows");
        let mut entry = self.clone();
        entry.relation = Some(relation.clone().narrowed(relation.schema.columns.fields().len() - later));
        Some(entry)
    }
}
