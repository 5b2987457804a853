//! The figures of a bench: a table for people, JSON for machines.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

/// A table of figures with what is needed to read them.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
    notes: Vec<String>,
}

impl Report {
    /// An empty table of a bench of this name, which is also the name of the JSON file.
    pub fn new(name: &'static str, columns: &[&'static str]) -> Report {
        Report { name, columns: columns.to_vec(), rows: Vec::new(), notes: Vec::new() }
    }

    /// Appends a row; panics unless it has a value a column.
    pub fn row(&mut self, values: Vec<Value>) {
        assert_eq!(values.len(), self.columns.len(), "one value a column");
        self.rows.push(values);
    }

    /// Appends a sentence below the table: a target and whether it is met, a circumstance.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the table and writes `target/benches/<name>.json`; returns where.
    pub fn finish(self) -> std::io::Result<PathBuf> {
        print!("{}", self.table());
        let dir = target_dir().join("benches");
        std::fs::create_dir_all(&dir)?;
        let file = dir.join(format!("{}.json", self.name));
        std::fs::write(&file, serde_json::to_vec_pretty(&self.json())?)?;
        println!("written to {}", file.display());
        Ok(file)
    }

    fn table(&self) -> String {
        let text: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let width = |column: usize| {
            let cells = text.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &[String]| {
            let padded: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}")).collect();
            format!("{}\n", padded.join("  "))
        };
        let header: Vec<String> = self.columns.iter().map(|column| column.to_string()).collect();
        let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        let mut table = format!("{}\n\n{}{}", self.name, line(&header), line(&rule));
        text.iter().for_each(|row| table.push_str(&line(row)));
        self.notes.iter().for_each(|note| table.push_str(&format!("\n{note}\n")));
        table
    }

    fn json(&self) -> Value {
        let row = |row: &Vec<Value>| -> Map<String, Value> {
            self.columns.iter().zip(row).map(|(column, value)| (column.to_string(), value.clone())).collect()
        };
        json!({ "bench": self.name, "rows": self.rows.iter().map(row).collect::<Vec<_>>(), "notes": self.notes })
    }
}

/// Large numbers by thousands, small ones with three digits.
fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(large) if large.abs() >= 1000.0 || number.is_i64() || number.is_u64() => grouped(large.round() as i64),
            Some(number) if number.abs() >= 100.0 => format!("{number:.0}"),
            Some(number) => format!("{number:.2}"),
            None => number.to_string(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    format!("{}{}", if number < 0 { "-" } else { "" }, groups.join(","))
}

/// The folder that this binary was built in.
fn target_dir() -> PathBuf {
    let binary = std::env::current_exe().expect("a running binary has a path");
    binary.ancestors().nth(2).expect("a binary lies in <target>/<profile>").to_path_buf()
}

/// The middle value, the mean of the two middle ones of an even number; panics when there are none.
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// The smallest value that at least this share (0 to 1) of the values do not exceed; panics when there are none.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let sorted = sorted(values);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

fn sorted(values: &[f64]) -> Vec<f64> {
    assert!(!values.is_empty(), "no values");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_values_of_the_middle_and_the_rank() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            [0.0, 0.5, 0.99, 0.999, 1.0].map(|share| percentile(&hundred, share)),
            [1.0, 50.0, 99.0, 100.0, 100.0]
        );
    }

    #[test]
    fn a_table_lines_up_and_groups_thousands() {
        let mut report = Report::new("example", &["epoch", "rows/s", "ratio"]);
        report.row(vec![json!("1 row"), json!(1_234_567), json!(0.5)]);
        report.row(vec![json!("10,000"), json!(-12), json!(123.4)]);
        report.note("The second is less.");
        let expected = "example\n\n epoch     rows/s  ratio\n------  ---------  -----\n 1 row  1,234,567   0.50\n\
            10,000        -12    123\n\nThe second is less.\n";
        assert_eq!(report.table(), expected);
        assert_eq!(report.json()["rows"][0]["rows/s"], 1_234_567);
    }
}
