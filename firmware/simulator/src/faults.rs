//! What goes wrong, and when: decided by the device's seed and the moment, so that a run can be had again.

use crate::random::{mixed, unit};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    None,
    /// As houses are: an outage every day or two, a power cut a week.
    Some,
    /// As tests like it.
    Many,
}

#[derive(Clone, Copy, Debug)]
pub struct Faults {
    seed: u64,
    severity: Severity,
}

const HOUR_S: i64 = 3_600;

/// A first answer of a time server that is wrong, in how many starts of those that have faults.
const WRONG_ANSWERS: f64 = 0.1;
const WRONG_MS: i64 = 7_213_457;

impl Faults {
    pub fn of(seed: u64, severity: Severity) -> Self {
        Faults { seed: mixed(seed ^ 0xfa17), severity }
    }

    fn chance(&self, some: f64, many: f64) -> f64 {
        match self.severity {
            Severity::None => 0.0,
            Severity::Some => some,
            Severity::Many => many,
        }
    }

    /// Whether the network of the house is there.
    pub fn has_network(&self, utc_s: i64) -> bool {
        !self.within(1, utc_s, 4 * HOUR_S, self.chance(0.12, 0.7), 3 * HOUR_S)
    }

    pub fn has_power(&self, utc_s: i64) -> bool {
        !self.within(2, utc_s, 12 * HOUR_S, self.chance(0.07, 0.8), HOUR_S / 3)
    }

    /// Whether the microcontroller is reset in these seconds.
    pub fn is_reset(&self, from_s: i64, to_s: i64) -> bool {
        let slot_s = 8 * HOUR_S;
        let seed = self.seed ^ 3;
        let slot = to_s.div_euclid(slot_s);
        let at_s = slot * slot_s + (unit(seed, slot) * slot_s as f64) as i64;
        unit(seed ^ 9, slot) < self.chance(0.03, 0.7) && (from_s..to_s).contains(&at_s)
    }

    /// Half of the power cuts come while a record is written: after so many bytes.
    pub fn cut_after(&self, utc_s: i64) -> Option<u64> {
        (unit(self.seed ^ 4, utc_s) < 0.5).then(|| mixed(self.seed ^ utc_s as u64) % 128)
    }

    /// Whether the last acknowledgement of a batch is lost with its connection, so that the batch is sent twice.
    pub fn loses_acknowledgement(&self, batch: u64) -> bool {
        unit(self.seed ^ 5, batch as i64) < self.chance(0.002, 0.1)
    }

    /// How much the crystal is fast, in parts per billion.
    pub fn fast_ppb(&self) -> i64 {
        ((unit(self.seed ^ 6, 0) - 0.5) * self.chance(80_000.0, 120_000.0)) as i64
    }

    /// How long after power and network the first answer of a time server comes.
    pub fn time_server_after_s(&self, start: i64) -> i64 {
        (unit(self.seed ^ 7, start) * self.chance(60.0, 600.0)) as i64
    }

    /// How wrong a time server's answer is: late by the network, and once in a while by hours.
    pub fn answer_off_ms(&self, utc_s: i64, is_first: bool) -> i64 {
        let late_ms = (unit(self.seed ^ 8, utc_s) * self.chance(80.0, 300.0)) as i64;
        let is_wrong = is_first && unit(self.seed ^ 10, utc_s) < self.chance(0.1, 1.0) * WRONG_ANSWERS;
        if !is_wrong {
            return late_ms;
        }
        if unit(self.seed ^ 11, utc_s) < 0.5 { WRONG_MS } else { -WRONG_MS }
    }

    /// Whether a moment is within the window that its slot has by chance.
    fn within(&self, kind: u64, utc_s: i64, slot_s: i64, chance: f64, longest_s: i64) -> bool {
        let seed = self.seed ^ mixed(kind);
        let slot = utc_s.div_euclid(slot_s);
        if unit(seed, slot) >= chance {
            return false;
        }
        let starts_s = slot * slot_s + (unit(seed ^ 1, slot) * slot_s as f64) as i64;
        // Most are short.
        let lasts_s = (unit(seed ^ 2, slot).powi(2) * longest_s as f64) as i64;
        (starts_s..=starts_s + lasts_s).contains(&utc_s)
    }
}
