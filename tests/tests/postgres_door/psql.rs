//! psql, PostgreSQL's own client, where it is installed.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use tests::node::Node;

/// Runs psql with a script; `None` where there is none.
async fn psql(node: &Node, script: &str) -> Option<Output> {
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--set=VERBOSITY=verbose", "--file=-"]);
    command.arg(format!("postgresql://caudal:caudal@127.0.0.1:{}/caudal", node.postgres.port()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        tests::skip("psql is not installed (apt-get install postgresql-client)");
        return None;
    };
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    Some(tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap())
}

#[tokio::test]
async fn psql_creates_fills_and_reads() {
    let node = Node::start().await;
    let script = "CREATE TABLE item (id int PRIMARY KEY, price numeric(8, 2));\n\
         INSERT INTO item VALUES (1, 0.5), (2, NULL);\n\
         COPY item FROM STDIN WITH (FORMAT csv);\n3,12\n\\.\n\
         SELECT * FROM item ORDER BY id;\n\
         SELECT nonsense;\n";
    if let Some(output) = psql(&node, script).await {
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        let expected = "CREATE TABLE\nINSERT 0 2\nCOPY 1\n id | price \n----+-------\n  1 |  0.50\n  2 |      \n  3 | 12.00\n(3 rows)\n\n";
        assert_eq!(out, expected, "{err}");
        assert!(err.contains("ERROR:  42703:"), "{err}");
        assert!(err.contains("NOTICE:  00000: 1 taken, 0 corrected, 0 unchanged"), "{err}");
    }
    node.stop().await;
}

#[tokio::test]
async fn psql_follows_a_view_through_a_cursor() {
    let node = Node::start().await;
    let script = "CREATE TABLE item (k int PRIMARY KEY, name text);\nINSERT INTO item VALUES (1, 'one');\nBEGIN;\n\
        DECLARE c CURSOR FOR SUBSCRIBE (SELECT name FROM item);\n\\pset format unaligned\nFETCH ALL c;\n\
        FETCH 1 c WITH (timeout = '10ms');\nCOMMIT;\n";
    if let Some(output) = psql(&node, script).await {
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.contains("epoch|diff|name\n2|1|one\n(1 row)\nepoch|diff|name\n(0 rows)\n"), "{printed}");
    }
    node.stop().await;
}

/// What there is for psql to describe.
const DESCRIBED: &str =
    "CREATE TABLE readings (circuit text, at timestamptz, power_w double precision, price numeric(8, 2),
         PRIMARY KEY (circuit, at)) WITH (topic = 'readings');
     CREATE VIEW strong AS SELECT circuit, power_w FROM readings WHERE power_w > 1000;
     CREATE INDEX by_price ON readings (price);
     CREATE MATERIALIZED VIEW per_circuit AS SELECT circuit, count(*) AS n FROM readings GROUP BY circuit;
     COMMENT ON TABLE readings IS 'as they came in';
     COMMENT ON COLUMN readings.power_w IS 'watts';
     COMMENT ON COLUMN strong.power_w IS 'watts too';
     COMMENT ON VIEW strong IS 'gone again';
     COMMENT ON VIEW strong IS NULL;";

