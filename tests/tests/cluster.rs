//! A whole database with its log in Apache Kafka: killed with -9 in turn with the broker, each acknowledged event is counted once.

use std::io::{BufRead, BufReader, Lines};
use std::ops::Range;
use std::process::{Child, ChildStdout, Command, Stdio};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sql::Health;
use storage::log::ClusterOptions;
use tests::broker::Broker;
use tests::node::eventually;
use tests::{clients, load};

/// Numbers for one life of a process: more than it can append before it is killed.
const NUMBERS: i64 = 1_000_000;
const LIVES: i64 = 4;

/// A broker and Kafka's class path, or a word why there is none.
macro_rules! kafka_or_skip {
    () => {
        match tokio::task::spawn_blocking(|| {
            let class_path = clients::kafka()?;
            Broker::start(&class_path).map(|broker| (broker, class_path))
        })
        .await
        .unwrap()
        {
            Ok(started) => started,
            Err(why) => return tests::skip(why),
        }
    };
}

fn options(broker: &Broker) -> Option<ClusterOptions> {
    Some(ClusterOptions { brokers: broker.address.to_string(), ..ClusterOptions::default() })
}

/// A process that appends and says what is acknowledged.
struct Loaded {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    acknowledged: Vec<Range<i64>>,
}

impl Loaded {
    fn start(data: &std::path::Path, broker: &Broker, first: i64) -> Loaded {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loaded"));
        command.arg(data).arg(first.to_string()).arg(NUMBERS.to_string());
        command.env("CAUDAL_BROKERS", broker.address.to_string()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Loaded { process, lines, acknowledged: Vec::new() }
    }

    /// Listens until so many further appends are acknowledged.
    fn acknowledges(&mut self, appends: usize) {
        let wanted = self.acknowledged.len() + appends;
        while self.acknowledged.len() < wanted {
            let line = self.lines.next().expect("it goes on until it is killed").unwrap();
            self.note(&line);
        }
    }

    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["acknowledged", first, end] => self.acknowledged.push(first.parse().unwrap()..end.parse().unwrap()),
            ["refused" | "failed", ..] => panic!("{line}"),
            _ => {}
        }
    }

    /// kill -9; what was acknowledged until then.
    fn kill(mut self) -> Vec<Range<i64>> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        while let Some(Ok(line)) = self.lines.next() {
            self.note(&line);
        }
        self.acknowledged
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_and_kafka_die_in_turn_and_each_event_is_counted_once() {
    let (mut broker, _) = kafka_or_skip!();
    let seed = std::env::var("CAUDAL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let data = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for life in 0..LIVES {
        let first = life * NUMBERS;
        tokio::task::block_in_place(|| {
            let mut loaded = Loaded::start(data.path(), &broker, first);
            loaded.acknowledges(random.random_range(1..200));
            if life % 2 == 1 {
                broker.kill();
                broker.start_again();
                loaded.acknowledges(random.random_range(1..200));
            }
            let before = acknowledged.len();
            acknowledged.extend(loaded.kill());
            println!("life {life}: {} appends acknowledged", acknowledged.len() - before);
        });
        let database = load::open_over(data.path(), options(&broker)).await.unwrap();
        load::catch_up(&database).await.unwrap();
        load::check(&database, &acknowledged, &(0..first + NUMBERS), true)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_away_reads_go_on_and_another_log_is_refused_in_words() {
    let (mut broker, class_path) = kafka_or_skip!();
    let data = tempfile::tempdir().unwrap();
    let database = load::open_over(data.path(), options(&broker)).await.unwrap();
    load::append(&database, 0..10).await.unwrap();
    load::catch_up(&database).await.unwrap();
    assert_eq!(database.health(), Health::Ready);
    broker.kill();
    let words = eventually("the node notices", async || match database.health() {
        Health::ReadOnly(words) => Some(words),
        _ => None,
    });
    assert!(words.await.contains(&format!("Kafka cluster at {} does not answer", broker.address)));
    assert_eq!(load::run(&database, "SELECT count(*) FROM sent").await.unwrap(), [["10"]]);
    let waiting = {
        let database = database.clone();
        tokio::spawn(async move { load::append(&database, 10..20).await })
    };
    tokio::task::block_in_place(|| broker.start_again());
    waiting.await.unwrap().unwrap();
    load::catch_up(&database).await.unwrap();
    eventually("the node notices", async || (database.health() == Health::Ready).then_some(())).await;
    load::check(&database, &[0..10, 10..20], &(0..20), true).await.unwrap();
    database.close().await;
    drop(database);

    // The topic is another one now, and shorter than what the tables have.
    let mut delete = clients::java(&class_path, "org.apache.kafka.tools.TopicCommand");
    delete.args(["--bootstrap-server", &broker.address.to_string(), "--delete", "--topic", "table.sent"]);
    assert!(tokio::task::block_in_place(|| delete.output().unwrap()).status.success());
    let refused = load::open_over(data.path(), options(&broker)).await.err().unwrap().to_string();
    assert!(refused.contains("topic table.sent does not exist"), "{refused}");
    let mut create = clients::java(&class_path, "org.apache.kafka.tools.TopicCommand");
    create.args(["--bootstrap-server", &broker.address.to_string(), "--create", "--topic", "table.sent"]);
    assert!(tokio::task::block_in_place(|| create.output().unwrap()).status.success());
    let refused = load::open_over(data.path(), options(&broker)).await.err().unwrap().to_string();
    assert!(refused.contains("the tables have events up to 20, and the log ends at 0"), "{refused}");
}
