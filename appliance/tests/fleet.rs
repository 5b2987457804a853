//! A fleet of meters with outages, power cuts, wrong clocks and lost acknowledgements sends to a node with the energy pack, which is
//! killed again and again. At its end every reading that a meter recorded is in the table as it was taken and counted once in each
//! window, each time without power is a gap, and Home Assistants show what SQL does.
//!
//! `CAUDAL_FULL=1` has 500 meters and ten kills; `CAUDAL_SEED=n` the faults of the run that named it.

mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use meter::record::{Content, Time};
use meter::upload::Encoding;
use process::{Caudal, caudal, text, within};
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use simulator::faults::Severity;
use simulator::fleet::{self, Installed, Names, Options, Outcome, Tally};
use simulator::site::Wired;
use tokio::sync::watch;
use wire::Reading;

const HOUR: Duration = Duration::from_secs(3_600);
const INTERVAL_MS: i64 = 60_000;

/// A wrong time server is two hours off; what it dates is not to be of the future.
const BEFORE_NOW: Duration = Duration::from_secs(3 * 3_600);

/// Device and simulator tell the time this well.
const CLOCK_MS: i64 = 2_000;

const ROLES: &str = "CREATE ROLE meters; CREATE ROLE homes;
    ALTER ROLE meters SET mqtt.publish = ARRAY['teravolta/clientes/{subject}/consumo/+', 'teravolta/clientes/{subject}/estado/+'];
    ALTER ROLE homes SET mqtt.subscribe = ARRAY['homeassistant/+/{subject}/+/config', 'caudal/{subject}/#'];
    ALTER ROLE homes SET mqtt.publish = 'homeassistant/status'";

/// Whose Home Assistant is looked at.
const HOMES: [u64; 3] = [1, 2, 3];

fn is_full() -> bool {
    std::env::var_os("CAUDAL_FULL").is_some()
}

