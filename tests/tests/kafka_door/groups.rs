//! Consumer groups: members share the partitions, take over from each other, and nothing is read twice that was committed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::{Value, json};
use storage::Event;
use tests::clients;

use super::harness::{Node, Talking, client_or_skip, confluent, json_lines, kcat, node, run};

const PARTITIONS: i32 = 4;

/// A node with a topic of several partitions.
async fn node_with_topic() -> Node {
    let node = node().await;
    node.log.create_topic("t", PARTITIONS, Default::default()).await.unwrap();
    node
}

/// Appends numbered records, each to the partition that follows.
async fn append(node: &Node, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let value = Some(Bytes::from(number.to_string()));
        node.log.append(vec![Event { topic: "t".into(), value, ..Event::default() }]).await.unwrap();
    }
}

/// A member of the group `g`, and what it was assigned and has read so far.
struct Member {
    client: Talking,
    assigned: Vec<i64>,
    read: Vec<u32>,
    revoked: usize,
}

impl Member {
    fn join(python: &PathBuf, node: &Node, instance: &[&str]) -> Member {
        let client = Talking::start(confluent(python, node, &[&["member", "g", "t"], instance].concat()));
        Member { client, assigned: Vec::new(), read: Vec::new(), revoked: 0 }
    }

    /// Listens until what it has said is enough.
    async fn until(&mut self, enough: impl Fn(&Member) -> bool) {
        while !enough(self) {
            let said = self.client.next().await.expect("it goes on until it is told to end");
            self.note(said);
        }
    }

    async fn is_assigned(&mut self, count: usize) {
        self.until(|member| member.assigned.len() == count).await;
    }

    async fn has_read(&mut self, count: usize) {
        self.until(|member| member.read.len() >= count).await;
    }

    fn note(&mut self, said: Value) {
        if let Some(assigned) = said.get("assigned") {
            self.assigned = serde_json::from_value(assigned.clone()).unwrap();
        } else if said.get("revoked").is_some() {
            self.assigned.clear();
            self.revoked += 1;
        } else {
            self.read.push(said[2].as_str().unwrap().parse().unwrap());
        }
    }

    /// Ends it and returns all that it has read.
    async fn end(self, how: &str) -> Vec<u32> {
        let mut read = self.read;
        let rest = self.client.end(how).await;
        read.extend(rest.iter().filter_map(|said| said.get(2)?.as_str()?.parse::<u32>().ok()));
        read
    }
}

async fn described(python: &PathBuf, node: &Node) -> Value {
    json_lines(&run(confluent(python, node, &["groups", "g"]), "").await).remove(0)
}

fn committed(described: &Value) -> u64 {
    let committed: BTreeMap<String, u64> = serde_json::from_value(described["committed"].clone()).unwrap();
    committed.values().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_partitions_take_over_and_go_on_after_a_restart_where_they_were() {
    let python = client_or_skip!(clients::python());
    let node = node_with_topic().await;
    append(&node, 0..40).await;
    let mut first = Member::join(&python, &node, &[]);
    first.has_read(40).await;
    assert_eq!(first.assigned, [0, 1, 2, 3]);

    let mut second = Member::join(&python, &node, &[]);
    second.is_assigned(2).await;
    first.is_assigned(2).await;
    let mut all = [&first.assigned[..], &second.assigned].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
    append(&node, 40..80).await;
    first.has_read(60).await;
    second.has_read(20).await;
    let now = described(&python, &node).await;
    assert_eq!((&now["listed"], &now["state"], committed(&now)), (&json!(["g"]), &json!("STABLE"), 80));
    let mut members =
        [json!(["member", "/127.0.0.1", first.assigned]), json!(["member", "/127.0.0.1", second.assigned])];
    members.sort_by_key(|member| member.to_string());
    assert_eq!(now["members"], json!(members));
    let refused = run(confluent(&python, &node, &["forget", "g"]), "").await;
    assert_eq!(json_lines(&refused)[0], json!({"refused": "NON_EMPTY_GROUP"}));

    // One dies without a word: once its session is over the other has everything.
    let read_by_second = second.end("vanish").await;
    first.is_assigned(4).await;
    let node = node.restart().await;
    append(&node, 80..120).await;
    first.has_read(100).await;
    assert_eq!(committed(&described(&python, &node).await), 120);
    let mut read = [first.end("leave").await, read_by_second].concat();
    read.sort_unstable();
    assert_eq!(read, (0..120).collect::<Vec<_>>(), "each record was read once");

    assert_eq!(described(&python, &node).await["state"], json!("EMPTY"));
    let node = node.restart().await;
    assert_eq!(committed(&described(&python, &node).await), 120);
    let forgotten = run(confluent(&python, &node, &["forget", "g"]), "").await;
    assert_eq!(json_lines(&forgotten)[0], json!({"forgotten": true}));
    let refused = run(confluent(&python, &node, &["forget", "g"]), "").await;
    assert_eq!(json_lines(&refused)[0], json!({"refused": "GROUP_ID_NOT_FOUND"}));
    assert!(node.log.offsets().groups().is_empty());
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_comes_back_in_time_has_its_place_and_nobody_else_notices() {
    let python = client_or_skip!(clients::python());
    let node = node_with_topic().await;
    let mut stays = Member::join(&python, &node, &["stays"]);
    stays.is_assigned(4).await;
    let mut returns = Member::join(&python, &node, &["returns"]);
    returns.is_assigned(2).await;
    stays.is_assigned(2).await;
    let (place, revoked) = (returns.assigned.clone(), stays.revoked);
    returns.end("vanish").await;
    let mut returned = Member::join(&python, &node, &["returns"]);
    returned.is_assigned(2).await;
    assert_eq!(returned.assigned, place);
    append(&node, 0..40).await;
    stays.has_read(20).await;
    returned.has_read(20).await;
    assert_eq!(stays.revoked, revoked, "its partitions were never taken away");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_commits_while_there_are_none() {
    let python = client_or_skip!(clients::python());
    let node = node_with_topic().await;
    let alone = async |topic| {
        let said = run(confluent(&python, &node, &["commit_alone", "g", topic]), "").await;
        json_lines(&said).remove(0)
    };
    assert_eq!(alone("t").await, json!({"committed": [5]}));
    assert_eq!(alone("unknown").await["refused"], json!("UNKNOWN_TOPIC_OR_PART"));
    let mut member = Member::join(&python, &node, &[]);
    member.is_assigned(4).await;
    assert_eq!(alone("t").await["refused"], json!("UNKNOWN_MEMBER_ID"));
    assert_eq!(committed(&described(&python, &node).await), 5);
    node.log.delete_topic("t").await.unwrap();
    assert!(node.log.offsets().groups().is_empty(), "they went with the topic");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_consumes_in_a_group_and_does_not_read_twice() {
    let path = client_or_skip!(clients::kcat());
    let node = node_with_topic().await;
    for round in 0..2 {
        append(&node, round * 20..round * 20 + 20).await;
        let arguments = ["-G", "g", "-X", "auto.offset.reset=earliest", "-q", "-c", "20", "t"];
        let consumed = run(kcat(&path, &node, &arguments), "").await;
        let mut consumed: Vec<u32> = consumed.lines().map(|line| line.parse().unwrap()).collect();
        consumed.sort_unstable();
        assert_eq!(consumed, (round * 20..round * 20 + 20).collect::<Vec<_>>());
    }
    node.end().await;
}
