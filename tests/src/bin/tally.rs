//! A node without doors, for tests of durability: appends numbered events, counts them, and says what is acknowledged and
//! published. Its arguments are the data directory and how many events to append.
//!
//! A log or a store that cannot write must go on failing and go on reading; then both are opened again in this process, and
//! the next numbers follow. A failure that stays ends the program with success: it said what it could not do.

use std::path::{Path, PathBuf};

use storage::{Commit, StoreError};
use tests::tally::{Failure, Tally};

const REOPENED_MAX: usize = 3;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let dir = PathBuf::from(arguments.next().expect("the data directory"));
    let events: u32 = arguments.next().and_then(|count| count.to_str()?.parse().ok()).expect("the number of events");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut next = 0;
    for _ in 0..REOPENED_MAX {
        match runtime.block_on(serve(&dir, &mut next, events)) {
            Ok(()) => break,
            Err(failure) => println!("failed {failure}"),
        }
    }
}

/// Appends and counts until all events are in. `next` is the first number that was not given to the log yet.
async fn serve(dir: &Path, next: &mut u32, events: u32) -> Result<(), Failure> {
    let mut tally = Tally::open(dir).await?;
    let mut unsynced = None;
    loop {
        if *next < events {
            let first = *next;
            *next = (first + 1 + first % 3).min(events);
            if let Err(failure) = tally.append(first..*next).await {
                assert!(tally.append(std::iter::once(*next)).await.is_err(), "a log that stopped acknowledges no more");
                *next += 1;
                return Err(failure);
            }
            println!("acknowledged {first} {next}");
        }
        let written = match tally.count().await {
            Ok(Some(written)) => written,
            Ok(None) => return Ok(()),
            Err(failure) => return stays_stopped(&tally, failure),
        };
        // Every other epoch is published together with the one after it, and the last one at once.
        if unsynced.is_none() && *next < events {
            unsynced = Some(written);
            continue;
        }
        unsynced = None;
        match tally.store.sync(written) {
            Ok(epoch) => println!("published {epoch}"),
            Err(failure) => return stays_stopped(&tally, failure.into()),
        }
    }
}

/// After a failed write the store reads on and writes no more.
fn stays_stopped(tally: &Tally, failure: Failure) -> Result<(), Failure> {
    if let Some(StoreError::Stopped { .. }) = failure.downcast_ref() {
        let again = tally.store.write(Commit { epoch: tally.store.last().epoch.next(), ..Commit::default() });
        assert!(matches!(again, Err(StoreError::Stopped { .. })), "a store that stopped writes no more");
        tally.counted().expect("a store that stopped reads on");
    }
    Err(failure)
}