/// Customers with their circuits, a user for each meter, who may write what is its own customer's, and some for homes.
fn registered(meters: &[Installed], installed_at: &str) -> Vec<String> {
    let mut statements = vec![ROLES.to_owned()];
    let user = |name: &str, password: &str, role: &str, subject: &str| {
        let rights = format!("GRANT {role} TO \"{name}\"; ALTER ROLE \"{name}\" SET caudal.subject = '{subject}'");
        format!("CREATE USER \"{name}\" PASSWORD '{password}'; {rights}")
    };
    for Installed { customer, device, user: name, password, site, .. } in meters {
        let circuit = |circuit: &Wired| {
            let role = match circuit.name {
                "mains" => "mains",
                "solar" => "generation",
                _ => "branch",
            };
            format!("('{customer}', '{}', '{device}', '{role}', 60, 120, '{installed_at}')", circuit.name)
        };
        let circuits = site.circuits.iter().map(circuit).collect::<Vec<_>>().join(", ");
        let columns = "customer_id, circuit, meter, role, interval_s, nominal_v, installed_at";
        statements.push(format!("INSERT INTO energy.customers (customer_id, zone) VALUES ('{customer}', 'Etc/UTC')"));
        statements.push(format!("INSERT INTO energy.circuits ({columns}) VALUES {circuits}"));
        statements.push(user(name, password, "meters", customer));
    }
    statements.extend(HOMES.map(|number| user(&format!("h-{number}"), "home", "homes", &format!("c-{number}"))));
    statements
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

type Rows = BTreeMap<(String, String), BTreeMap<i64, [Option<f64>; 2]>>;

/// Each reading that a meter recorded is there as it was taken, and no other; how many there are.
fn every_reading_is_there(outcomes: &[Outcome], mut rows: Rows, seed: u64) -> usize {
    let mut count = 0;
    for outcome in outcomes {
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
    count
}

/// The gaps are those between readings that are too far apart; and a meter that knew the time has one for each of its
/// interruptions and no other.
fn every_gap_is_a_gap(
    outcomes: &[Outcome],
    rows: &Rows,
    gaps: &BTreeMap<(String, String), Vec<(i64, i64)>>,
    seed: u64,
) -> usize {
    let (none, mut interruptions) = (Vec::new(), 0);
    for (circuit, readings) in rows {
        let times = readings.keys().copied().collect::<Vec<_>>();
        let apart =
            times.windows(2).map(|pair| (pair[0], pair[1])).filter(|(from, til)| 2 * (til - from) > 3 * INTERVAL_MS);
        assert_eq!(gaps.get(circuit).unwrap_or(&none), &apart.collect::<Vec<_>>(), "{circuit:?} CAUDAL_SEED={seed}");
    }
    for outcome in outcomes.iter().filter(|outcome| !outcome.misled) {
        for circuit in &outcome.circuits {
            let key = (outcome.customer.clone(), circuit.to_string());
            let Some(readings) = rows.get(&key) else { continue };
            let (first, last) = (*readings.keys().next().unwrap(), *readings.keys().next_back().unwrap());
            let gaps = gaps.get(&key).unwrap_or(&none);
            let within = |(began, ended): &(i64, i64), (from, til): &(i64, i64)| {
                *began <= from + CLOCK_MS && *ended >= til - CLOCK_MS
            };
            for interruption in
                outcome.interruptions.iter().filter(|(from, til)| *from > first + CLOCK_MS && *til < last - CLOCK_MS)
            {
                let reported = gaps.iter().filter(|gap| within(gap, interruption)).count();
                assert_eq!(reported, 1, "{interruption:?} of {key:?}, gaps {gaps:?}, CAUDAL_SEED={seed}");
                interruptions += 1;
            }
            for gap in gaps {
                let explained = outcome.interruptions.iter().any(|interruption| within(gap, interruption));
                assert!(explained, "{gap:?} of {key:?}, interruptions {:?}, CAUDAL_SEED={seed}", outcome.interruptions);
            }
        }
    }
    interruptions
}

/// Each window has each of its readings once.
fn every_window_counts_once(node: &Caudal) {
    for (view, column, window) in [
        ("circuit_minutes", "minute", "date_trunc('minute', at)"),
        ("circuit_quarters", "quarter", "date_bin(INTERVAL '15 minutes', at)"),
        ("circuit_hours", "hour", "date_trunc('hour', at)"),
        ("circuit_days", "day", "at::DATE"),
    ] {
        let kept = format!(
            "SELECT customer_id, circuit, {column} AS at, samples, sum_w, min_w, max_w FROM energy.{view} WHERE samples > 0"
        );
        let counted = format!(
            "SELECT customer_id, circuit, {window} AS at, count(power_w) AS samples, sum(power_w) AS sum_w, min(power_w) AS min_w, \
             max(power_w) AS max_w FROM energy.readings WHERE power_w IS NOT NULL GROUP BY 1, 2, 3"
        );
        for (one, other) in [(&kept, &counted), (&counted, &kept)] {
            assert_eq!(node.cell(&format!("SELECT count(*) FROM ({one} EXCEPT {other}) AS d")), "0", "{view}");
        }
    }
}

/// What a customer's Home Assistant is told, once it is what SQL says: it asks for all that is discovered and says that it is there; of
/// each entity it asks for its topics.
async fn home_shows_what_sql_does(node: &Caudal, number: u64) {
    let at: std::net::SocketAddr = node.doors["mqtt"].parse().unwrap();
    let mut options = MqttOptions::new(format!("home-{number}"), at.ip().to_string(), at.port());
    options.set_credentials(format!("h-{number}"), "home");
    let (client, mut events) = AsyncClient::new(options, 1_000);
    client.subscribe("homeassistant/+/+/+/config", QoS::AtLeastOnce).await.unwrap();
    client.publish("homeassistant/status", QoS::AtLeastOnce, false, "online").await.unwrap();
    let query = format!(
        "SELECT entity, coalesce(state, 'None'), CASE WHEN available THEN 'online' ELSE 'offline' END \
         FROM energy.home_assistant WHERE subject = 'c-{number}'"
    );
    let mut expected = BTreeMap::new();
    for row in node.rows(&query) {
        let plain = row[0].replace('_', "_5f").replace('.', "_2e");
        expected.insert(format!("caudal/c-{number}/{plain}/state"), row[1].clone());
        expected.insert(format!("caudal/c-{number}/{plain}/availability"), row[2].clone());
    }
    // Five metrics and four alerts of six circuits, two alerts of the customer and one of the meter; the month, if it is not new.
    assert!(expected.len() >= 2 * (6 * 9 + 2 + 1), "{expected:#?}");
    let (mut asked, mut told) = (BTreeSet::new(), BTreeMap::new());
    let deadline = Instant::now() + process::DEADLINE;
    while told != expected {
        let Ok(event) = tokio::time::timeout_at(deadline.into(), events.poll()).await else {
            panic!("{asked:?} is discovered, {told:#?} is told, and SQL says {expected:#?}");
        };
        let Event::Incoming(Incoming::Publish(message)) = event.unwrap() else { continue };
        let payload = String::from_utf8(message.payload.to_vec()).unwrap();
        if !message.topic.starts_with("homeassistant/") {
            told.insert(message.topic, payload);
            continue;
        }
        let config: serde_json::Value = serde_json::from_str(&payload).unwrap();
        for topic in ["state_topic", "availability_topic"].map(|topic| config[topic].as_str().unwrap().to_owned()) {
            if asked.insert(topic.clone()) {
                client.try_subscribe(topic, QoS::AtLeastOnce).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_of_a_fleet_is_counted_once_however_often_the_node_dies() {
    let (devices, kills, span, speed) = if is_full() { (500, 10, 4 * HOUR, 60.0) } else { (16, 3, 12 * HOUR, 2_400.0) };
    let patience = process::DEADLINE * if is_full() { 60 } else { 6 };
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand_seed(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    let began = Instant::now();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut serving = node(&data, "127.0.0.1:0");
    // The meters look for it where it was first.
    let mqtt = serving.doors["mqtt"].clone();
    let added = caudal().args(["pack", "add", "energy", "--pg", &serving.doors["pg"]]).output().unwrap();
    assert!(added.status.success(), "{}", text(&added.stderr));
    let names = Names {
        customer: "c-{n}".into(),
        device: "meter-{n}".into(),
        user: "m-{n}".into(),
        password: "secret-{n}".into(),
    };
    let back = span + BEFORE_NOW;
    let options = Options {
        meters: names.meters(devices, seed),
        broker: mqtt.clone(),
        interval_s: 60,
        // Those of the other encoding are the same readings.
        encoding: if seed.is_multiple_of(2) { Encoding::Json } else { Encoding::Cbor },
        faults: Severity::Many,
        back,
        speed,
        span: Some(span),
        settle: 3 * process::DEADLINE,
        keeps_records: true,
    };
    // A wrong time server may be two hours late too.
    let installed_at = serving.cell(&format!("SELECT now() - INTERVAL '{} seconds'", (back + BEFORE_NOW).as_secs()));
    // A command line has its length.
    for statements in registered(&options.meters, &installed_at).chunks(90) {
        serving.execute(&statements.join("; "));
    }
    println!("{:?}: registered", began.elapsed());
    let tally = Arc::new(Tally::default());
    let (_stop, stop) = watch::channel(false);
    let recorded = devices * 6 * span.as_secs() / 60;
    let killing = async {
        for kill in 1..=kills {
            // After some more readings each time, so that the last one is well before the end.
            let due = recorded * kill / (2 * kills + 2);
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
    println!("{:?}: delivered, {tally:?}", began.elapsed());
    // A statement returns once what was before it in the log is in every view.
    serving.execute("INSERT INTO energy.readings (customer_id, circuit, at, power_w) VALUES ('nobody', 'nothing', '2026-01-01T00:00:00Z', 1)");
    serving.execute("DELETE FROM energy.readings WHERE customer_id = 'nobody' AND circuit = 'nothing' AND at = '2026-01-01T00:00:00Z'");
    within(patience, || (serving.cell("SELECT count(*) FROM energy.meter_status WHERE online") == "0").then_some(()));
    println!("{:?}: views have followed", began.elapsed());

    let mut rows = Rows::new();
    let read = "SELECT customer_id, circuit, CAST(extract(epoch FROM at) * 1000 AS BIGINT), power_w, energy_kwh FROM energy.readings";
    for row in serving.rows(read) {
        let number = |cell: &String| (!cell.is_empty()).then(|| cell.parse::<f64>().unwrap());
        let of = rows.entry((row[0].clone(), row[1].clone())).or_default();
        of.insert(row[2].parse().unwrap(), [number(&row[3]), number(&row[4])]);
    }
    let count = every_reading_is_there(&outcomes, rows.clone(), seed);
    assert!(count as u64 > recorded / 2, "{count} readings");
    for nothing in ["caudal.quarantine", "energy.rejected", "caudal.errors"] {
        assert_eq!(serving.cell(&format!("SELECT count(*) FROM {nothing}")), "0", "{nothing} CAUDAL_SEED={seed}");
    }
    every_window_counts_once(&serving);
    let mut gaps = BTreeMap::<_, Vec<_>>::new();
    let read = "SELECT customer_id, circuit, CAST(extract(epoch FROM began) * 1000 AS BIGINT), CAST(extract(epoch FROM ended) * 1000 AS BIGINT)
        FROM energy.gaps WHERE NOT is_start ORDER BY 1, 2, 3";
    for row in serving.rows(read) {
        let key = (row[0].clone(), row[1].clone());
        gaps.entry(key).or_default().push((row[2].parse().unwrap(), row[3].parse().unwrap()));
    }
    let interruptions = every_gap_is_a_gap(&outcomes, &rows, &gaps, seed);
    // It is hours ago that the last of them was read.
    assert_eq!(serving.cell("SELECT count(*) FROM energy.open_gaps"), (devices * 6).to_string());
    for number in HOMES {
        home_shows_what_sql_does(&serving, number).await;
    }
    let count_gaps = gaps.values().map(Vec::len).sum::<usize>();
    println!("{:?}: {count} readings, {count_gaps} gaps of {interruptions} interruptions", began.elapsed());
    for (what, happened) in [
        ("batches sent twice", tally.batches_repeated.load(Relaxed)),
        ("power cuts", tally.power_cuts.load(Relaxed)),
        ("interruptions of meters that knew the time", interruptions as u64),
    ] {
        assert!(happened > 0, "no {what}: the test tests nothing, CAUDAL_SEED={seed}");
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
