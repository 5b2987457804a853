//! What reads along a key answers as what reads everything: prepared statements whose plans are kept and run again with other
//! values, orders that the key has and that nobody sorts, first rows that are read backwards.

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tests::node::Node;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage};

const TABLE: &str = "CREATE TABLE t (a int, b text, c int, v int, PRIMARY KEY (a, b, c))";

/// Statements that are prepared, each run a few times between changes of the table.
const STATEMENTS: usize = 60;
const FULL: usize = 2_000;

/// A query with parameters, the same over columns that no key is seen in, and what the parameters are compared with.
struct Question {
    along: String,
    around: String,
    compared: Vec<&'static str>,
}

impl Question {
    fn random(random: &mut ChaCha8Rng) -> Question {
        let mut compared = Vec::new();
        let mut conditions = Vec::new();
        for &column in ["a", "b", "c", "v"].iter().take(random.random_range(0..5)) {
            if random.random_bool(0.75) {
                let mut value = || {
                    compared.push(column);
                    format!("${}", compared.len())
                };
                conditions.push(match random.random_range(0..6) {
                    0..3 => format!("@{column} = {}", value()),
                    3 => format!("@{column} {} {}", ["<", "<=", ">", ">="].choose(random).unwrap(), value()),
                    4 => format!("@{column} BETWEEN {} AND {}", value(), value()),
                    _ => format!("@{column} IN ({}, {})", value(), value()),
                });
            }
        }
        if random.random_ratio(1, 5) {
            conditions.push("@v % 3 <> 1".to_owned());
        }
        let mut columns = vec!["a", "b", "c", "v", "v * 2 AS double"];
        columns.shuffle(random);
        columns.truncate(random.random_range(1..=columns.len()));
        let mut order: Vec<String> = Vec::new();
        let turned = random.random_bool(0.5);
        for column in ["a", "b", "c"].iter().take(random.random_range(0..4)) {
            let other = random.random_ratio(1, 8);
            let nulls = ["", "", "", " NULLS FIRST", " NULLS LAST"].choose(random).unwrap();
            order.push(format!("@{column}{}{nulls}", if turned != other { " DESC" } else { "" }));
        }
        if random.random_ratio(1, 4) {
            order.drain(..order.len().min(1));
        }
        let mut query = format!("SELECT {} FROM t", columns.join(", "));
        if !conditions.is_empty() {
            query += &format!(" WHERE {}", conditions.join(" AND "));
        }
        if !order.is_empty() {
            query += &format!(" ORDER BY {}", order.join(", "));
            if random.random_bool(0.5) {
                query += &format!(" LIMIT {}", random.random_range(0..6));
            }
            if random.random_ratio(1, 4) {
                query += &format!(" OFFSET {}", random.random_range(0..3));
            }
        } else if random.random_ratio(1, 6) {
            query = format!("SELECT count(*), min(v), max(c) FROM ({query}) AS q");
            if !columns.contains(&"v") || !columns.contains(&"c") {
                query = query.replace("min(v), max(c)", "count(*)");
            }
        }
        let around = query.replace("@a", "(a + 0)").replace("@b", "(b || '')").replace("@c", "(c + 0)");
        Question { along: query.replace('@', ""), around: around.replace('@', ""), compared }
    }

    /// The second query with values in it.
    fn written(&self, values: &[Option<String>]) -> String {
        let mut written = self.around.clone();
        for (at, value) in values.iter().enumerate().rev() {
            let of = if self.compared[at] == "b" { "text" } else { "int" };
            let value = value.as_ref().map_or("NULL".to_owned(), |value| format!("'{value}'"));
            written = written.replace(&format!("${}", at + 1), &format!("CAST({value} AS {of})"));
        }
        written
    }
}

fn value(column: &str, random: &mut ChaCha8Rng) -> Option<String> {
    if random.random_ratio(1, 15) {
        return None;
    }
    Some(match column {
        "b" => (*["", "x", "xy", "y", "ñ"].choose(random).unwrap()).to_owned(),
        _ => random.random_range(-1..6).to_string(),
    })
}

async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let cells = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|cell| row.get(cell).map(str::to_owned)).collect()),
        _ => None,
    };
    messages.iter().filter_map(cells).collect()
}

