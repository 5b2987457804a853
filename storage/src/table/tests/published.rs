//! Readers see published epochs, whole, for as long as they hold them; look-ups of the engine see written ones.

use dataflow::State;

use super::*;

#[test]
fn a_written_epoch_is_seen_by_look_ups_and_not_by_readers_until_synced() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let written = store.write(commit(1, vec![puts(1, &[("k", "1")])])).unwrap();
    assert_eq!(written.epoch(), Epoch(1));
    assert_eq!(store.get_many(RelationId(1), &keys(&["k"])).unwrap().get(0), Some(&b"1"[..]));
    assert_eq!((store.snapshot().epoch(), rows(&reader(&store), 1)), (Epoch(0), vec![]));
    assert_eq!(store.last().epoch, Epoch(0));
    assert_eq!(store.sync(written).unwrap(), Epoch(1));
    assert_eq!((store.snapshot().epoch(), store.snapshot().now_ms()), (Epoch(1), 1_000));
    assert_eq!(rows(&reader(&store), 1), [row("k", "1")]);
    assert_eq!(reader(&store).get_many(RelationId(1), &keys(&["j", "k"])).unwrap().present, [false, true]);
}

#[test]
fn one_sync_publishes_all_epochs_written_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = store.write(commit(1, vec![puts(1, &[("k", "1")])])).unwrap();
    let second = store.write(commit(2, vec![puts(2, &[("k", "2")])])).unwrap();
    let third = store.write(commit(3, vec![puts(1, &[("k", "3")])])).unwrap();
    assert_eq!(store.sync(second).unwrap(), Epoch(2));
    assert_eq!((rows(&reader(&store), 1), rows(&reader(&store), 2)), (vec![row("k", "1")], vec![row("k", "2")]));
    // A sync that comes late does not take the published epoch back.
    assert_eq!(store.sync(first).unwrap(), Epoch(1));
    assert_eq!(store.snapshot().epoch(), Epoch(2));
    drop(third);
    assert_eq!(store.snapshot().epoch(), Epoch(2));
}

#[test]
fn a_snapshot_and_its_cursors_outlast_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write_and_sync(&store, commit(1, vec![puts(1, &[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")])]));
    let held = reader(&store);
    let mut cursor = held.cursor(RelationId(1), KeyRange::all(), Direction::Ascending);
    let (mut found_keys, mut found_values) = (Block::default(), Block::default());
    assert_eq!(cursor.next(&mut found_keys, &mut found_values, 2).unwrap(), 2);
    for epoch in 2..10 {
        let mut write = puts(1, &[("a", "2")]);
        write.delete(b"c");
        write_and_sync(&store, commit(epoch, vec![write]));
    }
    store.remove(&[RelationId(1)]).unwrap();
    store.shared.rocks.db.flush_cf(store.shared.rocks.family(key::ROWS)).unwrap();
    // On another thread, after the store itself was let go.
    drop(store);
    let rest = std::thread::spawn(move || {
        while cursor.next(&mut found_keys, &mut found_values, 1).unwrap() > 0 {}
        found_keys.iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    assert_eq!(rest.join().unwrap(), [b"a", b"b", b"c", b"d"]);
    assert_eq!(rows(&held, 1).len(), 4);
    assert!(matches!(try_open(dir.path()), Err(StoreError::InUse { .. })), "a reader keeps the directory");
    drop(held);
    assert_eq!(rows(&reader(&open(dir.path())), 1), []);
}

#[test]
fn key_ranges_are_walked_both_ways_and_stay_in_their_relation() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let of_two = puts(2, &[("", "e"), ("a", "1"), ("ab", "2"), ("b", "3"), ("c", "4")]);
    write_and_sync(&store, commit(1, vec![puts(1, &[("z", "before")]), of_two, puts(3, &[("", "after")])]));
    let between = |start: &str, end: Option<&str>| KeyRange { start: start.into(), end: end.map(Into::into) };
    let cases = [
        (KeyRange::all(), vec!["", "a", "ab", "b", "c"]),
        (KeyRange::prefix(b"a"), vec!["a", "ab"]),
        (between("ab", Some("c")), vec!["ab", "b"]),
        (between("b", None), vec!["b", "c"]),
        (between("b", Some("b")), vec![]),
        (between("c", Some("a")), vec![]),
        (between("d", None), vec![]),
    ];
    for (range, expected) in cases {
        let mut expected: Vec<_> = expected.into_iter().map(|key| key.as_bytes().to_vec()).collect();
        for direction in [Direction::Ascending, Direction::Descending] {
            let read = read(&reader(&store), 2, range.clone(), direction);
            assert_eq!(read.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), expected, "{range:?} {direction:?}");
            let mut scanned = Vec::new();
            let mut each = |key: &[u8], _: &[u8]| {
                scanned.push(key.to_vec());
                std::ops::ControlFlow::Continue(())
            };
            store.scan(RelationId(2), &range, direction, &mut each).unwrap();
            assert_eq!(scanned, expected, "{range:?} {direction:?}");
            expected.reverse();
        }
    }
}

#[test]
fn a_tenant_sees_no_other_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write_and_sync(&store, commit(1, vec![puts(1, &[("k", "1")])]));
    for tenant in [0, DEFAULT_TENANT + 1, u32::MAX] {
        let other = store.snapshot().scoped(TenantScope::One(tenant));
        assert_eq!(rows(&other, 1), []);
        assert_eq!(other.get_many(RelationId(1), &keys(&["k"])).unwrap().present, [false]);
    }
}
