//! A whole database under a load that tells at the end whether anything was lost or counted twice.
//!
//! Every event has a number that no other has. `sent` keeps each as it came; `latest` keeps the last number of each group, so
//! its rows are corrected all the time; `streamed` is a stream, of which views alone keep anything; views count and sum over
//! them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use futures::TryStreamExt;
use sql::limits::CHANGELOG_BYTES;
use sql::{Cancel, Config, Database, Identity, Response, SqlError};
use storage::Event;
use storage::log::ClusterOptions;

/// Groups that the numbers fall into.
pub const GROUPS: i64 = 50;

/// The definitions, in order.
const DEFINITIONS: [&str; 10] = [
    "CREATE TABLE sent (n bigint, grp bigint) WITH (mqtt = 'sent/{grp}')",
    "CREATE TABLE latest (grp bigint PRIMARY KEY, n bigint) WITH (mqtt = 'latest/{grp}')",
    "CREATE TABLE barrier (n bigint PRIMARY KEY)",
    "CREATE MATERIALIZED VIEW times AS SELECT n, count(*) AS times FROM sent GROUP BY n",
    "CREATE MATERIALIZED VIEW groups AS SELECT grp, count(*) AS times, sum(n) AS total, min(n) AS low, max(n) AS high \
     FROM sent GROUP BY grp",
    "CREATE MATERIALIZED VIEW totals AS SELECT sum(times) AS times, sum(total) AS total FROM groups",
    "CREATE MATERIALIZED VIEW latest_total AS SELECT count(*) AS groups, sum(n) AS total FROM latest",
    "CREATE TABLE streamed (n bigint, grp bigint) WITH (stream = true)",
    "CREATE MATERIALIZED VIEW stream_times AS SELECT n, count(*) AS times FROM streamed GROUP BY n",
    "CREATE MATERIALIZED VIEW stream_groups AS SELECT grp, count(*) AS times, sum(n) AS total, min(n) AS low, max(n) AS high \
     FROM streamed GROUP BY grp",
];

/// Each view, and the same answer computed from the tables when asked, or from another view.
const RECOMPUTED: [(&str, &str); 5] = [
    ("SELECT n, times FROM times ORDER BY n", "SELECT n, count(*) AS times FROM sent GROUP BY n ORDER BY n"),
    (
        "SELECT grp, times, total, low, high FROM groups ORDER BY grp",
        "SELECT grp, count(*) AS times, sum(n) AS total, min(n) AS low, max(n) AS high FROM sent GROUP BY grp ORDER BY grp",
    ),
    ("SELECT times, total FROM totals", "SELECT nullif(count(*), 0) AS times, sum(n) AS total FROM sent"),
    ("SELECT groups, total FROM latest_total", "SELECT count(*) AS groups, sum(n) AS total FROM latest"),
    (
        "SELECT grp, times, total, low, high FROM stream_groups ORDER BY grp",
        "SELECT n % 50 AS grp, sum(times) AS times, sum(n) AS total, min(n) AS low, max(n) AS high FROM stream_times \
         GROUP BY n % 50 ORDER BY grp",
    ),
];

/// A view that is created and dropped all the time, and its answer computed from the tables. It joins, so that its filling
/// reads what the epochs beside it write.
const EXTRA: [&str; 2] = [
    "SELECT s.grp, count(*) AS times, max(s.n) AS high, max(l.n) AS latest FROM sent s JOIN latest l ON l.grp = s.grp \
     GROUP BY s.grp",
    "SELECT grp, times, high, latest FROM extra ORDER BY grp",
];

/// The same over the stream: it is filled from the log while events come.
const EXTRA_STREAM: [&str; 3] = [
    "SELECT grp, count(*) AS times, max(n) AS high FROM streamed GROUP BY grp",
    "SELECT grp, times, high FROM extra_stream ORDER BY grp",
    "SELECT grp, times, high FROM stream_groups ORDER BY grp",
];

