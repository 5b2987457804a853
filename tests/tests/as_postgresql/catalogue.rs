//! What the catalogue says of tables.

use rand::RngExt;
use rand::seq::IndexedRandom;
use tests::node::Node;
use tests::postgresql::PostgreSql;

use crate::harness::{compare_over, script};

#[tokio::test(flavor = "multi_thread")]
async fn defaults_of_columns() {
    const TABLE: &str = "CREATE TABLE d (id integer PRIMARY KEY, a integer DEFAULT 7, b text DEFAULT 'it''s', c boolean DEFAULT true, e text)";
    compare_over(&[TABLE], |random| {
        let from = "FROM information_schema.columns WHERE table_name = 'd'";
        match random.random_range(0..3) {
            0 => format!("string_agg(column_name || ' ' || column_default, ', ' ORDER BY ordinal_position) {from}"),
            1 => "string_agg(pg_get_expr(adbin, adrelid), ', ' ORDER BY adnum) FROM pg_attrdef WHERE adrelid = 'd'::regclass".to_owned(),
            _ => "count(*) FROM pg_attribute WHERE attrelid = 'd'::regclass AND attnum > 0 AND atthasdef".to_owned(),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_of_relations() {
    const STATEMENTS: [&str; 4] = [
        "CREATE TABLE s (id integer PRIMARY KEY, t text)",
        "INSERT INTO s VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        "CREATE INDEX by_text ON s (t)",
        "CREATE MATERIALIZED VIEW counted AS SELECT t, count(*) AS n FROM s GROUP BY t",
    ];
    compare_over(&STATEMENTS, |random| {
        let of = ["'s'", "'s'::regclass", "'counted'", "'by_text'", "0"].choose(random).unwrap();
        match random.random_range(0..6) {
            0 => format!("pg_relation_size({of}) > 0"),
            1 => format!("pg_total_relation_size({of}) >= pg_table_size({of})"),
            2 => "pg_total_relation_size('s') > pg_table_size('s') AND pg_indexes_size('s') > 0".to_owned(),
            3 => "pg_database_size(current_database()) >= pg_total_relation_size('s')".to_owned(),
            4 => "bool_and(pg_relation_size(oid) > 0) FROM pg_class WHERE relname IN ('s', 'by_text', 'counted')"
                .to_owned(),
            _ => {
                let bytes = 3_i64.pow(random.random_range(0..38));
                format!("pg_size_pretty({}{bytes}::bigint)", ["", "-"].choose(random).unwrap())
            }
        }
    })
    .await;
}

/// What clients that draw plans ask for: the outermost operator of a list of one plan, with those below it.
#[tokio::test(flavor = "multi_thread")]
async fn plans_as_documents() {
    const STATEMENTS: [&str; 3] = [
        "EXPLAIN (FORMAT JSON) SELECT g FROM generate_series(1, 5) AS g ORDER BY -g",
        "EXPLAIN (ANALYZE, VERBOSE, BUFFERS, FORMAT JSON) SELECT g FROM generate_series(1, 5) AS g ORDER BY -g",
        "EXPLAIN (ANALYZE ON, COSTS OFF, TIMING OFF, SUMMARY ON, SETTINGS, WAL, FORMAT 'json') SELECT g FROM generate_series(1, 5) AS g ORDER BY -g",
    ];
    let Some(postgresql) = PostgreSql::start() else { return };
    let (theirs, node) = (postgresql.connect().await, Node::start().await);
    let ours = node.connect().await;
    for client in [&theirs, &ours] {
        for (answer, statement) in script(client, &STATEMENTS).await.into_iter().zip(STATEMENTS) {
            let written = answer.unwrap().unwrap();
            let found: serde_json::Value = serde_json::from_str(&written).unwrap();
            let outermost = &found[0]["Plan"];
            assert!(outermost["Node Type"].is_string() && outermost["Plans"].is_array(), "{statement}: {written}");
            if statement.contains("ANALYZE") {
                assert_eq!(outermost["Actual Rows"].as_f64(), Some(5.0), "{statement}: {written}");
                assert!(found[0]["Execution Time"].is_number(), "{statement}: {written}");
            }
        }
    }
    node.stop().await;
}
