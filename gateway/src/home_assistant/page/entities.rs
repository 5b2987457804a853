//! What a customer sees in Home Assistant: the rows of the views of entities.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use sql::{Cancel, Database, Identity, Response, SqlError};

use super::template::{Html, fill};
use super::words::Words;
use crate::home_assistant::entity::{COLUMNS, Entity};
use crate::home_assistant::is_of_entities;
use crate::home_assistant::rows::{Rows, quoted};
use crate::limits::HOME_ASSISTANT_SHOWN_ENTITIES_MAX;

/// A subject's entities by device, as they are now.
pub(super) async fn html(database: &Arc<Database>, words: &Words, subject: &str) -> Html {
    let mut found = Vec::new();
    for view in database.materialized_views().iter().filter(|name| is_of_entities(name)) {
        match read(database, view, subject).await {
            Ok(entities) => found.extend(entities),
            // Said by who follows it, too.
            Err(error) => tracing::warn!(view, "its entities are not on the page: {error}"),
        }
    }
    if found.is_empty() {
        return fill("remark", words, &[("text", words.say("entities.none").into())]);
    }
    let more = found.len() > HOME_ASSISTANT_SHOWN_ENTITIES_MAX;
    found.truncate(HOME_ASSISTANT_SHOWN_ENTITIES_MAX);
    let mut devices: BTreeMap<String, Vec<Entity>> = BTreeMap::new();
    for entity in found {
        let device = entity.config.device_name.as_ref().unwrap_or(&entity.config.device);
        devices.entry(device.clone()).or_default().push(entity);
    }
    let devices = devices.iter().map(|(name, entities)| {
        let rows = entities.iter().map(|entity| row(words, entity)).collect();
        fill("device", words, &[("name", name.into()), ("rows", rows)])
    });
    let more = more.then(|| fill("remark", words, &[("text", words.say("entities.more").into())]));
    devices.chain(more).collect()
}

fn row(words: &Words, entity: &Entity) -> Html {
    let name = entity.config.name.as_ref().unwrap_or(&entity.config.entity);
    let state = match (&entity.state, entity.available) {
        (_, false) => words.say("entities.unavailable").to_owned(),
        (None, true) => words.say("entities.unknown").to_owned(),
        (Some(state), true) => match &entity.config.unit {
            Some(unit) => format!("{state} {unit}"),
            None => state.clone(),
        },
    };
    fill("entity", words, &[("name", name.into()), ("state", (&state).into())])
}

/// The entities of a view that are a subject's, one more than is shown.
async fn read(database: &Arc<Database>, view: &str, subject: &str) -> Result<Vec<Entity>, SqlError> {
    let (columns, view, limit) = (COLUMNS.join(", "), quoted(view), HOME_ASSISTANT_SHOWN_ENTITIES_MAX + 1);
    let subject = subject.replace('\'', "''");
    let query = format!(
        "SELECT {columns} FROM {view} WHERE subject = '{subject}' ORDER BY device_name, device, name, entity LIMIT {limit}"
    );
    let session = database.session(Identity::Operator("home assistant".to_owned()));
    let prepared = session.prepare(&query, &[]).await?;
    let Response::Rows { rows, .. } = session.execute(&prepared, vec![], Cancel::new()).await? else {
        unreachable!("SELECT answers rows");
    };
    let batches = rows.try_collect::<Vec<_>>().await?;
    let mut entities = Vec::new();
    for batch in &batches {
        let rows = Rows::of(batch, 0)?;
        entities.extend((0..batch.num_rows()).filter_map(|row| rows.entity(row)));
    }
    entities.retain(|entity| entity.config.refused().is_none());
    Ok(entities)
}
