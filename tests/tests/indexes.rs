//! Indexes: what is read by one, ad hoc or by the joins of views, is what is read without it, whatever comes and goes.

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tests::node::Node;
use tokio_postgres::{Client, SimpleQueryMessage};

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, a int, b text, v int); \
     CREATE TABLE other (id int PRIMARY KEY, a int, b text, w int)";

/// Joins of both tables by columns that are no keys.
const VIEWS: [(&str, &str); 3] = [
    ("pairs", "SELECT t.id, o.id AS other, t.v + o.w AS sum FROM t JOIN other o ON t.a = o.a AND t.b = o.b"),
    ("ranges", "SELECT t.id, o.id AS other FROM t JOIN other o ON t.a = o.a AND o.w >= t.v"),
    ("lonely", "SELECT t.id, t.v FROM t WHERE NOT EXISTS (SELECT 1 FROM other o WHERE o.a = t.a)"),
];

const INDEXES: [(&str, &str); 5] = [("t", "a"), ("t", "b, a"), ("other", "a, b"), ("other", "a, w"), ("pairs", "sum")];

const STEPS: usize = 120;
const FULL: usize = 1_500;

async fn rows(client: &Client, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
    let messages = client.simple_query(sql).await.map_err(|error| format!("{sql}: {:?}", error.as_db_error()))?;
    let cells = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|cell| row.get(cell).map(str::to_owned)).collect()),
        _ => None,
    };
    Ok(messages.iter().filter_map(cells).collect())
}

async fn sorted(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let mut rows = rows(client, sql).await.unwrap();
    rows.sort();
    rows
}

async fn explained(client: &Client, sql: &str) -> String {
    rows(client, &format!("EXPLAIN {sql}"))
        .await
        .unwrap()
        .into_iter()
        .flatten()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n")
}

async fn change(client: &Client, random: &mut ChaCha8Rng) {
    let table = *["t", "other"].choose(random).unwrap();
    let mut rows = Vec::new();
    for _ in 0..random.random_range(1..12) {
        let id = random.random_range(0..40);
        if random.random_ratio(1, 4) {
            client.simple_query(&format!("DELETE FROM {table} WHERE id = {id}")).await.unwrap();
            continue;
        }
        let number = |random: &mut ChaCha8Rng| match random.random_ratio(1, 8) {
            true => "NULL".to_owned(),
            false => random.random_range(0..5).to_string(),
        };
        let (a, v) = (number(random), number(random));
        let b = *["NULL", "''", "'x'", "'xy'", "'ñ'"].choose(random).unwrap();
        rows.push(format!("({id}, {a}, {b}, {v})"));
    }
    if !rows.is_empty() {
        client.simple_query(&format!("INSERT INTO {table} VALUES {}", rows.join(", "))).await.unwrap();
    }
}

/// A query that may use an index, and the same over columns that no index is seen in.
fn question(random: &mut ChaCha8Rng) -> [String; 2] {
    let (table, value) = *[("t", "v"), ("other", "w")].choose(random).unwrap();
    let mut conditions = Vec::new();
    for column in ["a", "b", value, "id"] {
        if !random.random_bool(0.5) {
            continue;
        }
        let of = if column == "b" { "'x'".to_owned() } else { random.random_range(0..5).to_string() };
        let operator = if column == "b" { "=" } else { ["=", "=", "<", ">="].choose(random).unwrap() };
        conditions.push(format!("@{column} {operator} {of}"));
    }
    let mut query = format!("SELECT id, a, b, {value} FROM {table}");
    if !conditions.is_empty() {
        query += &format!(" WHERE {}", conditions.join(" AND "));
    }
    let direction = ["", " DESC"].choose(random).unwrap();
    let order: Vec<String> = ["a", "b", "id"]
        .iter()
        .filter(|_| random.random_bool(0.6))
        .map(|column| format!("@{column}{direction}"))
        .collect();
    if !order.is_empty() {
        query += &format!(" ORDER BY {}", order.join(", "));
        if random.random_bool(0.6) {
            query += &format!(" LIMIT {}", random.random_range(1..6));
        }
    }
    let mut around = query.clone();
    for column in ["a", "v", "w", "id"] {
        around = around.replace(&format!("@{column} "), &format!("({column} + 0) "));
        around = around.replace(&format!("@{column},"), &format!("({column} + 0),"));
        around = match around.strip_suffix(&format!("@{column}")) {
            Some(before) => format!("{before}({column} + 0)"),
            None => around,
        };
    }
    [query.replace('@', ""), around.replace("@b", "(b || '')")]
}

