//! The demo goes on exactly where it was killed, and what it recommends to look at changes while one watches.

mod process;

use std::process::Command;

use process::{Caudal, DEADLINE, text, within};

/// Per circuit: how many readings, and how many intervals lie between the first and the last, both counted.
const INTERVALS: &str = "SELECT customer_id, circuit, count(*) AS readings,
    (extract(epoch FROM max(at) - min(at)) / 5)::BIGINT + 1 AS intervals FROM energy.readings GROUP BY customer_id, circuit";

fn readings(node: &Caudal) -> u64 {
    node.cell("SELECT coalesce(sum(samples), 0) AS readings FROM energy.circuit_minutes").parse().unwrap()
}

#[test]
fn views_change_while_one_watches_and_kill_9_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("demo");
    let start = || Caudal::start("demo", &data, &["--mqtt", "127.0.0.1:0"]);
    let mut seen = 0;
    for life in 0..3 {
        let node = start();
        let at_start = readings(&node);
        assert!(at_start >= seen, "{at_start} readings after a restart, {seen} had been seen");
        // Once amid the history, then amid the present.
        let more = if life == 0 { 1_000 } else { 36 };
        seen = within(DEADLINE, || Some(readings(&node)).filter(|now| *now > at_start + more));
        node.kill();
    }
    let node = start();
    // Two hours of eighteen circuits.
    within(DEADLINE, || (readings(&node) > 18 * 1_400).then_some(()));
    let circuits = node.rows(INTERVALS);
    assert_eq!(circuits.len(), 18);
    for circuit in &circuits {
        assert_eq!(circuit[2], circuit[3], "every interval once: {circuit:?}");
    }
    for nothing in ["energy.gaps", "energy.resets", "energy.rejected", "caudal.quarantine", "caudal.errors"] {
        assert_eq!(node.cell(&format!("SELECT count(*) FROM {nothing}")), "0", "{nothing}");
    }
    // One answer comes from one epoch, so that the views agree in it.
    let agree = "SELECT m.samples = r.readings AND q.samples = r.readings AND h.samples = r.readings AND d.samples = r.readings AS agree
        FROM (SELECT count(power_w) AS readings FROM energy.readings) r
        CROSS JOIN (SELECT sum(samples) AS samples FROM energy.circuit_minutes) m
        CROSS JOIN (SELECT sum(samples) AS samples FROM energy.circuit_quarters) q
        CROSS JOIN (SELECT sum(samples) AS samples FROM energy.circuit_hours) h
        CROSS JOIN (SELECT sum(samples) AS samples FROM energy.circuit_days) d";
    assert_eq!(node.cell(agree), "t");
    customers_see_what_is_theirs(&node);
    let (status, took) = node.interrupt();
    assert!(status.success() && took.as_secs() < 8, "{status} after {took:?}");
}

fn customers_see_what_is_theirs(node: &Caudal) {
    let as_casa = |sql: &str| -> Command {
        let mut client = node.client("sql");
        client.args(["--user", "casa", "--format", "csv", "-c", sql]).env("CAUDAL_PASSWORD", "caudal");
        client
    };
    let seen = as_casa("SELECT circuit FROM of_casa ORDER BY circuit").output().unwrap();
    assert!(seen.status.success(), "{}", text(&seen.stderr));
    let expected = node.rows("SELECT circuit FROM energy.latest WHERE customer_id = 'casa' ORDER BY circuit");
    let seen = text(&seen.stdout).lines().skip(1).map(|line| vec![line.trim().to_owned()]).collect::<Vec<_>>();
    assert_eq!((seen.len(), seen), (6, expected));
    let refused = as_casa("SELECT * FROM energy.readings").output().unwrap();
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("permission denied"),
        "{}",
        text(&refused.stderr)
    );
}
