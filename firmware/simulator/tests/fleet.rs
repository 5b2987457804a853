//! A fleet against a real broker: every reading that a meter accepted arrives, as it was taken, whatever was cut, lost, late
//! or sent twice; and a meter can only write below its own customer.

#[path = "../../../tests/src/skipping.rs"]
mod skipping;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use meter::record::{Content, Record, Time};
use meter::upload::Encoding;
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use simulator::faults::Severity;
use simulator::fleet::{self, Names, Options, Outcome, Tally};
use skipping::skip;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use wire::{Reading, Topic};

const DEADLINE: Duration = Duration::from_secs(120);
const DEVICES: u64 = 12;
const HOUR: Duration = Duration::from_secs(3_600);

/// Mosquitto with a user for each customer, who may write below it and nothing else, and one who reads everything.
struct Mosquitto {
    process: Child,
    port: u16,
}

impl Mosquitto {
    /// `None` where it is not installed.
    fn start(dir: &Path) -> Option<Self> {
        let binary = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"];
        let binary = binary.into_iter().find(|binary| Path::new(binary).exists())?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let users = (1..=DEVICES).map(|number| format!("c-{number}:secret-{number}\n"));
        let passwords = dir.join("passwords");
        std::fs::write(&passwords, users.chain(["reader:reads\n".to_string()]).collect::<String>()).unwrap();
        let hashed = Command::new("mosquitto_passwd").arg("-U").arg(&passwords).status().unwrap();
        assert!(hashed.success());
        let rights = dir.join("rights");
        std::fs::write(&rights, "pattern write teravolta/clientes/%u/consumo/#\npattern write teravolta/clientes/%u/estado/#\nuser reader\ntopic read #\n").unwrap();
        let settings = dir.join("mosquitto.conf");
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\nacl_file {}\nmax_queued_messages 0\nuser root\n",
            passwords.display(),
            rights.display()
        );
        std::fs::write(&settings, text).unwrap();
        let process = Command::new(binary).arg("-c").arg(&settings).stderr(Stdio::null()).spawn().unwrap();
        let mosquitto = Mosquitto { process, port };
        let began = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < DEADLINE, "the broker does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(mosquitto)
    }

    fn broker(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Everything that is published from now on.
    async fn subscribe(&self) -> mpsc::UnboundedReceiver<(String, Vec<u8>)> {
        let mut options = MqttOptions::new("reader", "127.0.0.1", self.port);
        options.set_credentials("reader", "reads");
        let (client, mut events) = AsyncClient::new(options, 16);
        client.subscribe("teravolta/clientes/+/consumo/+", QoS::AtLeastOnce).await.unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let _client = client;
            let mut ready = Some(ready);
            loop {
                let Ok(event) = events.poll().await else { return };
                let told = match event {
                    Event::Incoming(Incoming::SubAck(_)) => ready.take().is_none_or(|ready| ready.send(()).is_ok()),
                    Event::Incoming(Incoming::Publish(publish)) => {
                        tell.send((publish.topic, publish.payload.to_vec())).is_ok()
                    }
                    _ => true,
                };
                if !told {
                    return;
                }
            }
        });
        timeout(DEADLINE, is_ready).await.unwrap().unwrap();
        heard
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn names() -> Names {
    Names {
        customer: "c-{n}".to_string(),
        device: "meter-{n}".to_string(),
        user: "c-{n}".to_string(),
        password: "secret-{n}".to_string(),
    }
}

fn options(mosquitto: &Mosquitto, seed: u64) -> Options {
    Options {
        meters: names().meters(DEVICES, seed),
        broker: mosquitto.broker(),
        interval_s: 30,
        encoding: Encoding::Json,
        faults: Severity::Many,
        back: 12 * HOUR,
        speed: 3_600.0,
        span: Some(12 * HOUR),
        settle: DEADLINE,
        keeps_records: true,
    }
}

/// What arrived, by customer and circuit and time, and how often in all.
#[derive(Default)]
struct Arrived {
    readings: BTreeMap<(String, String), BTreeMap<i64, Reading>>,
    messages: u64,
    count: u64,
}

impl Arrived {
    fn add(&mut self, topic: &str, message: &[u8]) {
        let topic = Topic::parse(topic).unwrap_or_else(|| panic!("{topic}"));
        let circuit = self.readings.entry((topic.customer().to_string(), topic.circuit().to_string())).or_default();
        self.messages += 1;
        let mut before = i64::MIN;
        for reading in wire::decode(message).unwrap() {
            let reading = reading.unwrap();
            self.count += 1;
            assert!(before < reading.at_ms || before - reading.at_ms > 2_000, "a message is oldest first");
            before = reading.at_ms;
            let known = circuit.entry(reading.at_ms).or_insert(reading);
            assert_eq!(*known, reading, "sent again, a reading is the same");
        }
    }
}

