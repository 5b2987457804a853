//! The rows of a query's answer, from its changes.

use std::collections::HashMap;

/// Row -> how often, rows as their columns' text between bars.
#[derive(Debug, Default)]
pub struct Answer(HashMap<String, i64>);

impl Answer {
    pub fn change(&mut self, row: String, weight: i64) {
        let count = self.0.entry(row).or_default();
        *count += weight;
    }

    /// How many rows there are, and the sum of their FNV-1a hashes: the other side of the bench computes the same.
    pub fn summary(&self) -> (i64, u64) {
        let sum = |(rows, digest): (i64, u64), (row, &count): (&String, &i64)| {
            (rows + count, digest.wrapping_add(fnv(row.as_bytes()).wrapping_mul(count as u64)))
        };
        self.0.iter().fold((0, 0), sum)
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
