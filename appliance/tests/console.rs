//! `caudal sql` prints what a person, a spreadsheet or a program wants to read, and errors that help.

mod process;

use std::io::Write;
use std::process::Stdio;
use std::sync::LazyLock;

use process::{Caudal, caudal, text};

const ROWS: &str =
    "SELECT * FROM (VALUES (1, 'a,b', 1.50, TRUE), (2, NULL, NULL, FALSE)) AS t(n, word, price, yes) ORDER BY n";

/// A node on a directory that goes with it.
fn node() -> (tempfile::TempDir, Caudal) {
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    (dir, node)
}

#[test]
fn each_format_shows_the_same_rows() {
    let (_dir, node) = node();
    let printed = |format| {
        let output = node.sql(format, ROWS);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(
        printed("table"),
        " n | word | price | yes \n---+------+-------+-----\n 1 | a,b  |  1.50 | t\n 2 |      |       | f\n(2 rows)\n\n"
    );
    assert_eq!(printed("csv"), "n,word,price,yes\r\n1,\"a,b\",1.50,t\r\n2,,,f\r\n");
    let lines: Vec<serde_json::Value> =
        printed("json").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], serde_json::json!({"n": 1, "word": "a,b", "price": 1.5, "yes": true}));
    assert_eq!(lines[1], serde_json::json!({"n": 2, "word": null, "price": null, "yes": false}));
}

#[test]
fn an_error_has_its_code_and_a_mark_and_ends_the_command_with_1() {
    let (_dir, node) = node();
    for format in ["table", "csv"] {
        let output = node.sql(format, "SELECT 1 AS fine; SELECT\n  nothing FROM nowhere; SELECT 2");
        assert_eq!(output.status.code(), Some(1));
        let words = text(&output.stderr);
        assert!(words.starts_with("ERROR 42P01: "), "{words}");
        assert!(words.contains("LINE 2:   nothing FROM nowhere\n                       ^"), "{words}");
        assert!(!text(&output.stdout).contains('2'), "the statement after the error did not run");
    }
}

#[test]
fn statements_come_through_a_pipe() {
    let (_dir, node) = node();
    let mut child =
        node.client("sql").args(["--format", "csv"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let script = "CREATE TABLE t (k TEXT NOT NULL, PRIMARY KEY (k)); -- a comment;\nINSERT INTO t (k)\nVALUES ('a;b');\nSELECT k FROM t";
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "k\r\na;b\r\n");
}

#[test]
fn without_a_node_it_says_where_it_looked() {
    // Nobody listens on a port that was free a moment ago.
    static FREE: LazyLock<String> =
        LazyLock::new(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string());
    let output = caudal().args(["sql", "--pg", &FREE, "-c", "SELECT 1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = text(&output.stderr);
    assert!(words.contains(&*FREE) && words.contains("caudal run"), "{words}");
}

#[test]
fn the_node_is_found_by_url_too_and_a_wrong_password_is_refused() {
    let (_dir, node) = node();
    let ask = |password: &str| {
        let url = format!("postgresql://caudal:{password}@{}/caudal", node.doors["pg"]);
        caudal().args(["sql", "--connect", &url, "-c", "SELECT 1"]).output().unwrap()
    };
    assert!(ask("caudal").status.success());
    let words = text(&ask("wrong").stderr);
    assert!(words.contains("28P01"), "{words}");
}
