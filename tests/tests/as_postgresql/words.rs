//! Text: parts of it, patterns, formats, and how long something is.

use rand::RngExt;
use rand::seq::IndexedRandom;

use crate::harness::{compare, time};

#[tokio::test(flavor = "multi_thread")]
async fn words() {
    const TEXTS: [&str; 10] = ["a,b,,c", "", "abc", "a$1b", "it''s", "a\\b", "ñandú", "A b", "selects", "a--b"];
    const PATTERNS: [&str; 12] =
        ["%s", "%I", "%L", "%%", "%-8s|", "%8s|", "%2$s %1$s", "%s %s", "%s %I %L", "%*s", "%x", "%"];
    compare(|random| {
        let (one, other) = (TEXTS.choose(random).unwrap(), TEXTS.choose(random).unwrap());
        let delimiter = ["','", "''", "NULL", "'--'", "'b'"].choose(random).unwrap();
        let value =
            ["1", "1.50", "true", "NULL", "1e10::double precision", "date '2026-01-02'"].choose(random).unwrap();
        let number = random.random_range(-99..99);
        match random.random_range(0..12) {
            0 => format!("string_to_array('{one}', {delimiter})"),
            1 => format!("string_to_array('{one}', {delimiter}, '{other}')"),
            2 | 3 => format!("format('{}', '{one}', {value})", PATTERNS.choose(random).unwrap()),
            4 => format!("quote_nullable('{one}')"),
            5 => format!("num_nulls({value}, NULL) || ' ' || num_nonnulls({value}, NULL)"),
            6 => {
                let replacement = ["$1", "[\\&]", "\\1x", "$", "\\\\", "x"].choose(random).unwrap();
                let flags = ["", ", 'g'", ", 'gi'"].choose(random).unwrap();
                format!("regexp_replace('{one}', '([a-b])', '{replacement}'{flags})")
            }
            7 => format!("age(timestamp '{}', timestamp '{}')", time(random), time(random)),
            8 => format!("justify_interval(interval '{number} days {} months {} hours')", number / 2, -number * 3),
            9 => format!("justify_days(interval '{number} days') - justify_hours(interval '{number} hours 7 minutes')"),
            10 => format!("ceiling({number}.5::double precision) + {number}"),
            _ => format!("age(date '{}', date '2024-02-29')", &time(random)[..10]),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_as_text() {
    const DIGITS: [&str; 9] = ["", "0", "0a", "FF 00", "0g", "AQL/", "AQ==", "AQ", "QUJD\nRA=="];
    const BYTES: [&str; 4] = ["\\x", "\\x00ff5c41", "abc", "a\\\\b\\001"];
    compare(|random| {
        let format = ["hex", "base64", "escape", "HEX", "none"].choose(random).unwrap();
        let (digits, bytes) = (DIGITS.choose(random).unwrap(), BYTES.choose(random).unwrap());
        let long = random.random_range(0..200);
        match random.random_range(0..8) {
            0 => format!("encode('{bytes}'::bytea, '{format}')"),
            1 => format!("decode('{digits}', '{format}')"),
            2 => format!("encode(repeat('a', {long})::bytea, 'base64')"),
            3 => format!("md5('{bytes}'::bytea) || md5(repeat('n', {long}))"),
            4 => format!("encode(sha256('{bytes}'), 'hex')"),
            5 => format!("sha512(repeat('n', {long})::bytea)"),
            6 => format!("decode(encode(sha384('{bytes}'), '{format}'), '{format}')"),
            _ => format!("decode('{bytes}', '{format}')"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_quotes() {
    const NAMES: [&str; 16] = [
        "select",
        "user",
        "order",
        "name",
        "value",
        "timestamp",
        "json",
        "left",
        "row",
        "values",
        "key",
        "Name",
        "a b",
        "1a",
        "index",
        "offset",
    ];
    compare(|random| {
        let name = NAMES.choose(random).unwrap();
        match random.random_range(0..2) {
            0 => format!("quote_ident('{name}')"),
            _ => format!("format('%I', '{name}')"),
        }
    })
    .await;
}
