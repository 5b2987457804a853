//! How simulated time goes by: so many times faster, but never ahead of the clock on the wall, as no server takes readings of
//! the future.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since 1970, of the clock on the wall.
pub fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[derive(Clone, Copy, Debug)]
pub struct Pace {
    began: Instant,
    began_ms: i64,
    /// The wall's time when it began.
    wall_ms: i64,
    speed: f64,
}

impl Pace {
    /// Begins now with a simulated moment.
    pub fn begin(began_ms: i64, speed: f64) -> Self {
        Pace { began: Instant::now(), began_ms, wall_ms: wall_ms(), speed }
    }

    /// When a simulated moment comes.
    pub fn when(&self, utc_ms: i64) -> Instant {
        let hurried = (utc_ms - self.began_ms).max(0) as f64 / self.speed / 1e3;
        let real = Duration::from_millis((utc_ms - self.wall_ms).max(0) as u64);
        self.began + Duration::from_secs_f64(hurried).max(real)
    }
}
