//! What is in subqueries, in conditions and as a value, where there may be NULLs or no rows.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::harness::compare_over;

#[tokio::test(flavor = "multi_thread")]
async fn subqueries() {
    const TABLES: [&str; 4] = [
        "CREATE TABLE a (id integer PRIMARY KEY, x integer, t text)",
        "CREATE TABLE b (id integer PRIMARY KEY, y integer, t text)",
        "INSERT INTO a VALUES (1, 1, 'p'), (2, 2, 'p'), (3, NULL, 'q'), (4, 2, NULL), (5, 5, 'r'), (6, 0, 'q')",
        "INSERT INTO b VALUES (1, 2, 'p'), (2, 2, 'q'), (3, 3, 'p'), (4, NULL, 'q'), (5, 5, 'r')",
    ];
    fn condition(random: &mut ChaCha8Rng, depth: usize) -> String {
        const ROWS: [&str; 6] = ["id < 4", "id = 4", "id > 9", "true", "t = a.t", "t = a.t AND y > 2"];
        const VALUES: [&str; 4] = ["x", "id", "x + 1", "nullif(id, 2)"];
        let (value, rows) = (VALUES.choose(random).unwrap(), ROWS.choose(random).unwrap());
        match random.random_range(0..if depth == 0 { 4 } else { 9 }) {
            0 => format!("{value} IN (SELECT y FROM b WHERE {rows})"),
            1 => format!("{value} NOT IN (SELECT y FROM b WHERE {rows})"),
            2 => {
                let op = ["=", "<>", "<", "<=", ">", ">="].choose(random).unwrap();
                let of = ["ANY", "ALL"].choose(random).unwrap();
                format!("{value} {op} {of} (SELECT y FROM b WHERE {rows})")
            }
            3 => format!("EXISTS (SELECT 1 FROM b WHERE {rows})"),
            4 | 5 => {
                let op = ["AND", "OR"].choose(random).unwrap();
                format!("({} {op} {})", condition(random, depth - 1), condition(random, depth - 1))
            }
            6 => format!("NOT {}", condition(random, depth - 1)),
            7 => format!("(({}) IS NOT TRUE)", condition(random, depth - 1)),
            _ => format!("CASE WHEN {} THEN t = 'p' ELSE id > 2 END", condition(random, depth - 1)),
        }
    }
    compare_over(&TABLES, |random| {
        let condition = condition(random, 2);
        match random.random_range(0..3) {
            0 => format!("string_agg(CAST(v AS text), ',' ORDER BY id) FROM (SELECT id, {condition} AS v FROM a) AS o"),
            _ => format!("string_agg(CAST(id AS text), ',' ORDER BY id) FROM a WHERE {condition}"),
        }
    })
    .await;
}
