//! Numbers that belong to a moment and a thing: the same again whenever they are asked for, in any order.

/// splitmix64's finaliser: neighbours in, unrelated numbers out.
pub fn mixed(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A number in 0..1 that belongs to `seed` and `at`.
pub fn unit(seed: u64, at: i64) -> f64 {
    (mixed(seed ^ mixed(at as u64)) >> 11) as f64 / (1u64 << 53) as f64
}

/// As [`unit`], going from one to the next over `period` steady steps.
pub fn smooth(seed: u64, at: i64, period: i64) -> f64 {
    let (from, to) = (unit(seed, at.div_euclid(period)), unit(seed, at.div_euclid(period) + 1));
    from + (to - from) * at.rem_euclid(period) as f64 / period as f64
}
