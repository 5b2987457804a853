//! Views come and go beside a running engine: events are taken while a view is filled, and it is there whole or not at all.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dataflow::RelationId;
use sql::catalog::{Catalog, Definition, Entry, Materialized};
use sql::{Cancel, Database, Identity, SqlError};
use storage::{Commit, Store, StoreOptions};
use tests::load::{self, GROUPS, Rows, run};
use tokio::task::JoinHandle;

const ROWS: i64 = 20_000;
const APPEND: i64 = 500;
const BY_TENS: &str = "SELECT n / 10 AS ten, count(*) AS times, sum(n) AS total FROM sent GROUP BY n / 10";
/// So many pairs that it is not there before somebody stops it.
const ENDLESS: &str = "SELECT a.n AS a, b.n AS b FROM sent a JOIN sent b ON b.grp = a.grp";

async fn loaded(dir: &std::path::Path) -> Arc<Database> {
    let database = load::open(dir).await.unwrap();
    append(&database, 0..ROWS).await;
    load::catch_up(&database).await.unwrap();
    database
}

async fn append(database: &Database, numbers: Range<i64>) {
    for first in numbers.clone().step_by(APPEND as usize) {
        load::append(database, first..(first + APPEND).min(numbers.end)).await.unwrap();
    }
}

/// A statement that runs beside others until it is cancelled.
fn begin(database: &Arc<Database>, statement: String) -> (JoinHandle<Result<(), SqlError>>, Cancel) {
    let (session, cancel) = (database.session(Identity::Operator("caudal".into())), Cancel::new());
    let stop = cancel.clone();
    let running = tokio::spawn(async move {
        let prepared = session.prepare(&statement, &[]).await?;
        session.execute(&prepared, vec![], stop).await.map(drop)
    });
    (running, cancel)
}

async fn fills(database: &Arc<Database>) -> Rows {
    run(database, "SELECT view, phase, rows_read FROM caudal.fills ORDER BY view").await.unwrap()
}

/// Waits until a view is being filled.
async fn filling(database: &Arc<Database>, view: &str) {
    while !fills(database).await.iter().any(|fill| fill[0] == view && fill[1] == "filling" && fill[2] != "0") {}
}