/// What psql prints for a command, lines without blanks at their end.
async fn described(node: &Node, command: &str) -> Option<String> {
    let output = psql(node, &format!("{command}\n")).await?;
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(err, "", "{command}");
    Some(out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn psql_lists_relations_by_their_kind() {
    let node = Node::start().await;
    node.connect().await.batch_execute(DESCRIBED).await.unwrap();
    let expected = " public | per_circuit | materialized view | caudal\n public | readings    | table             | caudal\n public | strong      | view              | caudal\n(3 rows)";
    let Some(all) = described(&node, "\\d").await else { return };
    assert!(all.contains(expected), "{all}");
    for (command, name) in [("\\dt", "readings"), ("\\dv", "strong"), ("\\dm", "per_circuit")] {
        let listed = described(&node, command).await.unwrap();
        assert!(listed.contains(name) && listed.contains("(1 row)"), "{listed}");
    }
    let more = described(&node, "\\d+").await.unwrap();
    assert!(more.contains("| as they came in"), "{more}");
    assert!(!more.contains("gone again"), "{more}");
    node.stop().await;
}

#[tokio::test]
async fn psql_describes_columns_keys_comments_and_queries() {
    let node = Node::start().await;
    node.connect().await.batch_execute(DESCRIBED).await.unwrap();
    let Some(table) = described(&node, "\\d readings").await else { return };
    assert_eq!(
        table,
        "                       Table \"public.readings\"
 Column  |           Type           | Collation | Nullable | Default
---------+--------------------------+-----------+----------+---------
 circuit | text                     |           | not null |
 at      | timestamp with time zone |           | not null |
 power_w | double precision         |           |          |
 price   | numeric(8,2)             |           |          |
Indexes:
    \"readings_pkey\" PRIMARY KEY, btree (circuit, at)
    \"by_price\" btree (price)
"
    );
    let more = described(&node, "\\d+ readings").await.unwrap();
    assert!(more.contains("| watts\n") && more.contains("Options: topic=readings"), "{more}");
    let view = described(&node, "\\d+ strong").await.unwrap();
    assert!(
        view.contains("| watts too\n") && view.contains("View definition:\nSELECT circuit, power_w FROM readings"),
        "{view}"
    );
    let maintained = described(&node, "\\d per_circuit").await.unwrap();
    assert!(maintained.contains("Materialized view \"public.per_circuit\""), "{maintained}");
    assert!(maintained.contains("\"per_circuit_key\" UNIQUE, btree (circuit)"), "{maintained}");
    let index = described(&node, "\\d readings_pkey").await.unwrap();
    assert!(index.contains("primary key, btree, for table \"public.readings\""), "{index}");
    let made = described(&node, "\\d by_price").await.unwrap();
    assert!(made.contains(" price  | numeric(8,2)") && made.contains("btree, for table \"public.readings\""), "{made}");
    node.stop().await;
}

#[tokio::test]
async fn every_list_of_psql_is_answered() {
    let node = Node::start().await;
    node.connect().await.batch_execute(DESCRIBED).await.unwrap();
    let known = [
        ("\\l", "caudal | caudal | UTF8"),
        ("\\dn", "public | caudal"),
        ("\\du", "caudal    | Superuser"),
        ("\\df date_b*", "pg_catalog | date_bin"),
        ("\\df", "(0 rows)"),
        ("\\di", "readings_pkey"),
        ("\\dp", "per_circuit"),
        ("\\dT int4", "pg_catalog | integer"),
        ("\\d pg_class", "relname"),
        ("\\sv strong", "SELECT circuit, power_w FROM readings"),
        ("\\dx", "(0 rows)"),
        ("\\db", "pg_default"),
        ("\\da", "(0 rows)"),
        ("\\des", "(0 rows)"),
        ("\\dt+", "readings"),
        ("\\d+ pg_type", "typname"),
        ("SHOW server_version;", "15.0"),
        ("SHOW ALL;", "statement_timeout"),
        ("SHOW TABLES;", "per_circuit"),
        ("SHOW VIEWS;", "strong"),
        ("SHOW MATERIALIZED VIEWS;", "per_circuit"),
        ("SHOW COLUMNS FROM readings;", "numeric(8,2)"),
        ("SHOW CREATE TABLE readings;", "CREATE TABLE readings"),
        ("SHOW CREATE MATERIALIZED VIEW per_circuit;", "GROUP BY circuit;"),
        ("SHOW CREATE VIEW strong;", "WHERE power_w > 1000;"),
    ];
    for (command, part) in known {
        let Some(listed) = described(&node, command).await else { return };
        assert!(listed.contains(part), "{command}: {listed}");
    }
    node.stop().await;
}

#[tokio::test]
async fn object_ids_and_comments_outlive_a_restart() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.batch_execute(DESCRIBED).await.unwrap();
    let asked = "SELECT c.oid, c.relname, obj_description(c.oid, 'pg_class'), col_description(c.oid, 3)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' ORDER BY c.oid";
    let shown = async |client: &tokio_postgres::Client| -> Vec<(u32, String, Option<String>, Option<String>)> {
        let rows = client.query(asked, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
    };
    let before = shown(&client).await;
    assert!(before.iter().any(|(_, name, raw, watts)| {
        name == "readings" && raw.as_deref() == Some("as they came in") && watts.as_deref() == Some("watts")
    }));
    drop(client);
    let node = node.restart().await;
    let client = node.connect().await;
    assert_eq!(shown(&client).await, before);
    client.batch_execute("DROP VIEW strong; CREATE VIEW strong AS SELECT 1 AS one").await.unwrap();
    let said = client.query_one("SELECT count(*) FROM pg_description WHERE objoid = 'strong'::regclass", &[]).await;
    assert_eq!(said.unwrap().get::<_, i64>(0), 0, "a comment goes with what it is about");
    node.stop().await;
}