/// A view whose filling writes more than goes through the write-ahead log, though few of the events come into it: its answer
/// kept and computed. The rows are megabytes together, so that they are compared by their hashes.
const EXTRA_WIDE: [&str; 3] = [
    "SELECT n, max(repeat(n || ' ', 262144)) AS wide FROM sent WHERE n < 10 GROUP BY n",
    "SELECT n, md5(wide) FROM extra_wide ORDER BY n",
    "SELECT DISTINCT n, md5(repeat(n || ' ', 262144)) FROM sent WHERE n < 10 ORDER BY n",
];

/// Rows as text, NULL as an empty string.
pub type Rows = Vec<Vec<String>>;

/// Opens the database and defines what is not defined yet.
pub async fn open(data_dir: &Path) -> Result<Arc<Database>, SqlError> {
    open_over(data_dir, None).await
}

/// The same with the log in a Kafka cluster.
pub async fn open_over(data_dir: &Path, cluster: Option<ClusterOptions>) -> Result<Arc<Database>, SqlError> {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64;
    let config = Config {
        data_dir: data_dir.to_owned(),
        cache_bytes: 16 << 20,
        changelog_bytes: CHANGELOG_BYTES,
        clock: Arc::new(clock),
        cluster,
    };
    let database = Database::open(config).await?;
    for definition in DEFINITIONS {
        match run(&database, definition).await {
            // It was there before.
            Err(SqlError { sqlstate: "42P07", .. }) => {}
            other => drop(other?),
        }
    }
    Ok(database)
}

/// Runs a statement.
pub async fn run(database: &Arc<Database>, statement: &str) -> Result<Rows, SqlError> {
    let session = database.session(Identity::Operator("caudal".into()));
    let prepared = session.prepare(statement, &[]).await?;
    let Response::Rows { rows, .. } = session.execute(&prepared, vec![], Cancel::new()).await? else {
        return Ok(vec![]);
    };
    let batches: Vec<_> = rows.try_collect().await?;
    let mut rows = Rows::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| array_value_to_string(column, row));
            rows.push(cells.collect::<Result<_, _>>().map_err(|error| SqlError::new("XX000", error.to_string()))?);
        }
    }
    Ok(rows)
}

/// Appends numbers to the tables and the stream; they are durable on return.
pub async fn append(database: &Database, numbers: std::ops::Range<i64>) -> Result<(), SqlError> {
    let events = |numbers: std::ops::Range<i64>| {
        let json = |n| format!("{{\"n\": {n}, \"grp\": {}}}", n % GROUPS);
        numbers.map(|n| Event { value: Some(Bytes::from(json(n))), ..Event::default() }).collect::<Vec<_>>()
    };
    let keyed = |numbers: std::ops::Range<i64>| {
        let mut events = events(numbers.clone());
        let keys = numbers.map(|n| Bytes::from(format!("{{\"grp\": {}}}", n % GROUPS)));
        events.iter_mut().zip(keys).for_each(|(event, key)| event.key = Some(key));
        events
    };
    database.append("sent", events(numbers.clone())).await?;
    database.append("latest", keyed(numbers.clone())).await?;
    database.append("streamed", events(numbers)).await?;
    Ok(())
}

/// Waits until everything that is in the log is published: a row of `barrier` comes after it.
pub async fn catch_up(database: &Arc<Database>) -> Result<(), SqlError> {
    let next = "SELECT coalesce(max(n), 0) + 1 FROM barrier";
    let next = run(database, next).await?.remove(0).remove(0);
    run(database, &format!("INSERT INTO barrier VALUES ({next})")).await.map(drop)
}

/// Creates a view that is flushed once it is filled; it is durable on return.
pub async fn create_wide(database: &Arc<Database>) -> Result<(), SqlError> {
    run(database, &format!("CREATE OR REPLACE MATERIALIZED VIEW extra_wide AS {}", EXTRA_WIDE[0])).await.map(drop)
}

/// Whether that view is there.
pub async fn has_wide(database: &Arc<Database>) -> bool {
    run(database, EXTRA_WIDE[1]).await.is_ok()
}

