//! The real meter files load with the SELECTs that come with the sources, and their totals are those of an independent count.

mod process;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use process::Caudal;

/// A file of the data folder beside the checkout; says that it is skipped where there is none.
fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if !path.exists() {
        println!("skipped: no real data ({name})");
        return None;
    }
    Some(path)
}

/// The mapping that comes with the sources and that the README recommends.
fn mapping(table: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("import/{table}.sql"))).unwrap()
}

/// Header and rows, read plainly.
fn plain(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_string).collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

/// Thousandths of a decimal text that is not negative, half a thousandth and more rounded up.
fn thousandths(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<4}");
    let up = digits.as_bytes()[whole.len() + 3] >= b'5';
    digits[..whole.len() + 3].parse::<i64>().unwrap() + i64::from(up)
}

fn import(node: &Caudal, table: &str, path: &Path, rows: usize) {
    let select = mapping(table);
    let rows = rows as u64;
    let first = node.import(table, path, Some(&select));
    assert_eq!(first.counts(), [rows, 0, 0, 0], "{}", first.text);
    let again = node.import(table, path, Some(&select));
    assert_eq!(again.counts(), [0, 0, rows, 0], "{}", again.text);
}

#[test]
fn a_household_by_the_minute_with_two_date_columns_and_question_marks() {
    let Some(path) = real("meter_uci_household_1min_2006-12-16_31.csv.gz") else { return };
    let (_, rows) = plain(&path);
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    node.execute(
        "CREATE TABLE household (at TIMESTAMP NOT NULL, power_kw DECIMAL(9, 3), voltage_v DECIMAL(9, 3), PRIMARY KEY (at));
         CREATE MATERIALIZED VIEW household_day AS SELECT date_bin(INTERVAL '1 day', at) AS day, count(*) AS minutes,
         count(power_kw) AS measured, sum(power_kw) AS power_kw, max(voltage_v) AS voltage_v FROM household GROUP BY date_bin(INTERVAL '1 day', at)",
    );
    import(&node, "household", &path, rows.len());

    let mut days: BTreeMap<String, (i64, i64, i64, i64)> = BTreeMap::new();
    for row in &rows {
        let date: Vec<&str> = row[0].split('/').collect();
        let day = days.entry(format!("{}-{:0>2}-{:0>2}", date[2], date[1], date[0])).or_default();
        day.0 += 1;
        if row[2] != "?" {
            day.1 += 1;
            day.2 += thousandths(&row[2]);
            day.3 = day.3.max(thousandths(&row[4]));
        }
    }
    let found = node.rows(
        "SELECT CAST(day AS TEXT) AS day, minutes, measured, power_kw, voltage_v FROM household_day ORDER BY day",
    );
    let found: BTreeMap<String, (i64, i64, i64, i64)> = found
        .iter()
        .map(|row| {
            (
                row[0][..10].to_string(),
                (row[1].parse().unwrap(), row[2].parse().unwrap(), thousandths(&row[3]), thousandths(&row[4])),
            )
        })
        .collect();
    assert_eq!(found, days);
}

#[test]
fn a_steel_plant_whose_midnights_are_stamped_a_day_early() {
    let Some(path) = real("meter_steel_15min_2018Q1.csv.gz") else { return };
    let (_, rows) = plain(&path);
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    node.execute(
        "CREATE TABLE steel (at TIMESTAMP NOT NULL, energy_kwh DECIMAL(9, 3), load TEXT, PRIMARY KEY (at));
         CREATE MATERIALIZED VIEW steel_day AS SELECT date_bin(INTERVAL '1 day', at - INTERVAL '15 minutes') AS day,
         count(*) AS quarters, sum(energy_kwh) AS energy_kwh FROM steel GROUP BY date_bin(INTERVAL '1 day', at - INTERVAL '15 minutes')",
    );
    import(&node, "steel", &path, rows.len());

    // In the file a day's rows share its date, the one of 24:00 included.
    let mut days: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in &rows {
        let date: Vec<&str> = row[0].split([' ', '/']).collect();
        let day = days.entry(format!("{}-{}-{}", date[2], date[1], date[0])).or_default();
        *day = (day.0 + 1, day.1 + thousandths(&row[1]));
    }
    assert!(days.values().all(|(quarters, _)| *quarters == 96));
    let found = node.rows("SELECT CAST(day AS TEXT) AS day, quarters, energy_kwh FROM steel_day ORDER BY day");
    let found: BTreeMap<String, (i64, i64)> =
        found.iter().map(|row| (row[0][..10].to_string(), (row[1].parse().unwrap(), thousandths(&row[2])))).collect();
    assert_eq!(found, days);
}

#[test]
fn a_house_whose_22_meters_are_columns() {
    let Some(path) = real("meter_ampds_hourly_21circuits_first90d.csv.gz") else { return };
    let (header, rows) = plain(&path);
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    node.execute(
        "CREATE TABLE ampds (circuit TEXT NOT NULL, at TIMESTAMP NOT NULL, energy_wh BIGINT, PRIMARY KEY (circuit, at));
         CREATE MATERIALIZED VIEW ampds_total AS SELECT circuit, count(*) AS hours, sum(energy_wh) AS energy_wh, max(at) AS last_at
         FROM ampds GROUP BY circuit",
    );
    import(&node, "ampds", &path, rows.len() * (header.len() - 1));

    let mut totals: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in &rows {
        for (circuit, energy_wh) in header.iter().zip(row).skip(1) {
            let total = totals.entry(circuit.clone()).or_default();
            *total = (total.0 + 1, total.1 + energy_wh.parse::<i64>().unwrap());
        }
    }
    let found = node.rows("SELECT circuit, hours, energy_wh FROM ampds_total ORDER BY circuit");
    let found: BTreeMap<String, (i64, i64)> =
        found.iter().map(|row| (row[0].clone(), (row[1].parse().unwrap(), row[2].parse().unwrap()))).collect();
    assert_eq!(found, totals);
    let mains = |circuit: &str| totals[circuit].1;
    assert_eq!(mains("M_E"), mains("WHE") + mains("RSE"), "the mains are the house and the rental suite");
}

#[test]
fn a_british_meter_by_the_hour() {
    let Some(path) = real("meter_opendsm_uk_sample0.csv.gz") else { return };
    let (_, rows) = plain(&path);
    let dir = tempfile::tempdir().unwrap();
    let node = Caudal::run(&dir.path().join("data"));
    node.execute(
        "CREATE TABLE british (at TIMESTAMP NOT NULL, energy_kwh DECIMAL(9, 3), PRIMARY KEY (at));
         CREATE MATERIALIZED VIEW british_total AS SELECT count(*) AS hours, count(energy_kwh) AS measured, sum(energy_kwh) AS energy_kwh FROM british",
    );
    import(&node, "british", &path, rows.len());
    let measured = rows.iter().filter(|row| !row[1].is_empty()).count();
    let total: i64 = rows.iter().filter(|row| !row[1].is_empty()).map(|row| thousandths(&row[1])).sum();
    let found = node.rows("SELECT hours, measured, energy_kwh FROM british_total");
    assert_eq!(found[0][..2], [rows.len().to_string(), measured.to_string()]);
    assert_eq!(thousandths(&found[0][2]), total);
}
