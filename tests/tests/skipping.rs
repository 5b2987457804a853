//! A test that skips something says so where it is seen, and fails where nothing may be skipped.

use std::process::{Command, Output};

/// Runs one of the tests below as `cargo test` does, whose output is kept unless it fails.
fn run(test: &str, forbidden: bool) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored"]).env_remove("CAUDAL_NO_SKIPS");
    if forbidden {
        command.env("CAUDAL_NO_SKIPS", "1");
    }
    command.output().unwrap()
}

#[test]
#[ignore = "run by the test of skips"]
fn lacks_a_program() {
    tests::skip("the program is not installed");
}

#[test]
#[ignore = "run by the test of skips"]
fn lacks_what_cannot_be_had() {
    tests::skip_what_cannot_be_had("the data is not public");
}

#[test]
fn a_skip_is_seen_and_can_be_forbidden() {
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let skipped = run("lacks_a_program", false);
    assert!(skipped.status.success());
    assert_eq!(said(&skipped), "skipped: lacks_a_program: the program is not installed\n");
    let failed = run("lacks_a_program", true);
    let words = String::from_utf8_lossy(&failed.stdout);
    assert!(!failed.status.success());
    assert!(
        words.contains("CAUDAL_NO_SKIPS is set, and this would be skipped: the program is not installed"),
        "{words}"
    );

    let permitted = run("lacks_what_cannot_be_had", true);
    assert!(permitted.status.success());
    assert_eq!(said(&permitted), "skipped: lacks_what_cannot_be_had: the data is not public\n");
}
