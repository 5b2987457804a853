//! Sums and averages of floats.

use dataflow::exact::FloatSum;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{for_seeds, hex};

/// Finite values of every magnitude, often near each other so that terms cancel and ties occur.
pub fn random_finite(random: &mut ChaCha8Rng) -> f64 {
    const SOME: [f64; 12] = [
        0.0,
        -0.0,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        -f64::from_bits(1),
        f64::from_bits(0x000f_ffff_ffff_ffff),
        1.0,
        f64::EPSILON,
        9_007_199_254_740_993.0,
        -0.1,
    ];
    match random.random_range(0..4) {
        0 => *SOME.choose(random).unwrap(),
        1 => loop {
            let value = f64::from_bits(random.random());
            if value.is_finite() {
                return value;
            }
        },
        2 => f64::from_bits(random.random_range(0..1 << 54)) * if random.random() { 1.0 } else { -1.0 },
        _ => random.random_range(-1000.0..1000.0),
    }
}

fn random_diff(random: &mut ChaCha8Rng) -> i64 {
    match random.random_range(0..10) {
        0 => random.random(),
        1 => random.random_range(-1000..1000),
        2..5 => -1,
        _ => 1,
    }
}

fn rational(value: f64) -> BigRational {
    BigRational::from_float(value).unwrap()
}

/// Whether no other float is nearer to `exact`, and at a tie this one is even. Past the largest float comes 2^1024, infinity.
pub fn is_nearest(exact: &BigRational, float: f64) -> bool {
    let value = |float: f64| match float {
        f64::INFINITY => BigRational::from(BigInt::one() << 1024),
        f64::NEG_INFINITY => -BigRational::from(BigInt::one() << 1024),
        finite => rational(finite),
    };
    if float.is_infinite() && value(float).abs() <= exact.abs() {
        return float.is_sign_negative() == exact.is_negative();
    }
    let error = (exact - value(float)).abs();
    let neighbours = [float.next_down(), float.next_up()].into_iter().filter(|&other| other != float);
    neighbours.map(|other| (exact - value(other)).abs()).all(|other| match error.cmp(&other) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => float.to_bits() & 1 == 0,
        std::cmp::Ordering::Greater => false,
    })
}

fn sum_of(terms: &[(f64, i64)]) -> FloatSum {
    let mut sum = FloatSum::default();
    terms.iter().for_each(|&(value, diff)| sum.add(value, diff));
    sum
}

fn bytes_of(sum: &FloatSum) -> Vec<u8> {
    let mut bytes = Vec::new();
    sum.write(&mut bytes);
    bytes
}

#[test]
fn a_sum_and_an_average_are_the_nearest_floats_to_the_exact_ones() {
    for_seeds(1_000, |random| {
        let terms: Vec<(f64, i64)> =
            (0..random.random_range(0..20)).map(|_| (random_finite(random), random_diff(random))).collect();
        let sum = sum_of(&terms);
        let exact: BigRational =
            terms.iter().map(|&(value, diff)| rational(value) * BigRational::from(BigInt::from(diff))).sum();
        assert!(is_nearest(&exact, sum.sum()), "sum of {terms:?} is not {:e}", sum.sum());
        assert!(sum.sum() != 0.0 || sum.sum().is_sign_positive(), "a sum is never -0.0");

        let count: i64 = random.random_range(1..=i64::MAX) >> random.random_range(0..63);
        let count = count.max(1);
        let exact = exact / BigRational::from(BigInt::from(count));
        assert!(is_nearest(&exact, sum.avg(count)), "average of {terms:?} over {count} is not {:e}", sum.avg(count));
    });
}

#[test]
fn halfway_sums_go_to_the_even_float() {
    let half = f64::EPSILON / 2.0;
    assert_eq!(sum_of(&[(1.0, 1), (half, 1)]).sum(), 1.0);
    assert_eq!(sum_of(&[(1.0 + f64::EPSILON, 1), (half, 1)]).sum(), 1.0 + 2.0 * f64::EPSILON);
    assert_eq!(sum_of(&[(1.0, 1), (half, 1), (f64::from_bits(1), 1)]).sum(), 1.0 + f64::EPSILON);
    assert_eq!(sum_of(&[(f64::from_bits(1), 1)]).avg(2), 0.0);
    assert_eq!(sum_of(&[(f64::from_bits(3), 1)]).avg(2), f64::from_bits(2));
    assert_eq!(sum_of(&[(f64::MAX, 1), (f64::MAX.next_down(), -1)]).sum(), f64::MAX - f64::MAX.next_down());
    assert_eq!(sum_of(&[(f64::MAX, 2)]).sum(), f64::INFINITY);
    assert_eq!(sum_of(&[(f64::MIN, 2)]).sum(), f64::NEG_INFINITY);
    assert_eq!(sum_of(&[(f64::MAX, 2)]).avg(2), f64::MAX, "only what is read out can overflow");
}

