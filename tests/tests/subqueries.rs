//! Joins, subqueries and set operations mean what PostgreSQL says, NULLs included: asked as a query, and as a view that was
//! there before its rows, as one that was filled from them, and after a restart.
//!
//! The expected rows are those that PostgreSQL 15 gives.

use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use sql::limits::CHANGELOG_BYTES;
use sql::{Cancel, Config, Database, Identity, Response};
use tempfile::TempDir;

const TABLES: [&str; 2] = [
    "CREATE TABLE a (id integer PRIMARY KEY, x integer, t text)",
    "CREATE TABLE b (id integer PRIMARY KEY, y integer, t text)",
];

/// The states that the tables go through: what is done to them.
const STATES: [&[&str]; 4] = [
    &["INSERT INTO a VALUES (1, 1, 'p'), (2, 2, 'p'), (3, NULL, 'q'), (4, 2, NULL), (5, 5, 'q')"],
    &["INSERT INTO b VALUES (1, 2, 'p'), (2, 2, 'q'), (3, 3, 'p')"],
    &["INSERT INTO b VALUES (4, NULL, 'q')", "DELETE FROM a WHERE id = 4"],
    &["DELETE FROM b WHERE id = 4", "DELETE FROM b WHERE id = 1", "INSERT INTO a VALUES (6, 3, 'p')"],
];

/// Queries with the rows that they have in each state, ordered as text.
const QUERIES: [(&str, [&str; 4]); 29] = [
    ("SELECT id FROM a WHERE x NOT IN (SELECT y FROM b)", ["1;2;3;4;5", "1;5", "", "1;5"]),
    ("SELECT id FROM a WHERE x IN (SELECT y FROM b)", ["", "2;4", "2", "2;6"]),
    ("SELECT id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE y = x)", ["1;2;3;4;5", "1;3;5", "1;3;5", "1;3;5"]),
    ("SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE y = x AND b.t = a.t)", ["", "2", "2", "6"]),
    ("SELECT id FROM a WHERE t = 'q' OR EXISTS (SELECT 1 FROM b WHERE y = x)", ["3;5", "2;3;4;5", "2;3;5", "2;3;5;6"]),
    ("SELECT id FROM a WHERE t = 'q' OR x IN (SELECT y FROM b)", ["3;5", "2;3;4;5", "2;3;5", "2;3;5;6"]),
    ("SELECT id FROM a WHERE t = 'p' OR x NOT IN (SELECT y FROM b)", ["1;2;3;4;5", "1;2;5", "1;2", "1;2;5;6"]),
    ("SELECT id FROM a WHERE NOT (t = 'q' AND x IN (SELECT y FROM b))", ["1;2;3;4;5", "1;2;5", "1;2", "1;2;5;6"]),
    ("SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE t = 'q')", ["", "1;2;3;4;5", "1;2;3;5", "1;2;3;5;6"]),
    (
        "SELECT id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE y IS NULL)",
        ["1;2;3;4;5", "1;2;3;4;5", "", "1;2;3;5;6"],
    ),
    (
        "SELECT id, (SELECT count(*) FROM b WHERE y = x) AS n FROM a",
        ["1,0;2,0;3,0;4,0;5,0", "1,0;2,2;3,0;4,2;5,0", "1,0;2,2;3,0;5,0", "1,0;2,1;3,0;5,0;6,1"],
    ),
    (
        "SELECT id, (SELECT max(y) FROM b) AS n FROM a",
        ["1,;2,;3,;4,;5,", "1,3;2,3;3,3;4,3;5,3", "1,3;2,3;3,3;5,3", "1,3;2,3;3,3;5,3;6,3"],
    ),
    ("SELECT id FROM a WHERE x >= (SELECT min(y) FROM b WHERE b.t = a.t)", ["", "2;5", "2;5", "5;6"]),
    ("SELECT x FROM a INTERSECT SELECT y FROM b", ["", "2", ";2", "2;3"]),
    ("SELECT x FROM a INTERSECT ALL SELECT y FROM b", ["", "2;2", ";2", "2;3"]),
    ("SELECT x FROM a EXCEPT SELECT y FROM b", [";1;2;5", ";1;5", "1;5", ";1;5"]),
    ("SELECT x FROM a EXCEPT ALL SELECT y FROM b", [";1;2;2;5", ";1;5", "1;5", ";1;5"]),
    ("SELECT id FROM a WHERE (x NOT IN (SELECT y FROM b)) IS NULL", ["", "3", "1;3;5", "3"]),
    (
        "SELECT id, x IN (SELECT y FROM b) AS found, EXISTS (SELECT 1 FROM b WHERE b.t = a.t) AS known FROM a",
        [
            "1,false,false;2,false,false;3,false,false;4,false,false;5,false,false",
            "1,false,true;2,true,true;3,,true;4,true,false;5,false,true",
            "1,,true;2,true,true;3,,true;5,,true",
            "1,false,true;2,true,true;3,,true;5,false,true;6,true,true",
        ],
    ),
    (
        "SELECT id FROM a WHERE CASE WHEN x NOT IN (SELECT y FROM b) THEN t = 'p' ELSE t = 'q' END",
        ["1;2", "1;3", "3;5", "1;3"],
    ),
    ("SELECT id FROM a WHERE x NOT IN (SELECT y FROM b WHERE b.t = a.t)", ["1;2;3;4;5", "1;4;5", "1", "1;2;5"]),
    ("SELECT id FROM a WHERE x + 1 NOT IN (SELECT y FROM b)", ["1;2;3;4;5", "5", "", "5;6"]),
    ("SELECT id FROM a WHERE x > ALL (SELECT y FROM b)", ["1;2;3;4;5", "5", "", "5"]),
    (
        "SELECT id, x <= ANY (SELECT y FROM b WHERE b.t = a.t) AS below FROM a",
        [
            "1,false;2,false;3,false;4,false;5,false",
            "1,true;2,true;3,;4,false;5,false",
            "1,true;2,true;3,;5,",
            "1,true;2,true;3,;5,false;6,true",
        ],
    ),
    (
        "SELECT id FROM a WHERE t = 'p' OR x = ANY (SELECT y FROM b) OR x <> ANY (SELECT y FROM b)",
        ["1;2", "1;2;4;5", "1;2;5", "1;2;5;6"],
    ),
    (
        "SELECT a.id AS l, b.id AS r FROM a JOIN b ON a.t = b.t AND (b.y = 3 OR a.x NOT IN (SELECT y FROM b))",
        ["", "1,1;1,3;2,3;5,2", "1,3;2,3", "1,3;2,3;5,2;6,3"],
    ),
    ("SELECT count(*) FILTER (WHERE x IN (SELECT y FROM b)) AS n FROM a", ["0", "2", "1", "2"]),
    (
        "SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE false) OR NOT EXISTS (SELECT 1 FROM b WHERE y = x AND 1 = 2)",
        ["1;2;3;4;5", "1;2;3;4;5", "1;2;3;5", "1;2;3;5;6"],
    ),
    (
        "SELECT a.id AS l, b.id AS r FROM a FULL JOIN b ON x = y AND a.t = b.t",
        ["1,;2,;3,;4,;5,", ",2;,3;1,;2,1;3,;4,;5,", ",2;,3;,4;1,;2,1;3,;5,", ",2;1,;2,;3,;5,;6,3"],
    ),
];

