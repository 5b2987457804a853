//! Apache Kafka and the node are asked the same questions, one after the other: both give the same answers.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::broker::Broker;
use tests::clients;

use super::harness::{client_or_skip, json_lines, node, run};

/// What a broker is asked, and its answers.
async fn answers(python: &Path, address: &str) -> Vec<Value> {
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/asks.py")).arg(address);
    json_lines(&run(command, "").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_answers_as_kafka_does() {
    let python = client_or_skip!(clients::python());
    let kafka = client_or_skip!(clients::kafka().and_then(|class_path| Broker::start(&class_path)));
    let node = node().await;
    let expected = answers(&python, &kafka.address.to_string()).await;
    let found = answers(&python, &node.address.to_string()).await;
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found, expected, "the node's answer is not Kafka's");
    }
    assert_eq!(found.len(), expected.len());
    assert!(found.len() >= 70, "{}", found.len());
    node.end().await;
}
