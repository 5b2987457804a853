//! What a customer sees in Home Assistant: the rows of the views of entities.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use sql::{Cancel, Database, Identity, Response, SqlError};

use super::template::{Html, fill};
use super::words::Words;
use crate::home_assistant::entity::{COLUMNS, Config, Entity};
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
        (Some(state), true) => shown(words, &entity.config, state),
    };
    fill("entity", words, &[("name", name.into()), ("state", (&state).into())])
}

/// A state as people write it.
fn shown(words: &Words, config: &Config, state: &str) -> String {
    let state = match (config.component.as_str(), state) {
        ("binary_sensor", "ON") => words.say("entities.on"),
        ("binary_sensor", "OFF") => words.say("entities.off"),
        // Decimals have as many places as their column.
        _ if state.contains('.') && state.parse::<f64>().is_ok() => state.trim_end_matches('0').trim_end_matches('.'),
        (_, state) => state,
    };
    config.unit.as_ref().map_or_else(|| state.to_owned(), |unit| format!("{state} {unit}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home_assistant::page::words::spanish;

    #[test]
    fn states_are_written_as_people_write_them() {
        let of = |component: &str, unit: Option<&str>| Config {
            subject: "17".into(),
            device: "m".into(),
            device_name: None,
            entity: "e".into(),
            name: None,
            component: component.into(),
            device_class: None,
            unit: unit.map(str::to_owned),
            state_class: None,
        };
        let sensor = |state: &str| shown(spanish(), &of("sensor", Some("kWh")), state);
        assert_eq!([sensor("1021.400000"), sensor("12.000"), sensor("120")], ["1021.4 kWh", "12 kWh", "120 kWh"]);
        let plain = |component: &str, state: &str| shown(spanish(), &of(component, None), state);
        assert_eq!([plain("sensor", "v1.0.0"), plain("sensor", "ON")], ["v1.0.0", "ON"]);
        assert_eq!([plain("binary_sensor", "ON"), plain("binary_sensor", "OFF")], ["sí", "no"]);
    }
}
