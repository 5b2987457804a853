//! Settings and transactions of a session.

use tests::node::Node;
use tests::postgresql::PostgreSql;
use tokio_postgres::SimpleQueryMessage;

use crate::harness::script;

#[tokio::test(flavor = "multi_thread")]
async fn settings_end_with_their_transaction() {
    const STATEMENTS: [&str; 44] = [
        "SELECT set_config('application_name', 'x', false)",
        "SHOW application_name",
        "SELECT set_config('my.var', 'v', false)",
        "SELECT set_config('my.var', 'w', true)",
        "SELECT current_setting('my.var')",
        "SELECT set_config('TimeZone', 'Europe/Madrid', false)",
        "SELECT timestamptz '2026-07-01 00:00+00'",
        "BEGIN",
        "SELECT set_config('my.var', 'w', true)",
        "SELECT current_setting('my.var')",
        "COMMIT",
        "SELECT current_setting('my.var')",
        "BEGIN",
        "SET my.var = 'lost'",
        "SET LOCAL TIME ZONE 'UTC'",
        "SHOW TimeZone",
        "ROLLBACK",
        "SELECT current_setting('my.var')",
        "SHOW TimeZone",
        "BEGIN",
        "SET my.var = 'kept'",
        "SAVEPOINT s",
        "SET my.var = 'b'",
        "SET LOCAL statement_timeout = '5s'",
        "ROLLBACK TO s",
        "SELECT current_setting('my.var')",
        "SHOW statement_timeout",
        "COMMIT",
        "SELECT current_setting('my.var')",
        "BEGIN",
        "SET LOCAL my.var = 'z'",
        "SET my.var = 'last'",
        "SET LOCAL my.var = 'y'",
        "COMMIT",
        "SELECT current_setting('my.var')",
        "BEGIN",
        "SET my.var = 'failed'",
        "SELECT 1 / 0",
        "COMMIT",
        "SELECT current_setting('my.var')",
        "SELECT set_config('my.' || n, 'of a row', false) FROM (VALUES ('a'), ('b')) AS v(n)",
        "SELECT current_setting('my.b')",
        "SELECT set_config('no_such', 'x', false)",
        "SELECT set_config(NULL, 'x', false)",
    ];
    assert_same(&STATEMENTS).await;
}

