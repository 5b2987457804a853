//! Which values a percentile is made of.

use crate::row::canonical_f64;

/// `percentile_cont` or `percentile_disc` of a fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    /// Between two values, by the distance from each; otherwise the first value that so great a part of all does not exceed.
    pub continuous: bool,
    /// From 0 to 1.
    pub fraction: f64,
}

impl Percentile {
    /// The position among `count` ascending values, which are some, of the value that it is, or is not below.
    pub fn position(&self, count: u64) -> u64 {
        match self.continuous {
            true => self.place(count).floor() as u64,
            false => ((self.fraction * count as f64).ceil() as u64).clamp(1, count) - 1,
        }
    }

    /// The percentile given the value at its position and the next one.
    pub fn between(&self, low: f64, high: f64, count: u64) -> f64 {
        let place = self.place(count);
        let fraction = place - place.floor();
        // Without this, infinities would be multiplied by nothing.
        canonical_f64(if fraction == 0.0 || low == high { low } else { low + (high - low) * fraction })
    }

    fn place(&self, count: u64) -> f64 {
        self.fraction * (count - 1) as f64
    }
}
