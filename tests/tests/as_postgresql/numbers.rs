//! Numbers as text.

use rand::RngExt;
use rand::seq::IndexedRandom;

use crate::harness::compare;

#[tokio::test(flavor = "multi_thread")]
async fn numbers_by_patterns() {
    const PATTERNS: [&str; 60] = [
        "9",
        "99",
        "999",
        "9999",
        "0",
        "09",
        "0999",
        "9.9",
        "99.99",
        "999.990",
        "0.00",
        "0.9",
        ".99",
        "9,999",
        "99,999.99",
        "FM9",
        "FM999",
        "FM9990",
        "FM999.99",
        "FM990.09",
        "FM0.00",
        "FM9.9",
        "FM9,999,999.00",
        "S999",
        "999S",
        "S9.9",
        "9.9S",
        "FMS999",
        "SG999",
        "999SG",
        "MI999",
        "999MI",
        "FM999MI",
        "PL999",
        "999PL",
        "999PR",
        "9.99PR",
        "FM999PR",
        "L999",
        "999L",
        "G999",
        "9G999D99",
        "999D9",
        "RN",
        "rn",
        "FMRN",
        "999TH",
        "999th",
        "FM999th",
        "99V9",
        "9V99",
        "EEEE",
        "9.99EEEE",
        "9EEEE",
        "99 99",
        "\"n\"999",
        "999.",
        "FM999.",
        "00000.0000",
        "B99",
    ];
    compare(|random| {
        let number = match random.random_range(0..8) {
            0 => random.random_range(-12..13_i64).to_string(),
            1 => random.random_range(-5_000..5_000_i64).to_string(),
            2 => format!("{}.{:02}", random.random_range(-2_000..2_000_i64), random.random_range(0..100)),
            3 => format!("0.{:03}", random.random_range(0..1_000)),
            4 => format!("-0.{:02}", random.random_range(0..100)),
            5 => format!("{}::double precision", random.random_range(-3_000.0..3_000.0_f64)),
            6 => format!("{:e}::double precision", random.random_range(-20.0..20.0_f64).exp()),
            _ => (*[
                "0",
                "0.0",
                "0::double precision",
                "'NaN'::double precision",
                "0.5",
                "-1",
                "'-Infinity'::double precision",
            ]
            .choose(random)
            .unwrap())
            .to_owned(),
        };
        format!("to_char({number}, '{}')", PATTERNS.choose(random).unwrap())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets() {
    compare(|random| {
        let mut number =
            |suffix: &str| format!("({}.{}{suffix})", random.random_range(-20..60), random.random_range(0..100));
        let numbers = match number("") {
            decimal if decimal.ends_with("1)") => [decimal, number("::double precision"), number("")],
            decimal if decimal.ends_with("2)") => [decimal, "7".to_owned(), "7".to_owned()],
            decimal if decimal.ends_with("3)") => ["'NaN'::double precision".to_owned(), decimal, number("")],
            decimal => [decimal, number(""), number("")],
        };
        let [value, low, high] = &numbers;
        match random.random_range(0..4) {
            0 => format!("width_bucket({value}, ARRAY[-5, 3.5, 8, 40])"),
            1 => format!("width_bucket({}, ARRAY[1, 3, 8, 50])", random.random_range(-3..60)),
            2 => format!("width_bucket({}, 0, 50, {})", random.random_range(-3..60), random.random_range(-1..9)),
            _ => format!("width_bucket({value}, {low}, {high}, {})", random.random_range(0..9)),
        }
    })
    .await;
}
