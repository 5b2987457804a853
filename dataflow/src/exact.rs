//! Sums that do not depend on the order of their terms, and can take a term back.
//!
//! Integers and decimals are summed in 256 bits, floats in a fixed-point accumulator as wide as the type's whole range.
//! The same accumulators serve the maintained and the ad hoc answer, which makes the two bit-equal.
