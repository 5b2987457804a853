//! A fleet of meters with outages, power cuts, wrong clocks and lost acknowledgements sends to a node that is killed again and
//! again: at its end every reading that a meter recorded is in the table as it was taken, and counted once in its window.
//!
//! `CAUDAL_FULL=1` has 500 meters and ten kills; `CAUDAL_SEED=n` the faults of the run that named it.

mod process;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use meter::record::{Content, Time};
use meter::upload::Encoding;
use process::{Caudal, within};
use simulator::faults::Severity;
use simulator::fleet::{self, Names, Options, Outcome, Tally};
use tokio::sync::watch;
use wire::Reading;

const HOUR: Duration = Duration::from_secs(3_600);
const SCHEMA: &str = "
    CREATE TABLE readings (customer TEXT, circuit TEXT, at TIMESTAMPTZ, voltage_v NUMERIC(9, 3), current_a NUMERIC(9, 3),
        power_w NUMERIC(12, 3), power_factor NUMERIC(4, 3), frequency_hz NUMERIC(6, 3), energy_kwh NUMERIC(18, 6),
        PRIMARY KEY (customer, circuit, at)) WITH (mqtt = 'teravolta/clientes/{customer}/consumo/{circuit}');
    CREATE MATERIALIZED VIEW quarters AS SELECT customer, circuit, date_bin(INTERVAL '15 minutes', at) AS quarter,
        count(*) AS readings, sum(power_w) AS power_w, max(energy_kwh) AS energy_kwh FROM readings GROUP BY 1, 2, 3;
    CREATE ROLE meters;
    ALTER ROLE meters SET mqtt.publish = 'teravolta/clientes/{subject}/consumo/+'";

fn is_full() -> bool {
    std::env::var_os("CAUDAL_FULL").is_some()
}

/// A user for each meter, who may write what is its own customer's.
fn users(devices: u64) -> String {
    (1..=devices).fold(SCHEMA.to_owned(), |mut sql, number| {
        let user = format!("\"c-{number}\"");
        let grant = format!("GRANT meters TO {user}; ALTER ROLE {user} SET caudal.subject = 'c-{number}'");
        write!(sql, "; CREATE USER {user} PASSWORD 'secret-{number}'; {grant}").unwrap();
        sql
    })
}

fn node(data: &Path, mqtt: &str) -> Caudal {
    Caudal::start("run", data, &["--mqtt", mqtt])
}

/// What a circuit's meter recorded, by time; and what got its date only later, or was torn by a power cut.
fn recorded(outcome: &Outcome, index: usize) -> (BTreeMap<i64, Reading>, Vec<Reading>) {
    let (mut dated, mut undated) = (BTreeMap::new(), Vec::new());
    for record in &outcome.records {
        let Content::Sample(time, sample) = &record.content else { continue };
        match time {
            Time::UtcMs(at_ms) => dated.extend(sample.reading(index, *at_ms).map(|reading| (*at_ms, reading))),
            Time::UptimeMs(_) if outcome.dated_starts.contains(&record.start) => {
                undated.extend(sample.reading(index, 0));
            }
            Time::UptimeMs(_) => {}
        }
    }
    (dated, undated)
}

