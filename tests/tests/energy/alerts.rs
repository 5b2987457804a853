//! The pack's scenarios: what happens, and which rows its alerts then have, and which not.
//!
//! A line is a JSON object: `clock` sets the time, `event` is a reading as a meter sends it, `run` a statement, `expect` a query
//! with its `rows`, and `why` is for who reads it.

use std::path::Path;

use serde::Deserialize;
use sql::pack::Made;
use storage::Event;

use crate::pack::{energy, node};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    clock: Option<String>,
    event: Option<serde_json::Value>,
    run: Option<String>,
    expect: Option<String>,
    rows: Option<String>,
    #[serde(rename = "why")]
    _why: Option<String>,
}

fn scenario(alert: &str) -> Vec<Line> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/packs/energy/scenario");
    let path = folder.join(format!("{}.jsonl", alert.trim_start_matches("energy.")));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let line = |(number, line)| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{} line {number}: {error}", path.display()))
    };
    text.lines().enumerate().map(line).collect()
}

async fn play(alert: &str) {
    let lines = scenario(alert);
    let begins = lines[0].clock.as_deref().expect("it begins with the clock");
    let node = node(begins).await;
    let (mut fired, mut silent) = (false, false);
    for line in &lines {
        if let Some(time) = &line.clock {
            node.set(time);
        }
        if let Some(reading) = &line.event {
            let event = Event { value: Some(reading.to_string().into()), ..Event::default() };
            let outcomes = node.database.submit("energy.readings", vec![event]).await.unwrap();
            assert!(outcomes.quarantined.is_empty(), "{reading}: {outcomes:?}");
        }
        if let Some(statement) = &line.run {
            node.run(statement).await;
        }
        if let Some(query) = &line.expect {
            let rows = line.rows.as_deref().expect("a query has its rows beside it");
            node.becomes(query, rows).await;
            let asks = query.contains(&format!("FROM {alert}"));
            fired |= asks && !rows.is_empty();
            silent |= asks && rows.is_empty();
        }
    }
    assert!(fired && silent, "{alert}: a scenario shows it firing and not firing");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_alert_comes_and_goes_as_its_scenario_says() {
    let mut played = 0;
    for statement in energy().statements {
        if let Made::View { name, alert: true, .. } = statement.made {
            play(&name).await;
            played += 1;
        }
    }
    assert_eq!(played, 7);
}
