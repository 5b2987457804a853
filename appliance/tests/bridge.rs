//! Bridges to a real Mosquitto, encrypted and with a password, while it and the node die in turn: a source loses nothing and counts
//! nothing twice, a sink leaves the broker with exactly the view.
//!
//! `CAUDAL_SEED=n` has the faults of the run that named it.

#[path = "../../tests/src/certificate.rs"]
mod certificate;
#[path = "../../tests/src/mosquitto.rs"]
mod mosquitto;
mod process;
#[path = "bridge/proxy.rs"]
mod proxy;
#[path = "../../tests/src/server.rs"]
mod server;
#[path = "../../tests/src/skipping.rs"]
mod skipping;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use certificate::certificate;
use mosquitto::{Mosquitto, PASSWORD, USER};
use process::{Caudal, DEADLINE, text, within};
use proxy::Proxy;
use rand::{RngExt, SeedableRng};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, TlsConfiguration, Transport};
use skipping::skip;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A broker with certificates, and the options of a bridge to it; `None` where it is not installed.
fn broker(certificates: &Path) -> Option<(Mosquitto, String)> {
    match Mosquitto::start(Some(certificates)) {
        Ok(broker) => {
            let pem = std::fs::read_to_string(certificates.join("authority.pem")).unwrap();
            let options = format!(
                "connector = 'mqtt', url = 'mqtts://127.0.0.1:{}', username = '{USER}', password = '{PASSWORD}', ca = '{pem}'",
                broker.port
            );
            Some((broker, options))
        }
        Err(why) => {
            skip(why);
            None
        }
    }
}

/// A client of the broker's own, whose session lasts.
fn client(port: u16, certificates: &Path, name: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, "127.0.0.1", port);
    options.set_credentials(USER, PASSWORD).set_clean_session(true).set_keep_alive(Duration::from_secs(30));
    let provider = ring::default_provider();
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(certificates.join("authority.pem")).unwrap();
    for one in CertificateDer::pem_slice_iter(&pem) {
        roots.add(one.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
    let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(config))));
    AsyncClient::new(options, 16)
}

/// Publishes one message after the other, each until the broker has acknowledged it.
async fn publish(port: u16, certificates: &Path, messages: Vec<(String, String)>, done: &AtomicU64) {
    let mut connection = None;
    for (topic, payload) in messages {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < DEADLINE, "the broker does not take {topic}");
            let (client, events) = connection.get_or_insert_with(|| client(port, certificates, "publisher"));
            client.publish(&topic, QoS::AtLeastOnce, false, payload.as_str()).await.unwrap();
            let acknowledged = loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::PubAck(_))) => break true,
                    Ok(_) => {}
                    Err(_) => break false,
                }
            };
            if acknowledged {
                break;
            }
            connection = None;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Publishes messages as fast as the broker acknowledges them.
async fn flood(port: u16, certificates: &Path, messages: Vec<(String, String)>) {
    let (client, mut events) = client(port, certificates, "flood");
    let count = messages.len();
    let publishing = async {
        for (topic, payload) in messages {
            client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
        }
    };
    let acknowledging = async {
        let mut acknowledged = 0;
        while acknowledged < count {
            acknowledged += usize::from(matches!(events.poll().await.unwrap(), Event::Incoming(Packet::PubAck(_))));
        }
    };
    tokio::join!(publishing, acknowledging);
}

fn seed() -> u64 {
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    seed
}

