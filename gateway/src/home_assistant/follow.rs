//! One view of entities, followed: its rows as they are, then what changes, epoch by epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use sql::{Cancel, Database, Identity, Response, SqlError};
use tokio::sync::mpsc;

use super::entity::{COLUMNS, Entity, Message};
use super::rows::{Rows, quoted};
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
    let subscribe = format!("SUBSCRIBE (SELECT {} FROM {}) WITH (PROGRESS)", COLUMNS.join(", "), quoted(view));
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
        let rows = Rows::of(batch, FIRST)?;
        let progressed = batch.column(PROGRESSED).as_boolean();
        let diffs = batch.column(DIFF).as_primitive::<Int64Type>();
        let mut messages = Vec::new();
        for row in 0..batch.num_rows() {
            if progressed.value(row) {
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
            self.coming.insert(key, (diffs.value(row) > 0).then_some(entity));
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

/// Columns of a subscription before those of the view: epoch, progressed, diff.
const FIRST: usize = 3;
const PROGRESSED: usize = 1;
const DIFF: usize = 2;
