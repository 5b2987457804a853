//! A client that subscribes with PROGRESS and adds up what comes.

use std::collections::BTreeMap;
use std::time::Duration;

use dataflow::Epoch;
use futures::TryStreamExt;
use tests::node::PATIENCE;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// A row of numbers.
pub type Row = Vec<i64>;

/// What came of one subscription, over any number of connections.
pub struct Follower {
    pub sql: String,
    /// (epoch, row, difference), in the order they came.
    changes: Vec<(Epoch, Row, i64)>,
    /// The sums at each epoch that was said to be complete.
    progress: Vec<(Epoch, BTreeMap<Row, i64>)>,
    sums: BTreeMap<Row, i64>,
}

/// A follower that runs.
pub struct Running {
    task: JoinHandle<Follower>,
    until: watch::Sender<Option<Epoch>>,
}

impl Follower {
    pub fn new(sql: &str) -> Follower {
        Follower { sql: sql.to_owned(), changes: Vec::new(), progress: Vec::new(), sums: BTreeMap::new() }
    }

    /// Epochs with the rows that there were then.
    pub fn progress(&self) -> &[(Epoch, BTreeMap<Row, i64>)] {
        &self.progress
    }

    /// The rows at an epoch, from the changes up to it.
    pub fn at(&self, epoch: Epoch) -> BTreeMap<Row, i64> {
        let mut rows = BTreeMap::new();
        for (_, row, diff) in self.changes.iter().filter(|(changed, ..)| *changed <= epoch) {
            add(&mut rows, row.clone(), *diff);
        }
        rows
    }

    /// Goes on where it was, `delay_ms` from now, until it is told an epoch and that is complete.
    pub fn run(mut self, client: Client, delay_ms: u64) -> Running {
        let (until, told) = watch::channel(None);
        let task = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            tokio::time::timeout(PATIENCE, self.follow(&client, told)).await.expect("the epoch comes");
            self
        });
        Running { task, until }
    }

    async fn follow(&mut self, client: &Client, mut told: watch::Receiver<Option<Epoch>>) {
        let from = self.progress.last().map_or_else(String::new, |(epoch, _)| format!(" AS OF {epoch}"));
        let subscribe = format!("{} WITH (PROGRESS){from}", self.sql);
        let rows = client.query_raw::<_, i64, _>(&subscribe, []).await;
        let rows = rows.unwrap_or_else(|error| panic!("{subscribe}: {error:?}"));
        let mut rows = std::pin::pin!(rows);
        loop {
            let complete = self.progress.last().map(|(epoch, _)| *epoch);
            if let Some(until) = *told.borrow_and_update()
                && complete >= Some(until)
            {
                return;
            }
            let row = tokio::select! {
                row = rows.try_next() => row.unwrap().expect("a subscription does not end"),
                Ok(()) = told.changed() => continue,
            };
            self.take(&row);
        }
    }

    fn take(&mut self, row: &tokio_postgres::Row) {
        let epoch = Epoch(row.get::<_, i64>("epoch") as u64);
        let complete = self.progress.last().map(|(epoch, _)| *epoch);
        if row.get("progressed") {
            assert_eq!(row.get::<_, Option<i64>>("diff"), None);
            assert!(complete <= Some(epoch), "{}: epoch {epoch} after {complete:?}", self.sql);
            self.progress.push((epoch, self.sums.clone()));
            return;
        }
        assert!(complete < Some(epoch), "{}: a change of epoch {epoch}, complete since {complete:?}", self.sql);
        let (values, diff): (Row, i64) = ((3..row.len()).map(|at| row.get(at)).collect(), row.get("diff"));
        add(&mut self.sums, values.clone(), diff);
        self.changes.push((epoch, values, diff));
    }
}

impl Running {
    /// The follower once it knows of an epoch that it is complete.
    pub async fn until(self, epoch: Epoch) -> Follower {
        self.until.send_replace(Some(epoch));
        self.task.await.unwrap()
    }
}

/// Adds a difference; what occurs no times is not there, and nothing occurs fewer times.
fn add(rows: &mut BTreeMap<Row, i64>, row: Row, diff: i64) {
    let count = rows.get(&row).copied().unwrap_or(0) + diff;
    assert!(count >= 0, "{row:?} occurs {count} times");
    match count {
        0 => rows.remove(&row),
        _ => rows.insert(row, count),
    };
}
