//! How many different values a group has, and their sum, each value once.
//!
//! State: the number or the sum in the group's row, and (group, value) -> how often in an [`index`](crate::operators::index).
//! A value counts when its first occurrence comes and until its last one goes.

use arrow::datatypes::DataType;

use super::accumulators::{Accumulator, add_to_sums};
use crate::operators::index::deltas::{Delta, Deltas};
use crate::row::KeyDecoder;

/// The values that begin (+1) or cease (-1) to be there.
fn turned<'a>(deltas: &'a Deltas, counts: &'a [i64]) -> impl Iterator<Item = (&'a Delta, i64)> {
    deltas.deltas.iter().zip(counts).filter_map(|(delta, &after)| match (after - delta.net, after) {
        (0, 1..) => Some((delta, 1)),
        (1.., 0) => Some((delta, -1)),
        _ => None,
    })
}

/// Brings the number of different values of each group up to date.
pub(super) fn count(deltas: &Deltas, counts: &[i64], number: &mut [i64]) {
    turned(deltas, counts).for_each(|(delta, diff)| number[delta.group as usize] += diff);
}

/// Brings the sum of different values of each group up to date.
pub(super) fn sum(deltas: &Deltas, counts: &[i64], data_type: &DataType, sums: &mut Accumulator) {
    let turned: Vec<(&Delta, i64)> = turned(deltas, counts).collect();
    let bytes = turned.iter().map(|(delta, _)| deltas.bytes(delta));
    let values = KeyDecoder::new(std::slice::from_ref(data_type)).decode(bytes);
    let values = values.expect("items are what was encoded").remove(0);
    let groups: Vec<u32> = turned.iter().map(|(delta, _)| delta.group).collect();
    let diffs: Vec<i64> = turned.iter().map(|(_, diff)| *diff).collect();
    add_to_sums(&values, &diffs, &groups, sums);
}
