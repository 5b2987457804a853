//! The sort order of a block's entries.

use super::Block;

/// Positions of the entries in ascending byte order; equal entries stay in the order they have.
///
/// Keys of one batch often begin alike, so the eight bytes after what all have in common are compared as one number, and
/// the rest only where those are equal.
pub fn sorted_order(block: &Block) -> Vec<u32> {
    assert!(u32::try_from(block.len()).is_ok(), "a block of {} entries cannot be ordered in 32 bits", block.len());
    if block.is_empty() {
        return Vec::new();
    }
    let common = common_prefix(block);
    let mut order: Vec<(u64, u32)> =
        block.iter().enumerate().map(|(index, entry)| (window(&entry[common..]), index as u32)).collect();
    order.sort_unstable_by(|(left_window, left), (right_window, right)| {
        left_window
            .cmp(right_window)
            .then_with(|| block.get(*left as usize)[common..].cmp(&block.get(*right as usize)[common..]))
            .then_with(|| left.cmp(right))
    });
    order.into_iter().map(|(_, index)| index).collect()
}

/// How many bytes all entries of a block that is not empty begin with alike.
fn common_prefix(block: &Block) -> usize {
    let first = block.get(0);
    let mut common = first.len();
    for entry in block.iter() {
        if entry.len() < common || entry[..common] != first[..common] {
            common = first.iter().zip(entry).take(common).take_while(|(a, b)| a == b).count();
        }
    }
    common
}

/// The first eight bytes as a number; a shorter entry is filled with zeros, which keeps it from sorting after a longer one.
fn window(entry: &[u8]) -> u64 {
    match entry.first_chunk::<8>() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => {
            let mut chunk = [0; 8];
            chunk[..entry.len()].copy_from_slice(entry);
            u64::from_be_bytes(chunk)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_order_is_that_of_a_stable_sort() {
        for seed in 0..200 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut block = Block::default();
            let shared = random.random_range(0..12);
            for _ in 0..random.random_range(0..300) {
                let mut entry = vec![7u8; shared];
                let len = random.random_range(0..12);
                entry.extend((0..len).map(|_| (random.next_u32() % 3) as u8));
                block.push(&entry);
            }
            let mut expected: Vec<u32> = (0..block.len() as u32).collect();
            expected.sort_by_key(|&index| block.get(index as usize).to_vec());
            assert_eq!(sorted_order(&block), expected, "seed {seed}");
        }
    }
}
