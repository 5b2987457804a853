//! Variances of integers, decimals and floats.

use dataflow::exact::{FloatSquares, FloatSum, IntSquares, IntSum, Spread};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::floats::{is_nearest, random_finite};
use crate::for_seeds;

const SPREADS: [Spread; 2] = [Spread::Sample, Spread::Population];

/// The variance by its definition: the mean of the squared distances from the mean.
fn exact(values: &[BigRational], of: Spread) -> BigRational {
    let number = |count: usize| BigRational::from(BigInt::from(count));
    let mean = values.iter().sum::<BigRational>() / number(values.len());
    let squares: BigRational = values.iter().map(|value| (value - &mean) * (value - &mean)).sum();
    squares / number(values.len() + 1 - of.least() as usize)
}

fn variances<T: Copy>(
    random: &mut ChaCha8Rng,
    values: &[T],
    others: &[T],
    number: impl Fn(T) -> BigRational,
    mut found: impl FnMut(&[(T, i64)], Spread) -> f64,
) {
    // Other values come and go again, in whatever order.
    let mut terms: Vec<(T, i64)> = values.iter().map(|value| (*value, 1)).collect();
    terms.extend(others.iter().flat_map(|value| [(*value, 1), (*value, -1)]));
    terms.shuffle(random);
    let numbers: Vec<BigRational> = values.iter().map(|value| number(*value)).collect();
    for of in SPREADS.into_iter().filter(|of| values.len() >= of.least() as usize) {
        let (exact, found) = (exact(&numbers, of), found(&terms, of));
        assert!(is_nearest(&exact, found), "{found:e} of {} values, {of:?}", values.len());
    }
}

#[test]
fn the_variance_of_floats_is_rounded_once() {
    for_seeds(1_000, |random| {
        let mut some =
            |most: usize| -> Vec<f64> { (0..random.random_range(0..most)).map(|_| random_finite(random)).collect() };
        let (mut values, others) = (some(8), some(4));
        if values.first().is_some_and(|first| first.to_bits() & 1 == 1) {
            // All alike: nothing is left of squares however large.
            values = vec![values[0]; values.len()];
        }
        let number = |value: f64| BigRational::from_float(value).unwrap();
        variances(random, &values, &others, number, |terms, of| {
            let (mut sum, mut squares) = (FloatSum::default(), FloatSquares::default());
            for &(value, diff) in terms {
                sum.add(value, diff);
                squares.add(value, diff);
            }
            let mut bytes = Vec::new();
            squares.write(&mut bytes);
            assert_eq!(FloatSquares::read(&mut &bytes[..]), Some(squares.clone()));
            squares.variance(&sum, values.len() as i64, of)
        });
    });
}

#[test]
fn the_variance_of_decimals_is_rounded_once() {
    for_seeds(1_000, |random| {
        let scale = random.random_range(0..=38_u8);
        let mut some = |most: usize| -> Vec<i128> {
            let one = |random: &mut ChaCha8Rng| random.random::<i128>() >> random.random_range(0..128);
            (0..random.random_range(0..most)).map(|_| one(random)).collect()
        };
        let (values, others) = (some(8), some(4));
        let unit = BigInt::from(10).pow(u32::from(scale));
        let number = |value: i128| BigRational::new(value.into(), unit.clone());
        variances(random, &values, &others, number, |terms, of| {
            let (mut sum, mut squares) = (IntSum::default(), IntSquares::default());
            for &(value, diff) in terms {
                sum.add(value, diff);
                squares.add(value, diff);
            }
            let mut bytes = Vec::new();
            squares.write(&mut bytes);
            assert_eq!(IntSquares::read(&mut &bytes[..]), Some(squares));
            squares.variance(&sum, values.len() as i64, scale as i8, of)
        });
    });
}

#[test]
fn what_is_not_finite_has_no_variance_until_it_is_taken_back() {
    let (mut sum, mut squares) = (FloatSum::default(), FloatSquares::default());
    for value in [1.0, 3.0, f64::INFINITY] {
        sum.add(value, 1);
        squares.add(value, 1);
    }
    assert!(squares.variance(&sum, 3, Spread::Sample).is_nan());
    sum.add(f64::INFINITY, -1);
    squares.add(f64::INFINITY, -1);
    assert_eq!(squares.variance(&sum, 2, Spread::Sample), 2.0);
    assert_eq!(squares.variance(&sum, 2, Spread::Population), 1.0);
    assert!(exact(&[BigRational::zero()], Spread::Population).is_zero());
}
