//! Who comes in from other machines says who it is, over an encrypted connection where there is a certificate.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use gateway::credentials::Credentials;
use gateway::kafka::Options;
use serde_json::{Value, json};
use tests::clients;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::{Node, PATIENCE, client_or_skip, confluent_with, json_lines, node_at, run};
use super::raw::{answer, request};

const USER: &str = "ana";
const PASSWORD: &str = "s3cret, =word";

fn options() -> Options {
    let credentials = Credentials { user: USER.to_owned(), password: PASSWORD.to_owned() };
    Options { credentials, ..Options::default() }
}

/// Where a client of this machine reaches a door that is open to all.
fn reached(node: &Node) -> String {
    format!("127.0.0.1:{}", node.address.port())
}

fn with_tls(dir: &Path) -> Options {
    let tls = gateway::tls::acceptor(&dir.join("node.pem"), &dir.join("node.key")).unwrap();
    Options { tls: Some(tls), ..options() }
}

/// A client's settings to come in.
fn sasl(protocol: &str, mechanism: &str, password: &str) -> Value {
    json!({"security.protocol": protocol, "sasl.mechanisms": mechanism, "sasl.username": USER, "sasl.password": password})
}

fn has(said: &Value, why: &str) -> bool {
    said["refused"].as_array().is_some_and(|refused| refused.iter().any(|said| said == why))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_password_clients_come_in_from_anywhere_and_without_it_they_do_not() {
    let python = client_or_skip!(clients::python());
    let node = node_at("0.0.0.0:0", options()).await;
    node.append("t", ["a".to_string()].into_iter()).await;
    let servers = reached(&node);
    let topics = async |settings: Value| {
        json_lines(&run(confluent_with(&python, &servers, &settings, &["topics"]), "").await).remove(0)
    };
    assert_eq!(topics(sasl("SASL_PLAINTEXT", "SCRAM-SHA-256", PASSWORD)).await, json!({"topics": ["t"]}));
    assert_eq!(topics(sasl("SASL_PLAINTEXT", "PLAIN", PASSWORD)).await, json!({"topics": ["t"]}), "on loopback");
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        let said = topics(sasl("SASL_PLAINTEXT", mechanism, "wrong")).await;
        assert!(has(&said, "_AUTHENTICATION"), "{said}");
    }
    assert!(has(&topics(json!({})).await, "_TRANSPORT"), "who says nothing is not served");
    let settings = sasl("SASL_PLAINTEXT", "SCRAM-SHA-256", PASSWORD);
    let produced = run(confluent_with(&python, &servers, &settings, &["produce", "u", "50", "none", "true"]), "").await;
    assert_eq!(json_lines(&produced)[0]["delivered"], json!(50));
    assert_eq!(node.records("u").await.len(), 50);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_connections_are_encrypted_and_others_are_refused() {
    let python = client_or_skip!(clients::python());
    let files = tests::certificate();
    let node = node_at("0.0.0.0:0", with_tls(files.path())).await;
    node.append("t", ["a".to_string()].into_iter()).await;
    let servers = reached(&node);
    let topics = async |mut settings: Value, authority: Option<&str>| {
        if let Some(file) = authority {
            settings["ssl.ca.location"] = json!(files.path().join(file));
        }
        json_lines(&run(confluent_with(&python, &servers, &settings, &["topics"]), "").await).remove(0)
    };
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        let settings = sasl("SASL_SSL", mechanism, PASSWORD);
        assert_eq!(topics(settings, Some("authority.pem")).await, json!({"topics": ["t"]}), "{mechanism}");
    }
    let said = topics(sasl("SASL_SSL", "PLAIN", "wrong"), Some("authority.pem")).await;
    assert!(has(&said, "_AUTHENTICATION"), "{said}");
    let said = topics(sasl("SASL_SSL", "PLAIN", PASSWORD), None).await;
    assert!(has(&said, "_SSL"), "the client does not know who vouches for the node: {said}");
    let said = topics(sasl("SASL_PLAINTEXT", "SCRAM-SHA-256", PASSWORD), None).await;
    assert!(has(&said, "_TRANSPORT"), "{said}");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_librdkafka_comes_in_by_its_password_over_tls() {
    let path = client_or_skip!(clients::kcat());
    let files = tests::certificate();
    let node = node_at("0.0.0.0:0", with_tls(files.path())).await;
    node.append("t", ["a".to_string()].into_iter()).await;
    let mut command = Command::new(path);
    command.args(["-b", &reached(&node), "-C", "-t", "t", "-e", "-q", "-X", "security.protocol=SASL_SSL"]);
    // Before 2.6.1 it gets SCRAM wrong, and kcat may be linked to such a one.
    command.args(["-X", "sasl.mechanisms=PLAIN", "-X", "sasl.username=ana"]);
    command.args(["-X", &format!("sasl.password={PASSWORD}")]);
    command.args(["-X", &format!("ssl.ca.location={}", files.path().join("authority.pem").display())]);
    assert_eq!(run(command, "").await, "a\n");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_s_own_client_comes_in_by_scram_over_tls() {
    let kafka = client_or_skip!(clients::kafka());
    let files = tests::certificate();
    let node = node_at("0.0.0.0:0", with_tls(files.path())).await;
    node.append("t", ["a".to_string()].into_iter()).await;
    let settings = format!(
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
         sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{USER}\" \
         password=\"{PASSWORD}\";\n",
        files.path().join("authority.pem").display()
    );
    let path = files.path().join("client.properties");
    std::fs::write(&path, settings).unwrap();
    let mut command = clients::java(&kafka, "org.apache.kafka.tools.TopicCommand");
    command.args(["--bootstrap-server", &reached(&node), "--list", "--command-config"]).arg(path);
    assert_eq!(run(command, "").await, "t\n");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_requests_close_the_connection_and_large_ones_are_not_taken_in() {
    let node = node_at("0.0.0.0:0", options()).await;
    let address: SocketAddr = reached(&node).parse().unwrap();
    let large = [&(1i32 << 20).to_be_bytes()[..], &[0; 100]].concat();
    for frame in [request(3, 1, 1, &[0, 0, 0, 0]), request(1, 4, 1, &[0; 21]), large] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&request(18, 0, 7, &[])).await.unwrap();
        assert_eq!(answer(&mut stream).await[..6], [0, 0, 0, 7, 0, 0], "what is served is told to anybody");
        stream.write_all(&frame).await.unwrap();
        let closed = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 100])).await.expect("it is closed");
        assert!(matches!(closed, Ok(0) | Err(_)), "nothing is answered to {frame:?}");
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_go_where_they_are_told() {
    let path = client_or_skip!(clients::kcat());
    let advertised = Some(("kafka.example".to_string(), 1_234));
    let node = node_at("127.0.0.1:0", Options { advertised, ..options() }).await;
    let listed = run(super::harness::kcat(&path, &node, &["-L"]), "").await;
    assert!(listed.contains("broker 1 at kafka.example:1234"), "{listed}");
    node.end().await;
}
