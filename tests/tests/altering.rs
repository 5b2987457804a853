//! A table gets columns while it is used: rows that there are have their default, views that there are stay as they are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::Bytes;
use futures::StreamExt;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sql::{Cancel, Database, Identity, Response, SqlError};
use storage::Event;
use tests::load::{self, Rows, run};

/// A view: its query, and with its columns at hand the same from the tables. `{}`: the columns.
struct Kind {
    name: &'static str,
    create: &'static str,
    computed: &'static str,
}

/// Each way in which a view reads a table: whole, by its key, through an index, from memory, through another view.
const KINDS: [Kind; 9] = [
    Kind { name: "whole", create: "SELECT * FROM r", computed: "SELECT {} FROM r" },
    Kind { name: "counted", create: "SELECT DISTINCT * FROM e", computed: "SELECT DISTINCT {} FROM e AS r" },
    Kind {
        name: "resident",
        create: "SELECT r.*, d.w AS other_w FROM r JOIN d ON d.c = r.c",
        computed: "SELECT {} FROM r JOIN d AS o ON o.c = r.c",
    },
    Kind {
        name: "by_key",
        create: "SELECT r.*, s.n AS other_n FROM r JOIN r AS s ON s.c = r.c AND s.n = r.n + 1",
        computed: "SELECT {} FROM r JOIN r AS o ON o.c = r.c AND o.n = r.n + 1",
    },
    Kind {
        name: "indexed",
        create: "SELECT r.*, e.v AS other_v FROM r LEFT JOIN e ON e.v = r.v",
        computed: "SELECT {} FROM r LEFT JOIN e AS o ON o.v = r.v",
    },
    Kind {
        name: "first",
        create: "SELECT * FROM r ORDER BY v DESC LIMIT 4",
        computed: "SELECT * FROM (SELECT {} FROM r) AS r ORDER BY v DESC LIMIT 4",
    },
    Kind {
        name: "extremes",
        create: "SELECT c, max(v) AS v, min(n) AS n, count(*) AS times FROM r GROUP BY c",
        computed: "SELECT c, max(v), min(n), count(*) FROM r GROUP BY c",
    },
    // Over a view that was made at the beginning, beside the table itself.
    Kind {
        name: "over",
        create: "SELECT r.*, p.n AS other_n FROM plain AS p JOIN r ON r.c = p.c AND r.n = p.n",
        computed: "SELECT {} FROM r JOIN r AS o ON r.c = o.c AND r.n = o.n",
    },
    // Made at the beginning: later other columns would have the same name.
    Kind {
        name: "natural",
        create: "SELECT r.v AS v, d.w AS other_w FROM r NATURAL JOIN d",
        computed: "SELECT {} FROM r JOIN d AS o ON o.c = r.c",
    },
];

/// What a row of `r` is, by column.
type Row = BTreeMap<String, Option<String>>;

struct History {
    random: ChaCha8Rng,
    /// `None` between two starts.
    open: Option<Arc<Database>>,
    /// Columns that tables have been given: (table, column, default).
    added: Vec<(&'static str, String, Option<String>)>,
    /// The rows of `r` by their keys, worked out apart.
    rows: BTreeMap<(i64, i64), Row>,
    /// Views with their kinds and columns.
    views: Vec<(String, usize, Vec<String>)>,
}

impl History {
    async fn begin(dir: &Path, seed: u64) -> History {
        let database = load::open(dir).await.unwrap();
        for statement in [
            "CREATE TABLE r (c bigint, n bigint, v bigint, PRIMARY KEY (c, n))",
            "CREATE TABLE d (c bigint PRIMARY KEY, w bigint) WITH (max_rows = 20)",
            "CREATE TABLE e (v bigint)",
            "CREATE VIEW plain AS SELECT * FROM r",
            "CREATE MATERIALIZED VIEW natural_join AS SELECT r.v AS v, d.w AS other_w FROM r NATURAL JOIN d",
        ] {
            run(&database, statement).await.unwrap();
        }
        let random = ChaCha8Rng::seed_from_u64(seed);
        let views = vec![("natural_join".to_owned(), KINDS.len() - 1, vec!["v".to_owned(), "other_w".to_owned()])];
        History { random, open: Some(database), added: vec![], rows: BTreeMap::new(), views }
    }

