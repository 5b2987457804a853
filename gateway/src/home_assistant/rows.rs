//! Rows of a view of entities, as an answer brings them.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use sql::SqlError;

use super::entity::{COLUMNS, Config, Entity};

/// A batch whose columns from some on are [`COLUMNS`], in their order.
pub(super) struct Rows {
    columns: Vec<ArrayRef>,
}

impl Rows {
    /// `first`: how many columns there are before those of the entity.
    pub(super) fn of(batch: &RecordBatch, first: usize) -> Result<Rows, SqlError> {
        let wanted = |at: usize| if at + 1 == COLUMNS.len() { DataType::Boolean } else { DataType::Utf8 };
        let read = |(at, column): (usize, &ArrayRef)| {
            cast(column, &wanted(at)).map_err(|error| {
                SqlError::new("42804", format!("column {} is not {}: {error}", COLUMNS[at], wanted(at)))
            })
        };
        let columns = batch.columns()[first..].iter().take(COLUMNS.len()).enumerate();
        Ok(Rows { columns: columns.map(read).collect::<Result<_, _>>()? })
    }

    /// The entity of a row; `None` where it lacks what tells it apart.
    pub(super) fn entity(&self, row: usize) -> Option<Entity> {
        let text = |at: usize| {
            let column = self.columns[at].as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        let available = self.columns[COLUMNS.len() - 1].as_boolean();
        let config = Config {
            subject: text(0)?,
            device: text(1)?,
            device_name: text(2),
            entity: text(3)?,
            name: text(4),
            component: text(5)?,
            device_class: text(6),
            unit: text(7),
            state_class: text(8),
        };
        // A view that does not say is one that always knows.
        let available = available.is_null(row) || available.value(row);
        Some(Entity { config, state: text(9), available })
    }
}

/// A view's name, quoted for SQL.
pub(super) fn quoted(view: &str) -> String {
    let parts: Vec<String> = view.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    parts.join(".")
}
