//! Sums, variances and percentiles that do not depend on the order of their terms; a sum can take a term back.
//!
//! Integers and decimals are summed in 256 bits, floats in a fixed-point accumulator as wide as the type's whole range.
//! The same accumulators serve the maintained and the ad hoc answer, which makes the two bit-equal. Terms are never refused;
//! whether the result fits is asked only where it is read.

mod float;
mod integer;
mod limbs;
mod percentile;
mod round;
mod squares;

pub use float::FloatSum;
pub use integer::IntSum;
pub use percentile::Percentile;
pub use squares::{FloatSquares, IntSquares, Spread};

/// A sum or an average that the type of the answer cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is out of range of {data_type}")]
pub struct OutOfRange {
    /// "sum" or "avg".
    pub what: &'static str,
    /// The answer's type, as SQL names it.
    pub data_type: String,
}
