//! Text of numbers and moments, moments in zones, and JSON documents are what a real PostgreSQL makes of the same: random values and
//! patterns, from a seed that is printed (`CAUDAL_SEED=n` for another, `CAUDAL_FULL=1` for any).

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tests::node::Node;
use tests::postgresql::PostgreSql;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Expressions that each test compares.
const EXPRESSIONS: usize = 1_500;

fn random() -> ChaCha8Rng {
    let full = std::env::var_os("CAUDAL_FULL").is_some();
    let seed = std::env::var("CAUDAL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| if full { rand::random() } else { 1 });
    eprintln!("seed {seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// The only cell, or the code of the error.
async fn answer(client: &Client, expression: &str) -> Result<Option<String>, String> {
    let messages = client.simple_query(&format!("SELECT {expression}")).await;
    let messages =
        messages.map_err(|error| error.code().map_or(format!("{error:?}"), |code| code.code().to_owned()))?;
    let cell = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    });
    Ok(cell.expect("there is a row"))
}

async fn compare(expression: impl FnMut(&mut ChaCha8Rng) -> String) {
    compare_over(&[], expression).await;
}

/// What is selected, over what these statements make.
async fn compare_over(statements: &[&str], mut expression: impl FnMut(&mut ChaCha8Rng) -> String) {
    let Some(postgresql) = PostgreSql::start() else { return };
    let (theirs, node) = (postgresql.connect().await, Node::start().await);
    let ours = node.connect().await;
    let mut random = random();
    for statement in statements {
        theirs.batch_execute(statement).await.unwrap();
        ours.batch_execute(statement).await.unwrap();
    }
    let mut different = Vec::new();
    for _ in 0..EXPRESSIONS {
        let expression = expression(&mut random);
        let (expected, found) = (answer(&theirs, &expression).await, answer(&ours, &expression).await);
        if expected != found {
            different.push(format!("{expression}: {found:?}, and PostgreSQL {expected:?}"));
        }
    }
    node.stop().await;
    let count = different.len();
    assert!(different.is_empty(), "{count} of {EXPRESSIONS} differ:\n{}", different[..count.min(40)].join("\n"));
}

/// Local times from 1900 to 2099, many of them near a change of the clocks.
fn time(random: &mut ChaCha8Rng) -> String {
    let near = ["2026-03-29 0", "2026-10-25 0", "1999-12-31 2", "2000-01-01 0", "2024-02-29 1", "2020-12-28 0"];
    let (hour, minute, second) = (random.random_range(0..4), random.random_range(0..60), random.random_range(0..60));
    let micros = *[0, 1, 120_000, 999_999, 5_000].choose(random).unwrap();
    if random.random_bool(0.5) {
        return format!("{}{hour}:{minute:02}:{second:02}.{micros:06}", near.choose(random).unwrap());
    }
    let (year, month, day) = (random.random_range(1900..2100), random.random_range(1..13), random.random_range(1..29));
    let hour = random.random_range(0..24);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_as_text() {
    compare(|random| {
        let time = time(random);
        match random.random_range(0..5) {
            0 => format!("CAST(TIMESTAMP '{time}' AS text)"),
            1 => format!("(TIMESTAMPTZ '{time}+00')::varchar"),
            2 => format!("'at ' || TIMESTAMPTZ '{time}+00'"),
            3 => format!("length(CAST(TIMESTAMP '{time}' AS text))"),
            _ => format!("ARRAY[TIMESTAMP '{time}', NULL]::text"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_by_patterns() {
    const WORDS: [&str; 70] = [
        "YYYY", "yyyy", "YYY", "YY", "Y", "Y,YYY", "IYYY", "IYY", "IY", "I", "MM", "mm", "Month", "MONTH", "month",
        "Mon", "MON", "mon", "DD", "dd", "DDD", "D", "Day", "DAY", "day", "Dy", "DY", "dy", "IDDD", "ID", "W", "WW",
        "IW", "CC", "J", "Q", "RM", "rm", "HH", "HH12", "HH24", "hh24", "MI", "mi", "SS", "ss", "MS", "US", "FF1",
        "FF3", "FF6", "SSSS", "SSSSS", "AM", "pm", "P.M.", "a.m.", "AD", "bc", "B.C.", "TZ", "tz", "TZH", "TZM", "OF",
        "FX", "iyyy", "ddd", "iw", "q",
    ];
    const BETWEEN: [&str; 12] = ["-", "/", ":", " ", ".", ", ", "\"of day\" ", "T", "\\\"", "ñ ", "", "\"a\\\"b\""];
    compare(|random| {
        let mut pattern = String::new();
        for _ in 0..random.random_range(1..6) {
            pattern += ["", "", "", "FM", "TM"].choose(random).unwrap();
            pattern += WORDS.choose(random).unwrap();
            pattern += ["", "", "", "TH", "th"].choose(random).unwrap();
            pattern += BETWEEN.choose(random).unwrap();
        }
        let of = ["timestamp", "timestamptz"].choose(random).unwrap();
        format!("to_char({of} '{}', '{pattern}')", time(random))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_by_patterns() {
    const PATTERNS: [&str; 60] = [
        "9",
        "99",
        "999",
        "9999",
        "0",
        "09",
        "0999",
        "9.9",
        "99.99",
        "999.990",
        "0.00",
        "0.9",
        ".99",
        "9,999",
        "99,999.99",
        "FM9",
        "FM999",
        "FM9990",
        "FM999.99",
        "FM990.09",
        "FM0.00",
        "FM9.9",
        "FM9,999,999.00",
        "S999",
        "999S",
        "S9.9",
        "9.9S",
        "FMS999",
        "SG999",
        "999SG",
        "MI999",
        "999MI",
        "FM999MI",
        "PL999",
        "999PL",
        "999PR",
        "9.99PR",
        "FM999PR",
        "L999",
        "999L",
        "G999",
        "9G999D99",
        "999D9",
        "RN",
        "rn",
        "FMRN",
        "999TH",
        "999th",
        "FM999th",
        "99V9",
        "9V99",
        "EEEE",
        "9.99EEEE",
        "9EEEE",
        "99 99",
        "\"n\"999",
        "999.",
        "FM999.",
        "00000.0000",
        "B99",
    ];
    compare(|random| {
        let number = match random.random_range(0..8) {
            0 => random.random_range(-12..13_i64).to_string(),
            1 => random.random_range(-5_000..5_000_i64).to_string(),
            2 => format!("{}.{:02}", random.random_range(-2_000..2_000_i64), random.random_range(0..100)),
            3 => format!("0.{:03}", random.random_range(0..1_000)),
            4 => format!("-0.{:02}", random.random_range(0..100)),
            5 => format!("{}::double precision", random.random_range(-3_000.0..3_000.0_f64)),
            6 => format!("{:e}::double precision", random.random_range(-20.0..20.0_f64).exp()),
            _ => (*[
                "0",
                "0.0",
                "0::double precision",
                "'NaN'::double precision",
                "0.5",
                "-1",
                "'-Infinity'::double precision",
            ]
            .choose(random)
            .unwrap())
            .to_owned(),
        };
        format!("to_char({number}, '{}')", PATTERNS.choose(random).unwrap())
    })
    .await;
}

/// A document, as somebody might write it: with blanks, names twice, exponents, escapes.
fn document(random: &mut ChaCha8Rng, depth: usize) -> String {
    const NAMES: [&str; 7] = ["a", "b", "bb", "c d", "", "\\u00f1", "0"];
    const WORDS: [&str; 8] = ["", "a", "b", "ñ", "a \\\"b\\\"", "\\n\\t", "\\u0001", "x, y: [z]"];
    const NUMBERS: [&str; 12] = ["0", "-0", "1", "1.0", "1.50", "-2.5e1", "1e3", "12e-4", "0.10", "10", "-7", "1E+2"];
    let blank = ["", " ", "\n"].choose(random).unwrap();
    match random.random_range(0..if depth == 0 { 4 } else { 7 }) {
        0 => (*["null", "true", "false"].choose(random).unwrap()).to_owned(),
        1 | 2 => (*NUMBERS.choose(random).unwrap()).to_owned(),
        3 => format!("\"{}\"", WORDS.choose(random).unwrap()),
        4 | 5 => {
            let member = |random: &mut ChaCha8Rng| {
                format!("\"{}\"{blank}:{}", NAMES.choose(random).unwrap(), document(random, depth - 1))
            };
            let members: Vec<String> = (0..random.random_range(0..4)).map(|_| member(random)).collect();
            format!("{{{blank}{}}}", members.join(","))
        }
        _ => {
            let items: Vec<String> = (0..random.random_range(0..4)).map(|_| document(random, depth - 1)).collect();
            format!("{blank}[{}{blank}]", items.join(" ,"))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents() {
    const STEPS: [&str; 9] = ["'a'", "'b'", "'bb'", "'c d'", "''", "0", "1", "-1", "NULL"];
    const PATHS: [&str; 6] = ["{a}", "{a,b}", "{0,a}", "{a,0}", "{}", "{bb,-1,a}"];
    compare(|random| {
        let one = format!("'{}'::jsonb", document(random, 3));
        let step = STEPS.choose(random).unwrap();
        let path = PATHS.choose(random).unwrap();
        match random.random_range(0..34) {
            0 => one,
            1 => format!("{one}::text"),
            2 => format!("{one} -> {step}"),
            3 => format!("{one} ->> {step}"),
            4 => format!("{one} -> {step} -> {}", STEPS.choose(random).unwrap()),
            5 => format!("{one} -> {step} ->> {} || '!'", STEPS.choose(random).unwrap()),
            6 => format!("{one} #> '{path}'"),
            7 => format!("{one} #>> '{path}'"),
            8 => format!("jsonb_extract_path_text({one}, 'a', 'b')"),
            9 => format!("{one} @> '{}'", document(random, 2)),
            10 => format!("'{}' <@ {one}", document(random, 1)),
            11 => format!("{one} ? 'a'"),
            12 => format!("{one} ?| ARRAY['a', 'bb']"),
            13 => format!("{one} ?& '{{a,b}}'"),
            14 => format!("{one} || '{}'::jsonb", document(random, 2)),
            15 => format!("{one} - 'a'"),
            16 => format!("{one} - {}", random.random_range(-3..3)),
            17 => format!("{one} - ARRAY['a', 'b']"),
            18 => format!("jsonb_typeof({one})"),
            19 => format!("jsonb_array_length({one})"),
            20 => format!("({one} -> 'a')::{}", ["int", "numeric(10, 2)", "boolean", "bigint"].choose(random).unwrap()),
            21 => format!("jsonb_strip_nulls({one})"),
            22 => format!("jsonb_build_object('x', {one}, 'n', 1.50, 't', TRUE, 's', 'a\"b', 'z', NULL)"),
            23 => format!("jsonb_build_array({one}, 'x', 2, ARRAY[1, 2])"),
            26 => format!("jsonb_set({one}, '{path}', '{}', {})", document(random, 1), random.random_bool(0.5)),
            27 => format!("jsonb_set({one}, '{path}', '{}')", document(random, 1)),
            28 => format!("jsonb_insert({one}, '{path}', '{}', {})", document(random, 1), random.random_bool(0.5)),
            29 => format!("{one} #- '{path}'"),
            30 => format!("jsonb_pretty({one})"),
            31 => format!("to_jsonb(ARRAY[timestamp '{}'])", time(random)),
            32 => format!(
                "jsonb_object_agg(k, v::jsonb ORDER BY n) FROM (VALUES (1, 'b', '{}'), (2, 'a', NULL), (3, 'b', '{}')) AS d(n, k, v)",
                document(random, 1),
                document(random, 1)
            ),
            // A json keeps how its numbers are written, here it is a jsonb.
            24 => format!("'{}'::json ->> 'b' IS NULL", document(random, 1)),
            25 => format!("{one} = {one} || '{{}}'"),
            _ => format!("'{}'::jsonb", document(random, 2).replace(['}', ','], "")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_in_zones() {
    const ZONES: [&str; 9] = [
        "Europe/Madrid",
        "UTC",
        "America/New_York",
        "asia/kolkata",
        "Australia/Lord_Howe",
        "+02",
        "-03:30",
        "America/Sao_Paulo",
        "Nowhere/Land",
    ];
    const UNITS: [&str; 12] = [
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "month",
        "quarter",
        "year",
        "decade",
        "century",
        "millennium",
        "milliseconds",
    ];
    compare(|random| {
        let (zone, unit, time) = (ZONES.choose(random).unwrap(), UNITS.choose(random).unwrap(), time(random));
        match random.random_range(0..6) {
            0 => format!("timestamptz '{time}+00' AT TIME ZONE '{zone}'"),
            1 => format!("timestamp '{time}' AT TIME ZONE '{zone}'"),
            2 => format!("timezone('{zone}', timestamptz '{time}+00')"),
            3 => format!("date_trunc('{unit}', timestamptz '{time}+00')"),
            4 => format!("date_trunc('{unit}', timestamp '{time}')"),
            _ => format!("date_trunc('{unit}', timestamptz '{time}+00', '{zone}')"),
        }
    })
    .await;
}

/// Statements as `SELECT` of an expression in sessions of a random zone.
async fn compare_in_zones(zones: &[&str], mut expression: impl FnMut(&mut ChaCha8Rng) -> String) {
    let Some(postgresql) = PostgreSql::start() else { return };
    let (theirs, node) = (postgresql.connect().await, Node::start().await);
    let ours = node.connect().await;
    let mut random = random();
    let mut different = Vec::new();
    for number in 0..EXPRESSIONS {
        if number % 25 == 0 {
            let zone = zones.choose(&mut random).unwrap();
            for client in [&theirs, &ours] {
                client.batch_execute(&format!("SET TimeZone = {zone}")).await.unwrap();
            }
            let shown = [
                answer(&theirs, "current_setting('TimeZone')").await,
                answer(&ours, "current_setting('TimeZone')").await,
            ];
            assert_eq!(shown[0], shown[1], "{zone}");
        }
        let expression = expression(&mut random);
        let (expected, found) = (answer(&theirs, &expression).await, answer(&ours, &expression).await);
        if expected != found {
            let zone = answer(&ours, "current_setting('TimeZone')").await;
            different.push(format!("{zone:?} {expression}: {found:?}, and PostgreSQL {expected:?}"));
        }
    }
    node.stop().await;
    let count = different.len();
    assert!(different.is_empty(), "{count} of {EXPRESSIONS} differ:\n{}", different[..count.min(40)].join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_in_sessions_of_any_zone() {
    const ZONES: [&str; 9] = [
        "'Europe/Madrid'",
        "'America/New_York'",
        "'asia/kolkata'",
        "'Australia/Lord_Howe'",
        "'-03:30'",
        "3",
        "-4.5",
        "'Asia/Kathmandu'",
        "'America/Sao_Paulo'",
    ];
    const UNITS: [&str; 8] = ["minute", "hour", "day", "week", "month", "quarter", "year", "decade"];
    const FIELDS: [&str; 10] = ["hour", "day", "dow", "doy", "week", "month", "year", "epoch", "minute", "quarter"];
    compare_in_zones(&ZONES, |random| {
        let (time, other) = (time(random), time(random));
        let moment = match random.random_range(0..3) {
            0 => format!("timestamptz '{time}+00'"),
            1 => format!("'{time}'::timestamptz"),
            _ => format!("timestamptz '{time}'"),
        };
        let (unit, field) = (UNITS.choose(random).unwrap(), FIELDS.choose(random).unwrap());
        let date = other.split(' ').next().unwrap();
        match random.random_range(0..16) {
            0 | 1 => moment,
            2 => format!("({moment})::text"),
            3 => format!("({moment})::date"),
            4 => format!("({moment})::timestamp"),
            5 => format!("timestamp '{other}'::timestamptz"),
            6 => format!("date '{date}'::timestamptz"),
            7 | 8 => format!("date_trunc('{unit}', {moment})"),
            9 | 10 => format!("extract({field} FROM {moment})::double precision"),
            11 => format!("to_char({moment}, 'YYYY-MM-DD HH24:MI:SS.US TZ OF')"),
            12 => {
                let (months, days) = (random.random_range(-14..14), random.random_range(-40..40));
                let hours = random.random_range(-50..50);
                let sign = ["+", "-"].choose(random).unwrap();
                format!("{moment} {sign} interval '{months} months {days} days {hours} hours'")
            }
            13 => format!("date_bin(interval '15 minutes', {moment}, timestamptz '2001-01-01 00:00')"),
            14 => format!("{moment} < timestamp '{other}'"),
            _ => format!("{moment} AT TIME ZONE 'Europe/Madrid'"),
        }
    })
    .await;
}

/// What is in subqueries, in conditions and as a value, where there may be NULLs or no rows.
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

#[tokio::test(flavor = "multi_thread")]
async fn intervals_and_moments_from_text() {
    fn interval(random: &mut ChaCha8Rng) -> String {
        const UNITS: [&str; 12] =
            ["year", "months", "mon", "weeks", "day", "days", "h", "hours", "minutes", "s", "ms", "decade"];
        let mut text = String::new();
        // The same unit twice is refused.
        for _ in 0..random.random_range(1..4) {
            let count = random.random_range(-40..40);
            let fraction = ["", "", "", ".5", ".25", ".123456"].choose(random).unwrap();
            text += &format!("{count}{fraction} {} ", UNITS.choose(random).unwrap());
        }
        match random.random_range(0..6) {
            0 => text += &format!("{:02}:{:02}", random.random_range(0..40), random.random_range(0..60)),
            1 => text += &format!("-{}:{:02}:{:02}.5", random.random_range(0..30), 7, random.random_range(0..60)),
            2 => text += "ago",
            3 => {
                return format!(
                    "P{}Y{}M{}DT{}H{}.5S",
                    1,
                    random.random_range(-9..14),
                    3,
                    random.random_range(0..30),
                    5
                );
            }
            _ => {}
        }
        text
    }
    const FIELDS: [&str; 13] = [
        "year",
        "quarter",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "milliseconds",
        "epoch",
        "decade",
        "century",
        "millennium",
        "week",
    ];
    const OF_MOMENTS: [&str; 13] = [
        "century",
        "decade",
        "millennium",
        "julian",
        "second",
        "milliseconds",
        "microseconds",
        "epoch",
        "isodow",
        "isoyear",
        "doy",
        "week",
        "quarter",
    ];
    compare(|random| {
        let (text, other, time) = (interval(random), interval(random), time(random));
        let minute = time.rsplit_once(':').unwrap().0;
        let field = FIELDS.choose(random).unwrap();
        match random.random_range(0..14) {
            0 | 1 => format!("interval '{text}'"),
            2 => format!("('{text}')::interval::text"),
            3 => format!("('{text}' || '')::interval > interval '{other}'"),
            4 | 5 => format!("extract({field} FROM interval '{text}')::double precision"),
            6 => format!("extract({} FROM timestamp '{time}')::double precision", OF_MOMENTS.choose(random).unwrap()),
            7 if random.random_bool(0.5) => format!("date '{}' - interval '{text}'", &time[..10]),
            7 => format!("timestamp '{minute}' + interval '{} days 02:30'", random.random_range(-9..9)),
            8 => format!("'{minute}+03'::timestamptz"),
            9 => format!("timestamp '{minute}+03'"),
            10 => format!("(timestamp '{time}' - timestamp '2020-02-29 12:00')::text"),
            11 => format!("extract({field} FROM timestamp '{time}' - timestamp '2020-02-29')::double precision"),
            12 => format!("('{:e}'::double precision)::text", random.random_range(-40.0..40.0_f64).exp()),
            _ => format!("'x' || {}::real", random.random_range(-5_000..5_000)),
        }
    })
    .await;
}

/// Statements one after the other in a session: the first cell of each, or the code of the error.
async fn script(client: &Client, statements: &[&str]) -> Vec<Result<Option<String>, String>> {
    let mut answers = Vec::new();
    for statement in statements {
        let messages = client.simple_query(statement).await;
        let code =
            |error: tokio_postgres::Error| error.code().map_or(format!("{error:?}"), |code| code.code().to_owned());
        answers.push(messages.map_err(code).map(|messages| {
            messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
        }));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_end_with_their_transaction() {
    const STATEMENTS: [&str; 44] = [
        "SELECT set_config('application_name', 'x', false)",
        "SHOW application_name",
        "SELECT set_config('my.var', 'v', false)",
        "SELECT set_config('my.var', 'w', true)",
        "SELECT current_setting('my.var')",
        "SELECT set_config('TimeZone', 'Europe/Madrid', false)",
        "SELECT timestamptz '2026-07-01 00:00+00'",
        "BEGIN",
        "SELECT set_config('my.var', 'w', true)",
        "SELECT current_setting('my.var')",
        "COMMIT",
        "SELECT current_setting('my.var')",
        "BEGIN",
        "SET my.var = 'lost'",
        "SET LOCAL TIME ZONE 'UTC'",
        "SHOW TimeZone",
        "ROLLBACK",
        "SELECT current_setting('my.var')",
        "SHOW TimeZone",
        "BEGIN",
        "SET my.var = 'kept'",
        "SAVEPOINT s",
        "SET my.var = 'b'",
        "SET LOCAL statement_timeout = '5s'",
        "ROLLBACK TO s",
        "SELECT current_setting('my.var')",
        "SHOW statement_timeout",
        "COMMIT",
        "SELECT current_setting('my.var')",
        "BEGIN",
        "SET LOCAL my.var = 'z'",
        "SET my.var = 'last'",
        "SET LOCAL my.var = 'y'",
        "COMMIT",
        "SELECT current_setting('my.var')",
        "BEGIN",
        "SET my.var = 'failed'",
        "SELECT 1 / 0",
        "COMMIT",
        "SELECT current_setting('my.var')",
        "SELECT set_config('my.' || n, 'of a row', false) FROM (VALUES ('a'), ('b')) AS v(n)",
        "SELECT current_setting('my.b')",
        "SELECT set_config('no_such', 'x', false)",
        "SELECT set_config(NULL, 'x', false)",
    ];
    let Some(postgresql) = PostgreSql::start() else { return };
    let (theirs, node) = (postgresql.connect().await, Node::start().await);
    let ours = node.connect().await;
    let (expected, found) = (script(&theirs, &STATEMENTS).await, script(&ours, &STATEMENTS).await);
    for (at, statement) in STATEMENTS.iter().enumerate() {
        assert_eq!(found[at], expected[at], "{statement}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn series() {
    const ZONES: [&str; 3] = ["'UTC'", "'Europe/Madrid'", "'America/New_York'"];
    const STEPS: [&str; 7] = ["1 day", "12:00", "-1 day", "1 month", "90 minutes", "1 week 2:00", "0"];
    compare_in_zones(&ZONES, |random| {
        let start = ["2026-03-27", "2026-10-23", "2026-01-31", "2024-02-28"].choose(random).unwrap();
        let (step, of) = (STEPS.choose(random).unwrap(), ["timestamp", "timestamptz", "date"].choose(random).unwrap());
        let days = random.random_range(-3..9);
        let end = format!("({of} '{start}' + interval '{days} days')::{of}");
        match random.random_range(0..4) {
            0 => format!("string_agg(g::text, ' ' ORDER BY g) FROM generate_series({of} '{start}', {end}, '{step}') AS g"),
            1 => format!(
                "string_agg(g.n::text, ' ' ORDER BY n) FROM generate_series({of} '{start}', {end}, interval '{step}') AS g(n)"
            ),
            2 => format!("count(*) FROM (SELECT generate_series({of} '{start}', {end}, interval '{step}')) AS s"),
            _ => format!("sum(g) FROM generate_series({days}, 5, {}) AS g", random.random_range(1..3)),
        }
    })
    .await;
}

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
async fn defaults_of_columns() {
    const TABLE: &str = "CREATE TABLE d (id integer PRIMARY KEY, a integer DEFAULT 7, b text DEFAULT 'it''s', c boolean DEFAULT true, e text)";
    compare_over(&[TABLE], |random| {
        let from = "FROM information_schema.columns WHERE table_name = 'd'";
        match random.random_range(0..3) {
            0 => format!("string_agg(column_name || ' ' || column_default, ', ' ORDER BY ordinal_position) {from}"),
            1 => "string_agg(pg_get_expr(adbin, adrelid), ', ' ORDER BY adnum) FROM pg_attrdef WHERE adrelid = 'd'::regclass".to_owned(),
            _ => "count(*) FROM pg_attribute WHERE attrelid = 'd'::regclass AND attnum > 0 AND atthasdef".to_owned(),
        }
    })
    .await;
}
