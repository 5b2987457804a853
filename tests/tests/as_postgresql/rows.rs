//! Which rows a query gives: all of a table, the first ones.

use rand::RngExt;
use rand::seq::IndexedRandom;

use crate::harness::compare_over;

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_first_rows() {
    const STATEMENTS: [&str; 3] = [
        "CREATE TABLE a (id integer PRIMARY KEY, t text)",
        "INSERT INTO a VALUES (1, 'p'), (2, 'p'), (3, 'q'), (4, NULL), (5, 'r')",
        "CREATE MATERIALIZED VIEW firsts AS SELECT id FROM a ORDER BY id DESC FETCH FIRST 2 ROWS ONLY",
    ];
    compare_over(&STATEMENTS, |random| {
        let count = random.random_range(0..4);
        let rows = match random.random_range(0..8) {
            0 => "TABLE a".to_owned(),
            1 => format!("TABLE a ORDER BY id DESC LIMIT {count}"),
            2 => "TABLE a UNION ALL TABLE a".to_owned(),
            3 => "WITH x AS (TABLE a) TABLE x".to_owned(),
            4 => "TABLE public.a EXCEPT (SELECT 1, 'p')".to_owned(),
            5 => format!("SELECT * FROM a ORDER BY id FETCH FIRST {count} ROWS ONLY"),
            6 => format!("SELECT * FROM a ORDER BY id OFFSET {count} ROWS FETCH NEXT ROW ONLY"),
            _ => "SELECT id, '' FROM (TABLE firsts) AS f".to_owned(),
        };
        let of = ["count(*)", "sum(id)", "string_agg(id::text, ',' ORDER BY id)"].choose(random).unwrap();
        format!("{of} FROM ({rows}) AS r(id, t)")
    })
    .await;
}
