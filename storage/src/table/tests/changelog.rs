//! Changes are read on from an epoch, published ones only, and are kept within a number of bytes.

use super::*;

fn commit_of(epoch: u64, relation: u32, change: Bytes) -> Commit {
    Commit { changes: vec![(RelationId(relation), change)], ..commit(epoch, vec![]) }
}

fn epochs_after(store: &Store, relation: u32, after: u64) -> Result<Vec<u64>, Trimmed> {
    Ok(store.changes(RelationId(relation), Epoch(after))?.map(|change| change.unwrap().0.0).collect())
}

#[test]
fn changes_follow_an_epoch_and_only_published_ones_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let both = vec![(RelationId(1), bytes("a")), (RelationId(2), bytes("x")), (RelationId(1), bytes("b"))];
    write_and_sync(&store, Commit { changes: both, ..commit(1, vec![]) });
    write_and_sync(&store, commit_of(2, 2, bytes("y")));
    write_and_sync(&store, commit_of(3, 1, bytes("c")));
    let written = store.write(commit_of(4, 1, bytes("d"))).unwrap();
    let changes: Vec<_> = store.changes(RelationId(1), Epoch(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(changes, [(Epoch(1), bytes("a")), (Epoch(1), bytes("b")), (Epoch(3), bytes("c"))]);
    assert_eq!(epochs_after(&store, 1, 1).unwrap(), [3]);
    assert_eq!(epochs_after(&store, 1, 3).unwrap(), [0; 0]);
    assert_eq!(epochs_after(&store, 9, 0).unwrap(), [0; 0]);
    let before = store.changes(RelationId(1), Epoch(3)).unwrap();
    store.sync(written).unwrap();
    assert_eq!(epochs_after(&store, 1, 3).unwrap(), [4]);
    assert_eq!(before.count(), 0, "an iterator sees what was published when it was made");
}

#[test]
fn the_oldest_changes_are_trimmed_and_asking_for_them_says_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let change = Bytes::from(vec![7; 10_000]);
    let epochs = 4 * CHANGELOG_BYTES / change.len() as u64;
    let mut kept_from = 1;
    for epoch in 1..=epochs {
        write_and_sync(&store, commit_of(epoch, 1 + (epoch % 3) as u32, change.clone()));
        if epoch % 100 == 0 {
            // What is kept and accounted for is the same after a restart.
            drop(store);
            store = open(dir.path());
        }
        let kept = match store.changes(RelationId(1), Epoch(0)) {
            Ok(_) => 1,
            Err(Trimmed::Before(Epoch(kept))) => kept,
            Err(Trimmed::Store(error)) => panic!("{error}"),
        };
        assert!(kept >= kept_from, "what was trimmed does not come back");
        kept_from = kept;
        let kept_bytes = (epoch + 1 - kept_from) * (change.len() as u64 + 16);
        assert!(kept_bytes <= CHANGELOG_BYTES, "{kept_bytes} at epoch {epoch}");
        let trimmed = CHANGELOG_BYTES - CHANGELOG_BYTES / limits::CHANGELOG_STRETCHES * 2;
        assert!(kept_from == 1 || kept_bytes >= trimmed, "no more is trimmed than need be: {kept_bytes}");
    }
    assert!(kept_from > epochs / 2);
    for relation in 1..=3 {
        let expected: Vec<u64> = (kept_from..=epochs).filter(|epoch| 1 + epoch % 3 == relation as u64).collect();
        assert_eq!(epochs_after(&store, relation, kept_from - 1).unwrap(), expected);
    }
    let refused = epochs_after(&store, 2, kept_from - 2).unwrap_err();
    assert_eq!(refused.to_string(), format!("changes are kept from epoch {kept_from} on"));
    let mut entries = store.shared.rocks.db.raw_iterator_cf(store.shared.rocks.family(key::CHANGELOG));
    entries.seek_to_first();
    let oldest = entries.key().and_then(key::change_epoch).unwrap();
    assert!(oldest >= kept_from, "trimmed entries are gone from the store");
}

#[test]
fn an_epoch_larger_than_the_changelog_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write_and_sync(&store, commit_of(1, 1, Bytes::from(vec![1; CHANGELOG_BYTES as usize + 1])));
    assert!(matches!(epochs_after(&store, 1, 0), Err(Trimmed::Before(Epoch(2)))));
    assert_eq!(epochs_after(&store, 1, 1).unwrap(), [0; 0]);
    write_and_sync(&store, commit_of(2, 1, bytes("small")));
    assert_eq!(epochs_after(&store, 1, 1).unwrap(), [2]);
}
