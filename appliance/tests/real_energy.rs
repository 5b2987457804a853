//! The real meter files load into the energy pack with the SELECTs that come with the sources: energy by circuit, day and month is what a
//! plain count over the file gives.

mod process;
#[path = "../../tests/src/skipping.rs"]
mod skipping;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime};
use process::{Caudal, caudal, text};
use skipping::skip_what_cannot_be_had;

/// A file of the data folder beside the checkout; says that it is skipped where there is none.
fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if !path.exists() {
        skip_what_cannot_be_had(format_args!("no real data ({name})"));
        return None;
    }
    Some(path)
}

/// The lines of a file without its header, cell by cell; and the header.
fn plain(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_string).collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

/// Energy in millionths of a kilowatt-hour by circuit and day, days as `2006-12-16`.
type Days = BTreeMap<(String, String), i64>;

/// Millionths of a decimal text, rounded to thousandths as the mapping does.
fn millionths(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<4}");
    let up = digits.as_bytes()[whole.len() + 3] >= b'5';
    (digits[..whole.len() + 3].parse::<i64>().unwrap() + i64::from(up)) * 1_000
}

/// A node with the pack and one customer's circuits, where days are those of UTC.
fn node(dir: &Path, customer: &str, interval_s: i64, circuits: &[(&str, &str)], installed: &str) -> Caudal {
    let node = Caudal::run(&dir.join("data"));
    let added = caudal().args(["pack", "add", "energy", "--pg", &node.doors["pg"]]).output().unwrap();
    assert!(added.status.success(), "{}", text(&added.stderr));
    node.execute(&format!("INSERT INTO energy.customers (customer_id, zone) VALUES ('{customer}', 'Etc/UTC')"));
    let row = |(circuit, role): &(&str, &str)| {
        format!("('{customer}', '{circuit}', 'm', '{role}', {interval_s}, 230, '{installed}')")
    };
    let rows: Vec<String> = circuits.iter().map(row).collect();
    node.execute(&format!(
        "INSERT INTO energy.circuits (customer_id, circuit, meter, role, interval_s, nominal_v, installed_at) VALUES {}",
        rows.join(", ")
    ));
    node
}

/// How many rows are taken and quarantined of an import with the mapping that comes with the sources. A second one changes nothing.
fn import(node: &Caudal, name: &str, path: &Path) -> (usize, usize) {
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("import/{name}.sql"));
    let mapping = std::fs::read_to_string(mapping).unwrap();
    let import = || node.import("energy.readings", path, Some(&mapping)).counts();
    let [taken, corrected, unchanged, quarantined] = import();
    assert_eq!((corrected, unchanged), (0, 0));
    assert_eq!(import(), [0, 0, taken, quarantined]);
    (taken as usize, quarantined as usize)
}

/// The pack's days, and its months beside the days' sums.
fn agree(node: &Caudal, days: &Days, mains: &str) {
    let kwh = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
    let days_of = |sql: &str| -> Days {
        node.rows(sql).into_iter().map(|row| ((row[0].clone(), row[1].clone()), kwh(&row[2]))).collect()
    };
    let found = days_of("SELECT circuit, day::TEXT, kwh FROM energy.circuit_days WHERE kwh IS NOT NULL");
    assert_eq!(found.len(), days.len());
    assert!(found == *days, "{:?}", found.iter().find(|(key, kwh)| days.get(*key) != Some(kwh)));
    let mut months = Days::new();
    for ((circuit, day), kwh) in days {
        *months.entry((circuit.clone(), format!("{}-01", &day[..7]))).or_default() += kwh;
    }
    assert_eq!(days_of("SELECT circuit, month::TEXT, kwh FROM energy.circuit_months WHERE kwh IS NOT NULL"), months);
    let of_mains =
        |all: &Days| -> Days { all.iter().filter(|((of, _), _)| of == mains).map(|(k, v)| (k.clone(), *v)).collect() };
    let customer = |window: &str, view: &str| {
        days_of(&format!("SELECT '{mains}', {window}::TEXT, kwh FROM energy.{view} WHERE kwh IS NOT NULL"))
    };
    assert_eq!(customer("day", "customer_days"), of_mains(days), "a customer's total is the mains alone");
    assert_eq!(customer("month", "customer_months"), of_mains(&months));
    assert_eq!(node.cell("SELECT count(*) FROM caudal.errors"), "0");
}

