//! Sums and averages of integers and decimals.

use dataflow::exact::{IntSum, OutOfRange};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::{for_seeds, hex};

fn random_term(random: &mut ChaCha8Rng) -> (i128, i64) {
    let value = match random.random_range(0..5) {
        0 => i128::from(random.random::<i64>()),
        1 => random.random::<i128>() >> random.random_range(0..128),
        2 => *[i128::MIN, i128::MAX, i64::MIN.into(), i64::MAX.into(), 0].get(random.random_range(0..5)).unwrap(),
        _ => random.random_range(-100..100),
    };
    let diff = if random.random_ratio(1, 8) {
        random.random()
    } else {
        *[1, 1, -1, 2].get(random.random_range(0..4)).unwrap()
    };
    (value, diff)
}

fn random_terms(random: &mut ChaCha8Rng) -> Vec<(i128, i64)> {
    let small = random.random();
    let mut terms: Vec<(i128, i64)> = (0..random.random_range(0..12)).map(|_| random_term(random)).collect();
    if small {
        terms.iter_mut().for_each(|(value, diff)| (*value, *diff) = (*value >> 64, (*diff).signum()));
    }
    terms
}

fn sum_of(terms: &[(i128, i64)]) -> IntSum {
    let mut sum = IntSum::default();
    terms.iter().for_each(|&(value, diff)| sum.add(value, diff));
    sum
}

fn exact(terms: &[(i128, i64)]) -> BigInt {
    terms.iter().map(|&(value, diff)| BigInt::from(value) * BigInt::from(diff)).sum()
}

fn bytes_of(sum: &IntSum) -> Vec<u8> {
    let mut bytes = Vec::new();
    sum.write(&mut bytes);
    bytes
}

/// Whether no other float is nearer, and at a tie this one is even.
fn is_nearest(exact: &BigRational, float: f64) -> bool {
    let error = |float: f64| (exact - BigRational::from_float(float).unwrap()).abs();
    [float.next_down(), float.next_up()].into_iter().all(|other| match error(float).cmp(&error(other)) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => float.to_bits() & 1 == 0,
        std::cmp::Ordering::Greater => false,
    })
}

#[test]
fn sums_are_exact_or_refused() {
    for_seeds(1_000, |random| {
        let terms = random_terms(random);
        let (sum, exact) = (sum_of(&terms), exact(&terms));
        assert_eq!(sum.sum().ok(), exact.to_i64(), "{terms:?}");
        let precision = random.random_range(1..=38);
        let fits = exact.abs() < BigInt::from(10).pow(u32::from(precision));
        assert_eq!(sum.decimal_sum(precision, 2).ok(), exact.to_i128().filter(|_| fits), "{terms:?} in {precision}");
    });
}

#[test]
fn averages_are_rounded_once() {
    for_seeds(1_000, |random| {
        let terms = random_terms(random);
        let (sum, exact) = (sum_of(&terms), exact(&terms));
        let count: i64 = (random.random_range(1..=i64::MAX) >> random.random_range(0..63)).max(1);
        let mean = BigRational::new(exact, count.into());
        assert!(is_nearest(&mean, sum.avg(count)), "{terms:?} over {count} is not {:e}", sum.avg(count));

        let (from_scale, finer) = (random.random_range(0..10), random.random_range(0..=4));
        let scaled = mean * BigRational::from(BigInt::from(10).pow(finer));
        // BigRational::round takes halves away from zero.
        let rounded = scaled.round().to_integer();
        let fits = rounded.abs() < BigInt::from(10).pow(38);
        let found = sum.decimal_avg(count, from_scale, 38, from_scale + finer as i8);
        assert_eq!(found.ok(), rounded.to_i128().filter(|_| fits), "{terms:?} over {count}");
    });
}

#[test]
fn half_a_unit_is_rounded_away_from_zero() {
    assert_eq!(sum_of(&[(1, 1)]).decimal_avg(2, 2, 38, 2), Ok(1));
    assert_eq!(sum_of(&[(-1, 1)]).decimal_avg(2, 2, 38, 2), Ok(-1));
    assert_eq!(sum_of(&[(1, 1)]).decimal_avg(3, 2, 38, 6), Ok(3333));
    assert_eq!(sum_of(&[(2, 1)]).decimal_avg(3, 2, 38, 6), Ok(6667));
}

#[test]
fn overflow_is_found_where_a_sum_is_read_and_names_the_type() {
    let mut sum = sum_of(&[(i64::MAX.into(), 1), (1, 1)]);
    let error = sum.sum().unwrap_err();
    assert_eq!(error, OutOfRange { what: "sum", data_type: "BIGINT".into() });
    assert_eq!(error.to_string(), "sum is out of range of BIGINT");
    assert_eq!(sum.decimal_sum(5, 2).unwrap_err().to_string(), "sum is out of range of DECIMAL(5, 2)");
    sum.add(1, -1);
    assert_eq!(sum.sum(), Ok(i64::MAX), "a term taken back mends it");
}

#[test]
fn order_grouping_and_terms_taken_back_leave_no_trace_in_the_bytes() {
    for_seeds(1_000, |random| {
        let (kept, passing) = (random_terms(random), random_terms(random));
        let passing: Vec<(i128, i64)> = passing.into_iter().map(|(value, diff)| (value, diff >> 1)).collect();
        let taken_back = passing.iter().map(|&(value, diff)| (value, -diff));
        let mut terms: Vec<(i128, i64)> =
            kept.iter().copied().chain(passing.iter().copied()).chain(taken_back).collect();
        terms.shuffle(random);
        let (first, second) = terms.split_at(random.random_range(0..=terms.len()));
        let mut sum = sum_of(second);
        sum.merge(&sum_of(first));
        assert_eq!(bytes_of(&sum), bytes_of(&sum_of(&kept)));
    });
}

#[test]
fn sums_come_back_from_their_bytes_and_only_from_those() {
    for_seeds(1_000, |random| {
        let sum = sum_of(&random_terms(random));
        let mut bytes = bytes_of(&sum);
        let len = bytes.len();
        bytes.push(0xee);
        let mut rest = &bytes[..];
        assert_eq!(IntSum::read(&mut rest), Some(sum));
        assert_eq!(rest, [0xee]);
        assert_eq!(IntSum::read(&mut &bytes[..len - 1]), None);

        let at = random.random_range(0..bytes.len());
        bytes[at] = random.random();
        let mut rest = &bytes[..];
        if let Some(other) = IntSum::read(&mut rest) {
            assert_eq!(bytes_of(&other), bytes[..bytes.len() - rest.len()], "a second way to write {other:?}");
        }
    });
}

#[test]
fn the_bytes_of_sums() {
    let bytes = |value: i128| hex(&bytes_of(&sum_of(&[(value, 1)])));
    assert_eq!([bytes(0), bytes(1), bytes(-1), bytes(127), bytes(128)], ["00", "0101", "01ff", "017f", "028000"]);
    assert_eq!([bytes(-128), bytes(-129), bytes(1 << 64)], ["0180", "027fff", "09000000000000000001"]);
}
