//! A database under load, for tests that kill it: appends numbered events and says what is acknowledged and published.
//! Its arguments are the data directory, the first number and how many follow; `views` behind them has it create and drop
//! views all the time too, `wide` has it create a wide one in the end, and say so. `CAUDAL_BROKERS` names a Kafka cluster that
//! has the log: what that does not acknowledge in time is told and left, and the next events follow.
//!
//! When the disk fails it must go on reading and acknowledge no more. It ends with success either way: it said what it could.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use sql::{Database, SqlError};
use storage::log::ClusterOptions;
use tests::load;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (arguments, besides) = arguments.split_at(3.min(arguments.len()));
    let [dir, first, count] = arguments else { panic!("DIR FIRST COUNT [views|wide]") };
    let (dir, first): (PathBuf, i64) = (dir.into(), first.parse().expect("the first number"));
    let count: i64 = count.parse().expect("how many");
    let brokers = std::env::var("CAUDAL_BROKERS").ok();
    let cluster = brokers.map(|brokers| ClusterOptions { brokers, ..ClusterOptions::default() });
    let patient = cluster.is_some();
    let database = match load::open_over(&dir, cluster).await {
        Ok(database) => database,
        Err(error) => return say(&format!("refused {error}")),
    };
    let mut published = database.published();
    let watcher = tokio::spawn(async move {
        while published.changed().await.is_ok() {
            let epoch = *published.borrow_and_update();
            say(&format!("published {epoch}"));
        }
    });
    let with = |word: &str| besides.first().is_some_and(|given| given == word);
    if with("views") {
        let database = database.clone();
        // Ends only with the process.
        tokio::spawn(async move {
            if let Err(error) = load::create_and_drop(&database).await {
                say(&format!("failed {error}"));
            }
        });
    }
    let mut fed = feed(&database, first, first + count, patient).await;
    if fed.is_ok() && with("wide") {
        fed = load::create_wide(&database).await;
        if fed.is_ok() {
            say("created");
        }
    }
    match fed {
        Ok(()) => say("done"),
        Err(error) => {
            say(&format!("failed {error}"));
            reads_on(&database).await;
        }
    }
    watcher.abort();
    database.close().await;
}

async fn feed(database: &Arc<Database>, first: i64, end: i64, patient: bool) -> Result<(), SqlError> {
    let mut next = first;
    while next < end {
        let numbers = next..(next + 1 + next % 7).min(end);
        next = numbers.end;
        match load::append(database, numbers.clone()).await {
            Ok(()) => say(&format!("acknowledged {} {}", numbers.start, numbers.end)),
            Err(error) if patient => say(&format!("unacknowledged {error}")),
            Err(error) => return Err(error),
        }
    }
    load::catch_up(database).await
}

async fn reads_on(database: &Arc<Database>) {
    load::run(database, "SELECT count(*) FROM sent").await.expect("a database that cannot write reads on");
}

/// A line at once, whole or not at all.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).expect("somebody listens");
}