    /// Events of each table, with some of the columns.
    async fn feed(&mut self) {
        for table in ["r", "d", "e"] {
            let mut events = Vec::new();
            for _ in 0..self.random.random_range(1..12) {
                let number = |random: &mut ChaCha8Rng| random.random_range(0..6_i64);
                let (c, n, v) = (number(&mut self.random), number(&mut self.random), number(&mut self.random));
                let fields: &[(&str, i64)] = match table {
                    "r" => &[("c", c), ("n", n), ("v", v)],
                    "d" => &[("c", c), ("w", v)],
                    _ => &[("v", v)],
                };
                let mut said: Vec<(String, String)> =
                    fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
                let mut row: Row = said.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
                for (_, column, default) in self.added.iter().filter(|(of, ..)| *of == table) {
                    let value = match self.random.random_range(0..4) {
                        0 => Some("null".to_owned()),
                        1 => default.clone(),
                        2 => Some(self.random.random_range(0..3).to_string()),
                        _ => None,
                    };
                    let is = match &value {
                        Some(null) if null == "null" => None,
                        Some(value) => Some(value.clone()),
                        None => default.clone(),
                    };
                    row.insert(column.clone(), is);
                    said.extend(value.map(|value| (column.clone(), value)));
                }
                let fields: Vec<String> = said.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
                events
                    .push(Event { value: Some(Bytes::from(format!("{{{}}}", fields.join(", ")))), ..Event::default() });
                if table == "r" {
                    self.rows.insert((c, n), row);
                }
            }
            self.database().append(table, events).await.unwrap();
        }
        load::catch_up(self.database()).await.unwrap();
    }

    /// A statement that gives a table a column; `w` is a column of `d` already.
    fn alter(&mut self) -> String {
        let table = *["r", "r", "d", "e"].choose(&mut self.random).unwrap();
        let column = match self.added.iter().any(|(of, column, _)| *of == "r" && column == "w") {
            false if table == "r" && self.random.random_ratio(1, 3) => "w".to_owned(),
            _ => format!("x{}", self.added.len()),
        };
        let default = self.random.random_ratio(2, 3).then(|| self.random.random_range(0..3).to_string());
        if table == "r" {
            self.rows.values_mut().for_each(|row| drop(row.insert(column.clone(), default.clone())));
        }
        let clause = default.as_ref().map_or(String::new(), |default| format!(" DEFAULT {default}"));
        let statement = format!("ALTER TABLE {table} ADD COLUMN {column} bigint{clause}");
        self.added.push((table, column, default));
        statement
    }

    /// Makes a view, perhaps while a table is altered.
    async fn create(&mut self) {
        let kind = self.random.random_range(0..KINDS.len() - 1);
        let name = format!("{}_{}", KINDS[kind].name, self.views.len());
        let create = format!("CREATE MATERIALIZED VIEW {name} AS {}", KINDS[kind].create);
        match self.random.random_ratio(1, 3) {
            true => {
                let alter = self.alter();
                let (created, altered) = tokio::join!(run(self.database(), &create), run(self.database(), &alter));
                created.unwrap_or_else(|error| panic!("{create}: {error}"));
                altered.unwrap_or_else(|error| panic!("{alter}: {error}"));
            }
            false => drop(run(self.database(), &create).await.unwrap_or_else(|error| panic!("{create}: {error}"))),
        }
        let columns = self.columns(&name).await;
        self.views.push((name, kind, columns));
    }

    async fn columns(&self, of: &str) -> Vec<String> {
        let asked = "SELECT attname FROM pg_attribute WHERE attnum > 0 AND attrelid =";
        let columns = run(self.database(), &format!("{asked} '{of}'::regclass ORDER BY attnum")).await.unwrap();
        columns.into_iter().map(|mut row| row.remove(0)).collect()
    }

