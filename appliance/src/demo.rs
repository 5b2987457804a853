//! `caudal demo`: a node, and a house whose circuits send a reading a second through its log.

mod house;

use std::time::Duration;

use anyhow::Context;
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use chrono::{DateTime, SecondsFormat};
use futures::TryStreamExt;
use gateway::credentials::Door;
use serde_json::json;
use sql::{Database, Identity, Response, Session};
use storage::Event;

use crate::node::{Node, Signals, in_words, now_ms};
use crate::settings::{NAME_DEFAULT, NodeSettings, PG_DEFAULT};
use crate::{limits, statements};
use house::Circuit;

/// The tables and views, made where they are not there yet.
const SCHEMA: [&str; 2] = [include_str!("../demo/tables.sql"), include_str!("../demo/views.sql")];

/// Runs the demo until it is asked to end.
pub async fn run(settings: NodeSettings) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let mut node = Node::start(&settings).await?;
    let session = node.database.session(Identity::Operator(NAME_DEFAULT.to_string()));
    for statement in SCHEMA.iter().flat_map(|text| statements::split(text)) {
        execute(&session, &statement).await.with_context(|| format!("preparing the demo with {}", statement))?;
    }
    let database = node.database.clone();
    let last_s = last_complete_second(&session).await?;
    node.announce()?;
    print!("{}", where_to_look(&node, &settings));
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        broken = node.broken() => Err(broken),
        stopped = send_readings(&database, last_s) => stopped,
    };
    node.stop(&mut signals).await?;
    ended
}

/// The second up to which every circuit has its readings, from the node's own views: there is no other memory of it.
async fn last_complete_second(session: &Session) -> anyhow::Result<Option<i64>> {
    let question = "SELECT count(*) AS circuits, min(last_at) AS at FROM circuit_total";
    let prepared = session.prepare(question, &[]).await.map_err(|error| anyhow::Error::msg(in_words(&error)))?;
    let answer = session.execute(&prepared, Vec::new(), sql::Cancel::new()).await;
    let Response::Rows { rows, .. } = answer.map_err(|error| anyhow::Error::msg(in_words(&error)))? else {
        anyhow::bail!("a SELECT gave no rows");
    };
    let batches = rows.try_collect::<Vec<_>>().await?;
    let answer = batches.iter().find(|batch| batch.num_rows() > 0).context("an aggregate over nothing has a row")?;
    let circuits = cast(answer.column(0), &DataType::Int64)?.as_primitive::<Int64Type>().value(0);
    if circuits < house::CIRCUITS.len() as i64 {
        return Ok(None);
    }
    let at = cast(answer.column(1), &DataType::Timestamp(TimeUnit::Second, None))?;
    Ok(Some(cast(&at, &DataType::Int64)?.as_primitive::<Int64Type>().value(0)))
}

/// Sends every circuit's reading of each second once it has passed. What the house measured while the node was down, it
/// remembered, and it is sent first; a second sent twice changes nothing, as its readings are the same.
async fn send_readings(database: &Database, last_s: Option<i64>) -> anyhow::Result<()> {
    let now_s = now_ms() / 1_000;
    let first_s = match last_s {
        Some(last_s) => last_s.max(now_s - limits::DEMO_BUFFER.as_secs() as i64),
        None => now_s - limits::DEMO_HISTORY.as_secs() as i64,
    };
    if let Some(last_s) = last_s {
        tracing::info!("going on after the readings of {}", rfc3339(last_s));
    }
    let seconds_max = (limits::DEMO_BATCH_READINGS / house::CIRCUITS.len()) as i64;
    let mut next_s = first_s;
    let mut told_s = now_s;
    loop {
        let now_ms = now_ms();
        let end_s = (now_ms / 1_000).min(next_s + seconds_max);
        if next_s >= end_s {
            tokio::time::sleep(Duration::from_millis(1_000 - (now_ms % 1_000) as u64)).await;
            continue;
        }
        let seconds = next_s..end_s;
        let events = seconds.flat_map(|at_s| house::CIRCUITS.iter().map(move |circuit| reading(circuit, at_s)));
        let sent = database.append("readings", events.collect()).await;
        sent.map_err(|error| anyhow::Error::msg(in_words(&error))).context("sending readings")?;
        next_s = end_s;
        if now_ms / 1_000 >= told_s + 10 {
            told_s = now_ms / 1_000;
            tracing::info!("readings sent up to {}", rfc3339(next_s - 1));
        }
    }
}

/// A reading as the event that a meter would send.
fn reading(circuit: &Circuit, at_s: i64) -> Event {
    let value = json!({
        "circuit": circuit.name,
        "at": rfc3339(at_s),
        "power_w": circuit.power_w(at_s),
        "voltage_v": house::voltage_v(at_s),
    });
    let key = json!({ "circuit": circuit.name, "at": rfc3339(at_s) });
    Event {
        key: Some(key.to_string().into()),
        value: Some(value.to_string().into()),
        timestamp_ms: at_s * 1_000,
        ..Event::default()
    }
}

fn rfc3339(at_s: i64) -> String {
    let at = DateTime::from_timestamp(at_s, 0).expect("the demo's times are of this age");
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn execute(session: &Session, statement: &str) -> anyhow::Result<()> {
    let prepared = session.prepare(statement, &[]).await.map_err(|error| anyhow::Error::msg(in_words(&error)))?;
    let done = session.execute(&prepared, Vec::new(), sql::Cancel::new()).await;
    done.map(drop).map_err(|error| anyhow::Error::msg(in_words(&error)))
}

/// Commands for a second terminal, one for each open door.
fn where_to_look(node: &Node, settings: &NodeSettings) -> String {
    let binary = std::env::args().next().unwrap_or_else(|| NAME_DEFAULT.to_string());
    let mut text =
        format!("A house of {} circuits sends a reading a second. In a second terminal:\n", house::CIRCUITS.len());
    if let Some(pg) = node.door(Door::Postgres) {
        let user = settings.user.as_deref().unwrap_or(NAME_DEFAULT);
        let at = if pg.to_string() == PG_DEFAULT { String::new() } else { format!(" --pg {pg}") };
        let select = "SELECT * FROM circuit_minute ORDER BY minute DESC, circuit LIMIT 8";
        text += &format!("  {binary} sql{at} -c \"{select}\"\n");
        text += &format!(
            "  psql postgresql://{user}@{pg}/{NAME_DEFAULT}   (then: SELECT * FROM circuit_total \\watch 1)\n"
        );
    }
    if let Some(kafka) = node.door(Door::Kafka) {
        text += &format!("  kcat -C -b {kafka} -t readings -o -8 -e\n");
    }
    if let Some(http) = node.door(Door::Http) {
        text += &format!("  curl http://{http}/readyz\n");
    }
    text += &format!(
        "Ctrl-C ends it; so may kill -9: started again it goes on where it was. Data: {}\n",
        settings.data.display()
    );
    text
}
