//! The log keeps the same promises wherever it lives: in a directory of this node, in another node that is spoken to as a Kafka
//! cluster, and in Apache Kafka itself.

#[path = "log_homes/home.rs"]
mod home;
#[path = "log_homes/promises.rs"]
mod promises;

use std::path::PathBuf;

use bytes::Bytes;
use gateway::credentials::Credentials;
use gateway::kafka::Options;
use storage::log::ClusterOptions;
use storage::log::cluster::{Authorities, Mechanism, Sasl};
use storage::{Event, LogError, LogHome};
use tempfile::TempDir;
use tests::broker::Broker;
use tests::clients;

use home::Home;

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_keeps_its_promises() {
    promises::all(&mut Home::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_as_the_cluster_keeps_them() {
    let mut home = Home::node(Options::default(), "127.0.0.1:0", |options| options).await;
    promises::all(&mut home).await;
    let python = tokio::task::spawn_blocking(clients::python).await.unwrap();
    what_others_compress_is_read(&home, python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apache_kafka_keeps_them() {
    let started = tokio::task::spawn_blocking(|| {
        let class_path = clients::kafka()?;
        Ok::<_, String>((Broker::start(&class_path)?, class_path, clients::python()))
    });
    let (broker, class_path, python) = match started.await.unwrap() {
        Ok(started) => started,
        Err(why) => return tests::skip(why),
    };
    let mut home = Home::kafka(broker, class_path).await;
    promises::all(&mut home).await;
    what_others_compress_is_read(&home, python).await;
}

async fn what_others_compress_is_read(home: &Home, python: Result<PathBuf, String>) {
    match python {
        Ok(python) => promises::what_others_compress_is_read(home, &python).await,
        Err(why) => tests::skip(why),
    }
}

/// Everything that a cluster may ask of those who come in: a password by SCRAM or PLAIN, over TLS.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_asks_who_we_are_is_told() {
    let files = tests::certificate();
    let tls = gateway::tls::acceptor(&files.path().join("node.pem"), &files.path().join("node.key")).unwrap();
    let credentials = Credentials { user: "ana".to_owned(), password: "s3cret, =word".to_owned() };
    let door = Options { credentials, tls: Some(tls), ..Options::default() };
    let authority = files.path().join("authority.pem");
    let come_in = |mechanism, password: &str| {
        let sasl = Some(Sasl { mechanism, user: "ana".to_owned(), password: password.to_owned() });
        let tls = Some(Authorities::File(authority.clone()));
        move |options: ClusterOptions| ClusterOptions { sasl, tls, ..options }
    };
    let home = Home::node(door, "0.0.0.0:0", come_in(Mechanism::ScramSha256, "s3cret, =word")).await;
    promises::order_and_content(&home).await;
    let dir = TempDir::new().unwrap();
    let plain = come_in(Mechanism::Plain, "s3cret, =word")(home.cluster());
    let log = LogHome::open(dir.path(), Some(plain)).await.unwrap();
    let event = Event { topic: "content".into(), value: Some(Bytes::from("x")), ..Event::default() };
    log.append(vec![event]).await.unwrap();
    let wrong = come_in(Mechanism::ScramSha256, "wrong")(home.cluster());
    let refused = LogHome::open(TempDir::new().unwrap().path(), Some(wrong)).await.unwrap_err();
    assert!(matches!(refused, LogError::Unreachable { .. }), "{refused}");
    assert!(refused.to_string().to_lowercase().contains("authentication"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_made_from_one_log_are_not_opened_with_another() {
    let home = Home::node(Options::default(), "127.0.0.1:0", |options| options).await;
    let dir = TempDir::new().unwrap();
    LogHome::open(dir.path(), Some(home.cluster())).await.unwrap().close();
    let refused = LogHome::open(dir.path(), None).await.unwrap_err().to_string();
    assert!(refused.contains("--brokers"), "{refused}");
    LogHome::open(dir.path(), Some(home.cluster())).await.unwrap().close();
    std::fs::write(dir.path().join("cluster"), "another").unwrap();
    let refused = LogHome::open(dir.path(), Some(home.cluster())).await.unwrap_err().to_string();
    assert!(refused.contains("cluster another") && refused.contains("cluster caudal"), "{refused}");
    let dir = TempDir::new().unwrap();
    LogHome::open(dir.path(), None).await.unwrap().close();
    let refused = LogHome::open(dir.path(), Some(home.cluster())).await.unwrap_err().to_string();
    assert!(refused.contains("leave out --brokers"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_there_is_an_error_in_words() {
    let options = ClusterOptions { brokers: "127.0.0.1:1".into(), ..ClusterOptions::default() };
    let refused = LogHome::open(TempDir::new().unwrap().path(), Some(options)).await.unwrap_err().to_string();
    assert!(refused.contains("127.0.0.1:1") && refused.contains("refused"), "{refused}");
}
