//! Writes in key order from entries in any order.

use dataflow::{Block, RelationId, StateWrite};

/// Puts of different keys, sorted.
pub fn sorted_puts(relation: RelationId, keys: &Block, values: &Block) -> StateWrite {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by_key(|&at| keys.get(at));
    let mut write = StateWrite::new(relation);
    for at in order {
        write.put(keys.get(at), values.get(at));
    }
    write
}
