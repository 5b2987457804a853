//! A directory is opened by one node at a time, and refused with words when it cannot be.

use std::process::{Command, Stdio};

use super::*;

const HOLD_DIR: &str = "CAUDAL_TEST_HOLD_DIR";

/// In a process of its own: holds the store of another test until its input ends.
#[test]
fn holder() {
    let Some(dir) = std::env::var_os(HOLD_DIR) else {
        return;
    };
    let _store = open(Path::new(&dir));
    println!("holding");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

#[test]
fn a_directory_in_use_by_another_process_is_refused_and_left_alone() {
    use std::io::{BufRead, BufReader};
    let dir = tempfile::tempdir().unwrap();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "table::tests::reopen::holder", "--nocapture"])
        .env(HOLD_DIR, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")), "the other process opens the store");
    let listing = || {
        let mut names: Vec<_> =
            std::fs::read_dir(dir.path().join("rocks")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = listing();
    let refused = try_open(dir.path()).err().expect("the directory is in use");
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("in use by another node: stop it"), "{refused}");
    assert_eq!(listing(), before);
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    open(dir.path());
}

#[test]
fn a_newer_store_is_refused_with_words() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    std::fs::write(dir.path().join("FORMAT"), "caudal table store, format 9\n").unwrap();
    let refused = try_open(dir.path()).err().expect("the directory is newer");
    assert!(matches!(refused, StoreError::Newer { found: 9, known: 1, .. }), "{refused}");
}

#[test]
fn a_store_opens_again_once_the_last_handle_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write_and_sync(&store, commit(1, vec![puts(1, &[("k", "1")])]));
    let clone = store.clone();
    drop(store);
    assert!(matches!(try_open(dir.path()), Err(StoreError::InUse { .. })));
    drop(clone);
    let store = open(dir.path());
    assert_eq!((store.last().epoch, store.last().now_ms), (Epoch(1), 1_000));
    write_and_sync(&store, commit(2, vec![puts(1, &[("k", "2")])]));
    assert_eq!(rows(&reader(&store), 1), [row("k", "2")]);
}
