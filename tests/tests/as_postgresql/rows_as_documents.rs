//! Whole rows as JSON documents.

use rand::RngExt;
use rand::seq::IndexedRandom;

use crate::harness::compare_over;

#[tokio::test(flavor = "multi_thread")]
async fn rows_as_documents() {
    const STATEMENTS: [&str; 5] = [
        "CREATE TABLE o (id integer PRIMARY KEY, who text, at timestamptz, cost numeric(8, 2))",
        "CREATE TABLE l (id integer, n integer, what text, PRIMARY KEY (id, n))",
        "INSERT INTO o VALUES (1, 'a', '2026-01-02 03:04:05+00', 1.50), (2, NULL, NULL, NULL), (3, 'c', '2026-07-02 03:04:05.25+00', 0)",
        "INSERT INTO l VALUES (1, 1, 'x'), (1, 2, NULL), (3, 1, 'z'), (4, 1, 'w')",
        "CREATE MATERIALIZED VIEW whole AS SELECT o.id, to_jsonb(o) AS one, jsonb_agg(l ORDER BY n) AS many
         FROM o LEFT JOIN l ON l.id = o.id GROUP BY o.id, o.who, o.at, o.cost",
    ];
    const ROWS: [&str; 6] = [
        "o",
        "(SELECT id, who AS name FROM o) AS o",
        "(SELECT id, o.who || '!' AS o FROM o) AS o",
        "o RIGHT JOIN l ON l.id = o.id",
        "public.o",
        "(SELECT id, count(*) FROM l GROUP BY id) AS o",
    ];
    compare_over(&STATEMENTS, |random| {
        let rows = ROWS.choose(random).unwrap();
        match random.random_range(0..9) {
            0 => format!("jsonb_agg(o ORDER BY o.id) FROM {rows}"),
            1 => format!("string_agg(to_jsonb(o)::text, ' ' ORDER BY o.id) FROM {rows}"),
            2 => format!("jsonb_agg(jsonb_build_object('o', o, 'n', 1) ORDER BY o.id) FROM {rows}"),
            3 => format!("coalesce(jsonb_agg(o), '[]') FROM {rows} WHERE o.id > 9"),
            4 => format!("count(o) FROM {rows}"),
            5 => "string_agg(id || ':' || coalesce(ls::text, '-'), ' ' ORDER BY id)
                FROM (SELECT id, (SELECT jsonb_agg(l ORDER BY n) FROM l WHERE l.id = o.id) AS ls FROM o) AS s"
                .to_owned(),
            6 => "to_jsonb(row(1, 'a', NULL, 2.50))".to_owned(),
            7 => "string_agg(id || ' ' || one::text || ' ' || many::text, '; ' ORDER BY id) FROM whole".to_owned(),
            _ => "to_jsonb(x) FROM (SELECT max(id) AS most FROM o) AS x".to_owned(),
        }
    })
    .await;
}
