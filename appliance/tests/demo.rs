//! The demo goes on exactly where it was killed, and the SELECT that it recommends changes while one watches.

mod process;

use process::{Caudal, DEADLINE, within};

/// Per circuit: how many readings, and how many seconds lie between the first and the last, both counted.
const SECONDS: &str = "SELECT circuit, count(*) AS readings,
    CAST(extract(epoch FROM max(at)) - extract(epoch FROM min(at)) AS BIGINT) + 1 AS seconds FROM readings GROUP BY circuit";

fn readings(node: &Caudal) -> u64 {
    node.cell("SELECT coalesce(sum(readings), 0) AS readings FROM circuit_total").parse().unwrap()
}

#[test]
fn views_change_while_one_watches_and_kill_9_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("demo");
    let mut seen = 0;
    for _ in 0..3 {
        let node = Caudal::start("demo", &data, &[]);
        let at_start = readings(&node);
        assert!(at_start >= seen, "{at_start} readings after a restart, {seen} had been seen");
        seen = within(DEADLINE, || Some(readings(&node)).filter(|now| *now > at_start + 16));
        node.kill();
    }
    let node = Caudal::start("demo", &data, &[]);
    let circuits = node.rows(SECONDS);
    assert_eq!(circuits.len(), 8);
    for circuit in &circuits {
        assert_eq!(circuit[1], circuit[2], "every second once: {circuit:?}");
    }
    // One answer comes from one epoch, so that the views agree in it.
    let agree = "SELECT m.readings = t.readings AND q.readings = t.readings AND d.readings = t.readings AND r.readings = t.readings AS agree
        FROM (SELECT sum(readings) AS readings FROM circuit_total) t
        CROSS JOIN (SELECT sum(readings) AS readings FROM circuit_minute) m
        CROSS JOIN (SELECT sum(readings) AS readings FROM circuit_quarter) q
        CROSS JOIN (SELECT sum(readings) AS readings FROM circuit_day) d
        CROSS JOIN (SELECT sum(readings) AS readings FROM room_quarter) r";
    assert_eq!(node.cell(agree), "t");
    let (status, took) = node.interrupt();
    assert!(status.success() && took.as_secs() < 8, "{status} after {took:?}");
}
