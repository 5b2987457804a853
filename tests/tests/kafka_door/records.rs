//! Records go in and come out in every compression, topics are made, offsets are found by time.

use bytes::Bytes;
use serde_json::json;
use tests::clients;

use super::harness::{COMPRESSIONS, client_or_skip, confluent, json_lines, kcat, node, run};

#[tokio::test(flavor = "multi_thread")]
async fn kcat_produces_in_every_compression_and_the_log_has_it() {
    let path = client_or_skip!(clients::kcat());
    let node = node().await;
    let lines: Vec<String> = (0..500).map(|number| format!("{{\"circuit\": {number}, \"power_w\": 230}}")).collect();
    for compression in COMPRESSIONS {
        let arguments = ["-P", "-t", compression, "-z", compression, "-H", "source=meter"];
        run(kcat(&path, &node, &arguments), &lines.join("\n")).await;
        let records = node.records(compression).await;
        let values: Vec<_> = records.iter().map(|record| record.value.clone().unwrap()).collect();
        assert_eq!(values, lines, "{compression}");
        assert_eq!(records[0].headers, [("source".to_string(), Some(Bytes::from("meter")))]);
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_consumes_what_the_node_appended_and_follows_it() {
    let path = client_or_skip!(clients::kcat());
    let node = node().await;
    let lines: Vec<String> = (0..3_000).map(|number| format!("line {number}")).collect();
    node.append("t", lines[..2_000].iter().cloned()).await;
    let consumed = run(kcat(&path, &node, &["-C", "-t", "t", "-e", "-q"]), "").await;
    assert_eq!(consumed.lines().collect::<Vec<_>>(), lines[..2_000]);
    let command = kcat(&path, &node, &["-C", "-t", "t", "-o", "2000", "-c", "1000", "-q"]);
    let following = run(command, "");
    let appending = node.append("t", lines[2_000..].iter().cloned());
    let (followed, ()) = tokio::join!(following, appending);
    assert_eq!(followed.lines().collect::<Vec<_>>(), lines[2_000..]);
    let listed = run(kcat(&path, &node, &["-L", "-t", "t"]), "").await;
    assert!(listed.contains("topic \"t\" with 1 partitions"), "{listed}");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confluent_kafka_produces_idempotently_in_every_compression_and_consumes_it_again() {
    let python = client_or_skip!(clients::python());
    let node = node().await;
    for (compression, idempotence) in COMPRESSIONS.into_iter().zip(["true", "true", "false", "true", "true"]) {
        let produced =
            run(confluent(&python, &node, &["produce", compression, "300", compression, idempotence]), "").await;
        let produced = &json_lines(&produced)[0];
        assert_eq!((&produced["delivered"], &produced["offsets"]), (&json!(300), &json!([0, 299])), "{produced}");
        let consumed = run(confluent(&python, &node, &["consume", compression, "300"]), "").await;
        let consumed = json_lines(&consumed);
        assert_eq!(consumed.len(), 300);
        for (number, record) in consumed.iter().enumerate() {
            let (key, value) = (format!("key-{}", number % 7), format!("value-{number}"));
            let headers = json!([["id", number.to_string()], ["empty", null]]);
            assert_eq!(*record, json!([number, 1_700_000_000_000i64 + number as i64, key, value, headers]));
        }
        let records = node.records(compression).await;
        assert_eq!(records[299].value.as_deref(), Some(&b"value-299"[..]));
        assert_eq!(records[299].timestamp_ms, 1_700_000_000_299);
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confluent_kafka_makes_topics_and_finds_offsets_by_time() {
    let python = client_or_skip!(clients::python());
    let node = node().await;
    let answers = json_lines(&run(confluent(&python, &node, &["admin", "made", "3"]), "").await);
    assert!(answers[0]["refused"].as_str().unwrap().contains("it must be delete"), "{}", answers[0]);
    assert_eq!((&answers[1]["retention.bytes"], &answers[1]["cleanup.policy"]), (&json!("123456"), &json!("delete")));
    assert_eq!(answers[2], json!({"partitions": 3}));
    assert_eq!(node.log.topic("made").unwrap().partitions, 3);

    run(confluent(&python, &node, &["produce", "t", "300", "none", "true"]), "").await;
    let times = run(confluent(&python, &node, &["times", "t", "1700000000100"]), "").await;
    assert_eq!(json_lines(&times)[0], json!({"offset": 100, "bounds": [0, 300]}));
    let refused = run(confluent(&python, &node, &["transaction"]), "").await;
    assert!(json_lines(&refused)[0]["refused"].is_string(), "transactions are refused");
    node.end().await;
}