    async fn check(&self) {
        let columns = self.columns("r").await;
        let model = self.rows.values().map(|row| columns.iter().map(|column| row[column].clone().unwrap_or_default()));
        assert_eq!(self.sorted("SELECT * FROM r").await, sorted(model.map(Iterator::collect).collect()));
        assert_eq!(self.columns("plain").await, ["c", "n", "v"]);
        for (name, kind, columns) in &self.views {
            assert_eq!(self.columns(name).await, *columns, "{name}");
            let of = |column: &String| match column.strip_prefix("other_") {
                Some(of_other) => format!("o.{of_other}"),
                None => format!("r.{column}"),
            };
            let listed: Vec<String> = columns.iter().map(of).collect();
            let computed = KINDS[*kind].computed.replace("{}", &listed.join(", "));
            let kept = self.sorted(&format!("SELECT * FROM {name}")).await;
            assert_eq!(kept, self.sorted(&computed).await, "{name}: {computed}");
        }
    }

    async fn sorted(&self, query: &str) -> Rows {
        sorted(run(self.database(), query).await.unwrap_or_else(|error| panic!("{query}: {error}")))
    }

    async fn restart(&mut self, dir: &Path) {
        self.open.take().unwrap().close().await;
        self.open = Some(load::open(dir).await.unwrap());
    }

