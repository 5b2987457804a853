//! `caudal sql` as a person types into it, at a terminal.

mod process;
#[path = "process/terminal.rs"]
mod terminal;

use process::Caudal;
use terminal::Terminal;

const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

/// A node with a table, and its directory.
fn node() -> (tempfile::TempDir, Caudal) {
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    node.execute("CREATE TABLE readings (circuit TEXT, power_w DOUBLE PRECISION, PRIMARY KEY (circuit)) WITH (topic = 'readings')");
    node.execute(
        "CREATE MATERIALIZED VIEW per_circuit AS SELECT circuit, count(*) AS n FROM readings GROUP BY circuit",
    );
    node.execute("INSERT INTO readings VALUES ('fridge', 12.5), ('lights', 7)");
    (dir, node)
}

fn console(node: &Caudal, dir: &tempfile::TempDir) -> Terminal {
    let mut command = node.client("sql");
    command.env("CAUDAL_HISTORY", dir.path().join("history")).env("TERM", "xterm").env("PAGER", "cat; echo paged");
    let terminal = Terminal::start(command);
    terminal.expect("caudal=> ");
    terminal
}

#[test]
fn statements_are_edited_over_lines_remembered_and_found_again() {
    let (dir, node) = node();
    let first = console(&node, &dir);
    first.send("SELECT 'on' || 'e',\r");
    first.expect("caudal-> ");
    first.send(&format!("twx\x7fo';;{LEFT}\x1b[3~\x01'\x05\r"));
    first.expect("two");
    first.expect("(1 row)");
    first.send("SELECT 10 + 1;\r");
    first.expect("11");
    first.send("\\q\r");
    first.ends();
    let again = console(&node, &dir);
    again.send(&format!("{UP}{UP}{UP}\r"));
    again.expect("(1 row)");
    again.send("\x12'on\r");
    again.expect("one");
    again.expect("(1 row)");
    again.send("\x04");
    again.ends();
}

#[test]
fn tab_completes_keywords_names_and_columns() {
    let (dir, node) = node();
    let console = console(&node, &dir);
    console.send("SEL\t");
    console.expect("SELECT ");
    console.send("circuit, pow\x1b[D\x1b[D\x1b[D\x0b");
    console.send("sum(n) FROM per\t");
    console.expect("per_circuit ");
    console.send("GROUP BY ci\t;\r");
    console.expect("fridge");
    console.expect("(2 rows)");
    console.send("SELECT * FROM caudal.\t\t");
    console.expect("caudal.quarantine");
    console.send("\x15\x03");
    console.expect("caudal=> ");
    console.send("\x04");
    console.ends();
}

#[test]
fn commands_describe_and_change_how_answers_look() {
    let (dir, node) = node();
    let console = console(&node, &dir);
    console.send("\\d\r");
    console.expect("per_circuit | materialized view");
    console.expect("(2 rows)");
    console.send("\\d readings\r");
    console.expect("table \"readings\"");
    console.expect("double precision");
    console.expect("Key: circuit");
    console.send("\\d+ per_circuit\r");
    console.expect("Made by: CREATE MATERIALIZED VIEW per_circuit");
    for (command, answer) in [
        ("\\dt", "readings | table"),
        ("\\dv", "(0 rows)"),
        ("\\dm per*", "per_circuit"),
        ("\\di", "readings_pkey"),
        ("\\df date_b*", "date_bin"),
        ("\\dn", "public"),
        ("\\du", "caudal"),
        ("\\l", "caudal"),
        ("\\conninfo", "node at 127.0.0.1:"),
        ("\\?", "\\timing"),
        ("\\d nothing", "there is no table or view \"nothing\""),
        ("\\nothing", "\\nothing is not known"),
    ] {
        console.send(&format!("{command}\r"));
        console.expect(answer);
        console.expect("caudal=> ");
    }
    console.send("\\x\rSELECT 1 AS a, 'b' AS longer;\r");
    console.expect("longer | b");
    console.send("\\x off\r\\timing on\rSELECT 1;\r");
    console.expect("Time: ");
    console.send("SELECT generate_series FROM generate_series(1, 500);\r");
    console.expect("(500 rows)");
    console.expect("paged");
    console.send("\\pset pager off\rSELECT 'not ' || 'paged' AS x;\r");
    console.expect("not paged");
    console.send("\\q\r");
    console.ends();
}

#[test]
fn an_error_points_at_its_place_and_ctrl_c_stops_the_statement_alone() {
    let (dir, node) = node();
    let console = console(&node, &dir);
    console.send("SELECT circuit,\r  nothing FROM readings;\r");
    console.expect("ERROR 42703");
    console.expect("LINE 2:   nothing FROM readings");
    console.expect("          ^");
    console.send("half a statement\x03");
    console.expect("caudal=> ");
    console.send("SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b;\r");
    console.interrupt_until("57014");
    console.expect("caudal=> ");
    console.send("SUBSCRIBE per_circuit;\r");
    console.expect("lights");
    node.execute("INSERT INTO readings VALUES ('heater', 900)");
    console.expect("heater");
    console.interrupt_until("57014");
    console.send("SELECT 'still ' || 'here';\r");
    console.expect("still here");
    console.send("\x04");
    console.ends();
}
