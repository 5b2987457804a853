//! A directory written by version 1 is read by every later one.
//!
//! `CAUDAL_WRITE_GOLDEN=1` writes it anew, for a format that has not been released.

use std::path::PathBuf;

use super::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

/// Rows in a table file and rows in the write-ahead log, a delete over each, and an entry of every kind.
fn write(dir: &Path) {
    let store = open(dir);
    let change = |relation: u32, text: &str| (RelationId(relation), bytes(text));
    write_and_sync(
        &store,
        Commit {
            positions: vec![position("meters", 0, 3), position("meters", 1, 1)],
            changes: vec![change(1, "one"), change(2, "two"), change(1, "one more")],
            outbox: vec![bytes("first"), bytes("second")],
            catalog: vec![("meters".to_owned(), Some(bytes("CREATE TABLE meters"))), ("x".to_owned(), Some(bytes("")))],
            ..commit(1, vec![puts(1, &[("", "root"), ("a", "1"), ("b", "2")]), puts(2, &[("c", "3")])])
        },
    );
    store.delivered(1).unwrap();
    for family in [key::META, key::ROWS, key::CHANGELOG] {
        store.shared.rocks.db.flush_cf(store.shared.rocks.family(family)).unwrap();
    }
    let mut second = puts(1, &[("a", "10")]);
    second.delete(b"b");
    write_and_sync(
        &store,
        Commit {
            positions: vec![position("meters", 0, 4)],
            changes: vec![change(1, "again")],
            outbox: vec![bytes("third")],
            catalog: vec![("x".to_owned(), None)],
            ..commit(2, vec![second, puts(0xffff_fffe, &[("last", "relation")])])
        },
    );
}

#[test]
fn a_directory_of_version_1_is_read_row_by_row() {
    if std::env::var_os("CAUDAL_WRITE_GOLDEN").is_some() {
        let _ = std::fs::remove_dir_all(golden());
        write(&golden());
    }
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&golden(), dir.path()).unwrap();
    let store = open(dir.path());
    let last = store.last();
    assert_eq!((last.epoch, last.now_ms), (Epoch(2), 2_000));
    assert_eq!(last.positions, [position("meters", 0, 4), position("meters", 1, 1)]);
    assert_eq!(last.catalog, [("meters".to_owned(), bytes("CREATE TABLE meters"))]);
    assert_eq!(rows(&reader(&store), 1), [row("", "root"), row("a", "10")]);
    assert_eq!(rows(&reader(&store), 2), [row("c", "3")]);
    assert_eq!(rows(&reader(&store), 0xffff_fffe), [row("last", "relation")]);
    let changes: Vec<_> = store.changes(RelationId(1), Epoch(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(changes, [(Epoch(1), bytes("one")), (Epoch(1), bytes("one more")), (Epoch(2), bytes("again"))]);
    let changes: Vec<_> = store.changes(RelationId(2), Epoch(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(changes, [(Epoch(1), bytes("two"))]);
    assert_eq!(store.outbox(0, 10).unwrap(), [(2, bytes("second")), (3, bytes("third"))]);
    write_and_sync(&store, commit(3, vec![puts(1, &[("b", "back")])]));
    assert_eq!(rows(&reader(&store), 1), [row("", "root"), row("a", "10"), row("b", "back")]);
}
