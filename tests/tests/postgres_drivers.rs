//! The drivers that people use find their way: they read the catalogue, prepare, send and read binary values, and go on
//! after errors. Each is installed once below the target directory; where one cannot be, its test says `skipped` and why.

use std::process::Command;

use serde_json::{Value, json};
use tests::clients;
use tests::node::Node;

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
            Err(why) => return println!("skipped: {why}"),
        }
    };
}

async fn python(script: &str) -> Option<Value> {
    let python = match tokio::task::spawn_blocking(clients::python).await.unwrap() {
        Ok(python) => python,
        Err(why) => {
            println!("skipped: {why}");
            return None;
        }
    };
    let mut command = Command::new(python);
    command.arg(file(script));
    Some(serde_json::from_str(&run(command).await).unwrap())
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

#[tokio::test]
async fn jdbc_reads_metadata_and_fetches_in_parts() {
    let jar = client_or_skip!(clients::jdbc());
    let mut command = Command::new("java");
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(jar).arg(file("Client.java"));
    let told = run(command).await;
    let expected = "PostgreSQL 15
table [per_circuit_key, INDEX, null]
table [readings_pkey, INDEX, null]
table [per_circuit, MATERIALIZED VIEW, null]
table [readings, TABLE, as they came in]
table [strong, VIEW, null]
column [circuit, text, 2147483647, 0, NO, null, 1]
column [at, timestamptz, 35, 6, NO, null, 2]
column [power_w, float8, 17, 17, YES, watts, 3]
column [price, numeric, 8, 2, YES, null, 4]
key [circuit, 1, readings_pkey]
key [at, 2, readings_pkey]
index [readings_pkey, circuit, f]
index [readings_pkey, at, f]
";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains("[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"), "ten rows were sent as a batch: {told}");
    assert_eq!(told.matches("10 45.0\n").count(), 7, "{told}");
    assert!(told.ends_with("circuit timestamptz 8 2 ?column?\n25006\n"), "{told}");
}
