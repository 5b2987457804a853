//! What a table is declared to be beyond its columns: the schema that it is in, and what its rows must be.

use sql::SqlError;
use storage::Event;
use tests::clocked::Node;

const METERS: &str = "CREATE TABLE energy.readings (
    meter TEXT, at TIMESTAMPTZ, power_w NUMERIC(9, 2) CHECK (power_w >= 0), energy_kwh BIGINT, factor DOUBLE PRECISION,
    PRIMARY KEY (meter, at),
    CONSTRAINT something_is_there CHECK (power_w IS NOT NULL OR energy_kwh IS NOT NULL),
    CONSTRAINT not_in_the_future CHECK (at <= now() + INTERVAL '10 minutes'),
    CONSTRAINT even CHECK (100 / energy_kwh >= 0),
    CHECK (factor BETWEEN -1 AND 1)
) WITH (topic = 'readings')";

fn is(error: &SqlError, sqlstate: &str, words: &str) -> bool {
    error.sqlstate == sqlstate && error.message.contains(words)
}

async fn sent(node: &Node, json: &str) {
    let event = Event { value: Some(json.to_owned().into()), ..Event::default() };
    node.database.submit("energy.readings", vec![event]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_a_check_refuses_are_in_quarantine_with_its_name() {
    let node = Node::new("2026-05-01 08:00:00").await;
    node.run("CREATE SCHEMA energy").await;
    node.run(METERS).await;
    node.run(
        "CREATE MATERIALIZED VIEW energy.totals AS SELECT meter, count(*) AS n FROM energy.readings GROUP BY meter",
    )
    .await;
    for json in [
        r#"{"meter": "a", "at": "2026-05-01T08:00:00Z", "power_w": 5, "factor": 0.5}"#,
        r#"{"meter": "a", "at": "2026-05-01T08:01:00Z", "power_w": -5}"#,
        r#"{"meter": "a", "at": "2026-05-01T08:02:00Z"}"#,
        r#"{"meter": "a", "at": "2026-05-01T08:10:00Z", "power_w": 5}"#,
        r#"{"meter": "a", "at": "2026-05-01T08:10:00.001Z", "power_w": 5}"#,
        r#"{"meter": "a", "at": "2026-05-01T08:04:00Z", "energy_kwh": 0}"#,
        r#"{"meter": "a", "at": "2026-05-01T08:05:00Z", "power_w": 5, "factor": 1.5}"#,
    ] {
        sent(&node, json).await;
    }
    assert_eq!(node.rows("SELECT meter, n FROM energy.totals").await, "a,2");
    let reasons = "SELECT position, reason FROM caudal.quarantine ORDER BY position";
    let told = [
        "1,table energy.readings has the check readings_power_w_check: power_w >= 0",
        "2,table energy.readings has the check something_is_there: power_w IS NOT NULL OR energy_kwh IS NOT NULL",
        "4,table energy.readings has the check not_in_the_future: at <= now() + INTERVAL '10 minutes'",
        "5,table energy.readings has the check even: division by zero",
        "6,table energy.readings has the check readings_check: factor BETWEEN -1 AND 1",
    ];
    assert_eq!(node.rows(reasons).await, told.join(";"));

    // What the time alone refused is taken when it is sent again later, also after a restart.
    let node = node.sleeps_until("2026-05-01 09:00:00").await;
    sent(&node, r#"{"meter": "a", "at": "2026-05-01T08:10:00.001Z", "power_w": 5}"#).await;
    sent(&node, r#"{"meter": "a", "at": "2026-05-01T08:06:00Z", "power_w": -1}"#).await;
    assert_eq!(node.rows("SELECT meter, n FROM energy.totals").await, "a,3");
    let refused =
        node.refused("INSERT INTO energy.readings VALUES ('b', '2026-05-01T09:00:00Z', -1, NULL, NULL)").await;
    assert!(is(&refused, "23514", "readings_power_w_check"), "{refused:?}");
    // A check sees the columns that the table was given later.
    node.run("ALTER TABLE energy.readings ADD COLUMN phase INT").await;
    let refused =
        node.refused("UPDATE energy.readings SET power_w = -1 WHERE meter = 'a' AND at = '2026-05-01T08:00:00Z'").await;
    assert!(is(&refused, "23514", "readings_power_w_check"), "{refused:?}");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_a_condition_on_the_row_alone() {
    let node = Node::new("2026-05-01 08:00:00").await;
    node.run("CREATE TABLE other (a INT PRIMARY KEY)").await;
    for (check, sqlstate, words) in [
        ("a + 1", "42804", "boolean"),
        ("b > 1", "42703", "b"),
        ("a IN (SELECT a FROM other)", "42P01", "other"),
        ("count(*) > 1", "0A000", "count"),
        ("random() > 0.5", "0A000", "random"),
        ("a >", "42601", ""),
    ] {
        let refused = node.refused(&format!("CREATE TABLE t (a INT PRIMARY KEY, CHECK ({check}))")).await;
        assert!(is(&refused, sqlstate, words), "{check}: {refused:?}");
    }
    let twice = "CREATE TABLE t (a INT PRIMARY KEY, CONSTRAINT c CHECK (a > 1), CONSTRAINT c CHECK (a > 2))";
    assert!(is(&node.refused(twice).await, "42710", "c"));
    node.run("CREATE TABLE t (a INT PRIMARY KEY, CHECK (a > 1), CHECK (a < 9))").await;
    assert!(is(&node.refused("INSERT INTO t VALUES (9)").await, "23514", "t_check1: a < 9"));
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_has_relations_of_its_own() {
    let node = Node::new("2026-05-01 08:00:00").await;
    assert!(is(&node.refused("CREATE TABLE energy.t (a INT PRIMARY KEY)").await, "3F000", "energy"));
    node.run("CREATE SCHEMA energy").await;
    node.run("CREATE SCHEMA IF NOT EXISTS energy").await;
    assert!(is(&node.refused("CREATE SCHEMA energy").await, "42P06", "energy"));
    node.run("CREATE TABLE t (a INT PRIMARY KEY)").await;
    node.run("CREATE TABLE energy.t (b INT PRIMARY KEY)").await;
    node.run("CREATE VIEW energy.v AS SELECT b FROM energy.t").await;
    node.run("CREATE MATERIALIZED VIEW energy.m AS SELECT count(*) AS n FROM energy.v").await;
    node.run("COMMENT ON COLUMN energy.t.b IS 'number'").await;
    node.run("INSERT INTO energy.t VALUES (1), (2)").await;
    let node = node.sleeps_until("2026-05-01 08:00:01").await;
    assert_eq!(node.rows("SELECT n FROM energy.m").await, "2");
    assert_eq!(node.rows("SELECT count(*) FROM public.t").await, "0");
    let classes = "SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'energy' ORDER BY 2";
    assert_eq!(node.rows(classes).await, "energy,m,m;energy,t,r;energy,t_pkey,i;energy,v,v");
    assert_eq!(
        node.rows("SELECT col_description('energy.t'::regclass, 1), 'energy.t'::regclass").await,
        "number,energy.t"
    );
    let named = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_name = 't' ORDER BY 1";
    assert_eq!(node.rows(named).await, "energy,t;public,t");
    assert_eq!(node.rows("SELECT name, pack, relations FROM caudal.schemas").await, "energy,,3");
    node.run("ALTER SCHEMA energy SET OPTIONS (pack = 'energy', version = '2')").await;
    let node = node.sleeps_until("2026-05-01 08:00:02").await;
    assert_eq!(node.rows("SELECT name, pack, version FROM caudal.schemas").await, "energy,energy,2");
    assert!(is(&node.refused("DROP SCHEMA energy").await, "2BP01", "energy."));
    assert!(is(&node.refused("DROP SCHEMA public").await, "42501", "public"));
    node.run("DROP MATERIALIZED VIEW energy.m").await;
    node.run("DROP VIEW energy.v").await;
    node.run("DROP TABLE energy.t").await;
    node.run("DROP SCHEMA energy").await;
    node.run("DROP SCHEMA IF EXISTS energy").await;
    assert!(is(&node.refused("SELECT * FROM energy.t").await, "42P01", "energy.t"));
    assert!(is(&node.refused("DROP SCHEMA energy").await, "3F000", "energy"));
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_says_that_it_is_an_alert() {
    let node = Node::new("2026-05-01 08:00:00").await;
    node.run("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)").await;
    node.run("CREATE MATERIALIZED VIEW high WITH (alert = 'critical') AS SELECT a FROM t WHERE a > 5").await;
    node.run("CREATE MATERIALIZED VIEW rated WITH (alert = b) AS SELECT a, b FROM t").await;
    let node = node.sleeps_until("2026-05-01 08:00:01").await;
    let alerts = "SELECT name, alert FROM caudal.relations WHERE alert IS NOT NULL ORDER BY 1";
    assert_eq!(node.rows(alerts).await, "high,critical;rated,b");
    for (create, sqlstate, words) in [
        ("MATERIALIZED VIEW x WITH (alert = 'loud') AS SELECT a FROM t", "22023", "loud"),
        ("MATERIALIZED VIEW x WITH (alert = a) AS SELECT a FROM t", "42804", "a"),
        ("MATERIALIZED VIEW x WITH (alert = 'info') AS SELECT b FROM t", "0A000", "key"),
        ("VIEW x WITH (alert = 'info') AS SELECT a FROM t", "0A000", "not kept"),
        ("MATERIALIZED VIEW x WITH (sound = 'loud') AS SELECT a FROM t", "0A000", "sound"),
    ] {
        let refused = node.refused(&format!("CREATE {create}")).await;
        assert!(is(&refused, sqlstate, words), "{create}: {refused:?}");
    }
    node.database.close().await;
}
