//! Rows that are deleted in a row, as those that a table forgets, give their space back.

use std::time::{Duration, Instant};

use super::*;

const CIRCUITS: u64 = 20;
const ROWS: u64 = 500;
const VALUE_BYTES: usize = 2_000;

fn row_key(circuit: u64, at: u64) -> Vec<u8> {
    [circuit.to_be_bytes(), at.to_be_bytes()].concat()
}

/// Bytes that do not compress.
fn noise(state: &mut u64) -> Vec<u8> {
    let mut next = || {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    };
    (0..VALUE_BYTES / 8).flat_map(|_| next().to_be_bytes()).collect()
}

fn disk_bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir.join("rocks")).unwrap().filter_map(Result::ok);
    // A file may go while it is looked at.
    let tables = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst"));
    tables.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

#[test]
fn rows_that_are_forgotten_give_their_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut state = 1;
    let mut epoch = 0;
    for at in 0..ROWS {
        let mut write = StateWrite::new(RelationId(7));
        (0..CIRCUITS).for_each(|circuit| write.put(&row_key(circuit, at), &noise(&mut state)));
        epoch += 1;
        write_and_sync(&store, commit(epoch, vec![write]));
    }
    store.flush_filled().unwrap();
    // They have been there for long: nothing else is about to be compacted with them.
    let rocks = &store.shared.rocks;
    rocks.db.compact_range_cf(rocks.family(crate::table::key::ROWS), None::<&[u8]>, None::<&[u8]>);
    let before = disk_bytes(dir.path());
    assert!(before > CIRCUITS * ROWS * VALUE_BYTES as u64 * 9 / 10, "{before} bytes");
    let old = reader(&store);
    for circuit in 0..CIRCUITS {
        let mut write = StateWrite::new(RelationId(7));
        (0..ROWS * 9 / 10).for_each(|at| write.delete(&row_key(circuit, at)));
        epoch += 1;
        write_and_sync(&store, commit(epoch, vec![write]));
    }
    let count = |reader: &Reader| rows(reader, 7).len() as u64;
    assert_eq!((count(&old), count(&reader(&store))), (CIRCUITS * ROWS, CIRCUITS * ROWS / 10));
    drop(old);
    store.flush_filled().unwrap();
    let begun = Instant::now();
    while disk_bytes(dir.path()) > before / 4 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {before} bytes are left", disk_bytes(dir.path()));
        std::thread::yield_now();
    }
    assert_eq!(count(&reader(&store)), CIRCUITS * ROWS / 10);
}