async fn change(client: &Client, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(1..8) {
        let key = (random.random_range(0..5), value("b", random).unwrap_or_default(), random.random_range(0..5));
        let (a, b, c) = key;
        let statement = match random.random_ratio(1, 4) {
            true => format!("DELETE FROM t WHERE a = {a} AND b = '{b}' AND c = {c}"),
            false => {
                let v = value("v", random).unwrap_or("NULL".to_owned());
                format!("INSERT INTO t VALUES ({a}, '{b}', {c}, {v})")
            }
        };
        client.simple_query(&statement).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_answer_as_the_same_queries_with_their_values() {
    let full = std::env::var_os("CAUDAL_FULL").is_some();
    let seed = std::env::var("CAUDAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| if full { rand::random() } else { 1 });
    eprintln!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query(TABLE).await.unwrap();
    for _ in 0..30 {
        change(&client, &mut random).await;
    }
    let mut found = 0;
    for _ in 0..if full { FULL } else { STATEMENTS } {
        let question = Question::random(&mut random);
        let prepared = client.prepare(&question.along).await;
        let prepared = prepared.unwrap_or_else(|error| panic!("{}: {error:?}", question.along));
        for run in 0..5 {
            if run % 2 == 1 {
                change(&client, &mut random).await;
            }
            let values: Vec<Option<String>> =
                question.compared.iter().map(|column| value(column, &mut random)).collect();
            let typed = values.iter().zip(prepared.params()).map(|(value, of)| -> Box<dyn ToSql + Sync> {
                match *of {
                    Type::INT4 => Box::new(value.as_ref().map(|value| value.parse::<i32>().unwrap())),
                    Type::INT8 => Box::new(value.as_ref().map(|value| value.parse::<i64>().unwrap())),
                    _ => Box::new(value.clone()),
                }
            });
            let typed: Vec<Box<dyn ToSql + Sync>> = typed.collect();
            let parameters: Vec<&(dyn ToSql + Sync)> = typed.iter().map(|value| &**value).collect();
            let answer = client.query(&prepared, &parameters).await;
            let answer = answer.unwrap_or_else(|error| panic!("{} {values:?}: {error:?}", question.along));
            let cell = |row: &tokio_postgres::Row, at: usize| match *row.columns()[at].type_() {
                Type::INT4 => row.get::<_, Option<i32>>(at).map(|value| value.to_string()),
                Type::INT8 => row.get::<_, Option<i64>>(at).map(|value| value.to_string()),
                _ => row.get::<_, Option<String>>(at),
            };
            let mut answer: Vec<Vec<Option<String>>> =
                answer.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect()).collect();
            let around = question.written(&values);
            let mut expected = rows(&client, &around).await;
            if !question.along.contains("ORDER BY") {
                answer.sort();
                expected.sort();
            }
            assert_eq!(answer, expected, "{} with {values:?} is not {around}", question.along);
            found += answer.len();
        }
    }
    assert!(found > STATEMENTS, "only {found} rows were found");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_rows_of_a_key_are_read_backwards_and_nothing_else() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query(TABLE).await.unwrap();
    let numbers: Vec<String> = (0..500).map(|c| format!("({}, 'x', {c}, {c})", c % 2)).collect();
    client.simple_query(&format!("INSERT INTO t VALUES {}", numbers.join(", "))).await.unwrap();
    let last = "SELECT c, v FROM t WHERE a = 1 AND b = 'x' ORDER BY c DESC LIMIT 3";
    let lines: Vec<String> =
        rows(&client, &format!("EXPLAIN ANALYZE {last}")).await.into_iter().flatten().flatten().collect();
    let plan = lines.join("\n");
    for part in ["KeyScanExec: t, columns=[c, v]", "descending, limit=3", "output_rows=3"] {
        assert!(plan.contains(part), "no {part} in {plan}");
    }
    assert!(!plan.contains("Sort"), "{plan}");
    let first = |row: &Vec<Option<String>>| row[0].clone().unwrap();
    assert_eq!(rows(&client, last).await.iter().map(first).collect::<Vec<_>>(), ["499", "497", "495"]);
    // Those that were deleted are no rows, however many there are.
    for c in (301..500).step_by(2) {
        client.simple_query(&format!("DELETE FROM t WHERE a = 1 AND b = 'x' AND c = {c}")).await.unwrap();
    }
    assert_eq!(rows(&client, last).await.iter().map(first).collect::<Vec<_>>(), ["299", "297", "295"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_plan_follows_settings_and_the_catalogue() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query("CREATE TABLE moments (id int PRIMARY KEY, at timestamptz)").await.unwrap();
    client.simple_query("INSERT INTO moments VALUES (1, '2026-07-01 12:00:00+00')").await.unwrap();
    let prepared = client.prepare("SELECT to_char(at, 'HH24:MI') AS hour FROM moments WHERE id = $1").await.unwrap();
    let hour = async || -> Vec<String> {
        client.query(&prepared, &[&1_i32]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    for _ in 0..3 {
        assert_eq!(hour().await, ["12:00"]);
    }
    client.simple_query("SET TimeZone = 'Europe/Madrid'").await.unwrap();
    for _ in 0..3 {
        assert_eq!(hour().await, ["14:00"]);
    }
    client.simple_query("RESET ALL").await.unwrap();
    client.simple_query("DROP TABLE moments").await.unwrap();
    let other = "CREATE TABLE moments (at timestamptz, id int PRIMARY KEY) WITH (topic = 'other')";
    client.simple_query(other).await.unwrap();
    for _ in 0..3 {
        assert_eq!(hour().await, Vec::<String>::new());
    }
    client.simple_query("INSERT INTO moments VALUES ('2026-07-01 08:00:00+00', 1)").await.unwrap();
    for _ in 0..3 {
        assert_eq!(hour().await, ["08:00"]);
    }
    node.stop().await;
}
