//! Reads of what memory has: all that was asked, or nothing.

use super::*;

/// Rows of several blocks, of which opening reads the last.
const ROWS: usize = 1_000;

#[test]
fn what_memory_does_not_have_is_left_to_a_read_that_may_wait() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let names: Vec<String> = (0..ROWS).map(|number| format!("{number:04}")).collect();
    let value = "v".repeat(100);
    let all: Vec<(&str, &str)> = names.iter().map(|name| (&name[..], &value[..])).collect();
    write_and_sync(&store, commit(1, vec![puts(2, &all)]));
    store.flush_filled().unwrap();
    drop(store);
    let store = open(dir.path());
    let (reader, relation, sought) = (reader(&store), RelationId(2), keys(&["0000", "0003", "0003x"]));
    let first_two = || reader.cached(relation, &KeyRange::all(), Direction::Ascending, 2).unwrap();
    assert!(reader.get_cached(relation, &sought).unwrap().is_none());
    assert!(reader.get_cached(relation, &keys(&["0000"])).unwrap().is_none());
    assert!(first_two().is_none());

    reader.get_many(relation, &sought).unwrap();
    let found = reader.get_cached(relation, &sought).unwrap().expect("it was read just now");
    assert_eq!(found.present, [true, true, false]);
    assert_eq!(found.values.iter().collect::<Vec<_>>(), [value.as_bytes(), value.as_bytes(), b""]);
    let (keys, values) = first_two().expect("they are in the same block");
    assert_eq!(keys.iter().collect::<Vec<_>>(), [b"0000", b"0001"]);
    assert_eq!(values.iter().collect::<Vec<_>>(), [value.as_bytes(); 2]);

    // What is written since is another epoch's, wherever it is.
    write_and_sync(&store, commit(2, vec![puts(2, &[("0000", "9"), ("0003x", "4")])]));
    let again = reader.get_cached(relation, &sought).unwrap().expect("it is still there");
    assert_eq!((again.present, again.values.get(0)), (vec![true, true, false], value.as_bytes()));
}