/// Each statement of a session has the answer that PostgreSQL gives.
async fn assert_same(statements: &[&str]) {
    let Some(postgresql) = PostgreSql::start() else { return };
    let (theirs, node) = (postgresql.connect().await, Node::start().await);
    let ours = node.connect().await;
    let (expected, found) = (script(&theirs, statements).await, script(&ours, statements).await);
    node.stop().await;
    let answers = statements.iter().zip(found.iter().zip(&expected));
    let different: Vec<_> = answers.filter(|(_, (found, expected))| found != expected).collect();
    assert!(different.is_empty(), "(statement, (found, expected)): {different:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_prepared_executed_and_forgotten() {
    assert_same(&[
        "CREATE TABLE item (id integer PRIMARY KEY, name text, price numeric(8, 2))",
        "INSERT INTO item VALUES (1, 'a', 1.5), (2, 'b', 2)",
        "PREPARE q AS SELECT name FROM item WHERE id = $1",
        "EXECUTE q(1)",
        "EXECUTE Q ('2')",
        "EXECUTE q(1 + 1)",
        "EXECUTE q(NULL)",
        "EXECUTE q",
        "EXECUTE q(1, 2)",
        "EXECUTE q('x')",
        "EXECUTE q(name)",
        "EXECUTE q((SELECT 1))",
        "EXECUTE q(1 / 0)",
        "EXECUTE nothing(1)",
        "PREPARE q AS SELECT 1",
        "PREPARE \"Q\" AS VALUES (7)",
        "EXECUTE \"Q\"",
        "PREPARE \"as\" AS VALUES (8)",
        "EXECUTE \"as\"",
        "PREPARE bad AS SELECT nothing FROM item",
        "PREPARE bad AS CREATE TABLE bad (id integer PRIMARY KEY)",
        "PREPARE bad (no_such_type) AS SELECT $1",
        "EXECUTE bad",
        "PREPARE typed (integer, text, timestamptz, numeric(6, 2)) AS SELECT $2 || ($1 + 1)::text || $3::text || $4::text",
        "EXECUTE typed(1, 'n', '2026-01-02 03:04:05+00', 2.34)",
        "SET TimeZone = 'Europe/Madrid'",
        "EXECUTE typed(1, 'n', '2026-01-02 03:04:05', 2.34)",
        "RESET TimeZone",
        "PREPARE filled (integer, text) AS INSERT INTO item VALUES ($1, $2)",
        "EXECUTE filled(3, 'c')",
        "PREPARE changed AS UPDATE item SET name = $2 WHERE id = $1",
        "EXECUTE changed(3, 'd')",
        "EXECUTE q(3)",
        "PREPARE removed AS DELETE FROM item WHERE id = $1",
        "EXECUTE removed(3)",
        "EXECUTE q(3)",
        "SELECT string_agg(name || ' ' || from_sql::text || ' ' || parameter_types::text, ', ' ORDER BY name)
             FROM pg_prepared_statements",
        "SELECT statement FROM pg_prepared_statements WHERE name = 'q'",
        "SELECT prepare_time BETWEEN now() - interval '1 hour' AND now() FROM pg_prepared_statements WHERE name = 'q'",
        "EXPLAIN EXECUTE nothing",
        "EXPLAIN EXECUTE q",
        "DEALLOCATE q",
        "EXECUTE q(1)",
        "DEALLOCATE q",
        "DEALLOCATE PREPARE changed",
        "BEGIN",
        "PREPARE inside AS SELECT 'inside'",
        "ROLLBACK",
        "EXECUTE inside",
        "BEGIN",
        "EXECUTE nothing",
        "EXECUTE inside",
        "ROLLBACK",
        "BEGIN READ ONLY",
        "EXECUTE filled(9, 'x')",
        "ROLLBACK",
        "SET statement_timeout = '20s'",
        "EXECUTE inside",
        "SHOW statement_timeout",
        "BEGIN",
        "DISCARD ALL",
        "ROLLBACK",
        "DISCARD PLANS",
        "EXECUTE inside",
        "DISCARD ALL",
        "SHOW statement_timeout",
        "EXECUTE inside",
        "PREPARE last AS SELECT 1",
        "DEALLOCATE ALL",
        "SELECT count(*) FROM pg_prepared_statements",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_with_hold_outlives_its_transaction() {
    assert_same(&[
        "CREATE TABLE item (id integer PRIMARY KEY)",
        "INSERT INTO item VALUES (1), (2), (3)",
        "BEGIN",
        "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT id FROM item ORDER BY id",
        "FETCH c",
        "DECLARE gone CURSOR FOR SELECT 1",
        "DECLARE without CURSOR WITHOUT HOLD FOR SELECT 1",
        "COMMIT",
        "FETCH c",
        "FETCH gone",
        "FETCH without",
        "DELETE FROM item WHERE id = 3",
        "FETCH c",
        "FETCH c",
        "FETCH PRIOR FROM c",
        "CLOSE c",
        "FETCH c",
        "CLOSE c",
        "DECLARE alone CURSOR WITH HOLD FOR SELECT n FROM (VALUES (7), (8), (9)) AS v(n) ORDER BY n",
        "FETCH alone",
        "DECLARE alone CURSOR WITH HOLD FOR SELECT 8",
        "DECLARE early CURSOR FOR SELECT 1",
        "BEGIN",
        "DECLARE lost CURSOR WITH HOLD FOR SELECT 1",
        "FETCH alone",
        "SELECT string_agg(name || ' ' || is_holdable::text || ' ' || is_binary::text, ', ' ORDER BY name) FROM pg_cursors",
        "ROLLBACK",
        "FETCH lost",
        "FETCH alone",
        "BEGIN",
        "SELECT 1 / 0",
        "FETCH alone",
        "COMMIT",
        "DECLARE bytes BINARY CURSOR WITH HOLD FOR SELECT 258::integer",
        "FETCH bytes",
        "CLOSE ALL",
        "FETCH alone",
        "DECLARE last CURSOR WITH HOLD FOR SELECT 1",
        "DISCARD ALL",
        "FETCH last",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_protocol_prepares_and_what_prepare_does_have_the_same_names() {
    let Some(postgresql) = PostgreSql::start() else { return };
    let node = Node::start().await;
    for client in [postgresql.connect().await, node.connect().await] {
        let text = "  SELECT $1::integer + 1";
        let prepared = client.prepare(text).await.unwrap();
        let asked = "SELECT name, statement, parameter_types::text, from_sql FROM pg_prepared_statements";
        let told = client.simple_query(asked).await.unwrap();
        let told = told.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some([0, 1, 2, 3].map(|at| row.get(at).unwrap().to_owned())),
            _ => None,
        });
        let [name, statement, types, from_sql] = told.unwrap();
        assert_eq!((statement.as_str(), types.as_str(), from_sql.as_str()), (text, "{integer}", "f"));
        let answers = [
            format!("EXECUTE {name}(41)"),
            format!("PREPARE {name} AS SELECT 1"),
            format!("DEALLOCATE {name}"),
            format!("DEALLOCATE {name}"),
        ];
        let answers = script(&client, &answers.each_ref().map(String::as_str)).await;
        let refused = |code: &str| Err(code.to_owned());
        assert_eq!(answers, [Ok(Some("42".to_owned())), refused("42P05"), Ok(None), refused("26000")]);
        let error = client.query(&prepared, &[&1_i32]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "26000");
    }
    node.stop().await;
}