/// Creates, replaces and drops views again and again, and gives the tables columns.
pub async fn create_and_drop(database: &Arc<Database>) -> Result<(), SqlError> {
    let mut round = 0;
    loop {
        round += 1;
        let column = round % 8;
        let add = format!("ADD COLUMN IF NOT EXISTS x{column} bigint DEFAULT {column}");
        run(database, &format!("ALTER TABLE {} {add}", if round % 2 == 0 { "sent" } else { "latest" })).await?;
        run(database, &format!("CREATE MATERIALIZED VIEW IF NOT EXISTS extra AS {}", EXTRA[0])).await?;
        run(database, &format!("CREATE OR REPLACE MATERIALIZED VIEW extra AS {}", EXTRA[0])).await?;
        run(database, "DROP MATERIALIZED VIEW extra").await?;
        run(database, &format!("CREATE OR REPLACE MATERIALIZED VIEW extra_stream AS {}", EXTRA_STREAM[0])).await?;
        create_wide(database).await?;
    }
}

/// Fails in words when a view differs from its recomputation, or an event is lost, counted twice or was never sent.
///
/// `acknowledged` and `sent` are ranges of numbers; what was sent and not acknowledged may be there or not. `streamed`: whether
/// they were sent to the stream as well, which takes nothing by MQTT.
pub async fn check(
    database: &Arc<Database>,
    acknowledged: &[std::ops::Range<i64>],
    sent: &std::ops::Range<i64>,
    streamed: bool,
) -> Result<(), String> {
    let ask = async |statement: &str| run(database, statement).await.map_err(|error| format!("{statement}: {error}"));
    for (view, recomputed) in RECOMPUTED {
        let (kept, computed) = (ask(view).await?, ask(recomputed).await?);
        if kept != computed {
            return Err(format!("{view} gives {kept:?}, recomputed {computed:?}"));
        }
    }
    let extra = format!("{} ORDER BY s.grp", EXTRA[0]);
    let extras = [(EXTRA[1], &*extra), (EXTRA_STREAM[1], EXTRA_STREAM[2]), (EXTRA_WIDE[1], EXTRA_WIDE[2])];
    for (view, recomputed) in extras {
        match run(database, view).await {
            // It had just been dropped, or was not there yet.
            Err(SqlError { sqlstate: "42P01", .. }) => {}
            kept => {
                let (kept, computed) = (kept.map_err(|error| error.to_string())?, ask(recomputed).await?);
                if kept != computed {
                    return Err(format!("{view} gives {kept:?}, recomputed {computed:?}"));
                }
            }
        }
    }
    let integer = |cell: &String| cell.parse::<i64>().map_err(|error| format!("{cell:?}: {error}"));
    let mut counted = [BTreeSet::new(), BTreeSet::new()];
    for (counted, view) in counted.iter_mut().zip(["times", "stream_times"]) {
        for row in ask(&format!("SELECT n, times FROM {view}")).await? {
            let (n, times) = (integer(&row[0])?, integer(&row[1])?);
            if times != 1 || !sent.contains(&n) {
                return Err(format!("event {n} is counted {times} times in {view}, sent were {sent:?}"));
            }
            counted.insert(n);
        }
    }
    let mut newest = std::collections::BTreeMap::new();
    for n in acknowledged.iter().cloned().flatten() {
        if counted.iter().zip([true, streamed]).any(|(counted, wanted)| wanted && !counted.contains(&n)) {
            return Err(format!("acknowledged event {n} is lost"));
        }
        newest.insert(n % GROUPS, n);
    }
    for row in ask("SELECT grp, n FROM latest").await? {
        let (group, n) = (integer(&row[0])?, integer(&row[1])?);
        let acknowledged = newest.remove(&group).unwrap_or(i64::MIN);
        if n < acknowledged || !sent.contains(&n) || n % GROUPS != group {
            return Err(format!("group {group} is at {n}, acknowledged was {acknowledged}"));
        }
    }
    if let Some((group, n)) = newest.pop_first() {
        return Err(format!("group {group} is lost, acknowledged was {n}"));
    }
    match ask("SELECT count(*) FROM caudal.quarantine").await?.remove(0).remove(0).as_str() {
        "0" => Ok(()),
        events => Err(format!("{events} events are in quarantine")),
    }
}
