//! The tools with which people look into a database find their way in the node's, as they do in PostgreSQL's: what each of
//! them asks is asked of both, of the same relations, and must be answered with the same columns, and with the same rows where
//! they are not the server's own matter. Tools that can be installed run themselves; of the others there are the questions, in
//! `browsing/*.sql`, one with its words above each.

use std::path::Path;
use std::process::Command;

use tests::clients;
use tests::node::Node;
use tests::postgresql::PostgreSql;
use tokio_postgres::{Client, SimpleQueryMessage};

/// What there is to look at, in both.
const MADE: &str = "CREATE SCHEMA shop;
     CREATE TABLE readings (circuit text, at timestamptz, power_w double precision DEFAULT 0, price numeric(8, 2), doc jsonb,
         tags text[], n integer DEFAULT 1, ok boolean, CONSTRAINT positive CHECK (power_w >= 0), PRIMARY KEY (circuit, at));
     CREATE TABLE shop.items (id bigint PRIMARY KEY, name text DEFAULT 'none', day date);
     CREATE INDEX by_price ON readings (price);
     CREATE VIEW strong AS SELECT circuit, power_w FROM readings WHERE power_w > 1000;
     CREATE MATERIALIZED VIEW per_circuit AS SELECT circuit, count(*) AS n FROM readings GROUP BY circuit;
     COMMENT ON TABLE readings IS 'as they came in';
     COMMENT ON COLUMN readings.power_w IS 'watts';
     COMMENT ON VIEW strong IS 'strong ones';
     INSERT INTO readings VALUES
         ('oven', '2026-02-03T04:05:06Z', 1500.5, 1.25, '{\"a\": 1}', ARRAY['x', 'y'], 2, true),
         ('lamp', '2026-02-03T04:10:06Z', 12, NULL, NULL, NULL, NULL, NULL)";

/// A materialised view of the node has a key.
const ALSO_IN_POSTGRESQL: &str = "CREATE UNIQUE INDEX per_circuit_key ON per_circuit (circuit)";

/// Both servers with the same in them; `None` where there is no PostgreSQL.
async fn both() -> Option<(Node, PostgreSql)> {
    let postgresql = PostgreSql::start()?;
    let node = Node::start().await;
    let theirs = postgresql.connect().await;
    theirs.batch_execute("CREATE DATABASE caudal").await.unwrap();
    let theirs = postgresql.connect_to("caudal").await;
    for statement in MADE.split(";\n").chain([ALSO_IN_POSTGRESQL]) {
        theirs.batch_execute(statement).await.unwrap();
    }
    let ours = node.connect().await;
    for statement in MADE.split(";\n") {
        ours.batch_execute(statement).await.unwrap();
    }
    Some((node, postgresql))
}

/// Columns by name and kind of type, and rows as text.
#[derive(Debug, PartialEq)]
struct Answer {
    columns: Vec<(String, String)>,
    rows: Vec<Vec<Option<String>>>,
}

impl Answer {
    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// The type, where more than one is shown and read the same way by the tool: kinds of text, and sizes of numbers.
fn kind(name: &str) -> String {
    match name {
        "name" | "varchar" | "bpchar" | "char" | "pg_node_tree" | "inet" | "anyarray" => "text",
        "oid" | "xid" | "int2" | "int4" | "regproc" => "int8",
        "float4" | "numeric" => "float8",
        "_name" | "_char" | "_aclitem" | "_varchar" => "_text",
        "_oid" | "_int2" | "_int4" => "_int8",
        "regtype" => "int8",
        other => other,
    }
    .to_owned()
}

async fn asked(client: &Client, query: &str) -> Result<Answer, String> {
    let told = |error: tokio_postgres::Error| match error.as_db_error() {
        Some(error) => error.message().to_owned(),
        None => format!("{error:?}"),
    };
    let statement = client.prepare(query).await.map_err(told)?;
    let columns = statement.columns().iter().map(|column| (column.name().to_owned(), kind(column.type_().name())));
    let messages = client.simple_query(query).await.map_err(told)?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect::<Vec<_>>())
        }
        _ => None,
    });
    Ok(Answer { columns: columns.collect(), rows: rows.collect() })
}

