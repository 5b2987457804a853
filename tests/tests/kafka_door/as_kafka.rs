//! Apache Kafka and the node are asked the same questions, one after the other: both give the same answers.

use std::process::Command;

use tests::broker::Broker;
use tests::clients;

use super::harness::{client_or_skip, json_lines, node, run};

/// Asks Kafka and then a node by a client that prints each question, `least` or more, with its answer.
async fn compare(kafka: Broker, client: Command, least: usize) {
    let answers = async |address: String| {
        let mut command = Command::new(client.get_program());
        command.args(client.get_args()).arg(address);
        json_lines(&run(command, "").await)
    };
    let node = node().await;
    let expected = answers(kafka.address.to_string()).await;
    let found = answers(node.address.to_string()).await;
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found, expected, "the node's answer is not Kafka's");
    }
    assert_eq!(found.len(), expected.len());
    assert!(found.len() >= least, "{}", found.len());
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_answers_as_kafka_does() {
    let python = client_or_skip!(clients::python());
    let kafka = client_or_skip!(clients::kafka().and_then(|class_path| Broker::start(&class_path)));
    let mut client = Command::new(python);
    client.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/asks.py"));
    compare(kafka, client, 70).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_programs_in_java_as_kafka_does() {
    let (class_path, kafka) =
        client_or_skip!(clients::kafka().and_then(|path| Ok((path.clone(), Broker::start(&path)?))));
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/Asks.java");
    compare(kafka, clients::java(&class_path, program), 60).await;
}
