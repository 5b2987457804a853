//! `caudal import` loads a file through the log, tells what became of each row, and can be run again.

mod process;

use std::io::Write;
use std::path::{Path, PathBuf};

use process::{Caudal, text};

const TABLE: &str = "CREATE TABLE readings (circuit TEXT NOT NULL, at TIMESTAMP NOT NULL, power_w DOUBLE PRECISION, PRIMARY KEY (circuit, at));
                     CREATE MATERIALIZED VIEW totals AS SELECT circuit, count(*) AS n, sum(power_w) AS power_w FROM readings GROUP BY circuit";

fn node(dir: &Path) -> Caudal {
    let node = Caudal::run(&dir.join("data"));
    node.execute(TABLE);
    node
}

fn file(dir: &Path, name: &str, lines: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, lines).unwrap();
    path
}

#[test]
fn the_summary_counts_new_changed_same_and_quarantined_rows() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let first = "circuit,at,power_w\nfridge,2026-01-01T00:00:00Z,10\nfridge,2026-01-01T00:00:01Z,20\n\"a \"\"b\"\",\tc\",2026-01-01T00:00:00Z,\n";
    let first = file(dir.path(), "first.csv", first);
    assert_eq!(node.import("readings", &first, None).counts(), [3, 0, 0, 0]);
    assert_eq!(node.import("readings", &first, None).counts(), [0, 0, 3, 0], "the same file again changes nothing");

    let second = "power_w,circuit,at\n10,fridge,2026-01-01T00:00:00Z\n25,fridge,2026-01-01T00:00:01Z\nmuch,fridge,2026-01-01T00:00:02Z\n7,fridge,2026-01-01T00:00:03Z\n";
    let second = file(dir.path(), "second.csv", second);
    let summary = node.import("readings", &second, None);
    assert_eq!(summary.counts(), [1, 1, 1, 1], "{}", summary.text);
    assert!(summary.text.contains("power_w"), "the reason names the column: {}", summary.text);
    assert!(summary.text.contains("rows/s"), "{}", summary.text);
    assert_eq!(node.cell("SELECT count(*) FROM caudal.quarantine"), "1");
    assert_eq!(node.rows("SELECT n, power_w FROM totals WHERE circuit = 'fridge'"), [["3", "42"]]);
    assert_eq!(node.rows("SELECT n, power_w FROM totals WHERE circuit <> 'fridge'"), [["1", ""]]);
}

#[test]
fn a_select_maps_columns_that_are_not_the_tables() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let lines = "TimeStamp,M_E,RSE\n1333263600,1608,94\n1333267200,1219,?\n";
    let path = dir.path().join("wide.csv.gz");
    let mut packed = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
    packed.write_all(lines.as_bytes()).unwrap();
    packed.finish().unwrap();
    let select = "SELECT 'M_E' AS circuit, to_timestamp_seconds(CAST(\"TimeStamp\" AS BIGINT)) AS at, M_E AS power_w FROM file
                  UNION ALL SELECT 'RSE', to_timestamp_seconds(CAST(\"TimeStamp\" AS BIGINT)), NULLIF(RSE, '?') FROM file";
    assert_eq!(node.import("readings", &path, Some(select)).counts(), [4, 0, 0, 0]);
    assert_eq!(
        node.rows("SELECT circuit, n, power_w FROM totals ORDER BY circuit"),
        [["M_E", "2", "2827"], ["RSE", "2", "94"]]
    );
    let at = "SELECT count(*) FROM readings WHERE at = TIMESTAMP '2012-04-01 07:00:00'";
    assert_eq!(node.cell(at), "2", "1333263600 is that moment in UTC");
}

#[test]
fn what_cannot_be_imported_is_refused_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let good = file(dir.path(), "good.csv", "circuit,at,power_w\na,2026-01-01T00:00:00Z,1\n");
    let cases: &[(&str, PathBuf, &[&str], &[&str])] = &[
        ("readings", dir.path().join("absent.csv"), &[], &["absent.csv", "No such file"]),
        ("readings", file(dir.path(), "sheet.xlsx", "x"), &[], &["sheet.xlsx", ".csv.gz"]),
        ("readings", file(dir.path(), "empty.csv", ""), &[], &["empty.csv is empty"]),
        ("readings", file(dir.path(), "twice.csv", "a,a\n1,2\n"), &[], &["two columns called \"a\""]),
        ("readings", file(dir.path(), "other.csv", "circuit,watts\na,1\n"), &[], &["no column \"watts\"", "--select"]),
        ("nowhere", good.clone(), &[], &["42P01", "nowhere"]),
        ("readings", good.clone(), &["--select", "SELECT nothing FROM file"], &["nothing"]),
        ("readings", good.clone(), &["--select", "CREATE TABLE x (a INT)"], &["--select is not a SELECT"]),
        ("readings", good, &["--delimiter", "ab"], &["--delimiter"]),
    ];
    for (table, path, more, parts) in cases {
        let output = node.client("import").arg(table).arg(path).args(*more).output().unwrap();
        let words = text(&output.stderr);
        assert!(!output.status.success(), "{} was imported", path.display());
        for part in *parts {
            assert!(words.contains(part), "{part} is missing: {words}");
        }
    }
    assert_eq!(node.cell("SELECT count(*) FROM readings"), "0");
}

