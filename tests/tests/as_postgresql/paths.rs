//! SQL/JSON paths.

use crate::documents::document;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use tests::node::Node;

use crate::harness::{answer, compare, compare_over};

fn steps(random: &mut ChaCha8Rng, depth: usize) -> String {
    const STEPS: [&str; 22] = [
        ".a",
        ".b",
        ".bb",
        ".\"c d\"",
        ".*",
        "[*]",
        "[0]",
        "[1]",
        "[last]",
        "[0 to 1]",
        "[1, 0]",
        "[last - 1]",
        "[5]",
        ".**",
        ".**{1}",
        ".**{1 to 2}",
        ".size()",
        ".type()",
        ".abs()",
        ".ceiling()",
        ".floor()",
        ".double()",
    ];
    let mut steps = String::new();
    for _ in 0..random.random_range(0..4) {
        if depth > 0 && random.random_bool(0.2) {
            steps += &format!(" ? ({})", condition(random, depth - 1));
        } else {
            steps += STEPS.choose(random).unwrap();
        }
    }
    steps
}

fn value(random: &mut ChaCha8Rng, depth: usize) -> String {
    const LITERALS: [&str; 11] = ["1", "0", "-2.5", "10", "\"a\"", "\"\"", "null", "true", "1e1", "$x", "0.000000001"];
    let start = if depth < 2 { "@" } else { "$" };
    match random.random_range(0..8) {
        0..4 => format!("{start}{}", steps(random, depth)),
        4 if depth > 0 => {
            let operation = ["+", "-", "*", "/", "%"].choose(random).unwrap();
            format!("({} {operation} {})", value(random, depth - 1), value(random, depth - 1))
        }
        5 => format!("-{start}{}", steps(random, 0)),
        _ => (*LITERALS.choose(random).unwrap()).to_owned(),
    }
}

fn condition(random: &mut ChaCha8Rng, depth: usize) -> String {
    let of = value(random, depth);
    match random.random_range(0..if depth == 0 { 6 } else { 10 }) {
        0..4 => {
            let comparison = ["==", "!=", "<", "<=", ">", ">=", "<>"].choose(random).unwrap();
            format!("{of} {comparison} {}", value(random, depth))
        }
        4 => format!("{of} starts with {}", ["\"a\"", "\"\"", "$t"].choose(random).unwrap()),
        5 => format!("{of} like_regex \"{}\"", ["^a", "b", ".", "^A\" flag \"i"].choose(random).unwrap()),
        6 => format!("exists ({of})"),
        7 => format!("!({})", condition(random, depth - 1)),
        8 => format!("(({}) is unknown)", condition(random, depth - 1)),
        _ => {
            let logic = ["&&", "||"].choose(random).unwrap();
            format!("({}) {logic} ({})", condition(random, depth - 1), condition(random, depth - 1))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths() {
    compare(|random| {
        let one = format!("'{}'::jsonb", document(random, 3));
        let mode = ["", "lax ", "strict "].choose(random).unwrap();
        let whole = match random.random_range(0..8) {
            0 => value(random, 2),
            1 | 2 => condition(random, 2).replace('@', "$"),
            // Now and then one that is none.
            3 if random.random_bool(0.2) => format!("$.a[{}", steps(random, 1)),
            _ => format!("${}", steps(random, 2)),
        };
        let path = format!("{mode}{whole}").replace('@', if whole.contains('?') { "@" } else { "$" });
        let variables = "'{\"x\": 1, \"t\": \"a\"}'";
        match random.random_range(0..9) {
            0 => format!("{one} @? '{path}'"),
            1 => format!("{one} @@ '{path}'"),
            2 => format!("jsonb_path_query_array({one}, '{path}', {variables})"),
            3 => format!("jsonb_path_query_array({one}, '{path}', {variables}, true)"),
            4 => format!("jsonb_path_query_first({one}, '{path}', {variables})"),
            5 => format!("jsonb_path_exists({one}, '{path}', {variables})"),
            6 => format!("jsonb_path_match({one}, '{path}', {variables}, true)"),
            7 => format!("jsonb_path_match({one}, '{path}', {variables})"),
            _ => format!("string_agg(p::text, ';' ORDER BY p::text) FROM jsonb_path_query({one}, '{path}', {variables}, true) AS p"),
        }
    })
    .await;
}

/// Of a table's rows, in queries and in views.
#[tokio::test(flavor = "multi_thread")]
async fn paths_of_rows() {
    const STATEMENTS: [&str; 3] = [
        "CREATE TABLE d (id integer PRIMARY KEY, doc jsonb, path text)",
        r#"INSERT INTO d VALUES (1, '{"lines": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 5}]}', '$.lines[*].qty'),
        (2, '{"lines": []}', '$.lines'), (3, NULL, '$'), (4, '[1, 2]', NULL), (5, '{"lines": {"sku": "c", "qty": 7}}', '$.x')"#,
        "CREATE MATERIALIZED VIEW skus AS SELECT id, sku FROM d, jsonb_path_query(doc, '$.lines[*] ? (@.qty > 2).sku') AS sku",
    ];
    compare_over(&STATEMENTS, |random| {
        let of = [
            "string_agg(id || ':' || sku::text, ' ' ORDER BY id, sku::text) FROM skus",
            "string_agg(id::text, ' ' ORDER BY id) FROM d WHERE doc @? '$.lines[*] ? (@.qty == 5)'",
            "string_agg(id::text, ' ' ORDER BY id) FROM d WHERE doc @@ '$.lines[*].qty > 6'",
            "string_agg(id || ':' || jsonb_path_query_array(doc, path::jsonpath)::text, ' ' ORDER BY id) FROM d",
            "string_agg(id || ':' || q::text, ' ' ORDER BY id, q::text) FROM (SELECT id, jsonb_path_query(doc, path::jsonpath) AS q FROM d) AS s",
        ];
        (*of.choose(random).unwrap()).to_owned()
    })
    .await;
}

/// What would take a path more room or time than there is, is an error of its own, and the node goes on.
#[tokio::test(flavor = "multi_thread")]
async fn endless_paths_are_refused() {
    let node = Node::start().await;
    let client = node.connect().await;
    for (document, path, code) in [
        ("[1]", "'$' || repeat('[$', 200000)", "54001"),
        ("[1]", "'$' || repeat('[$', 500) || repeat(']', 500)", "54001"),
        ("1", "'$ ? (' || repeat('1==1||', 200000) || '1==1)'", "54001"),
        ("1", "'$' || repeat('[*]', 200000)", "54001"),
        ("1", "repeat('(', 300) || '1' || repeat(')', 300)", "54001"),
        ("[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "'$' || repeat('.**', 20)", "54000"),
    ] {
        let found = answer(&client, &format!("jsonb_path_query_first('{document}'::jsonb, ({path})::jsonpath)")).await;
        assert_eq!(found, Err(code.to_owned()), "{path}");
    }
    let small = "jsonb_path_query_first('{\"v\": -1e-900}'::jsonb, '$.v.floor()')::text";
    assert_eq!(answer(&client, small).await, Ok(Some("-1".to_owned())));
    node.stop().await;
}
