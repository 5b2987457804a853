//! Kafka's own tools, and with them its Java client, do here what they do with Kafka.

use std::process::Command;

use serde_json::json;
use tests::clients;

use super::harness::{Node, client_or_skip, node, run};

/// One of Kafka's tools, speaking to the node.
fn tool(kafka: &str, node: &Node, class: &str, arguments: &[&str]) -> Command {
    let mut command = clients::java(kafka, class);
    command.args(["--bootstrap-server", &node.address.to_string()]).args(arguments);
    command
}

/// The lines that a tool prints, without the notes of its logger.
async fn lines(command: Command, input: &str) -> Vec<String> {
    run(command, input).await.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_described_altered_and_deleted() {
    let kafka = client_or_skip!(clients::kafka());
    let node = node().await;
    let topics = async |arguments: &[&str]| lines(tool(&kafka, &node, TOPICS, arguments), "").await;
    let make = ["--create", "--topic", "t", "--partitions", "2", "--config", "retention.ms=1000"];
    assert_eq!(topics(&make).await, ["Created topic t."]);
    assert_eq!(topics(&["--list"]).await, ["t"]);
    let described = topics(&["--describe"]).await;
    assert_eq!(described[0], "Topic: t PartitionCount: 2 ReplicationFactor: 1 Configs: retention.ms=1000");
    assert!(described[2].starts_with("Topic: t Partition: 1 Leader: 1 Replicas: 1 Isr: 1"), "{described:?}");

    let configs = async |arguments: &[&str]| lines(tool(&kafka, &node, CONFIGS, arguments), "").await;
    let of_topic = ["--entity-type", "topics", "--entity-name", "t"];
    let alter =
        ["--alter", "--add-config", "retention.bytes=5000,segment.bytes=2048", "--delete-config", "retention.ms"];
    assert_eq!(configs(&[&of_topic[..], &alter].concat()).await, ["Completed updating config for topic t."]);
    let described = configs(&[&of_topic[..], &["--describe"]].concat()).await.join(" ");
    assert!(described.contains("retention.bytes=5000") && described.contains("segment.bytes=2048"), "{described}");
    assert!(!described.contains("retention.ms"), "{described}");
    let settings = node.log.topic("t").unwrap().settings;
    assert_eq!((settings.retention_bytes, settings.segment_bytes), (Some(5_000), 2_048));

    let more = tool(&kafka, &node, TOPICS, &["--alter", "--topic", "t", "--partitions", "3"]).output().unwrap();
    let words = String::from_utf8_lossy(&more.stdout).into_owned() + &String::from_utf8_lossy(&more.stderr);
    assert!(words.contains("make a new topic with 3"), "{words}");
    assert!(topics(&["--delete", "--topic", "t"]).await.is_empty());
    assert!(node.log.topic("t").is_none());
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_reads_what_was_produced_and_its_offsets_are_described_reset_and_deleted() {
    let kafka = client_or_skip!(clients::kafka());
    let node = node().await;
    node.log.ensure_topic("t", 1).await.unwrap();
    let input: String = (0..100).map(|number| format!("line {number}\n")).collect();
    let produce = tool(&kafka, &node, PRODUCER, &["--topic", "t", "--compression-codec", "lz4"]);
    run(produce, &input).await;
    let consume = ["--topic", "t", "--group", "g", "--from-beginning", "--max-messages", "60"];
    let consumed = run(tool(&kafka, &node, CONSUMER, &consume), "").await;
    assert_eq!(consumed.lines().collect::<Vec<_>>(), input.lines().take(60).collect::<Vec<_>>());

    let groups = async |arguments: &[&str]| lines(tool(&kafka, &node, GROUPS, arguments), "").await;
    assert_eq!(groups(&["--list"]).await, ["g"]);
    let described = groups(&["--describe", "--group", "g"]).await.join("\n");
    assert!(described.contains("\ng t 0 60 100 40 - - -"), "{described}");
    let state = groups(&["--describe", "--group", "g", "--state"]).await.join("\n");
    assert!(state.contains("Empty"), "{state}");
    let reset = ["--reset-offsets", "--group", "g", "--topic", "t", "--to-offset", "90", "--execute"];
    assert!(groups(&reset).await.join("\n").contains("g t 0 90"));
    let rest = ["--topic", "t", "--group", "g", "--max-messages", "10"];
    let consumed = run(tool(&kafka, &node, CONSUMER, &rest), "").await;
    assert_eq!(consumed.lines().collect::<Vec<_>>(), input.lines().skip(90).collect::<Vec<_>>());
    let forgotten = groups(&["--delete-offsets", "--group", "g", "--topic", "t"]).await.join("\n");
    assert!(forgotten.contains("Successful"), "{forgotten}");
    assert!(node.log.offsets().groups().is_empty());
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_deleted_up_to_an_offset() {
    let kafka = client_or_skip!(clients::kafka());
    let node = node().await;
    node.append("t", (0..10).map(|number| number.to_string())).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let wanted = json!({"version": 1, "partitions": [{"topic": "t", "partition": 0, "offset": 7}]});
    std::fs::write(file.path(), wanted.to_string()).unwrap();
    let deleted = tool(&kafka, &node, DELETE_RECORDS, &["--offset-json-file", file.path().to_str().unwrap()]);
    let deleted = lines(deleted, "").await.join("\n");
    assert!(deleted.contains("partition: t-0 low_watermark: 7"), "{deleted}");
    for (time, offset) in [("earliest", 7), ("latest", 10)] {
        let found = lines(tool(&kafka, &node, OFFSETS, &["--topic", "t", "--time", time]), "").await;
        assert_eq!(found, [format!("t:0:{offset}")]);
    }
    node.end().await;
}
