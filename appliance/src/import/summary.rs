//! What became of imported rows, as the node tells it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use tokio_postgres::error::DbError;

use crate::limits;

/// Counts of rows by what they did to the table.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Outcomes {
    /// New rows.
    taken: u64,
    /// Rows that replaced another one with the same key.
    corrected: u64,
    /// Rows that were there already, or older than what was there.
    unchanged: u64,
    /// Rows in `caudal.quarantine`, by reason.
    quarantined: BTreeMap<String, u64>,
}

impl Outcomes {
    /// The node tells them in the detail of a notice at the end of a COPY, as JSON.
    pub fn of_notices(notices: &[DbError]) -> anyhow::Result<Outcomes> {
        let told = notices.iter().rev().find_map(|notice| notice.detail().filter(|detail| detail.starts_with('{')));
        let told =
            told.context("the node took the rows but did not say what became of them: is it of another version?")?;
        serde_json::from_str(told).with_context(|| format!("what the node said of the rows is not understood: {told}"))
    }

    /// The same counts with others added.
    pub fn and(mut self, other: Outcomes) -> Outcomes {
        self.taken += other.taken;
        self.corrected += other.corrected;
        self.unchanged += other.unchanged;
        for (reason, count) in other.quarantined {
            *self.quarantined.entry(reason).or_default() += count;
        }
        self
    }

    /// One line a count, for people and for scripts.
    pub fn summary(&self, rows: u64, took: Duration) -> String {
        let quarantined: u64 = self.quarantined.values().sum();
        let mut text = format!(
            "taken {}\ncorrected {}\nunchanged {}\nquarantined {quarantined}\n",
            self.taken, self.corrected, self.unchanged
        );
        let mut reasons: Vec<(&String, &u64)> = self.quarantined.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in reasons.iter().take(limits::SUMMARY_REASONS_MAX) {
            let _ = writeln!(text, "  {count} {reason}");
        }
        let more: u64 = reasons.iter().skip(limits::SUMMARY_REASONS_MAX).map(|(_, count)| **count).sum();
        if more > 0 {
            let _ = writeln!(text, "  {more} for other reasons");
        }
        if quarantined > 0 {
            text.push_str("  (SELECT * FROM caudal.quarantine shows each with its payload)\n");
        }
        let seconds = took.as_secs_f64();
        let _ = writeln!(text, "{rows} rows in {seconds:.2} s, {:.0} rows/s", rows as f64 / seconds.max(1e-9));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_and_reason_is_told() {
        let told =
            r#"{"taken": 3, "corrected": 1, "unchanged": 0, "deleted": 0, "quarantined": {"b is not a number": 2}}"#;
        let outcomes: Outcomes = serde_json::from_str(told).unwrap();
        let text = outcomes.summary(6, Duration::from_secs(2));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..5], ["taken 3", "corrected 1", "unchanged 0", "quarantined 2", "  2 b is not a number"]);
        assert_eq!(lines[6], "6 rows in 2.00 s, 3 rows/s");
    }
}
