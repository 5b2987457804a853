//! Relations are filled outside epochs, removed as a whole, and swept when no commit speaks for them.

use std::time::{Duration, Instant};

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
fn removed_relations_free_their_space_and_those_who_read_them_still_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut write = StateWrite::new(RelationId(1));
    for key in 0..100_000u32 {
        // Not compressible.
        write.put(&key.to_be_bytes(), &key.wrapping_mul(2_654_435_761).to_le_bytes().repeat(8));
    }
    write_and_sync(&store, commit(1, vec![write, puts(2, &[("k", "v")])]));
    let rocks = &store.shared.rocks;
    rocks.db.flush_cf(rocks.family(key::ROWS)).unwrap();
    rocks.db.compact_range_cf(rocks.family(key::ROWS), None::<&[u8]>, None::<&[u8]>);
    let before = store.stats().disk_bytes;
    assert!(before > limits::RECLAIMED_BYTES_MIN, "{before}");
    let mut walk = reader(&store).cursor(RelationId(1), KeyRange::all(), Direction::Ascending);
    // A commit that was written before the removal and is published after it has the rows too.
    let written = store.write(commit(2, vec![])).unwrap();
    store.remove(&[RelationId(1)]).unwrap();
    store.sync(written).unwrap();
    write_and_sync(&store, commit(3, vec![]));
    let (mut keys, mut values) = (Block::default(), Block::default());
    while walk.next(&mut keys, &mut values, 10_000).unwrap() > 0 {}
    assert_eq!(keys.len(), 100_000);
    // While it walks, its files stay.
    drop(walk);
    let deadline = Instant::now() + Duration::from_secs(60);
    while store.stats().disk_bytes > before / 20 {
        assert!(Instant::now() < deadline, "{} of {before}", store.stats().disk_bytes);
        std::thread::yield_now();
    }
    assert_eq!((rows(&reader(&store), 1), rows(&reader(&store), 2)), (vec![], vec![row("k", "v")]));
}

/// What a crash of the process now would leave.
fn crashed(store: &Store, to: &Path) -> Store {
    // While it is copied, files that are needed no more may be removed from it: then there is another moment to copy.
    while let Err(error) = copy_dir(Path::new(&store.shared.rocks.dir), to) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        std::fs::remove_dir_all(to).unwrap();
    }
    open(to)
}

#[test]
fn what_is_filled_unlogged_is_lost_in_a_crash_until_it_is_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    write_and_sync(&store, commit(1, vec![puts(1, &[("a", "1")])]));
    store.fill_unlogged(vec![puts(5, &[("k", "1")])]).unwrap();
    assert_eq!(store.get_many(RelationId(5), &keys(&["k"])).unwrap().get(0), Some(&b"1"[..]));
    write_and_sync(&store, commit(2, vec![]));
    let before = crashed(&store, &dir.path().join("before"));
    assert_eq!((rows(&reader(&before), 5), before.last().epoch), (vec![], Epoch(2)));
    store.flush_filled().unwrap();
    store.fill(vec![puts(5, &[("l", "2")])]).unwrap();
    write_and_sync(&store, commit(3, vec![puts(5, &[("m", "3")])]));
    let after = crashed(&store, &dir.path().join("after"));
    assert_eq!(rows(&reader(&after), 5), [row("k", "1"), row("l", "2"), row("m", "3")]);
    assert_eq!(rows(&reader(&after), 1), [row("a", "1")]);
}

#[test]
fn a_pin_sees_what_was_written_and_keeps_the_changes_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let big = || vec![(RelationId(1), Bytes::from(vec![7; CHANGELOG_BYTES as usize / 4]))];
    let written = store.write(Commit { changes: big(), ..commit(1, vec![puts(1, &[("a", "1")])]) }).unwrap();
    let pin = store.pin().unwrap();
    assert_eq!(rows(&reader(&store), 1), [], "a reader waits until it is durable");
    store.sync(written).unwrap();
    for epoch in 2..=10 {
        write_and_sync(&store, Commit { changes: big(), ..commit(epoch, vec![puts(1, &[("a", "2")])]) });
    }
    let kept = pin.snapshot().scoped(TenantScope::One(DEFAULT_TENANT));
    assert_eq!((pin.epoch(), rows(&kept, 1)), (Epoch(1), vec![row("a", "1")]));
    let now = store.pin().unwrap();
    let after = now.snapshot().changes(RelationId(1), pin.epoch()).unwrap();
    assert_eq!(after.map(|change| change.unwrap().0.0).collect::<Vec<_>>(), (2..=10).collect::<Vec<_>>());
    drop((pin, now));
    write_and_sync(&store, commit(11, vec![]));
    assert!(store.changes(RelationId(1), Epoch(1)).is_err(), "what nobody holds is trimmed to the budget");
}

#[test]
fn how_much_of_a_relation_lies_before_a_key_is_known_about() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut write = StateWrite::new(RelationId(1));
    for key in 0..100_000u32 {
        write.put(&key.to_be_bytes(), &key.wrapping_mul(2_654_435_761).to_le_bytes().repeat(8));
    }
    write_and_sync(&store, commit(1, vec![write]));
    assert_eq!(store.share_before(RelationId(2), b"k"), None);
    store.shared.rocks.db.flush_cf(store.shared.rocks.family(key::ROWS)).unwrap();
    for (key, expected) in [(0u32, 0.0), (25_000, 0.25), (75_000, 0.75), (100_000, 1.0)] {
        let share = store.share_before(RelationId(1), &key.to_be_bytes()).unwrap();
        assert!((share - expected).abs() < 0.1, "{share} before {key}");
    }
}