async fn refused(database: &Arc<Database>, statement: &str) -> (&'static str, String) {
    let error = run(database, statement).await.expect_err(statement);
    (error.sqlstate, error.message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_taken_and_views_follow_while_a_view_is_filled() {
    let dir = tempfile::tempdir().unwrap();
    let database = loaded(dir.path()).await;
    let done = Arc::new(AtomicBool::new(false));
    let (ends, writer_database) = (done.clone(), database.clone());
    let writer = tokio::spawn(async move {
        let (mut next, mut during) = (ROWS, 0);
        while !ends.load(Ordering::Relaxed) {
            let was_filling = !fills(&writer_database).await.is_empty();
            load::append(&writer_database, next..next + 20).await.unwrap();
            // Visible in the views that there were, before the answer comes.
            load::catch_up(&writer_database).await.unwrap();
            during += usize::from(was_filling && !fills(&writer_database).await.is_empty());
            next += 20;
        }
        (next, during)
    });
    for (name, query) in
        [("by_tens", BY_TENS), ("with_latest", "SELECT s.n, l.n AS latest FROM sent s JOIN latest l USING (grp)")]
    {
        run(&database, &format!("CREATE MATERIALIZED VIEW {name} AS {query}")).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let (end, during) = writer.await.unwrap();
    assert!(during > 0, "no epoch was published while a view was filled");
    load::check(&database, std::slice::from_ref(&(0..end)), &(0..end), true).await.unwrap();
    let kept = run(&database, "SELECT ten, times, total FROM by_tens ORDER BY ten").await.unwrap();
    assert_eq!(kept, run(&database, &format!("{BY_TENS} ORDER BY ten")).await.unwrap());
    let kept = run(&database, "SELECT n, latest FROM with_latest ORDER BY n").await.unwrap();
    let computed = "SELECT s.n, l.n AS latest FROM sent s JOIN latest l USING (grp) ORDER BY n";
    assert_eq!(kept, run(&database, computed).await.unwrap());
    assert_eq!(fills(&database).await, Rows::new());
    database.close().await;
    drop(database);
    // It is the view of the catalogue, and its rows were durable.
    let database = load::open(dir.path()).await.unwrap();
    load::append(&database, end..end + 5).await.unwrap();
    load::catch_up(&database).await.unwrap();
    let kept = run(&database, "SELECT ten, times, total FROM by_tens ORDER BY ten").await.unwrap();
    assert_eq!(kept, run(&database, &format!("{BY_TENS} ORDER BY ten")).await.unwrap());
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_filled_holds_its_name_and_sources_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let database = loaded(dir.path()).await;
    let create = format!("CREATE MATERIALIZED VIEW pairs AS {ENDLESS}");

    let (creating, cancel) = begin(&database, create.clone());
    filling(&database, "pairs").await;
    assert_eq!(refused(&database, "SELECT * FROM pairs").await.0, "42P01", "nothing half-made is seen");
    assert_eq!(refused(&database, &create).await.0, "42P07");
    assert_eq!(refused(&database, "CREATE TABLE pairs (n bigint)").await.0, "42P07");
    let (code, words) = refused(&database, "DROP TABLE sent").await;
    assert_eq!(code, "2BP01");
    assert!(words.contains("pairs"), "{words}");
    cancel.cancel();
    assert_eq!(creating.await.unwrap().unwrap_err().sqlstate, "57014");

    // Its place is free; the next one is told apart from it once it has ended.
    while !fills(&database).await.is_empty() {}
    let (creating, _) = begin(&database, create.clone());
    filling(&database, "pairs").await;
    let (waiting, _) = begin(&database, "CREATE MATERIALIZED VIEW later AS SELECT n FROM latest".to_owned());
    while fills(&database).await.len() < 2 {}
    assert_eq!(fills(&database).await[0][..2], ["later", "waiting"]);
    run(&database, "DROP MATERIALIZED VIEW pairs").await.unwrap();
    assert_eq!(creating.await.unwrap().unwrap_err().sqlstate, "57014");
    waiting.await.unwrap().unwrap();
    assert_eq!(run(&database, "SELECT count(*) FROM later").await.unwrap(), [["50"]]);

    // Closing does not wait for it; what it wrote is swept.
    let (creating, _) = begin(&database, create);
    filling(&database, "pairs").await;
    database.close().await;
    assert!(creating.await.unwrap().is_err());
    drop(database);
    let database = load::open(dir.path()).await.unwrap();
    assert_eq!(refused(&database, "SELECT * FROM pairs").await.0, "42P01");
    load::check(&database, std::slice::from_ref(&(0..ROWS)), &(0..ROWS), true).await.unwrap();
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_is_replaced_at_once_and_answers_until_then() {
    let dir = tempfile::tempdir().unwrap();
    let database = loaded(dir.path()).await;
    let execute =
        async |statement: &str| run(&database, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    execute("CREATE MATERIALIZED VIEW quotients AS SELECT n, 100 / grp AS part FROM sent").await;
    execute("COMMENT ON MATERIALIZED VIEW quotients IS 'by group'").await;
    execute("COMMENT ON COLUMN quotients.n IS 'number'").await;
    execute("COMMENT ON COLUMN quotients.part IS 'part'").await;
    execute("CREATE VIEW above AS SELECT n FROM quotients").await;
    let failed = ROWS / load::GROUPS;
    assert_eq!(execute("SELECT sum(count) FROM caudal.errors").await, [[failed.to_string()]]);

    // While the new one is filled the old one answers and follows.
    let replace = "CREATE OR REPLACE MATERIALIZED VIEW quotients AS SELECT a.n AS n, b.n AS other FROM sent a JOIN sent b ON b.grp = a.grp";
    let (replacing, cancel) = begin(&database, replace.to_owned());
    filling(&database, "quotients").await;
    append(&database, ROWS..ROWS + 3).await;
    load::catch_up(&database).await.unwrap();
    assert_eq!(execute("SELECT count(part) FROM quotients").await, [[(ROWS + 2 - failed).to_string()]]);
    cancel.cancel();
    assert_eq!(replacing.await.unwrap().unwrap_err().sqlstate, "57014");
    assert_eq!(execute("SELECT count(part) FROM quotients").await, [[(ROWS + 2 - failed).to_string()]]);

    // Its errors are the new plan's, a comment stays where its column does.
    execute(
        "CREATE OR REPLACE MATERIALIZED VIEW quotients AS SELECT n, 100 / (grp - 1) AS other FROM sent WHERE grp < 2",
    )
    .await;
    assert_eq!(execute("SELECT sum(count) FROM caudal.errors").await, [[(failed + 1).to_string()]]);
    assert_eq!(execute("SELECT count(*) FROM quotients WHERE other = -100").await, [[(failed + 1).to_string()]]);
    assert_eq!(execute("SELECT count(*) FROM above").await, [[(failed + 1).to_string()]]);
    let comments = "SELECT description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid WHERE c.relname = 'quotients' \
                    ORDER BY objsubid";
    assert_eq!(execute(comments).await, [["by group"], ["number"]]);

    // Nobody's view changes under them.
    let (code, words) =
        refused(&database, "CREATE OR REPLACE MATERIALIZED VIEW quotients AS SELECT grp FROM sent").await;
    assert_eq!((code, words.contains("above")), ("2BP01", true), "{words}");
    execute("CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM above").await;
    for statement in [
        "CREATE OR REPLACE MATERIALIZED VIEW quotients AS SELECT n FROM sent",
        "CREATE OR REPLACE VIEW above AS SELECT n FROM sent",
    ] {
        let (code, words) = refused(&database, statement).await;
        assert_eq!((code, words.contains("counted")), ("2BP01", true), "{words}");
    }
    for (statement, code) in [
        ("CREATE OR REPLACE VIEW quotients AS SELECT 1 AS n", "42809"),
        ("CREATE OR REPLACE MATERIALIZED VIEW sent AS SELECT 1 AS n", "42809"),
        ("CREATE OR REPLACE MATERIALIZED VIEW counted AS SELECT n FROM counted", "42P17"),
    ] {
        assert_eq!(refused(&database, statement).await.0, code, "{statement}");
    }
    execute("DROP MATERIALIZED VIEW counted").await;
    execute("CREATE OR REPLACE VIEW above AS SELECT n, 1 AS one FROM latest").await;
    assert_eq!(execute("SELECT sum(one) FROM above").await, [[load::GROUPS.to_string()]]);
    execute("CREATE OR REPLACE MATERIALIZED VIEW quotients AS SELECT grp FROM latest").await;

    database.close().await;
    drop(database);
    let database = load::open(dir.path()).await.unwrap();
    assert_eq!(run(&database, "SELECT count(*) FROM quotients").await.unwrap(), [[load::GROUPS.to_string()]]);
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_while_views_are_replaced_sees_one_of_them_whole() {
    let dir = tempfile::tempdir().unwrap();
    let database = load::open(dir.path()).await.unwrap();
    append(&database, 0..APPEND).await;
    run(&database, "CREATE MATERIALIZED VIEW shown AS SELECT grp, 0 AS version FROM latest").await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let (ends, reader_database) = (done.clone(), database.clone());
    let reader = tokio::spawn(async move {
        let mut reads = 0;
        while !ends.load(Ordering::Relaxed) {
            let query = "SELECT count(*), min(version) = max(version) FROM shown";
            assert_eq!(run(&reader_database, query).await.unwrap(), [[load::GROUPS.to_string(), "true".to_owned()]]);
            reads += 1;
        }
        reads
    });
    for version in 1..=30 {
        let query = format!("SELECT grp, {version} AS version FROM latest");
        run(&database, &format!("CREATE OR REPLACE MATERIALIZED VIEW shown AS {query}")).await.unwrap();
        // The next epoch's snapshot is without the one before.
        load::catch_up(&database).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    assert!(reader.await.unwrap() > 0);
    database.close().await;
}

/// The rows and the bytes of each state that an explained view keeps.
fn sizes(text: &str) -> Vec<(u64, u64)> {
    let size = |line: &str| {
        let (_, size) = line.trim().strip_prefix("* ")?.split_once(": ")?;
        let (rows, bytes) = size.split_once(" rows, ")?;
        let (number, unit) = bytes.split_once(' ')?;
        let scale = match unit {
            "bytes" => 1,
            "kB" => 1_000,
            "MB" => 1_000_000,
            other => panic!("{other} is a size"),
        };
        Some((rows.trim_start_matches("about ").parse().unwrap(), number.parse::<u64>().unwrap() * scale))
    };
    text.lines().filter_map(size).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_analyze_says_what_the_operators_of_a_view_have_done_and_what_they_keep() {
    let dir = tempfile::tempdir().unwrap();
    let database = loaded(dir.path()).await;
    let create = "CREATE MATERIALIZED VIEW few AS SELECT s.n, l.n AS latest FROM sent s JOIN latest l ON l.n = s.n + 1 \
                  WHERE s.grp < 5";
    run(&database, create).await.unwrap();
    append(&database, ROWS..ROWS + APPEND).await;
    load::catch_up(&database).await.unwrap();
    let explained = async |database: &Arc<Database>, statement: &str| -> String {
        let lines = run(database, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        lines.into_iter().map(|mut line| line.remove(0) + "\n").collect()
    };
    let text = explained(&database, "EXPLAIN ANALYZE MATERIALIZED VIEW groups").await;
    let all = ROWS + APPEND;
    assert!(text.contains(": 50 rows, ") && text.contains(&format!("* {all} changes in, {all} out, ")), "{text}");
    let few = explained(&database, "EXPLAIN ANALYZE few").await;
    for text in [&text, &few] {
        let sizes = sizes(text);
        assert!(sizes.iter().any(|(rows, _)| *rows > 0), "{text}");
        // A row has some numbers and their key.
        let plausible = |&(rows, bytes): &(u64, u64)| (4 * rows..=1_000 * rows).contains(&bytes);
        assert!(sizes.iter().all(plausible), "{sizes:?} in {text}");
    }
    let text = few;
    // As many rows are corrected as come, and a tenth of what came is sought.
    let fed = APPEND + 2 * GROUPS;
    assert!(text.contains(&format!("  * {fed} changes in, ")), "{text}");
    assert!(text.contains(&format!("* {APPEND} changes in, {} out", APPEND / 10)), "{text}");
    assert!(text.contains(&format!(": {} rows, ", all / 10)), "the index of those that can match: {text}");
    assert!(text.lines().any(|line| line.trim().starts_with("* ") && line.ends_with(" ms")), "{text}");
    assert_eq!(
        explained(&database, "EXPLAIN MATERIALIZED VIEW few").await.lines().count(),
        explained(&database, "EXPLAIN few").await.lines().count()
    );
    let (code, words) = refused(&database, "EXPLAIN ANALYZE sent").await;
    assert_eq!((code, words.as_str()), ("42809", "\"sent\" is a table, and keeps no plan"));
    database.close().await;
    drop(database);
    let database = load::open(dir.path()).await.unwrap();
    let text = explained(&database, "EXPLAIN ANALYZE groups").await;
    assert!(text.contains("* 0 changes in, 0 out, 0 times"), "counted since the start: {text}");
    database.close().await;
}

/// The relations of which a closed node has kept anything.
fn kept(dir: &Path) -> BTreeSet<RelationId> {
    let options = StoreOptions { cache_bytes: 16 << 20, changelog_bytes: 1 << 20 };
    let store = Store::open(&dir.join("table"), options).unwrap();
    let kept = RefCell::new(BTreeSet::new());
    // A sweep asks for each whether it may stay.
    let stays = |relation| {
        kept.borrow_mut().insert(relation);
        true
    };
    store.sweep(&stays).unwrap();
    kept.into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_dropped_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let database = loaded(dir.path()).await;
    database.close().await;
    drop(database);
    let before = kept(dir.path());
    let database = load::open(dir.path()).await.unwrap();
    for statement in [
        "CREATE MATERIALIZED VIEW joined AS SELECT l.n % 7 AS part, count(DISTINCT s.grp) AS groups, max(s.n) AS high, \
         percentile_cont(0.5) WITHIN GROUP (ORDER BY s.n) AS middle FROM sent s JOIN latest l ON l.n = s.n + 1 GROUP BY l.n % 7",
        "CREATE INDEX by_groups ON joined (groups)",
    ] {
        run(&database, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    append(&database, ROWS..ROWS + APPEND).await;
    load::catch_up(&database).await.unwrap();
    database.close().await;
    drop(database);
    let with = kept(dir.path());
    let of_view: Vec<_> = with.difference(&before).collect();
    assert!(of_view.len() >= 4, "the view, its index, and what its join and its aggregates keep: {of_view:?}");
    let database = load::open(dir.path()).await.unwrap();
    run(&database, "DROP MATERIALIZED VIEW joined").await.unwrap();
    database.close().await;
    drop(database);
    let left: Vec<_> = kept(dir.path()).into_iter().filter(|relation| of_view.contains(&relation)).collect();
    assert!(left.is_empty(), "{left:?} of {of_view:?}");
}

/// Changes what the catalogue of a closed node says of a view, as a version would have left it that planned it otherwise.
fn altered(dir: &std::path::Path, view: &str, alter: impl Fn(&mut Materialized)) {
    let options = StoreOptions { cache_bytes: 16 << 20, changelog_bytes: 1 << 20 };
    let store = Store::open(&dir.join("table"), options).unwrap();
    let last = store.last();
    let catalog = Catalog::load(&last.catalog).unwrap();
    let mut entry = Entry::clone(catalog.get(view).unwrap());
    let Definition::MaterializedView(of_view) = &mut entry.definition else { panic!("{view} is a materialized view") };
    alter(of_view);
    let catalog = Catalog::clone(&catalog).put(entry);
    let commit = Commit { epoch: last.epoch.next(), now_ms: last.now_ms, catalog, ..Commit::default() };
    store.sync(store.write(commit).unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_whose_plan_has_changed_is_built_anew_beside_the_running_node_and_is_not_served_before() {
    let dir = tempfile::tempdir().unwrap();
    let database = loaded(dir.path()).await;
    for statement in [
        format!("CREATE MATERIALIZED VIEW by_tens AS {BY_TENS}"),
        "CREATE VIEW plain AS SELECT ten, times FROM by_tens".to_owned(),
        "CREATE MATERIALIZED VIEW over AS SELECT times, count(*) AS tens FROM plain GROUP BY times".to_owned(),
        "CREATE MATERIALIZED VIEW pairs AS SELECT n AS a, grp AS b FROM latest".to_owned(),
        "CREATE MATERIALIZED VIEW last AS SELECT count(*) AS pairs FROM pairs".to_owned(),
    ] {
        run(&database, &statement).await.unwrap();
    }
    database.close().await;
    drop(database);
    // One of them takes another plan, one a plan that it would take for ever to fill.
    altered(dir.path(), "by_tens", |view| view.fingerprint ^= 1);
    altered(dir.path(), "pairs", |view| {
        view.fingerprint ^= 1;
        view.query = ENDLESS.to_owned();
    });
    let database = load::open(dir.path()).await.unwrap();
    append(&database, ROWS..ROWS + APPEND).await;
    load::catch_up(&database).await.unwrap();
    let reads = async |view: &str| run(&database, &format!("SELECT * FROM {view} ORDER BY 1")).await;
    for view in ["by_tens", "plain", "over"] {
        // They are first: withheld, and then there.
        while let Err(error) = reads(view).await {
            assert_eq!(error.sqlstate, "55000", "{view}: {}", error.message);
        }
    }
    let computed = "SELECT ten, times FROM plain ORDER BY ten";
    assert_eq!(
        run(&database, computed).await.unwrap(),
        run(
            &database,
            &BY_TENS.replace(", sum(n) AS total", "").replace("GROUP BY n / 10", "GROUP BY n / 10 ORDER BY 1")
        )
        .await
        .unwrap()
    );
    assert_eq!(reads("over").await.unwrap(), [["10".to_owned(), ((ROWS + APPEND) / 10).to_string()]]);
    for view in ["pairs", "last"] {
        let (code, words) = refused(&database, &format!("SELECT * FROM {view}")).await;
        assert!(code == "55000" && words.contains(view), "{words}");
        let told = format!("SELECT incomplete FROM caudal.relations WHERE name = '{view}'");
        assert_eq!(run(&database, &told).await.unwrap(), [["true"]]);
    }
    let phases = fills(&database).await.into_iter().map(|fill| (fill[0].clone(), fill[1].clone()));
    assert_eq!(phases.map(|(view, _)| view).collect::<Vec<_>>(), ["last", "pairs"]);
    assert_eq!(refused(&database, "CREATE MATERIALIZED VIEW more AS SELECT a FROM pairs").await.0, "55000");
    load::check(&database, std::slice::from_ref(&(0..ROWS + APPEND)), &(0..ROWS + APPEND), true).await.unwrap();
    for view in ["last", "pairs"] {
        run(&database, &format!("DROP MATERIALIZED VIEW {view}")).await.unwrap();
        assert_eq!(refused(&database, &format!("SELECT * FROM {view}")).await.0, "42P01");
    }
    run(&database, "CREATE MATERIALIZED VIEW pairs AS SELECT n AS a, grp AS b FROM latest").await.unwrap();
    database.close().await;
}

/// Tables that joins hold in memory are bounded all together, and what a view that is refused would have needed stays free.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_would_hold_too_much_in_memory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let database = loaded(dir.path()).await;
    for number in 0..4 {
        let table = format!("CREATE TABLE t{number} (id bigint PRIMARY KEY, grp bigint) WITH (max_rows = 1000000)");
        run(&database, &table).await.unwrap();
    }
    let view = |number: i32, on: &str| {
        format!(
            "CREATE MATERIALIZED VIEW v{number}_{on} AS SELECT s.n, t.id FROM sent AS s JOIN t{number} AS t ON t.grp = s.{on}"
        )
    };
    for number in 0..3 {
        run(&database, &view(number, "n")).await.unwrap();
    }
    // Held already, and looked up by its key.
    run(&database, &view(0, "grp")).await.unwrap();
    run(&database, "CREATE MATERIALIZED VIEW by_key AS SELECT s.n FROM sent AS s JOIN t3 AS t ON t.id = s.n")
        .await
        .unwrap();
    let (code, words) = refused(&database, &view(3, "n")).await;
    assert_eq!(code, "53200");
    assert!(words.contains("1000000 rows of t3") && words.contains("3000000"), "{words}");
    run(&database, "DROP MATERIALIZED VIEW v0_grp").await.unwrap();
    run(&database, "DROP MATERIALIZED VIEW v0_n").await.unwrap();
    run(&database, &view(3, "n")).await.unwrap();
    load::append(&database, ROWS..ROWS + 1).await.unwrap();
    run(&database, &format!("INSERT INTO t3 VALUES (1, {ROWS})")).await.unwrap();
    load::catch_up(&database).await.unwrap();
    assert_eq!(run(&database, "SELECT n FROM v3_n").await.unwrap(), [[ROWS.to_string()]]);
    database.close().await;
}