/// The query with the numbers that a server has for what it names.
async fn numbered(client: &Client, query: &str) -> String {
    let mut query = query.to_owned();
    for name in ["public", "readings", "strong"] {
        let mark = format!("{{{name}}}");
        if query.contains(&mark) {
            let of = match name {
                "public" => "SELECT oid FROM pg_namespace WHERE nspname = 'public'".to_owned(),
                relation => format!("SELECT oid FROM pg_class WHERE oid = '{relation}'::regclass"),
            };
            let oid: u32 = client.query_one(&of, &[]).await.unwrap().get(0);
            query = query.replace(&mark, &oid.to_string());
        }
    }
    query
}

/// Asks both what a tool asks. A question whose words end with `rows` has the same rows in both; of one that ends with `names`
/// the types are not compared, as there is nothing to be of them.
async fn compare(questions: &str) {
    let Some((node, postgresql)) = both().await else { return };
    let (ours, theirs) = (node.connect().await, postgresql.connect_to("caudal").await);
    let (mut different, mut count) = (Vec::new(), 0);
    for question in questions.split("\n\n") {
        let (words, query): (Vec<&str>, Vec<&str>) = question.lines().partition(|line| line.starts_with("--"));
        let (words, query) = (words.join(" "), query.join("\n"));
        let query = query.trim().trim_end_matches(';');
        if query.is_empty() {
            continue;
        }
        count += 1;
        let expected = asked(&theirs, &numbered(&theirs, query).await).await;
        let expected = expected.unwrap_or_else(|error| panic!("PostgreSQL does not answer {words}: {error}"));
        match asked(&ours, &numbered(&ours, query).await).await {
            Err(error) => different.push(format!("{words}: {error}")),
            Ok(found) if words.ends_with("names") && found.names() == expected.names() => {}
            Ok(found) if found.columns != expected.columns => {
                different.push(format!("{words}: {:?}, and PostgreSQL {:?}", found.columns, expected.columns));
            }
            Ok(found) if words.ends_with("rows") && found.rows != expected.rows => {
                different.push(format!("{words}: {:?}, and PostgreSQL {:?}", found.rows, expected.rows));
            }
            Ok(_) => {}
        }
    }
    node.stop().await;
    assert!(different.is_empty(), "{} of {count} differ:\n{}", different.len(), different.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dbeaver_opens_its_tree() {
    compare(include_str!("browsing/dbeaver.sql")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrip_looks_into_the_database() {
    compare(include_str!("browsing/datagrip.sql")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metabase_synchronises_and_asks() {
    compare(include_str!("browsing/metabase.sql")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grafana_lists_and_draws() {
    compare(include_str!("browsing/grafana.sql")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_bi_loads_types_and_folds_queries_over_npgsql() {
    compare(include_str!("browsing/npgsql.sql")).await;
}

/// Runs a script for each of both servers, and compares what it tells of them.
async fn told(script: &str, before: &[&Path]) {
    let Some((node, postgresql)) = both().await else { return };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browsing").join(script);
    let told = tests::beside::told(&file, before, &node, &postgresql).await;
    node.stop().await;
    let Some((found, expected)) = told else { return };
    for (what, expected) in expected.as_object().unwrap() {
        assert_eq!(&found[what], expected, "{script}: {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn superset_inspects_with_sqlalchemy() {
    told("superset.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tableau_and_excel_read_over_odbc() {
    match clients::odbc() {
        Ok(driver) => told("odbc.py", &[&driver]).await,
        Err(why) => tests::skip(why),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pgcli_completes() {
    told("completion.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pg_dump_is_refused_in_words() {
    let node = Node::start().await;
    let mut command = Command::new("pg_dump");
    command.arg(format!("postgresql://caudal:caudal@127.0.0.1:{}/caudal", node.postgres.port()));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    node.stop().await;
    let Ok(output) = output else { return tests::skip("pg_dump is not installed (apt-get install postgresql-client)") };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.contains("an empty search_path, which pg_dump asks for, is not supported"), "{said}");
    assert!(said.contains("COPY .. TO STDOUT takes rows out"), "{said}");
}