    fn database(&self) -> &Arc<Database> {
        self.open.as_ref().unwrap()
    }
}

fn sorted(mut rows: Rows) -> Rows {
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_and_rows_are_as_if_the_columns_had_always_been_what_they_are() {
    let seeds = match std::env::var("CAUDAL_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..if std::env::var_os("CAUDAL_FULL").is_some() { 60 } else { 3 }).collect(),
    };
    for seed in seeds {
        eprintln!("seed {seed}");
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::begin(dir.path(), seed).await;
        for _ in 0..12 {
            history.feed().await;
            match history.random.random_range(0..6) {
                0 | 1 => {
                    let alter = history.alter();
                    run(history.database(), &alter).await.unwrap_or_else(|error| panic!("{alter}: {error}"));
                }
                2..=4 => history.create().await,
                _ => history.restart(dir.path()).await,
            }
            history.check().await;
        }
        history.database().close().await;
    }
}

async fn fails(database: &Arc<Database>, statement: &str) -> (&'static str, String) {
    let error: SqlError = run(database, statement).await.expect_err(statement);
    (error.sqlstate, error.message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_there_were_when_a_column_came_have_a_clear_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let database = load::open(dir.path()).await.unwrap();
    run(&database, "CREATE TABLE t (k bigint PRIMARY KEY, v text DEFAULT 'none')").await.unwrap();
    run(&database, "INSERT INTO t (k) VALUES (0)").await.unwrap();
    let session = database.session(Identity::Operator("caudal".into()));
    let select = session.prepare("SELECT * FROM t", &[]).await.unwrap();
    let named = session.prepare("SELECT k, v FROM t ORDER BY k", &[]).await.unwrap();
    let insert = session.prepare("INSERT INTO t VALUES ($1, $2)", &[]).await.unwrap();
    assert_eq!(insert.parameters, [DataType::Int64, DataType::Utf8]);
    let copy = session.prepare("COPY t FROM STDIN", &[]).await.unwrap();
    let Response::CopyIn(mut copying) = session.execute(&copy, vec![], Cancel::new()).await.unwrap() else { panic!() };
    copying.rows(vec![vec![Some("1".into()), None]]).await.unwrap();
    let subscribe = session.prepare("SUBSCRIBE t WITH (SNAPSHOT = false)", &[]).await.unwrap();
    let followed = session.execute(&subscribe, vec![], Cancel::new()).await.unwrap();
    let Response::Rows { rows: mut followed, .. } = followed else { panic!() };

    let add = "ALTER TABLE t ADD COLUMN IF NOT EXISTS unit text NOT NULL DEFAULT 'W', ADD price numeric(8, 2)";
    run(&database, add).await.unwrap();
    run(&database, add.split(", ADD").next().unwrap()).await.unwrap();

    // A COPY under way goes on with the columns that it named, a subscription with those that it has.
    copying.rows(vec![vec![Some("2".into()), Some("two".into())]]).await.unwrap();
    assert_eq!(copying.finish().await.unwrap().taken, 2);
    let mut seen = 0;
    while seen < 2 {
        let batch = followed.next().await.unwrap().unwrap();
        assert_eq!(batch.num_columns(), 4, "epoch, diff, k, v");
        seen += batch.num_rows();
    }
    // What answers other columns than its client was told of is prepared again by the client; all else goes on.
    let error = session.execute(&select, vec![], Cancel::new()).await.err().unwrap();
    assert_eq!((error.sqlstate, error.message.as_str()), ("0A000", "cached plan must not change result type"));
    assert!(session.execute(&named, vec![], Cancel::new()).await.is_ok());
    let values = vec![3_i64.into(), "three".into()];
    session.execute(&insert, values, Cancel::new()).await.unwrap();
    run(&database, "INSERT INTO t (k, unit, v) VALUES (4, 'kW', NULL)").await.unwrap();
    run(&database, "UPDATE t SET unit = DEFAULT, price = 2.5 WHERE k = 4").await.unwrap();
    let rows = ["0,none,W,", "1,,W,", "2,two,W,", "3,three,W,", "4,,W,2.50"];
    let rows: Rows = rows.iter().map(|row| row.split(',').map(str::to_owned).collect()).collect();
    let all = "SELECT * FROM t ORDER BY k";
    assert_eq!(run(&database, all).await.unwrap(), rows);
    let null = fails(&database, "INSERT INTO t (k, unit) VALUES (5, NULL)").await;
    assert_eq!(null.0, "23502", "{}", null.1);

    for (statement, sqlstate, words) in [
        ("ALTER TABLE t ADD COLUMN unit text", "42701", "already exists"),
        ("ALTER TABLE t ADD COLUMN a bigint NOT NULL", "23502", "NOT NULL"),
        ("ALTER TABLE t ADD COLUMN a bigint DEFAULT 'x'", "22P02", "x"),
        ("ALTER TABLE t ADD COLUMN a timestamptz DEFAULT now()", "0A000", "now() in DEFAULT"),
        ("ALTER TABLE t ADD COLUMN a bigint DEFAULT k", "42703", "k"),
        ("ALTER TABLE none ADD COLUMN a bigint", "42P01", "none"),
        ("ALTER TABLE groups ADD COLUMN a bigint", "42809", "materialized view"),
        ("ALTER TABLE t DROP COLUMN v", "0A000", "DROP COLUMN"),
        ("ALTER TABLE caudal.errors ADD COLUMN a bigint", "42809", "not a table"),
    ] {
        let (code, message) = fails(&database, statement).await;
        assert!(code == sqlstate && message.contains(words), "{statement}: {code} {message}");
    }
    run(&database, "ALTER TABLE IF EXISTS none ADD COLUMN a bigint").await.unwrap();
    run(&database, "CREATE OR REPLACE VIEW p AS SELECT * FROM t").await.unwrap();
    run(&database, "CREATE MATERIALIZED VIEW m AS SELECT * FROM p").await.unwrap();
    run(&database, "ALTER TABLE t ADD COLUMN last double precision DEFAULT -0.5").await.unwrap();
    let epoch = run(&database, "SELECT count(*) FROM m").await.unwrap();
    assert_eq!(epoch, [["5"]]);
    assert_eq!(run(&database, "SELECT * FROM m ORDER BY k").await.unwrap(), rows);
    run(&database, "CREATE OR REPLACE MATERIALIZED VIEW m AS SELECT * FROM t").await.unwrap();
    let wider: Rows = rows.iter().map(|row| [&row[..], &["-0.5".to_owned()]].concat()).collect();
    assert_eq!(run(&database, "SELECT * FROM m ORDER BY k").await.unwrap(), wider);
    assert_eq!(run(&database, "SELECT * FROM p ORDER BY k").await.unwrap(), rows);
    database.close().await;
    drop((session, followed, database));
    let database = load::open(dir.path()).await.unwrap();
    for (relation, rows) in [("t", &wider), ("m", &wider), ("p", &rows)] {
        assert_eq!(run(&database, &format!("SELECT * FROM {relation} ORDER BY k")).await.unwrap(), *rows, "{relation}");
    }
    database.close().await;
}