#[test]
fn a_line_that_is_no_row_goes_to_quarantine_and_the_import_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let mut lines = b"circuit,at,power_w\na,2026-01-01T00:00:00Z,1\na,2026-01-01T00:00:01Z\n".to_vec();
    lines.extend(b"a,2026-01-01T00:00:02Z,3,\"x,\ty\"\n\xff,2026-01-01T00:00:03Z,4\na,2026-01-01T00:00:04Z,5\n");
    let path = dir.path().join("torn.csv");
    std::fs::write(&path, lines).unwrap();
    let twice = "SELECT * FROM file UNION ALL SELECT 'b', at, power_w FROM file";
    let summary = node.import("readings", &path, Some(twice));
    assert_eq!(summary.counts(), [4, 0, 0, 3], "{}", summary.text);
    assert!(summary.text.contains("1 line 3 of torn.csv has 2 cells, the header has 3"), "{}", summary.text);
    assert_eq!(
        node.rows("SELECT reason, payload, table_name FROM caudal.quarantine ORDER BY reason"),
        [
            ["line 3 of torn.csv has 2 cells, the header has 3", "a,2026-01-01T00:00:01Z", "readings"],
            ["line 4 of torn.csv has 4 cells, the header has 3", "a,2026-01-01T00:00:02Z,3,\"x,\ty\"", "readings"],
            ["line 5 of torn.csv is not UTF-8", "\u{fffd},2026-01-01T00:00:03Z,4", "readings"],
        ]
    );
    assert_eq!(node.rows("SELECT circuit, power_w FROM totals ORDER BY circuit"), [["a", "6"], ["b", "6"]]);
}

#[test]
fn a_large_file_arrives_whole() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    let rows: u64 = if std::env::var_os("CAUDAL_FULL").is_some() { 1_000_000 } else { 30_000 };
    let mut lines = String::from("circuit,at,power_w\n");
    for row in 0..rows {
        let (minute, second) = (row / 60_000 % 60, row / 1_000 % 60);
        lines += &format!("c{},2026-01-01T00:{minute:02}:{second:02}.{:03}Z,{}\n", row % 10, row % 1_000, row % 100);
    }
    let path = file(dir.path(), "large.csv", &lines);
    assert_eq!(node.import("readings", &path, None).counts(), [rows, 0, 0, 0]);
    let total: u64 = (0..rows).map(|row| row % 100).sum();
    assert_eq!(
        node.rows("SELECT sum(n) AS n, sum(power_w) AS power_w FROM totals"),
        [[rows.to_string(), total.to_string()]]
    );
}
