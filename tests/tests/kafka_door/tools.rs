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
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";
const PRODUCER_SPEED: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER_SPEED: &str = "org.apache.kafka.tools.ConsumerPerformance";

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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_and_what_it_takes_of_the_disk_is_told() {
    let kafka = client_or_skip!(clients::kafka());
    let node = node().await;
    node.append("t", (0..10).map(|number| number.to_string())).await;
    node.log.ensure_topic("other", 2).await.unwrap();
    let served = lines(tool(&kafka, &node, VERSIONS, &[]), "").await.join("\n");
    for api in ["Produce(0): 3 to 9 [usable: 9]", "DescribeLogDirs(35): 1 to 4 [usable: 4]"] {
        assert!(served.contains(api), "{api}: {served}");
    }
    let mut id = clients::java(&kafka, CLUSTER);
    id.args(["cluster-id", "--bootstrap-server", &node.address.to_string()]);
    assert_eq!(lines(id, "").await, ["Cluster ID: caudal"]);

    let sizes = async |arguments: &[&str]| -> Vec<(String, u64)> {
        let told = lines(tool(&kafka, &node, LOG_DIRS, &[&["--describe"], arguments].concat()), "").await;
        let told = told.iter().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{told:?}"));
        let told: serde_json::Value = serde_json::from_str(told).unwrap();
        let dir = &told["brokers"][0]["logDirs"][0];
        assert_eq!((&dir["error"], dir["logDir"].as_str()), (&json!(null), node.log.dir().to_str()));
        let of = |partition: &serde_json::Value| {
            (partition["partition"].as_str().unwrap().to_owned(), partition["size"].as_u64().unwrap())
        };
        dir["partitions"].as_array().unwrap().iter().map(of).collect()
    };
    let files = std::fs::read_dir(node.log.dir().join("topics/t/0")).unwrap().map(|file| file.unwrap());
    let written: u64 = files
        .filter(|file| file.path().extension().is_some_and(|extension| extension == "log"))
        .map(|file| file.metadata().unwrap().len())
        .sum();
    let mut all = sizes(&[]).await;
    all.sort();
    assert_eq!(all, [("other-0".to_owned(), 0), ("other-1".to_owned(), 0), ("t-0".to_owned(), written)]);
    assert!(written > 0);
    assert_eq!(sizes(&["--topic-list", "t"]).await, [("t-0".to_owned(), written)]);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tools_that_measure_find_every_record() {
    let kafka = client_or_skip!(clients::kafka());
    let node = node().await;
    node.log.ensure_topic("t", 1).await.unwrap();
    let mut produce = clients::java(&kafka, PRODUCER_SPEED);
    produce.args(["--topic", "t", "--num-records", "5000", "--record-size", "100", "--throughput", "-1"]);
    produce.args(["--producer-props", &format!("bootstrap.servers={}", node.address), "acks=all"]);
    let produced = lines(produce, "").await.join("\n");
    assert!(produced.contains("5000 records sent"), "{produced}");
    assert_eq!(node.records("t").await.len(), 5_000);
    let consume = ["--topic", "t", "--messages", "5000", "--hide-header"];
    let consumed = lines(tool(&kafka, &node, CONSUMER_SPEED, &consume), "").await;
    let count = consumed.last().and_then(|line| line.split(", ").nth(4)).map(str::to_owned);
    assert_eq!(count.as_deref(), Some("5000"), "{consumed:?}");
    node.end().await;
}
