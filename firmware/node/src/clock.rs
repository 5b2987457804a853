//! What time it is: a monotonic clock that counts from the start, set and steered by a time server.
//!
//! The device has no clock that outlives its power. Until a time server has answered, samples carry the uptime; when it
//! does, the [`Anchor`] of this start dates them. Between answers the crystal's error, learnt from them, is taken off.

use crate::limits::{CLOCK_STEP_MS, DRIFT_PPB_MAX, DRIFT_WINDOW_MS};
use crate::record::Anchor;

#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// The first answer of this start.
    first: Option<Anchor>,
    /// What time is counted from.
    last: Option<Anchor>,
    /// How much the crystal is slow, in parts per billion.
    slow_ppb: i64,
    /// An answer that was not believed.
    doubted: Option<Anchor>,
}

/// What an answer of a time server did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// It is the first of this start.
    Set,
    /// It was off by so much, and is steered.
    Steered { ms: i64 },
    /// It is before what was recorded already, and is taken if the next answer agrees with it.
    Doubted,
    /// Too little time has passed since the answer before to learn from it.
    TooSoon,
    /// It was off by so much, and jumped.
    Stepped { ms: i64 },
}

impl Clock {
    pub fn first(&self) -> Option<Anchor> {
        self.first
    }

    pub fn utc_ms(&self, uptime_ms: u64) -> Option<i64> {
        let last = self.last?;
        let passed = uptime_ms as i64 - last.uptime_ms as i64;
        // Days times ppb are beyond 64 bits after 292 years.
        Some(last.utc_ms + passed + passed * self.slow_ppb / 1_000_000_000)
    }

    /// Whether an answer is to be believed. Time does not go back, so one that is before the newest record is wrong, or the record
    /// was; which of the two, a second answer decides. Otherwise two readings of a circuit could have one time.
    pub fn believes(&mut self, uptime_ms: u64, utc_ms: i64, recorded_ms: Option<i64>) -> bool {
        let agrees = |doubted: Anchor| (doubted.utc_ms(uptime_ms) - utc_ms).abs() <= CLOCK_STEP_MS;
        let is_believed = match recorded_ms {
            Some(recorded_ms) if recorded_ms - utc_ms > CLOCK_STEP_MS => self.doubted.is_some_and(agrees),
            _ => true,
        };
        self.doubted = (!is_believed).then_some(Anchor { uptime_ms, utc_ms });
        is_believed
    }

    pub fn synchronise(&mut self, uptime_ms: u64, utc_ms: i64) -> Correction {
        let now = Anchor { uptime_ms, utc_ms };
        let (Some(expected), Some(last)) = (self.utc_ms(uptime_ms), self.last) else {
            (self.first, self.last) = (Some(now), Some(now));
            return Correction::Set;
        };
        let off_ms = utc_ms - expected;
        if off_ms.abs() > CLOCK_STEP_MS {
            self.last = Some(now);
            return Correction::Stepped { ms: off_ms };
        }
        let passed_ms = uptime_ms as i64 - last.uptime_ms as i64;
        if passed_ms < DRIFT_WINDOW_MS {
            return Correction::TooSoon;
        }
        // Half of what is seen: answers come over a network that is late by turns.
        let learnt = self.slow_ppb + off_ms * 1_000_000_000 / passed_ms / 2;
        self.slow_ppb = learnt.clamp(-DRIFT_PPB_MAX, DRIFT_PPB_MAX);
        self.last = Some(now);
        Correction::Steered { ms: off_ms }
    }
}
