//! Relations are filled outside epochs, removed as a whole, and swept when no commit speaks for them.

use dataflow::State;

use super::*;

#[test]
fn a_fill_is_seen_by_look_ups_at_once_and_by_readers_with_the_next_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write_and_sync(&store, commit(1, vec![]));
    store.fill(vec![puts(5, &[("k", "1")])]).unwrap();
    store.fill(vec![puts(5, &[("k", "2"), ("l", "2")])]).unwrap();
    assert_eq!(store.get_many(RelationId(5), &keys(&["k"])).unwrap().get(0), Some(&b"2"[..]));
    assert_eq!(rows(&reader(&store), 5), []);
    write_and_sync(&store, commit(2, vec![]));
    assert_eq!(rows(&reader(&store), 5), [row("k", "2"), row("l", "2")]);
}

#[test]
fn what_no_commit_speaks_for_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let changes = vec![(RelationId(1), bytes("x")), (RelationId(2), bytes("y"))];
    write_and_sync(&store, Commit { changes, ..commit(1, vec![puts(1, &[("a", "1")]), puts(2, &[("a", "1")])]) });
    store.fill(vec![puts(3, &[("a", "1")])]).unwrap();
    store.fill(vec![puts(u32::MAX, &[("", "1"), ("a", "1")])]).unwrap();
    drop(store);
    let store = open(dir.path());
    store.sweep(&|relation| relation == RelationId(1)).unwrap();
    for relation in [2, 3, u32::MAX] {
        assert_eq!(store.get_many(RelationId(relation), &keys(&["", "a"])).unwrap().present, [false, false]);
    }
    assert_eq!(store.get_many(RelationId(1), &keys(&["a"])).unwrap().present, [true]);
    write_and_sync(&store, commit(2, vec![]));
    assert_eq!(store.changes(RelationId(1), Epoch(0)).unwrap().count(), 1);
    assert_eq!(store.changes(RelationId(2), Epoch(0)).unwrap().count(), 0);
}

#[test]
fn removed_relations_free_their_space() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut write = StateWrite::new(RelationId(1));
    for key in 0..20_000u32 {
        // Not compressible.
        write.put(&key.to_be_bytes(), &key.wrapping_mul(2_654_435_761).to_le_bytes().repeat(8));
    }
    write_and_sync(&store, commit(1, vec![write, puts(2, &[("k", "v")])]));
    let rocks = &store.shared.rocks;
    let compact = || {
        rocks.db.flush_cf(rocks.family(key::ROWS)).unwrap();
        rocks.db.compact_range_cf(rocks.family(key::ROWS), None::<&[u8]>, None::<&[u8]>);
    };
    compact();
    let before = store.stats().disk_bytes;
    assert!(before > 200_000, "{before}");
    store.remove(&[RelationId(1)]).unwrap();
    // The published snapshot holds the rows until the next one takes its place.
    write_and_sync(&store, commit(2, vec![]));
    compact();
    let after = store.stats().disk_bytes;
    assert!(after < before / 20, "{after} of {before}");
    assert_eq!(rows(&reader(&store), 2), [row("k", "v")]);
}
