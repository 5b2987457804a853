//! The drivers that people use find their way: they read the catalogue, prepare, send and read binary values, and go on
//! after errors. Each is installed once below the target directory; where one cannot be, its test says `skipped` and why.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::clients;
use tests::node::Node;
use tests::postgresql::PostgreSql;

const MADE: &str = "CREATE TABLE readings (circuit text, at timestamptz, power_w double precision, price numeric(8, 2),
         PRIMARY KEY (circuit, at));
     CREATE VIEW strong AS SELECT circuit, power_w FROM readings WHERE power_w > 1000;
     CREATE MATERIALIZED VIEW per_circuit AS SELECT circuit, count(*) AS n FROM readings GROUP BY circuit;
     COMMENT ON TABLE readings IS 'as they came in';
     COMMENT ON COLUMN readings.power_w IS 'watts';";

/// Runs a client against a node of its own, and returns what it printed.
async fn run(mut command: Command) -> String {
    let node = Node::start().await;
    node.connect().await.batch_execute(MADE).await.unwrap();
    command.arg(node.postgres.port().to_string());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    node.stop().await;
    String::from_utf8(output.stdout).unwrap()
}

fn file(name: &str) -> String {
    format!("{}/tests/drivers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The client, or a word why the test cannot run.
macro_rules! client_or_skip {
    ($client:expr) => {
        match tokio::task::spawn_blocking(|| $client).await.unwrap() {
            Ok(client) => client,
            Err(why) => return tests::skip(why),
        }
    };
}

async fn python(script: &str) -> Option<Value> {
    let python = match tokio::task::spawn_blocking(clients::python).await.unwrap() {
        Ok(python) => python,
        Err(why) => {
            tests::skip(why);
            return None;
        }
    };
    let mut command = Command::new(python);
    command.arg(file(script));
    Some(serde_json::from_str(&run(command).await).unwrap())
}

/// Runs a script for a node and for a real PostgreSQL: what it tells of each. `None`, said, where one of them is not there.
async fn beside_postgresql(script: &'static str) -> Option<(Value, Value)> {
    let postgresql = PostgreSql::start()?;
    postgresql.connect().await.batch_execute("CREATE DATABASE caudal").await.unwrap();
    let node = Node::start().await;
    let told = tests::beside::told(Path::new(&file(script)), &[], &node, &postgresql).await;
    node.stop().await;
    told
}

/// What each part of a script tells is what it tells of PostgreSQL.
fn assert_same(found: &Value, expected: &Value) {
    for (part, expected) in expected.as_object().unwrap() {
        for (what, expected) in expected.as_object().unwrap() {
            assert_eq!(&found[part][what], expected, "{part}: {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_copied_in_text_and_binary_as_postgresql_copies_them() {
    let Some((found, expected)) = beside_postgresql("copying.py").await else { return };
    assert_same(&found, &expected);
    assert_eq!(found["psycopg"]["copied"], json!(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn asyncpg_asks_for_types_and_has_arrays_of_them() {
    let Some((found, expected)) = beside_postgresql("arrays.py").await else { return };
    assert_same(&found, &expected);
    assert_eq!(found["found"]["integers"], json!([1, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn psycopg_fetches_from_cursors_of_the_server_and_prepares_in_sql() {
    let Some((found, expected)) = beside_postgresql("cursors.py").await else { return };
    assert_same(&found, &expected);
    assert_eq!(found["held"]["lost"], json!("34000"));
}

#[tokio::test]
async fn sqlalchemy_reflects_tables_views_and_keys_over_psycopg() {
    let Some(told) = python("reflection.py").await else { return };
    assert_eq!(told["tables"], json!(["readings"]));
    assert_eq!((&told["views"], &told["materialized"]), (&json!(["strong"]), &json!(["per_circuit"])));
    let columns = json!([
        ["circuit", "TEXT", false, null],
        ["at", "TIMESTAMP", false, null],
        ["power_w", "DOUBLE PRECISION", true, "watts"],
        ["price", "NUMERIC(8, 2)", true, null]
    ]);
    assert_eq!(told["columns"], columns);
    assert_eq!(told["view"], json!([["circuit", "TEXT"], ["power_w", "DOUBLE PRECISION"]]));
    assert_eq!((&told["key"], &told["indexes"]), (&json!(["circuit", "at"]), &json!([["circuit"]])));
    assert_eq!((&told["foreign"], &told["comment"]), (&json!([]), &json!("as they came in")));
    assert_eq!(told["query"], json!("SELECT circuit, power_w FROM readings WHERE power_w > 1000;"));
    assert_eq!(told["rows"], json!([["fridge", "2.50", 2], ["oven", null, 2]]));
    assert_eq!((&told["any"], &told["savepoint"]), (&json!(1), &json!("rolled back")));
    let (at, array, day) = ("2026-01-02 03:04:05+00:00", "[1, 2]", "1 day, 2:00:00");
    let binary = json!([
        ["fridge", at, "1.5", "2.50", array, day],
        ["lamp", at, "3.0", "1.00", array, day],
        ["oven", at, "None", "None", array, day]
    ]);
    assert_eq!(told["binary"], binary);
    assert_eq!(told["document"], json!([{"a": {"n": null}, "b": [1, 2.5]}, "[1, 2.5]"]));
}

#[tokio::test]
async fn asyncpg_prepares_with_inferred_types_and_reads_binary() {
    let Some(told) = python("prepared.py").await else { return };
    assert_eq!(told["version"], json!(15));
    let limited = json!([["2026-01-01T00:00:00+00:00", "1.25"], ["2026-01-02T00:00:00+00:00", "1.25"]]);
    assert_eq!(told["limited"], limited);
    assert_eq!(told["parameters"], json!(["timestamptz", "float8"]));
    assert_eq!(told["columns"], json!([["circuit", "text"], ["count", "int8"]]));
    assert_eq!((&told["counted"], &told["any"]), (&json!([["d", 4]]), &json!(5)));
    assert_eq!(told["parts"], json!([[1.0, 2.0, 3.0], [4.0, 5.0]]));
    assert_eq!((&told["read only"], &told["error"]), (&json!("25006"), &json!("22012")));
    let kinds = json!(["1 day, 2:00:00", "03:04:05", "2026-01-02", "b'x'", "1.5", "True", "None", "['a', None]"]);
    assert_eq!(told["kinds"], kinds);
    assert_eq!(told["catalogue"], json!(["23", "int4", "b'b'"]));
    assert_eq!(told["document"], json!([r#"{"a": {"n": null}, "b": [1, 2.50]}"#, r#"{"n": null}"#, "2.50", true]));
}

#[tokio::test]
async fn node_postgres_queries_and_names_columns_as_postgresql_does() {
    let home = client_or_skip!(clients::node());
    let mut command = Command::new("node");
    command.env("NODE_PATH", home.join("node_modules")).arg(file("driver.js"));
    let told: Value = serde_json::from_str(&run(command).await).unwrap();
    assert_eq!(told["inserted"], json!(["INSERT", 1]));
    let row = json!([{"circuit": "n", "at": "2026-02-03T04:05:06.007Z", "power_w": 7.5, "price": "1.10"}]);
    assert_eq!((&told["rows"], &told["types"]), (&row, &json!([25, 1184, 701, 1700])));
    assert_eq!((&told["counted"], &told["error"]), (&json!([1, 1]), &json!(["42703", "8"])));
    assert_eq!(told["several"], json!([{"a": true}, {"b": ["x", "y"], "count": "1"}]));
    assert_eq!(told["left"], json!("1"));
    let document = json!({"doc": {"a": {"n": null}, "b": [1, 2.5]}, "a": {"n": null}, "made": {"n": 1}});
    assert_eq!(told["document"], json!([document, 3802]));
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn java(jar: &Path, program: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(jar).arg(file(program));
    command
}

/// What the driver tells of a database is the same, row by row; of databases and types, of which PostgreSQL has more, each is
/// one of its own. Functions are told by name: the node has some of its own.
#[tokio::test(flavor = "multi_thread")]
async fn jdbc_tells_of_the_node_what_it_tells_of_postgresql() {
    /// Rows of lists in which PostgreSQL has more.
    const SOME: &str = "some ";
    const FUNCTION: &str = "known ";
    /// A schema that it has not.
    const OWN: &str = "schema [caudal, caudal]";
    let jar = client_or_skip!(clients::jdbc());
    let port = free_port();
    let Some(postgresql) = PostgreSql::start_on(port, &["listen_addresses=127.0.0.1", "fsync=off"]) else { return };
    postgresql.connect().await.batch_execute("CREATE DATABASE caudal").await.unwrap();
    let theirs = postgresql.connect_to("caudal").await;
    theirs.batch_execute(MADE).await.unwrap();
    // A materialised view of the node has a key.
    theirs.batch_execute("CREATE UNIQUE INDEX per_circuit_key ON per_circuit (circuit)").await.unwrap();
    let mut command = java(&jar, "Metadata.java");
    command.arg(port.to_string());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = String::from_utf8(output.stdout).unwrap();
    let found = run(java(&jar, "Metadata.java")).await;
    let compared = |line: &&str| !line.starts_with(SOME) && !line.starts_with(FUNCTION) && *line != OWN;
    let all = |told: &str| told.lines().filter(compared).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(all(&found), all(&expected));
    let some: Vec<&str> = found.lines().filter(|line| line.starts_with(SOME)).collect();
    let others: Vec<&&str> = some.iter().filter(|line| !expected.lines().any(|theirs| theirs == **line)).collect();
    assert!(others.is_empty(), "PostgreSQL has no such: {others:#?}");
    assert!(some.iter().any(|line| line.starts_with("some type [")), "{found}");
    for name in ["abs", "date_trunc", "jsonb_set"] {
        let known = format!("{FUNCTION}{name}\n");
        assert!(found.contains(&known) && expected.contains(&known), "{name}");
    }
}

#[tokio::test]
async fn jdbc_sends_batches_and_fetches_in_parts() {
    let jar = client_or_skip!(clients::jdbc());
    let told = run(java(&jar, "Client.java")).await;
    let parts = "10 45.0\n".repeat(7);
    let sent = "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]";
    assert_eq!(told, format!("PostgreSQL 15\n{sent}\n{parts}circuit timestamptz 8 2 ?column?\n25006\n"));
}