/// Compares a circuit's readings with what its device had recorded.
fn compare(outcome: &Outcome, index: usize, arrived: &BTreeMap<i64, Reading>, about: &str) {
    let mut rest = arrived.clone();
    let mut undated = Vec::new();
    for Record { start, content, .. } in &outcome.records {
        let Content::Sample(time, sample) = content else { continue };
        match time {
            Time::UtcMs(at_ms) => {
                let expected = sample.reading(index, *at_ms);
                assert_eq!(rest.remove(at_ms), expected, "{about}");
            }
            Time::UptimeMs(_) if outcome.dated_starts.contains(start) => undated.extend(sample.reading(index, 0)),
            Time::UptimeMs(_) => {}
        }
    }
    // Dated later; and what power went within, which may be there.
    let mut rest = rest.into_values().map(|reading| Reading { at_ms: 0, ..reading }).collect::<Vec<_>>();
    for expected in undated {
        let at = rest.iter().position(|reading| *reading == expected);
        rest.remove(at.unwrap_or_else(|| panic!("{expected:?} did not arrive: {about}")));
    }
    assert!(rest.len() as u64 <= outcome.torn, "{} readings of nowhere: {about}", rest.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_accepted_reading_arrives_as_it_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mosquitto) = Mosquitto::start(dir.path()) else {
        return skip("mosquitto is not installed (apt-get install mosquitto)");
    };
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    let mut heard = mosquitto.subscribe().await;
    let tally = Arc::new(Tally::default());
    let (_stop, stop) = watch::channel(false);
    let outcomes = fleet::run(options(&mosquitto, seed), tally.clone(), stop).await.unwrap();
    println!("{tally:?}");
    let mut arrived = Arrived::default();
    let began = Instant::now();
    // Whatever was acknowledged is on its way to the subscriber.
    while arrived.count < tally.readings_acknowledged.load(Relaxed) && began.elapsed() < DEADLINE {
        let (topic, message) = timeout(DEADLINE, heard.recv()).await.unwrap().unwrap();
        arrived.add(&topic, &message);
    }
    while let Ok((topic, message)) = heard.try_recv() {
        arrived.add(&topic, &message);
    }
    let nothing = BTreeMap::new();
    for outcome in &outcomes {
        let about = format!("{} CAUDAL_SEED={seed}", outcome.customer);
        assert!(outcome.delivered && outcome.overwritten == 0, "{about}");
        for (index, circuit) in outcome.circuits.iter().enumerate() {
            let key = (outcome.customer.clone(), circuit.to_string());
            let readings = arrived.readings.get(&key).unwrap_or(&nothing);
            compare(outcome, index, readings, &format!("{circuit} of {about}"));
        }
    }
    let distinct = arrived.readings.values().map(BTreeMap::len).sum::<usize>() as u64;
    println!("{distinct} readings, {} with those sent again, in {} messages", arrived.count, arrived.messages);
    let customers = arrived.readings.keys().map(|(customer, _)| customer).collect::<BTreeSet<_>>();
    assert_eq!(customers.len() as u64, DEVICES);
    for (what, count) in [
        ("batches sent twice", &tally.batches_repeated),
        ("power cuts", &tally.power_cuts),
        ("resets", &tally.resets),
        ("connections lost", &tally.connections_lost),
    ] {
        assert!(count.load(Relaxed) > 0, "no {what}: the test tests nothing, CAUDAL_SEED={seed}");
    }
    assert!(arrived.count > distinct);
}

/// What a meter publishes below another customer does not arrive; so the credentials are each meter's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meter_without_its_customers_credentials_delivers_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mosquitto) = Mosquitto::start(dir.path()) else {
        return skip("mosquitto is not installed (apt-get install mosquitto)");
    };
    let mut heard = mosquitto.subscribe().await;
    let mut wrong = options(&mosquitto, 1);
    (wrong.faults, wrong.span, wrong.settle) = (Severity::None, Some(HOUR / 6), HOUR / 3_600);
    wrong.meters = Names { password: "secret-0".to_string(), ..names() }.meters(2, 1);
    let (_stop, stop) = watch::channel(false);
    let outcomes = fleet::run(wrong.clone(), Arc::default(), stop.clone()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| !outcome.delivered));
    wrong.meters = Names { user: "c-3".to_string(), password: "secret-3".to_string(), ..names() }.meters(2, 1);
    fleet::run(wrong, Arc::default(), stop).await.unwrap();
    assert!(heard.try_recv().is_err());
}
