//! Arrays beside each other, some elements of which are NULL.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::harness::{compare, compare_over};

fn numbers(random: &mut ChaCha8Rng) -> String {
    let items = (0..random.random_range(0..4)).map(|_| match random.random_range(-1..3) {
        -1 => "NULL".to_owned(),
        number => number.to_string(),
    });
    format!("'{{{}}}'::bigint[]", items.collect::<Vec<_>>().join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn which_comes_first() {
    const OPERATORS: [&str; 8] = ["<", "<=", ">", ">=", "=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"];
    compare(|random| {
        let [one, other, third] = [(); 3].map(|()| match random.random_range(0..20) {
            0 => "NULL::bigint[]".to_owned(),
            _ => numbers(random),
        });
        match random.random_range(0..6) {
            0 => format!("{one} BETWEEN {other} AND {third}"),
            1 => format!("{one} NOT BETWEEN {other} AND {third}"),
            2 => format!("{one} IN ({other}, {third})"),
            3 => format!("greatest({one}, {other})::text || least({one}, {third})::text"),
            _ => format!("{one} {} {other}", OPERATORS.choose(random).unwrap()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_order() {
    const TABLE: &str = "CREATE TABLE listed (id bigint PRIMARY KEY, of bigint, a bigint[], b text[])";
    const ROWS: &str = "INSERT INTO listed VALUES (1, 1, '{1,2}', '{a,b}'), (2, 1, '{1,NULL}', '{a,NULL}'), \
         (3, 1, '{1}', '{a}'), (4, 1, '{}', '{}'), (5, 2, NULL, NULL), (6, 2, '{NULL}', '{NULL}'), \
         (7, 2, '{NULL,1}', '{NULL,a}'), (8, 2, '{2}', '{\"a b\"}'), (9, 2, '{-1,5}', '{\"\"}')";
    compare_over(&[TABLE, ROWS], |random| {
        let column = ["a", "b"].choose(random).unwrap();
        let order = ["", "DESC", "NULLS FIRST", "DESC NULLS LAST"].choose(random).unwrap();
        let below = format!("id < {}", random.random_range(2..11));
        match random.random_range(0..4) {
            0 => format!("string_agg(id::text, ',' ORDER BY {column} {order}, id) FROM listed WHERE {below}"),
            1 => format!("(SELECT id FROM listed WHERE {below} ORDER BY {column} {order}, id LIMIT 1)"),
            2 => format!(
                "(SELECT string_agg(id || ':' || n, ',' ORDER BY id) FROM (SELECT id, rank() OVER (PARTITION BY of \
                 ORDER BY {column} {order}) AS n FROM listed WHERE {below}) ranked)"
            ),
            _ => format!("max({column})::text || min({column})::text FROM listed WHERE {below}"),
        }
    })
    .await;
}