/// Power and energy as a row has them.
fn shown(reading: &Reading) -> [Option<f64>; 2] {
    let number = |text: Option<String>| text.map(|text| text.parse().unwrap());
    [
        number(reading.power_w.map(|power| power.to_string())),
        number(reading.energy_kwh.map(|energy| energy.to_string())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_of_a_fleet_is_counted_once_however_often_the_node_dies() {
    let (devices, kills) = if is_full() { (500, 10) } else { (16, 3) };
    // Simulated without optimisation, so many meters take their time.
    let patience = process::DEADLINE * if is_full() { 30 } else { 6 };
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand_seed(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut serving = node(&data, "127.0.0.1:0");
    // The meters look for it where it was first.
    let mqtt = serving.doors["mqtt"].clone();
    serving.execute(&users(devices));

    let options = Options {
        devices,
        seed,
        broker: mqtt.clone(),
        names: Names {
            customer: "c-{n}".into(),
            device: "meter-{n}".into(),
            user: "c-{n}".into(),
            password: "secret-{n}".into(),
        },
        interval_s: 60,
        encoding: Encoding::Json,
        faults: Severity::Many,
        back: 12 * HOUR,
        speed: if is_full() { 360.0 } else { 2_400.0 },
        span: Some(12 * HOUR),
        settle: 3 * process::DEADLINE,
        keeps_records: true,
    };
    let tally = Arc::new(Tally::default());
    let (_stop, stop) = watch::channel(false);
    let killing = async {
        for kill in 1..=kills {
            // After some more readings each time, so that the last one is well before the end.
            let due = devices * 12 * 60 * 6 * kill / (2 * kills + 2);
            let (data, mqtt, tally) = (data.clone(), mqtt.clone(), tally.clone());
            let restarted = tokio::task::spawn_blocking(move || {
                within(patience, || (tally.readings_acknowledged.load(Relaxed) >= due).then_some(()));
                serving.kill();
                node(&data, &mqtt)
            });
            serving = restarted.await.unwrap();
        }
        serving
    };
    let (outcomes, serving) = tokio::join!(fleet::run(options, tally.clone(), stop), killing);
    let outcomes = outcomes.unwrap();
    println!("{tally:?}");

    let mut rows: BTreeMap<(String, String), BTreeMap<i64, [Option<f64>; 2]>> = BTreeMap::new();
    let read =
        "SELECT customer, circuit, CAST(extract(epoch FROM at) * 1000 AS BIGINT), power_w, energy_kwh FROM readings";
    for row in serving.rows(read) {
        let number = |cell: &String| (!cell.is_empty()).then(|| cell.parse::<f64>().unwrap());
        let of = rows.entry((row[0].clone(), row[1].clone())).or_default();
        of.insert(row[2].parse().unwrap(), [number(&row[3]), number(&row[4])]);
    }
    let mut count = 0;
    for outcome in &outcomes {
        assert!(outcome.delivered && outcome.overwritten == 0, "{} CAUDAL_SEED={seed}", outcome.customer);
        for (index, circuit) in outcome.circuits.iter().enumerate() {
            let about = format!("{circuit} of {} CAUDAL_SEED={seed}", outcome.customer);
            let mut found = rows.remove(&(outcome.customer.clone(), circuit.to_string())).unwrap_or_default();
            count += found.len();
            let (dated, undated) = recorded(outcome, index);
            for (at_ms, reading) in &dated {
                assert_eq!(found.remove(at_ms), Some(shown(reading)), "{at_ms} {about}");
            }
            // Those with a date of later are there by their values; what power went within may be.
            let mut rest: Vec<[Option<f64>; 2]> = found.into_values().collect();
            for reading in &undated {
                let at = rest.iter().position(|found| *found == shown(reading));
                rest.remove(at.unwrap_or_else(|| panic!("{reading:?} is not there: {about}")));
            }
            assert!(rest.len() as u64 <= outcome.torn, "{} readings of nowhere: {about}", rest.len());
        }
    }
    assert!(rows.is_empty(), "readings of nobody: {:?}", rows.keys());
    assert!(count as u64 > devices * 1_000, "{count} readings");

    // Each window has each of its readings once, and nothing was quarantined.
    let counted = "SELECT sum(readings) FROM quarters";
    assert_eq!(serving.cell(counted), count.to_string());
    let again = "SELECT count(*) FROM (SELECT customer, circuit, date_bin(INTERVAL '15 minutes', at) AS quarter, count(*) AS readings,
        sum(power_w) AS power_w, max(energy_kwh) AS energy_kwh FROM readings GROUP BY 1, 2, 3 EXCEPT SELECT * FROM quarters) AS d";
    assert_eq!(serving.cell(again), "0");
    assert_eq!(serving.cell("SELECT count(*) FROM caudal.quarantine"), "0");
    for (what, happened) in [("batches sent twice", &tally.batches_repeated), ("power cuts", &tally.power_cuts)] {
        assert!(happened.load(Relaxed) > 0, "no {what}: the test tests nothing, CAUDAL_SEED={seed}");
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
