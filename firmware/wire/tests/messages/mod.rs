//! Messages for the tests of the codec: random readings, their encodings, and what spoils them.

#![allow(dead_code, unused_imports, reason = "each test uses some of it")]

mod holds;

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use wire::{Decimal, Reading};

pub use holds::{cbor, decoded, holds, json, to_json};

pub fn seed() -> u64 {
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    seed
}

pub fn cases(few: usize) -> usize {
    if std::env::var_os("CAUDAL_FULL").is_some() { few * 10 } else { few }
}

/// An integer of any size: small ones, ones at the bounds, and all between.
pub fn integer(random: &mut impl Rng) -> i64 {
    match random.random_range(0..8) {
        0 => 0,
        1 => [i64::MIN, i64::MIN + 1, -1, 1, i64::MAX][random.random_range(0..5)],
        _ => random.random::<i64>() >> random.random_range(0..64),
    }
}

pub fn reading(random: &mut impl Rng) -> Reading {
    let mut field = |chance: f64| random.random_bool(chance).then(|| integer(random));
    let mut reading = Reading {
        voltage_v: field(0.7).map(Decimal),
        current_a: field(0.7).map(Decimal),
        power_w: field(0.7).map(Decimal),
        power_factor: field(0.7).map(Decimal),
        frequency_hz: field(0.7).map(Decimal),
        energy_kwh: field(0.7).map(Decimal),
        at_ms: 0,
    };
    reading.at_ms = integer(random);
    if reading.power_w.is_none() && reading.energy_kwh.is_none() {
        reading.energy_kwh = Some(Decimal(integer(random)));
    }
    reading
}

/// A byte that JSON is made of.
pub fn sign(random: &mut ChaCha8Rng) -> u8 {
    b"{}[]\",:\\u0123456789eE+-. tfnatpower_w\x00\x1f\xff\xc3"[random.random_range(0..39)]
}

/// Cuts a message short, or changes, inserts, removes, doubles bytes of it.
pub fn spoil(random: &mut ChaCha8Rng, message: &mut Vec<u8>) {
    for _ in 0..random.random_range(0..4) {
        let at = random.random_range(0..message.len() + 1);
        match random.random_range(0..5) {
            0 => message.truncate(at),
            1 if at < message.len() => message[at] = random.random(),
            2 if at < message.len() => drop(message.remove(at)),
            3 => message.insert(at, sign(random)),
            _ => message.extend_from_within(at..),
        }
    }
}