#[test]
fn a_household_whose_power_was_measured_by_the_minute() {
    let Some(path) = real("meter_uci_household_1min_2006-12-16_31.csv.gz") else { return };
    let (_, rows) = plain(&path);
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), "uci", 60, &[("mains", "mains")], "2006-12-16 17:24:00Z");
    let missing = rows.iter().filter(|row| row[2] == "?").count();
    let measured: Vec<(NaiveDateTime, i64)> = rows
        .iter()
        .filter(|row| row[2] != "?")
        .map(|row| {
            let at = NaiveDateTime::parse_from_str(&format!("{} {}", row[0], row[1]), "%d/%m/%Y %H:%M:%S").unwrap();
            (at, millionths(&row[2]) / 1_000)
        })
        .collect();
    assert_eq!(import(&node, "household", &path), (measured.len(), missing));

    let mut days = Days::new();
    let mut gaps = 0;
    for pair in measured.windows(2) {
        let seconds = (pair[1].0 - pair[0].0).num_seconds();
        if seconds > 90 {
            gaps += 1;
            continue;
        }
        // The mean of two powers in watts, in millionths of kilowatt-hours: over 3.6, and rounded.
        let (dividend, divisor) = ((pair[0].1 + pair[1].1) * seconds * 10, 72);
        let kwh = (2 * dividend + divisor) / (2 * divisor);
        *days.entry(("mains".to_owned(), pair[0].0.format("%Y-%m-%d").to_string())).or_default() += kwh;
    }
    agree(&node, &days, "mains");
    assert_eq!(node.cell("SELECT count(*) FROM energy.gaps"), gaps.to_string());
    assert_eq!(
        node.cell("SELECT count(*) FROM caudal.quarantine WHERE reason LIKE '%power_or_energy_is_there%'"),
        (2 * missing).to_string(),
        "of each import"
    );
    let volts = rows.iter().filter(|row| row[4] != "?").map(|row| millionths(&row[4]) / 10_000).max().unwrap();
    let found = node.cell("SELECT max(voltage_v) FROM energy.readings");
    assert_eq!(found.replace('.', "").parse::<i64>().unwrap(), volts, "with two digits");
}

#[test]
fn a_steel_plant_by_the_quarter_of_an_hour() {
    let Some(path) = real("meter_steel_15min_2018Q1.csv.gz") else { return };
    let (_, rows) = plain(&path);
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), "steel", 900, &[("mains", "mains")], "2018-01-01 00:00:00Z");
    assert_eq!(import(&node, "steel", &path), (rows.len() + 1, 0));
    // In the file a day's rows share its date, the one of 24:00 included.
    let mut days = Days::new();
    let mut peak = 0;
    for row in &rows {
        let date: Vec<&str> = row[0].split([' ', '/']).collect();
        *days.entry(("mains".to_owned(), format!("{}-{}-{}", date[2], date[1], date[0]))).or_default() +=
            millionths(&row[1]);
        if date[1] == "02" {
            peak = peak.max(millionths(&row[1]) * 4);
        }
    }
    agree(&node, &days, "mains");
    let found = node.cell("SELECT peak_w FROM energy.circuit_peaks WHERE month = '2018-02-01'");
    assert_eq!(found.replace('.', "").parse::<i64>().unwrap(), peak, "watts with three digits are kilowatts with six");
    assert_eq!(node.cell("SELECT count(*) FROM energy.gaps"), "0");
}

/// Energy by the hour, each hour's counter read at its end.
fn hourly(hours: &[(String, i64, i64)]) -> Days {
    let mut days = Days::new();
    for (circuit, began_s, kwh) in hours {
        let day = DateTime::from_timestamp(*began_s, 0).unwrap().format("%Y-%m-%d").to_string();
        *days.entry((circuit.clone(), day)).or_default() += kwh;
    }
    days
}

#[test]
fn a_house_with_mains_and_branches() {
    let Some(path) = real("meter_ampds_hourly_21circuits_first90d.csv.gz") else { return };
    let (header, rows) = plain(&path);
    let dir = tempfile::tempdir().unwrap();
    let circuits: Vec<(&str, &str)> =
        header[1..].iter().map(|name| (name.as_str(), if name == "M_E" { "mains" } else { "branch" })).collect();
    let node = node(dir.path(), "ampds", 3_600, &circuits, "2012-04-01 07:00:00Z");
    let mut hours = Vec::new();
    for row in &rows {
        let cells = header.iter().zip(row).skip(1);
        hours.extend(
            cells.map(|(circuit, wh)| (circuit.clone(), row[0].parse().unwrap(), wh.parse::<i64>().unwrap() * 1_000)),
        );
    }
    assert_eq!(import(&node, "ampds", &path), (hours.len() + circuits.len(), 0));
    agree(&node, &hourly(&hours), "M_E");
    let total = |name| hours.iter().filter(|(circuit, ..)| circuit == name).map(|(.., kwh)| kwh).sum::<i64>();
    assert_eq!(total("M_E"), total("WHE") + total("RSE"), "the mains are the house and the rental suite");
}

#[test]
fn a_british_meter_for_three_years() {
    let Some(path) = real("meter_opendsm_uk_sample0.csv.gz") else { return };
    let (_, rows) = plain(&path);
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), "british", 3_600, &[("mains", "mains")], "2020-04-01 01:00:00Z");
    assert_eq!(import(&node, "british", &path), (rows.len() + 1, 0));
    let began_s = |text: &str| DateTime::parse_from_rfc3339(&text.replace(' ', "T")).unwrap().timestamp();
    let hours: Vec<(String, i64, i64)> =
        rows.iter().map(|row| ("mains".to_owned(), began_s(&row[0]), millionths(&row[1]))).collect();
    agree(&node, &hourly(&hours), "mains");
}
