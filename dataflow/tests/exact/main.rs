//! Sums against arithmetic on big rationals, from seeds that are printed when a promise is broken.

mod floats;
mod integers;
mod squares;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Runs a promise for many seeds.
fn for_seeds(seeds: u64, promise: impl Fn(&mut ChaCha8Rng)) {
    for seed in 0..seeds {
        let attempt = std::panic::AssertUnwindSafe(|| promise(&mut ChaCha8Rng::seed_from_u64(seed)));
        if let Err(panic) = std::panic::catch_unwind(attempt) {
            eprintln!("failed with seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
