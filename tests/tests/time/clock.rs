//! `caudal.clock`: what must happen by the wall joins it.

use crate::harness::Node;

const SCHEDULES: &str = "CREATE TABLE schedules (id bigint PRIMARY KEY, zone text, at text) WITH (max_rows = 1000)";
const REMINDERS: &str = "CREATE MATERIALIZED VIEW reminders AS SELECT s.id, c.minute FROM schedules s
    JOIN caudal.clock c ON to_char(c.minute AT TIME ZONE s.zone, 'HH24:MI') = s.at";
const BY_HOUR: &str = "CREATE MATERIALIZED VIEW by_hour AS SELECT date_trunc('hour', minute) AS hour, count(*) AS n
    FROM caudal.clock GROUP BY date_trunc('hour', minute)";

const SINCE: &str = "SELECT id, to_char(minute, 'DD HH24:MI') FROM reminders WHERE minute >= TIMESTAMPTZ '2026-05-10T00:00:00Z' ORDER BY minute, id";
const KEPT: &str =
    "SELECT count(*), to_char(min(minute), 'DD HH24:MI'), to_char(max(minute), 'DD HH24:MI') FROM caudal.clock";

async fn scheduled(time: &str) -> Node {
    let node = Node::new(time).await;
    node.run(SCHEDULES).await;
    node.run("INSERT INTO schedules VALUES (1, 'Europe/Madrid', '08:00'), (2, 'UTC', '08:00')").await;
    assert_eq!(node.rows("SELECT count(*) FROM caudal.clock").await, "0");
    node.run(REMINDERS).await;
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_is_kept_where_it_is_and_by_a_node_that_was_down_at_its_time() {
    let node = scheduled("2026-05-10 05:59:30").await;
    assert_eq!(node.rows(SINCE).await, "");
    node.set("2026-05-10 06:00:00");
    node.becomes(SINCE, "1,10 06:00").await;
    // One that is added has what was due while it was not there, as the same query has.
    node.run("INSERT INTO schedules VALUES (3, 'America/El_Salvador', '23:59')").await;
    assert_eq!(node.rows(SINCE).await, "3,10 05:59;1,10 06:00");
    // Down from before eight to after ten: it comes once, and what was there stays.
    let node = node.sleeps_until("2026-05-10 10:30:15").await;
    node.becomes(SINCE, "3,10 05:59;1,10 06:00;2,10 08:00").await;
    assert_eq!(node.rows(KEPT).await, "7200,05 10:31,10 10:30");
    let node = node.sleeps_until("2026-05-10 10:30:59").await;
    assert_eq!(node.rows(SINCE).await, "3,10 05:59;1,10 06:00;2,10 08:00");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_minute_comes_once_and_only_the_last_days_are_kept() {
    let node = scheduled("2026-05-10 06:30:00").await;
    node.run(BY_HOUR).await;
    let counted = "SELECT sum(n) FROM by_hour";
    assert_eq!(node.rows(counted).await, "7200");
    let before = node.epoch();
    node.set("2026-05-10 06:30:59.999");
    node.run("INSERT INTO schedules VALUES (4, 'UTC', '06:31')").await;
    assert_eq!(node.epoch(), before + 1, "no minute has begun");
    node.set("2026-05-10 06:32:00");
    node.becomes(counted, "7202").await;
    assert_eq!(node.rows(KEPT).await, "7200,05 06:33,10 06:32");
    // A clock that is set back gives none again.
    node.set("2026-05-10 06:00:00");
    node.run("INSERT INTO schedules VALUES (5, 'UTC', '06:32')").await;
    assert_eq!(node.rows(counted).await, "7202");
    assert_eq!(
        node.rows("SELECT id FROM reminders WHERE minute >= TIMESTAMPTZ '2026-05-10T06:31:00Z' ORDER BY id").await,
        "4;5"
    );
    // Longer than rows are kept: the rest is left out, here and in the views.
    let node = node.sleeps_until("2026-06-10 06:00:00").await;
    node.becomes(counted, "14402").await;
    assert_eq!(node.rows(KEPT).await, "7200,05 06:01,10 06:00");
    // Joins find the minutes that are kept, with and without a restart.
    let once = "SELECT count(*) FROM reminders WHERE id = 6";
    node.set("2026-06-11 06:00:00");
    node.becomes(counted, "15842").await;
    node.run("INSERT INTO schedules VALUES (6, 'UTC', '07:00')").await;
    assert_eq!(node.rows(once).await, "5");
    node.run("DELETE FROM schedules WHERE id = 6").await;
    let node = node.sleeps_until("2026-06-11 06:00:00").await;
    node.run("INSERT INTO schedules VALUES (6, 'UTC', '07:00')").await;
    assert_eq!(node.rows(once).await, "5");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_stands_still_while_no_view_reads_it() {
    let node = scheduled("2026-05-10 06:30:00").await;
    assert_eq!(node.refused("DROP TABLE caudal.clock").await.sqlstate, "42809");
    node.run("DROP MATERIALIZED VIEW reminders").await;
    node.becomes("SELECT count(*) FROM caudal.clock", "0").await;
    let before = node.epoch();
    node.set("2026-05-11 06:30:00");
    node.run("INSERT INTO schedules VALUES (7, 'UTC', '06:30')").await;
    assert_eq!(node.epoch(), before + 1);
    node.run(REMINDERS).await;
    assert_eq!(
        node.rows("SELECT to_char(minute, 'DD HH24:MI') FROM reminders WHERE id = 7 ORDER BY minute").await,
        "07 06:30;08 06:30;09 06:30;10 06:30;11 06:30"
    );
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minutes_pass_where_there_is_no_table() {
    let node = Node::new("2026-05-10 06:30:00").await;
    node.run(BY_HOUR).await;
    node.set("2026-05-10 06:33:10");
    node.becomes("SELECT sum(n) FROM by_hour", "7203").await;
    node.database.close().await;
}
