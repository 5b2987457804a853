//! One view of entities, followed: its rows as they are, then what changes, epoch by epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use futures::StreamExt;
use sql::{Cancel, Database, Identity, Response, SqlError};
use tokio::sync::mpsc;

use super::entity::{COLUMNS, Config, Entity, Message};
use crate::limits::{HOME_ASSISTANT_ENTITIES_MAX, HOME_ASSISTANT_RETRY};

/// Which entity it is: subject and name.
type Key = (String, String);

/// Says the entities of a view and what changes of them, until the view is gone: then it takes them back. What keeps it from
/// reading the view is said and tried again. Memory is that of the view's rows.
pub(super) async fn follow(
    database: Arc<Database>,
    view: String,
    said: mpsc::Sender<Message>,
    mut births: mpsc::UnboundedReceiver<Option<String>>,
    gone: Cancel,
) {
    let mut entities = Entities::default();
    while let Err(error) = read(&database, &view, &said, &mut births, &gone, &mut entities).await {
        if !gone.is_cancelled() {
            tracing::warn!(view, "its entities are not shown in Home Assistant as they are: {error}");
        }
        tokio::select! {
            () = gone.cancelled() => break,
            () = tokio::time::sleep(HOME_ASSISTANT_RETRY) => {}
        }
    }
    for message in entities.shown.values().flat_map(Entity::unsaid) {
        let _ = said.send(message).await;
    }
}

/// Reads the view from its rows of now on.
async fn read(
    database: &Arc<Database>,
    view: &str,
    said: &mpsc::Sender<Message>,
    births: &mut mpsc::UnboundedReceiver<Option<String>>,
    gone: &Cancel,
    entities: &mut Entities,
) -> Result<(), SqlError> {
    let session = database.session(Identity::Operator("home assistant".to_owned()));
    let quoted: Vec<String> = view.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    let subscribe = format!("SUBSCRIBE (SELECT {} FROM {}) WITH (PROGRESS)", COLUMNS.join(", "), quoted.join("."));
    let prepared = session.prepare(&subscribe, &[]).await?;
    let Response::Rows { mut rows, .. } = session.execute(&prepared, vec![], gone.clone()).await? else {
        unreachable!("SUBSCRIBE answers rows");
    };
    entities.begin();
    loop {
        tokio::select! {
            biased;
            () = gone.cancelled() => return Ok(()),
            batch = rows.next() => match batch {
                Some(Ok(batch)) => {
                    for message in entities.apply(&batch, view)? {
                        let _ = said.send(message).await;
                    }
                }
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            Some(subject) = births.recv() => {
                for message in entities.again(subject.as_deref()) {
                    let _ = said.send(message).await;
                }
            }
        }
    }
}

/// The entities of a view.
#[derive(Default)]
struct Entities {
    /// As they were said.
    shown: BTreeMap<Key, Entity>,
    /// As they are in the epoch that is being read, for those that differ; `None` for those that went.
    coming: BTreeMap<Key, Option<Entity>>,
    /// Those that were complained about.
    refused: BTreeSet<Key>,
}

impl Entities {
    /// What was said before and is not among the rows to come has gone.
    fn begin(&mut self) {
        self.coming = self.shown.keys().map(|key| (key.clone(), None)).collect();
    }

    /// Takes rows of a subscription; what is to be said of the epochs that are complete.
    fn apply(&mut self, batch: &RecordBatch, view: &str) -> Result<Vec<Message>, SqlError> {
        let rows = Rows::of(batch)?;
        let mut messages = Vec::new();
        for row in 0..batch.num_rows() {
            if rows.progressed(row) {
                messages.extend(self.complete());
                continue;
            }
            let Some(entity) = rows.entity(row) else {
                tracing::warn!(view, "an entity without subject, device, entity or component is not shown");
                continue;
            };
            let key = entity.config.key();
            if let Some(reason) = entity.config.refused() {
                if self.refused.insert(key) {
                    tracing::warn!(view, entity = entity.config.entity, "an entity is not shown: {reason}");
                }
                continue;
            }
            // What goes comes first within an epoch.
            self.coming.insert(key, rows.comes(row).then_some(entity));
        }
        let count = self.shown.len().max(self.coming.len());
        if count > HOME_ASSISTANT_ENTITIES_MAX {
            let words = format!("it has more than {HOME_ASSISTANT_ENTITIES_MAX} entities");
            return Err(SqlError::new("54000", words));
        }
        Ok(messages)
    }

    fn complete(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        for (key, entity) in std::mem::take(&mut self.coming) {
            match (self.shown.get(&key), entity) {
                (Some(before), Some(entity)) => {
                    messages.extend(entity.said_after(before));
                    self.shown.insert(key, entity);
                }
                (None, Some(entity)) => {
                    messages.extend(entity.said());
                    self.shown.insert(key, entity);
                }
                (Some(before), None) => {
                    messages.extend(before.unsaid());
                    self.shown.remove(&key);
                }
                (None, None) => {}
            }
        }
        messages
    }

    /// Everything once more, of one subject or of all.
    fn again(&self, subject: Option<&str>) -> Vec<Message> {
        let meant = |entity: &&Entity| subject.is_none_or(|subject| entity.config.subject == subject);
        self.shown.values().filter(meant).flat_map(Entity::said).collect()
    }
}

/// Rows of a subscription: epoch, progressed, diff, then [`COLUMNS`].
struct Rows {
    columns: Vec<arrow::array::ArrayRef>,
}

const PROGRESSED: usize = 1;
const DIFF: usize = 2;
const FIRST: usize = 3;

impl Rows {
    fn of(batch: &RecordBatch) -> Result<Rows, SqlError> {
        let available = FIRST + COLUMNS.len() - 1;
        let wanted = |at: usize| match at {
            PROGRESSED => DataType::Boolean,
            at if at < FIRST => DataType::Int64,
            at if at == available => DataType::Boolean,
            _ => DataType::Utf8,
        };
        let read = |(at, column): (usize, &arrow::array::ArrayRef)| {
            cast(column, &wanted(at)).map_err(|error| {
                let name = batch.schema().field(at).name().clone();
                SqlError::new("42804", format!("column {name} is not {}: {error}", wanted(at)))
            })
        };
        Ok(Rows { columns: batch.columns().iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    fn progressed(&self, row: usize) -> bool {
        self.columns[PROGRESSED].as_boolean().value(row)
    }

    fn comes(&self, row: usize) -> bool {
        self.columns[DIFF].as_primitive::<Int64Type>().value(row) > 0
    }

    fn entity(&self, row: usize) -> Option<Entity> {
        let text = |at: usize| {
            let column = self.columns[FIRST + at].as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        let available = self.columns[FIRST + 10].as_boolean();
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