async fn compare(client: &Client) {
    for (name, query) in VIEWS {
        assert_eq!(sorted(client, &format!("SELECT * FROM {name}")).await, sorted(client, query).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_views_are_the_same_with_and_without_indexes() {
    let full = std::env::var_os("CAUDAL_FULL").is_some();
    let seed = std::env::var("CAUDAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| if full { rand::random() } else { 1 });
    eprintln!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut node = Node::start().await;
    let mut client = node.connect().await;
    client.simple_query(TABLES).await.unwrap();
    let (mut made, mut used) = (0, 0);
    for step in 0..if full { FULL } else { STEPS } {
        match random.random_range(0..12) {
            0 | 1 => {
                let (name, query) = VIEWS.choose(&mut random).unwrap();
                let dropped = rows(&client, &format!("DROP MATERIALIZED VIEW IF EXISTS {name}")).await;
                dropped.unwrap();
                if random.random_bool(0.8) {
                    rows(&client, &format!("CREATE MATERIALIZED VIEW {name} AS {query}")).await.unwrap();
                }
            }
            2 | 3 => {
                let at = random.random_range(0..INDEXES.len());
                let (on, columns) = INDEXES[at];
                let create = format!("CREATE INDEX IF NOT EXISTS i{at} ON {on} ({columns})");
                match rows(&client, &create).await {
                    Ok(_) => made += 1,
                    Err(error) => assert!(error.contains("42P01") && on == "pairs", "{error}"),
                }
            }
            4 => {
                let at = random.random_range(0..INDEXES.len());
                // One that a view finds its rows by stays.
                if let Err(error) = rows(&client, &format!("DROP INDEX IF EXISTS i{at}")).await {
                    assert!(error.contains("2BP01") && error.contains("is read by"), "{error}");
                }
            }
            5 if step % 3 == 0 => {
                drop(client);
                node = node.restart().await;
                client = node.connect().await;
            }
            _ => change(&client, &mut random).await,
        }
        for (name, _) in VIEWS {
            let there = rows(&client, &format!("SELECT count(*) FROM caudal.relations WHERE name = '{name}'")).await;
            if there.unwrap()[0][0].as_deref() == Some("0") {
                let query = VIEWS.iter().find(|(known, _)| known == &name).unwrap().1;
                rows(&client, &format!("CREATE MATERIALIZED VIEW {name} AS {query}")).await.unwrap();
            }
        }
        compare(&client).await;
        for _ in 0..4 {
            let [along, around] = question(&mut random);
            used += usize::from(explained(&client, &along).await.contains("index=i"));
            let (mut found, mut expected) =
                (rows(&client, &along).await.unwrap(), rows(&client, &around).await.unwrap());
            if !along.contains("ORDER BY") {
                found.sort();
                expected.sort();
            }
            assert_eq!(found, expected, "{along} is not {around}");
        }
    }
    assert!(made > 5 && used > 20, "{made} indexes were made, and {used} queries used one");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_find_rows_by_an_index_and_keep_none_of_their_own() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query(TABLES).await.unwrap();
    client.simple_query("CREATE INDEX by_a ON t (a); CREATE INDEX ON other (a, w)").await.unwrap();
    let plan = explained(&client, &format!("CREATE MATERIALIZED VIEW v AS {}", VIEWS[1].1)).await;
    assert!(plan.contains("left: by_a (") && plan.contains("right: other_a_w_idx ("), "{plan}");
    client.simple_query(&format!("CREATE MATERIALIZED VIEW v AS {}", VIEWS[1].1)).await.unwrap();
    let refused = rows(&client, "DROP INDEX by_a").await.unwrap_err();
    assert!(refused.contains("2BP01") && refused.contains("is read by v"), "{refused}");
    client.simple_query("DROP MATERIALIZED VIEW v; DROP INDEX by_a").await.unwrap();
    let gone = rows(&client, "DROP INDEX by_a").await.unwrap_err();
    assert!(gone.contains("42P01"), "{gone}");
    // The other one goes with its table.
    client.simple_query("DROP TABLE other").await.unwrap();
    assert!(rows(&client, "SELECT name FROM caudal.relations WHERE kind = 'index'").await.unwrap().is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_see_indexes_and_what_cannot_be_one_is_refused_in_words() {
    let node = Node::start().await;
    let client = node.connect().await;
    client.simple_query(TABLES).await.unwrap();
    client.simple_query("ALTER TABLE t ADD COLUMN x double precision").await.unwrap();
    client.simple_query("CREATE INDEX by_b ON t USING btree (b, a)").await.unwrap();
    let defined =
        rows(&client, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 't' ORDER BY 1").await.unwrap();
    let definitions: Vec<&str> = defined.iter().map(|row| row[1].as_deref().unwrap()).collect();
    assert_eq!(
        definitions,
        ["CREATE INDEX by_b ON public.t USING btree (b, a)", "CREATE UNIQUE INDEX t_pkey ON public.t USING btree (id)"]
    );
    let sizes = "SELECT kind, key, reads FROM caudal.relations WHERE name = 'by_b'";
    let cells = ["index", "b, a, id", "t"].map(|cell| Some(cell.to_owned()));
    assert_eq!(rows(&client, sizes).await.unwrap(), [cells]);
    for (statement, code) in [
        ("CREATE UNIQUE INDEX u ON t (a)", "0A000"),
        ("CREATE INDEX u ON t (a DESC)", "0A000"),
        ("CREATE INDEX u ON t (lower(b))", "0A000"),
        ("CREATE INDEX u ON t (x)", "0A000"),
        ("CREATE INDEX u ON t USING hash (a)", "0A000"),
        ("CREATE INDEX u ON t (nothing)", "42703"),
        ("CREATE INDEX u ON t (a, a)", "42701"),
        ("CREATE INDEX u ON nothing (a)", "42P01"),
        ("CREATE INDEX u ON by_b (a)", "42809"),
        ("CREATE INDEX by_b ON t (a)", "42P07"),
        ("SELECT * FROM by_b", "42809"),
        ("INSERT INTO by_b VALUES (1)", "42809"),
        ("DROP TABLE by_b", "42809"),
        ("CREATE MATERIALIZED VIEW v AS SELECT * FROM by_b", "42809"),
    ] {
        let refused = rows(&client, statement).await.unwrap_err();
        assert!(refused.contains(code), "{statement}: {refused}");
    }
    // A column that came later is not in it.
    client.simple_query("ALTER TABLE t ADD COLUMN late int DEFAULT 7").await.unwrap();
    client.simple_query("INSERT INTO t (id, a, b, late) VALUES (1, 2, 'x', 8)").await.unwrap();
    assert!(explained(&client, "SELECT id FROM t WHERE b = 'x'").await.contains("index=by_b"));
    assert!(!explained(&client, "SELECT late FROM t WHERE b = 'x'").await.contains("index=by_b"));
    assert_eq!(rows(&client, "SELECT late FROM t WHERE b = 'x'").await.unwrap(), [[Some("8".to_owned())]]);
    node.stop().await;
}
