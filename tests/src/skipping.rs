//! What a test does not try because this machine lacks something: said where it is seen, and forbidden where all must be tried.

#![allow(dead_code, reason = "a test program may use a part of it")]

use std::fmt::Display;
use std::io::Write;

/// Set where every test must be tried to its end: a skip is then a failure.
const FORBIDDEN: &str = "CAUDAL_NO_SKIPS";

/// Says that the rest of a test is skipped for want of what can be installed. Panics where `CAUDAL_NO_SKIPS` is set.
#[track_caller]
pub fn skip(why: impl Display) {
    assert!(std::env::var_os(FORBIDDEN).is_none(), "{FORBIDDEN} is set, and this would be skipped: {why}");
    say(why);
}

/// The same for want of what nobody can install, such as data that is not public or a right that the system keeps: never a
/// failure.
pub fn skip_what_cannot_be_had(why: impl Display) {
    say(why);
}

/// Past libtest, which keeps to itself what passing tests print: it takes what macros print, not what is written to the stream.
fn say(why: impl Display) {
    let thread = std::thread::current();
    // Written at once, so that tests beside each other do not write into each other's lines.
    let line = format!("skipped: {}: {why}\n", thread.name().unwrap_or("a test"));
    let _ = std::io::stderr().write_all(line.as_bytes());
}