#[test]
fn order_grouping_and_terms_taken_back_leave_no_trace_in_the_bytes() {
    for_seeds(1_000, |random| {
        let special = |random: &mut ChaCha8Rng| match random.random_range(0..20) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            _ => random_finite(random),
        };
        let kept: Vec<(f64, i64)> =
            (0..random.random_range(0..10)).map(|_| (special(random), random_diff(random))).collect();
        let passing: Vec<(f64, i64)> =
            (0..random.random_range(0..10)).map(|_| (special(random), random_diff(random) >> 1)).collect();
        let taken_back = passing.iter().map(|&(value, diff)| (value, -diff));
        let mut terms: Vec<(f64, i64)> =
            kept.iter().copied().chain(passing.iter().copied()).chain(taken_back).collect();
        terms.shuffle(random);
        let (first, second) = terms.split_at(random.random_range(0..=terms.len()));
        let mut sum = sum_of(second);
        sum.merge(&sum_of(first));
        let expected = sum_of(&kept);
        assert_eq!(sum, expected);
        assert_eq!(bytes_of(&sum), bytes_of(&expected));
        assert_eq!(sum.sum().to_bits(), expected.sum().to_bits());
    });
}

#[test]
fn infinities_and_nan_count_only_while_they_are_there() {
    let mut sum = sum_of(&[(1.5, 1), (f64::INFINITY, 1)]);
    assert_eq!(sum.sum(), f64::INFINITY);
    sum.add(f64::NEG_INFINITY, 2);
    assert!(sum.sum().is_nan());
    sum.add(f64::INFINITY, -1);
    assert_eq!(sum.avg(4), f64::NEG_INFINITY);
    sum.add(-f64::NAN, 1);
    assert_eq!(sum.sum().to_bits(), 0x7ff8_0000_0000_0000);
    sum.add(f64::NAN, -1);
    sum.add(f64::NEG_INFINITY, -2);
    assert_eq!(sum, sum_of(&[(1.5, 1)]));
}

#[test]
fn sums_come_back_from_their_bytes_and_only_from_those() {
    for_seeds(1_000, |random| {
        let terms: Vec<(f64, i64)> =
            (0..random.random_range(0..5)).map(|_| (random_finite(random), random_diff(random))).collect();
        let sum = sum_of(&terms);
        let mut bytes = bytes_of(&sum);
        let len = bytes.len();
        bytes.push(0xee);
        let mut rest = &bytes[..];
        assert_eq!(FloatSum::read(&mut rest), Some(sum));
        assert_eq!(rest, [0xee]);
        assert_eq!(FloatSum::read(&mut &bytes[..len - 1]), None);

        let at = random.random_range(0..bytes.len());
        bytes[at] = random.random();
        let mut rest = &bytes[..];
        if let Some(other) = FloatSum::read(&mut rest) {
            assert_eq!(bytes_of(&other), bytes[..bytes.len() - rest.len()], "a second way to write {other:?}");
        }
    });
}

#[test]
fn the_bytes_of_sums() {
    let bytes = |terms: &[(f64, i64)]| hex(&bytes_of(&sum_of(terms)));
    assert_eq!(bytes(&[]), "00");
    assert_eq!(bytes(&[(f64::from_bits(1), 1)]), "020001");
    assert_eq!(bytes(&[(f64::from_bits(1), -1)]), "0200ff");
    // 1.5 is 3 * 2^-1, the bits 1073 and 1074: byte 134 is 0x06.
    assert_eq!(bytes(&[(1.5, 1)]), "02860106");
    assert_eq!(bytes(&[(-1.5, 1)]), "028601fa");
    assert_eq!(bytes(&[(1.5, 1), (f64::NAN, 1), (f64::INFINITY, 2), (f64::NEG_INFINITY, -1)]), "03860106020401");
}

#[test]
fn a_sum_of_readings_takes_few_bytes() {
    for_seeds(50, |random| {
        let terms: Vec<(f64, i64)> = (0..100_000).map(|_| (random.random_range(0.0..5_000.0), 1)).collect();
        let sum = sum_of(&terms);
        assert!(bytes_of(&sum).len() <= 14, "{} bytes", bytes_of(&sum).len());
        assert!(!sum_of(&terms).sum().is_zero());
    });
}