struct Node {
    directory: TempDir,
    database: Option<Arc<Database>>,
}

impl Node {
    async fn open(&mut self) {
        if let Some(database) = self.database.take() {
            database.close().await;
        }
        let config = Config {
            data_dir: self.directory.path().to_owned(),
            cache_bytes: 8 << 20,
            changelog_bytes: CHANGELOG_BYTES,
            clock: Arc::new(|| 0),
            cluster: None,
        };
        self.database = Some(Database::open(config).await.unwrap());
    }

    /// The rows of a query in text order, `;` between rows and `,` between values.
    async fn rows(&self, statement: &str) -> String {
        let session = self.database.as_ref().unwrap().session(Identity::Operator("caudal".into()));
        let run = async {
            let prepared = session.prepare(statement, &[]).await?;
            match session.execute(&prepared, vec![], Cancel::new()).await? {
                Response::Rows { rows, .. } => Ok(rows.try_collect().await?),
                _ => Ok(vec![]),
            }
        };
        let batches: Result<Vec<arrow::array::RecordBatch>, sql::SqlError> = run.await;
        let batches = batches.unwrap_or_else(|error| panic!("{statement}: {error}"));
        let options = FormatOptions::default();
        let mut rows = Vec::new();
        for batch in &batches {
            let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap());
            let columns: Vec<ArrayFormatter> = columns.collect();
            rows.extend(
                (0..batch.num_rows()).map(|row| {
                    columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(",")
                }),
            );
        }
        rows.sort();
        rows.join(";")
    }

    async fn check(&self, state: usize, views: &str) {
        for (at, (query, expected)) in QUERIES.iter().enumerate() {
            let found = self.rows(&format!("SELECT * FROM {views}{at}")).await;
            assert_eq!(found, expected[state], "view {views}{at} in state {state}: {query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subqueries_and_set_operations_give_what_postgresql_gives() {
    let mut node = Node { directory: TempDir::new().unwrap(), database: None };
    node.open().await;
    for statement in TABLES {
        node.rows(statement).await;
    }
    for (at, (query, _)) in QUERIES.iter().enumerate() {
        node.rows(&format!("CREATE MATERIALIZED VIEW first{at} AS {query}")).await;
    }
    for (state, statements) in STATES.iter().enumerate() {
        for statement in *statements {
            node.rows(statement).await;
        }
        node.check(state, "first").await;
        for (at, (query, expected)) in QUERIES.iter().enumerate() {
            assert_eq!(node.rows(query).await, expected[state], "in state {state}: {query}");
            node.rows(&format!("CREATE MATERIALIZED VIEW filled{state}_{at} AS {query}")).await;
        }
        node.check(state, &format!("filled{state}_")).await;
        node.open().await;
        node.check(state, "first").await;
    }
    node.check(STATES.len() - 1, "filled0_").await;
}
