//! Readings in CBOR are the rows that they are in JSON.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use storage::{Position, TopicPartition};
use tests::mqtt::{PATIENCE, PUBACK, packet, text};
use tests::mqtt_node::{Node, node};
use wire::{Decimal, Reading};

/// Exact columns and inexact ones, as wide as a meter's integers are.
const TABLE: &str = "CREATE TABLE metered (form text, at timestamptz, voltage_v numeric(24, 3), current_a numeric(24, 3), \
     power_w numeric(24, 3), power_factor double precision, frequency_hz double precision, energy_kwh numeric(24, 6), \
     PRIMARY KEY (form, at)) WITH (topic = 'metered', mqtt = 'metered/{form}')";
const DIFFERENT: &str = "SELECT count(*) FROM (SELECT at, voltage_v, current_a, power_w, power_factor, frequency_hz, energy_kwh \
     FROM metered WHERE form = 'json' EXCEPT SELECT at, voltage_v, current_a, power_w, power_factor, frequency_hz, energy_kwh \
     FROM metered WHERE form = 'cbor') AS d";
const COUNTS: &str = "SELECT form, count(*) FROM metered GROUP BY form ORDER BY form";

fn reading(random: &mut impl Rng, at_ms: i64) -> Reading {
    let mut field = || random.random_bool(0.8).then(|| random.random::<i64>() >> random.random_range(0..64));
    Reading {
        at_ms,
        voltage_v: field().map(Decimal),
        current_a: field().map(Decimal),
        power_w: field().map(Decimal),
        power_factor: field().map(Decimal),
        frequency_hz: field().map(Decimal),
        energy_kwh: Some(Decimal(field().unwrap_or(i64::MIN))),
    }
}

fn cbor(readings: &[Reading]) -> Vec<u8> {
    let mut buffer = vec![0; 128 * (readings.len() + 1)];
    let mut cursor = minicbor::encode::write::Cursor::new(&mut buffer[..]);
    wire::cbor::encode(readings, &mut cursor).unwrap();
    let length = cursor.position();
    buffer.truncate(length);
    buffer
}

/// Publishes by MQTT 5, saying what the payload is.
async fn publish_as(node: &Node, content_type: &str, payload: &[u8]) {
    let mut client = node.client(5, "said").await;
    let properties = [&[0x03][..], &text(content_type)].concat();
    let body = [&text("metered/said")[..], &[0, 9, properties.len() as u8], &properties, payload].concat();
    client.send(&packet(0x32, &body)).await.unwrap();
    assert_eq!(client.expect(PUBACK).await.body[..2], [0, 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_the_same_rows_in_both_encodings() {
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let node = node().await;
    node.sql.batch_execute(TABLE).await.unwrap();
    let (mut json_client, mut cbor_client) = (node.client(4, "json").await, node.client(5, "cbor").await);
    let mut at_ms = 1_767_225_600_000;
    let mut sent = 0;
    for _ in 0..60 {
        let readings = (0..random.random_range(1..30)).map(|_| {
            at_ms += random.random_range(1..100_000);
            reading(&mut random, at_ms)
        });
        let readings = readings.collect::<Vec<_>>();
        sent += readings.len();
        let mut json = String::new();
        wire::json::encode(&readings, &mut json).unwrap();
        assert!(json_client.publish("metered/json", json).await);
        assert!(cbor_client.publish("metered/cbor", cbor(&readings)).await);
    }
    node.until(COUNTS, &[&format!("cbor|{sent}"), &format!("json|{sent}")]).await;
    assert_eq!(node.rows(DIFFERENT).await, ["0"], "CAUDAL_SEED={seed}");
    assert_eq!(node.rows("SELECT count(*) FROM caudal.quarantine").await, ["0"], "CAUDAL_SEED={seed}");
    // Whoever reads the log finds JSON.
    let from = Position { partition: TopicPartition { topic: "metered".into(), partition: 0 }, offset: 0 };
    let fetched = node.node.database.log().fetch(&[from], 1 << 20, PATIENCE).await.unwrap().remove(0);
    assert!(fetched.records.iter().all(|record| record.value.as_ref().unwrap().starts_with(b"{\"at\":")));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_is_may_be_said_and_what_has_no_json_is_kept_as_it_came() {
    let node = node().await;
    node.sql.batch_execute(TABLE).await.unwrap();
    // A tag stands before the map, which by its first byte could be something else.
    publish_as(&node, "application/cbor", b"\xd8\x40\xa2\x00\x01\x06\x02").await;
    node.until(COUNTS, &["said|1"]).await;
    for (payload, words) in [
        (&b"\xa1\x00"[..], "the message is not well formed at byte 2"),
        (b"\xa2\x00\x01\x06\xf9\x3c\x00", "energy_kwh is not a number"),
        (b"\x9f\xa1\x00\x01\xf0\xff", "JSON has no word for the value at byte 4"),
    ] {
        let mut client = node.client(4, "meter").await;
        assert!(client.publish("metered/bad", payload).await, "sent again it would be no better");
        let printed = payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let last = "SELECT payload, reason, subject FROM caudal.quarantine ORDER BY position DESC LIMIT 1";
        node.until(last, &[&format!("\\x{printed}|no JSON for its CBOR: {words}|metered/bad")]).await;
    }
    node.stop().await;
}
