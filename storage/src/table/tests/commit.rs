//! A commit is there whole or not at all.

use super::*;

/// Epochs whose every part says which epoch it is.
fn telling_commit(epoch: u64) -> Commit {
    let text = epoch.to_string();
    Commit {
        positions: vec![position("events", 0, epoch)],
        changes: vec![(RelationId(7), bytes(&text))],
        outbox: vec![bytes(&text)],
        catalog: vec![("epoch".to_owned(), Some(bytes(&text)))],
        ..commit(epoch, vec![puts(7, &[(&text, ""), ("epoch", &text)]), puts(8, &[("epoch", &text)])])
    }
}

fn assert_whole(store: &Store, epochs_max: u64) -> u64 {
    let last = store.last();
    let epoch = last.epoch.0;
    assert!(epoch <= epochs_max);
    if epoch == 0 {
        assert_eq!((last.positions, last.catalog), (vec![], vec![]));
        assert_eq!(rows(&reader(store), 7), []);
        return 0;
    }
    let text = epoch.to_string();
    assert_eq!(last.now_ms, 1_000 * epoch as i64);
    assert_eq!(last.positions, [position("events", 0, epoch)]);
    assert_eq!(last.catalog, [("epoch".to_owned(), bytes(&text))]);
    let mut expected: Vec<Row> = (1..=epoch).map(|epoch| row(&epoch.to_string(), "")).collect();
    expected.push(row("epoch", &text));
    expected.sort();
    assert_eq!(rows(&reader(store), 7), expected);
    assert_eq!(rows(&reader(store), 8), [row("epoch", &text)]);
    let changes: Vec<_> = store.changes(RelationId(7), Epoch(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(changes, (1..=epoch).map(|epoch| (Epoch(epoch), bytes(&epoch.to_string()))).collect::<Vec<_>>());
    let outbox = store.outbox(0, usize::MAX).unwrap();
    assert_eq!(outbox, (1..=epoch).map(|epoch| (epoch, bytes(&epoch.to_string()))).collect::<Vec<_>>());
    epoch
}

#[test]
fn a_torn_write_ahead_log_leaves_whole_commits() {
    const EPOCHS: u64 = 6;
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let store = open(&whole);
    for epoch in 1..=EPOCHS {
        write_and_sync(&store, telling_commit(epoch));
    }
    drop(store);
    let wals = std::fs::read_dir(whole.join("rocks")).unwrap().map(|entry| entry.unwrap().path());
    let wals: Vec<_> = wals.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
    assert_eq!(wals.len(), 1, "the commits are in one write-ahead log");
    let length = std::fs::metadata(&wals[0]).unwrap().len();
    assert!(length > 0);
    let mut before = 0;
    for cut in (0..=length).step_by(length as usize / 40) {
        let torn = dir.path().join(format!("torn-{cut}"));
        copy_dir(&whole, &torn).unwrap();
        let wal = torn.join("rocks").join(wals[0].file_name().unwrap());
        std::fs::OpenOptions::new().write(true).open(wal).unwrap().set_len(cut).unwrap();
        let found = assert_whole(&open(&torn), EPOCHS);
        assert!(found >= before, "a longer log has no fewer commits");
        before = found;
        std::fs::remove_dir_all(torn).unwrap();
    }
    assert_eq!(assert_whole(&open(&whole), EPOCHS), EPOCHS);
}

#[test]
fn what_a_commit_does_not_name_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write_and_sync(
        &store,
        Commit {
            positions: vec![position("a", 0, 5), position("a", 1, 6), position("b", 0, 7)],
            catalog: vec![("x".to_owned(), Some(bytes("1"))), ("y".to_owned(), Some(bytes("2")))],
            ..commit(1, vec![puts(1, &[("k", "v"), ("l", "w")])])
        },
    );
    let mut delete = StateWrite::new(RelationId(1));
    delete.delete(b"k");
    write_and_sync(
        &store,
        Commit {
            positions: vec![position("a", 1, 60)],
            catalog: vec![("x".to_owned(), None), ("z".to_owned(), Some(bytes("3")))],
            ..commit(2, vec![delete])
        },
    );
    let expect = |store: &Store| {
        let last = store.last();
        assert_eq!(last.positions, [position("a", 0, 5), position("a", 1, 60), position("b", 0, 7)]);
        assert_eq!(last.catalog, [("y".to_owned(), bytes("2")), ("z".to_owned(), bytes("3"))]);
        assert_eq!(rows(&reader(store), 1), [row("l", "w")]);
    };
    expect(&store);
    drop(store);
    expect(&open(dir.path()));
}

#[test]
#[should_panic(expected = "follows that of the epoch before")]
fn an_epoch_cannot_be_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let _ = open(dir.path()).write(commit(2, vec![]));
}

#[test]
#[should_panic(expected = "at most one entry a relation")]
fn a_relation_is_written_once_in_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let _ = open(dir.path()).write(commit(1, vec![puts(1, &[("a", "")]), puts(1, &[("b", "")])]));
}
