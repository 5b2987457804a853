//! Settings and transactions of a session.

use tests::node::Node;
use tests::postgresql::PostgreSql;

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
    let Some(postgresql) = PostgreSql::start() else { return };
    let (theirs, node) = (postgresql.connect().await, Node::start().await);
    let ours = node.connect().await;
    let (expected, found) = (script(&theirs, &STATEMENTS).await, script(&ours, &STATEMENTS).await);
    for (at, statement) in STATEMENTS.iter().enumerate() {
        assert_eq!(found[at], expected[at], "{statement}");
    }
    node.stop().await;
}
