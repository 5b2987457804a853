//! The whole way of a reading: from the PUBLISH of a meter to the topic that its Home Assistant looks at.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use benches::database::{open, run as statement};
use gateway::mqtt::{Options, Transport, serve};
use sql::Cancel;
use tests::mqtt::{Client, Connect, PUBLISH, SUBACK, packet, text};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{CIRCUITS, Load, payload};

/// Connections of meters; each waits for its acknowledgement.
const METERS: u64 = 200;

/// The first byte of its packet.
const SUBSCRIBE: u8 = 0x82;

const DEFINITIONS: [&str; 2] = [
    "CREATE TABLE readings (meter INT, circuit INT, at TIMESTAMPTZ, power_w BIGINT, PRIMARY KEY (circuit, at)) \
     WITH (mqtt = 'meters/{meter}/readings')",
    // What is shown is the second of the last reading: so each reading is told apart.
    "CREATE MATERIALIZED VIEW home_assistant AS SELECT 'home' AS subject, 'meter' AS device, NULL::TEXT AS device_name, \
     circuit::TEXT AS entity, NULL::TEXT AS name, 'sensor' AS component, NULL::TEXT AS device_class, NULL::TEXT AS unit, \
     NULL::TEXT AS state_class, CAST(EXTRACT(EPOCH FROM max(at)) AS BIGINT)::TEXT AS state, TRUE AS available, circuit \
     FROM readings GROUP BY circuit",
];

/// Milliseconds from due to shown, an entry a reading, at one reading a burst.
pub async fn run(load: Load) -> anyhow::Result<Vec<f64>> {
    ensure!(load.burst_events == 1, "one reading a burst");
    let dir = tempfile::tempdir()?;
    let database = open(dir.path()).await?;
    for definition in DEFINITIONS {
        statement(&database, definition).await?;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let (address, shutdown) = (listener.local_addr()?, Cancel::new());
    let listeners = vec![(Transport::Tcp, listener)];
    let door = tokio::spawn(serve(listeners, Arc::clone(&database), Options::default(), shutdown.clone()));

    let mut home = Client::enter(address, &Connect::new(4, "home assistant")).await;
    // Without acknowledgements, which would make it wait.
    let subscribe = [&home.id().to_be_bytes()[..], &text("caudal/home/+/state"), &[0]].concat();
    home.send(&packet(SUBSCRIBE, &subscribe)).await?;
    home.expect(SUBACK).await;
    let mut meters = JoinSet::new();
    let mut due: Vec<mpsc::UnboundedSender<u64>> = Vec::new();
    for meter in 0..METERS {
        let (send, mut readings) = mpsc::unbounded_channel();
        due.push(send);
        let mut client = Client::enter(address, &Connect::new(4, &format!("meter {meter}"))).await;
        meters.spawn(async move {
            while let Some(number) = readings.recv().await {
                let taken = client.publish(&format!("meters/{meter}/readings"), payload(number)).await;
                ensure!(taken, "reading {number} was not acknowledged");
            }
            client.leave().await;
            anyhow::Ok(())
        });
    }
    // The first of each circuit makes its entity known.
    for number in 0..CIRCUITS {
        due[(number % METERS) as usize].send(number)?;
    }
    for _ in 0..CIRCUITS {
        shown(&mut home).await?;
    }

    let pacing = due.clone();
    let started = Instant::now();
    // A thread of its own: the runtime's timers are no finer than the period of the readings.
    let paced = tokio::task::spawn_blocking(move || {
        for burst in 0..load.bursts {
            std::thread::sleep(load.due(started, burst).saturating_duration_since(Instant::now()));
            let number = CIRCUITS + burst;
            // Its meter has failed when this fails, and says so.
            let _ = pacing[(number % METERS) as usize].send(number);
        }
    });
    // Of two readings of a circuit in one epoch only the later is shown, and shows both.
    let mut latencies = vec![None; load.bursts as usize];
    let mut waiting = load.bursts;
    while waiting > 0 {
        let number = shown(&mut home).await?;
        let mut burst = (number >= CIRCUITS).then(|| number - CIRCUITS);
        while let Some(at) = burst.filter(|at| latencies[*at as usize].is_none()) {
            latencies[at as usize] = Some(load.due(started, at).elapsed().as_secs_f64() * 1e3);
            waiting -= 1;
            burst = at.checked_sub(CIRCUITS);
        }
    }
    paced.await?;
    drop(due);
    while let Some(ended) = meters.join_next().await {
        ended??;
    }
    home.leave().await;
    shutdown.cancel();
    door.await??;
    database.close().await;
    Ok(latencies.into_iter().flatten().collect())
}

/// The number of the reading that an entity shows now.
async fn shown(home: &mut Client) -> anyhow::Result<u64> {
    loop {
        let packet = home.receive().await.context("Home Assistant was disconnected")?;
        if packet.kind() != PUBLISH {
            continue;
        }
        let (topic, state) = packet.message(4);
        let circuit: u64 = topic.split('/').nth(2).context("a topic of a state")?.parse()?;
        let second: u64 = std::str::from_utf8(&state)?.parse()?;
        return Ok((second - super::FIRST_SECOND) * CIRCUITS + circuit);
    }
}