fn until(node: &Caudal, query: &str, expected: &str) {
    let began = Instant::now();
    loop {
        let cell = node.cell(query);
        if cell == expected {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "{query}: {cell} and not {expected}\n{}", node.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

const IS_UP: &str = "SELECT count(*) FROM caudal.bridges WHERE connected_since IS NOT NULL";

#[test]
fn what_a_broker_has_is_in_the_table_once_though_both_die() {
    let certificates = certificate();
    let Some((mut broker, options)) = broker(certificates.path()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut node = Caudal::run(&data);
    node.execute(&format!(
        "CREATE TABLE readings (customer TEXT, circuit INT, n BIGINT, w NUMERIC(9, 1), PRIMARY KEY (customer, circuit, n));
         CREATE MATERIALIZED VIEW total AS SELECT customer, count(*) AS n, sum(w) AS w FROM readings GROUP BY customer;
         CREATE SOURCE casa INTO readings WITH ({options}, topic = 'casa/{{customer}}/power/{{circuit}}', client_id = 'caudal-casa')"
    ));
    until(&node, IS_UP, "1");

    let count = 1_500;
    let message = |n: u64| {
        let topic = format!("casa/{}/power/{}", ["ana", "eva"][n as usize % 2], n % 7);
        (topic, format!("{{\"n\": {n}, \"w\": {}.5}}", n % 100))
    };
    let messages: Vec<(String, String)> = (0..count).map(message).collect();
    let done = Arc::new(AtomicU64::new(0));
    let (port, folder, counted) = (broker.port, certificates.path().to_owned(), done.clone());
    let publisher = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(publish(port, &folder, messages, &counted));
    });
    let reached = |n: u64| within(DEADLINE, || (done.load(Ordering::Relaxed) >= n).then_some(()));
    for round in 0..3 {
        let base = round * 450;
        reached(base + 100);
        node.kill();
        // The broker keeps what comes meanwhile.
        reached(base + 200);
        node = Caudal::run(&data);
        reached(base + 300);
        broker.stop();
        if round == 1 {
            node.kill();
            node = Caudal::run(&data);
        }
        broker.start_again();
        reached(base + 400);
    }
    publisher.join().unwrap();
    until(&node, "SELECT count(*) FROM readings", &count.to_string());
    let total = node.rows("SELECT customer, n, w FROM total ORDER BY customer");
    let watts = |odd: u64| (0..count).filter(|n| n % 2 == odd).map(|n| (n % 100) as f64 + 0.5).sum::<f64>();
    let expected = [("ana", 0), ("eva", 1)]
        .map(|(name, odd)| vec![name.to_owned(), "750".to_owned(), format!("{:.1}", watts(odd))]);
    assert_eq!(total, expected);
    assert_eq!(node.cell("SELECT count(DISTINCT n) FROM readings WHERE circuit = n % 7"), count.to_string());
    assert_eq!(node.cell("SELECT count(*) FROM caudal.quarantine"), "0");

    // A backlog comes as fast as it is kept, and the node is killed amid it.
    node.kill();
    let backlog = 20_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(flood(broker.port, certificates.path(), (count..count + backlog).map(message).collect()));
    node = Caudal::run(&data);
    let kept = |node: &Caudal| node.cell("SELECT count(*) FROM readings").parse::<u64>().unwrap();
    for _ in 0..5 {
        let goes_on = |node: &Caudal| node.cell("SELECT messages > 0 FROM caudal.bridges") == "t";
        within(DEADLINE, || (goes_on(&node) || kept(&node) == count + backlog).then_some(()));
        node.kill();
        node = Caudal::run(&data);
    }
    until(&node, "SELECT count(*) FROM readings", &(count + backlog).to_string());
    assert_eq!(node.cell("SELECT sum(n) FROM total"), (count + backlog).to_string());

    // What is no row is acknowledged, and in quarantine with its topic.
    let send = |messages: Vec<(String, String)>| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(publish(broker.port, certificates.path(), messages, &AtomicU64::new(0)));
    };
    send(vec![
        ("casa/ana/power/1".to_owned(), "no".to_owned()),
        ("casa/ana/power/x".to_owned(), "{\"n\": 1}".to_owned()),
    ]);
    until(
        &node,
        "SELECT string_agg(subject, ' ' ORDER BY position) FROM caudal.quarantine",
        "casa/ana/power/1 casa/ana/power/x",
    );
    let row = &node
        .rows("SELECT kind, relation, url, topic, client_id, messages > 0, last_message IS NULL FROM caudal.bridges")
        [0];
    let url = format!("mqtts://127.0.0.1:{}", broker.port);
    let expected = ["source", "readings", &url, "casa/{customer}/power/{circuit}", "caudal-casa", "t", "f"];
    assert_eq!(row, &expected);

    // Dropped, it is forgotten by the broker too: what comes after is not kept for it.
    let refused = node.sql("table", "DROP TABLE readings");
    assert!(text(&refused.stderr).contains("source \"casa\""), "{}", text(&refused.stderr));
    node.execute("DROP SOURCE casa");
    within(DEADLINE, || node.log().contains("a bridge has been taken down").then_some(()));
    assert_eq!(node.cell("SELECT count(*) FROM caudal.bridges"), "0");
    send(vec![("casa/ana/power/1".to_owned(), "{\"n\": 90000}".to_owned())]);
    node.execute(&format!(
        "CREATE SOURCE casa INTO readings WITH ({options}, topic = 'casa/{{customer}}/power/{{circuit}}', client_id = 'caudal-casa')"
    ));
    until(&node, IS_UP, "1");
    send(vec![("casa/ana/power/1".to_owned(), "{\"n\": 90001}".to_owned())]);
    until(&node, "SELECT string_agg(n::TEXT, ' ') FROM readings WHERE n >= 90000", "90001");

    let (log, table) = (node.log(), text(&node.sql("csv", "SELECT * FROM caudal.bridges").stdout));
    assert!(!log.contains(PASSWORD) && !table.contains(PASSWORD), "the password is told");
}

/// What the broker retains below `total/`.
fn retained(broker: &Mosquitto, certificates: &Path) -> BTreeMap<String, String> {
    let mut sub = Command::new("mosquitto_sub");
    sub.args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-u", USER, "-P", PASSWORD, "--cafile"])
        .arg(certificates.join("authority.pem"))
        .args(["-t", "total/#", "-v", "--retained-only", "-W", "1"]);
    let output = sub.output().unwrap();
    let lines = text(&output.stdout);
    lines.lines().map(|line| line.split_once(' ').unwrap()).map(|(topic, said)| (topic.into(), said.into())).collect()
}

#[test]
fn a_broker_ends_with_exactly_the_view_though_both_die() {
    let certificates = certificate();
    let Some((mut broker, options)) = broker(certificates.path()) else { return };
    let seed = seed();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut node = Caudal::run(&data);
    let line = Proxy::to(broker.port);
    let options = options.replace(&format!(":{}", broker.port), &format!(":{}", line.port));
    node.execute(&format!(
        "CREATE TABLE readings (customer TEXT, n INT, w NUMERIC(9, 1), PRIMARY KEY (customer, n));
         INSERT INTO readings VALUES ('c0', 0, 1.5), ('c1', 0, 2);
         CREATE MATERIALIZED VIEW total AS SELECT customer, count(*) AS n, sum(w) AS w FROM readings GROUP BY customer;
         CREATE SINK totals FROM total WITH ({options}, topic = 'total/{{customer}}/now', retain = true)"
    ));
    until(&node, "SELECT messages FROM caudal.bridges", "2");
    for round in 0..24 {
        let mut statements = String::new();
        for _ in 0..random.random_range(1..12) {
            let (customer, n) = (random.random_range(0..12), random.random_range(0..3));
            statements += &match random.random_range(0..5) {
                0 | 1 => format!("DELETE FROM readings WHERE customer = 'c{customer}' AND n = {n};"),
                _ => format!("INSERT INTO readings VALUES ('c{customer}', {n}, {}.5);", random.random_range(0..100)),
            };
        }
        match round % 6 {
            // What is told gets lost on its way, before the line breaks or the node dies.
            lost @ (0 | 4) => {
                until(&node, IS_UP, "1");
                line.swallow();
                statements += &format!("INSERT INTO readings VALUES ('lost', {round}, 1.5);");
                node.execute(&statements);
                within(DEADLINE, || (line.swallowed() > 0).then_some(()));
                if lost == 4 {
                    node.kill();
                    line.break_off();
                    node = Caudal::run(&data);
                } else {
                    line.break_off();
                }
            }
            1 => {
                node.execute(&statements);
                node.kill();
                node = Caudal::run(&data);
            }
            3 => {
                broker.stop();
                node.execute(&statements);
                broker.start_again();
            }
            5 => {
                broker.stop();
                node.execute(&statements);
                node.kill();
                node = Caudal::run(&data);
                broker.start_again();
            }
            _ => node.execute(&statements),
        }
    }
    let view: BTreeMap<String, String> = node
        .rows("SELECT customer, n, w FROM total")
        .into_iter()
        .map(|row| {
            let (customer, n, w) = (&row[0], &row[1], &row[2]);
            (format!("total/{customer}/now"), format!("{{\"customer\":\"{customer}\",\"n\":{n},\"w\":{w}}}"))
        })
        .collect();
    let mut last = BTreeMap::new();
    let began = Instant::now();
    while began.elapsed() < DEADLINE && last != view {
        last = retained(&broker, certificates.path());
    }
    assert_eq!(last, view, "CAUDAL_SEED={seed}\n{}", node.log());
    let log = node.log();
    assert!(!log.contains("all rows are told again"), "{log}");
    assert!(!log.contains(PASSWORD), "the password is told");
    node.execute("DROP SINK totals");
    within(DEADLINE, || std::fs::read_dir(data.join("sinks")).unwrap().next().is_none().then_some(()));
}
