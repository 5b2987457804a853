//! Effects are numbered by their commits, seen once published, and gone once delivered.

use super::*;

fn commit_of(epoch: u64, effects: &[&str]) -> Commit {
    Commit { outbox: effects.iter().map(|effect| bytes(effect)).collect(), ..commit(epoch, vec![]) }
}

#[test]
fn effects_are_numbered_and_only_published_ones_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write_and_sync(&store, commit_of(1, &["a", "b"]));
    let written = store.write(commit_of(2, &["c"])).unwrap();
    assert_eq!(store.outbox(0, 10).unwrap(), [(1, bytes("a")), (2, bytes("b"))]);
    store.sync(written).unwrap();
    assert_eq!(store.outbox(1, 10).unwrap(), [(2, bytes("b")), (3, bytes("c"))]);
    assert_eq!(store.outbox(0, 1).unwrap(), [(1, bytes("a"))]);
    assert_eq!(store.outbox(0, 0).unwrap(), []);
    assert_eq!(store.outbox(3, 10).unwrap(), []);
}

#[test]
fn delivered_effects_are_gone_and_their_numbers_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write_and_sync(&store, commit_of(1, &["a", "b", "c"]));
    store.delivered(2).unwrap();
    assert_eq!(store.outbox(0, 10).unwrap(), [(3, bytes("c"))]);
    store.delivered(2).unwrap();
    store.delivered(3).unwrap();
    assert_eq!(store.outbox(0, 10).unwrap(), []);
    drop(store);
    let store = open(dir.path());
    write_and_sync(&store, commit_of(2, &["d"]));
    assert_eq!(store.outbox(0, 10).unwrap(), [(4, bytes("d"))]);
}
