//! Regular expressions: their patterns, flags and functions.

use rand::RngExt;
use rand::seq::IndexedRandom;
use tests::node::Node;

use crate::harness::{answer, compare, compare_over};

/// Those of which a first match is the longest too, as PostgreSQL takes that one.
const PATTERNS: [&str; 29] = [
    "a",
    "b*",
    "[ab]+",
    "[^a-c]+",
    "(a)(b)?",
    "(\\w)(\\d)",
    "\\s+",
    "",
    "^a",
    "c$",
    "\\mfoo\\M",
    "\\yb",
    "a.b",
    "a{2}",
    "a{",
    "[]a]",
    "[[:digit:]]+",
    "[a&&b]",
    "(?:ab)+",
    "x?",
    "***=a.b",
    "(?i)FOO",
    "[a\\d]",
    "\\.",
    "b(",
    "\\x62",
    "a**",
    "(?P<n>a)",
    "[+--]",
];
const TEXTS: [&str; 12] =
    ["abc", "", "foo bar baz", "a1b22c", "aab aab", "a.b]c", "x&y", "FOO foo", "E'a\\nb\\nc'", "a{b", "1 22  333", "b"];
const FLAGS: [&str; 10] = ["", "i", "g", "gi", "n", "s", "x", "q", "w", "z"];

fn quoted(text: &str) -> String {
    if text.starts_with("E'") { text.to_owned() } else { format!("'{text}'") }
}

#[tokio::test(flavor = "multi_thread")]
async fn regular_expressions() {
    compare(|random| {
        let (text, pattern) = (quoted(TEXTS.choose(random).unwrap()), PATTERNS.choose(random).unwrap());
        let flags = FLAGS.choose(random).unwrap();
        let (start, nth) = (random.random_range(0..9), random.random_range(0..4));
        let replacement = ["-", "[\\&]", "\\1x", "$1", "\\\\", "\\", "\\2\\1"].choose(random).unwrap();
        match random.random_range(0..18) {
            0 => format!("regexp_match({text}, '{pattern}', '{flags}')"),
            1 => format!("regexp_replace({text}, '{pattern}', '{replacement}', '{flags}')"),
            2 => format!("regexp_replace({text}, '{pattern}', '{replacement}')"),
            3 => format!("regexp_replace({text}, '{pattern}', '{replacement}', {start}, {nth}, '{flags}')"),
            4 => format!("regexp_replace({text}, '{pattern}', '{replacement}', {start})"),
            5 => format!("regexp_split_to_array({text}, '{pattern}', '{flags}')"),
            6 => format!("regexp_count({text}, '{pattern}', {start}, '{flags}')"),
            7 => format!("regexp_like({text}, '{pattern}', '{flags}')"),
            8 => format!("regexp_instr({text}, '{pattern}', {start}, {nth}, {}, '{flags}')", nth % 3),
            9 => format!("regexp_substr({text}, '{pattern}', {start}, {nth}, '{flags}', {})", nth % 3),
            10 => format!("substring({text} FROM '{pattern}')"),
            11 => format!("{text} ~ '{pattern}'"),
            12 => format!("{text} !~* '{pattern}'"),
            13 => {
                let similar =
                    ["a%", "(a|b)%", "%b_", "a.c", "[ab]+%", "%#_%", "a{2}%", "%\\d+%", "#w+"].choose(random).unwrap();
                format!("{text} SIMILAR TO '{similar}' {}", ["", "ESCAPE '#'"].choose(random).unwrap())
            }
            14 => format!(
                "string_agg(m::text, ';' ORDER BY m::text) FROM regexp_matches({text}, '{pattern}', '{flags}') AS m"
            ),
            15 => format!("count(*) FROM (SELECT regexp_matches({text}, '{pattern}', '{flags}')) AS m"),
            16 => format!("string_agg(p, ';' ORDER BY p) FROM regexp_split_to_table({text}, '{pattern}') AS p"),
            _ => format!("(regexp_match({text}, '{pattern}'))[1] IS NULL"),
        }
    })
    .await;
}

/// Of a table's rows, in queries and in views.
#[tokio::test(flavor = "multi_thread")]
async fn regular_expressions_of_rows() {
    const STATEMENTS: [&str; 3] = [
        "CREATE TABLE w (id integer PRIMARY KEY, t text, p text)",
        "INSERT INTO w VALUES (1, 'a1b22c', '\\d+'), (2, 'x', '\\d+'), (3, NULL, 'x'), (4, 'foo bar', NULL), (5, '7 8', '\\s')",
        "CREATE MATERIALIZED VIEW words AS SELECT id, n, t ~ p AS found, regexp_replace(t, p, '<\\&>', 'g') AS marked
         FROM w, regexp_split_to_table(t, p) AS n",
    ];
    compare_over(&STATEMENTS, |random| {
        let of = [
            "string_agg(id || ':' || n || ':' || found || ':' || marked, ' ' ORDER BY id, n) FROM words",
            "string_agg(id || ':' || (t ~ p), ' ' ORDER BY id) FROM w",
            "string_agg(id || ':' || m[1], ' ' ORDER BY id, m[1]) FROM w, regexp_matches(t, p, 'g') AS m",
            "string_agg(id || ':' || regexp_count(t, p), ' ' ORDER BY id) FROM w",
            "string_agg(id || ':' || n, ' ' ORDER BY id, n) FROM (SELECT id, regexp_split_to_table(t, p) AS n FROM w) AS s",
        ];
        (*of.choose(random).unwrap()).to_owned()
    })
    .await;
}

/// Letters are those of all languages, whichever way they are asked for; the other server has those of its locale.
#[tokio::test(flavor = "multi_thread")]
async fn letters_of_all_languages() {
    let node = Node::start().await;
    let client = node.connect().await;
    for (expression, expected) in [
        ("'ñ' ~ '^\\w$' AND 'ñ' ~ '^[[:alpha:]]$' AND 'Ñ' ~ '^[[:upper:]]$' AND 'ñ' ~* 'Ñ'", "t"),
        ("regexp_replace('Peña 7', '[^[:alnum:]]', '', 'g')", "Peña7"),
        ("'٣' ~ '\\d' OR '٣' ~ '[[:digit:]]'", "f"),
        ("regexp_replace('a+b-c,', '[+--]', '', 'g')", "abc"),
    ] {
        assert_eq!(answer(&client, expression).await, Ok(Some(expected.to_owned())), "{expression}");
    }
    let found = client.query_one("SELECT $1 ~ $2, 'a\nb' ~ $3", &[&"a foo b", &"\\mfoo\\M", &"a.b"]).await.unwrap();
    assert_eq!((found.get::<_, bool>(0), found.get::<_, bool>(1)), (true, true));
    node.stop().await;
}
