//! Moments, in zones and sessions, intervals, and series of them.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::harness::{compare, compare_in_zones, time};

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
async fn moments_and_intervals_of_parts() {
    const ZONES: [&str; 3] = ["'UTC'", "'Europe/Madrid'", "'America/New_York'"];
    const WORDS: [&str; 34] = [
        "YYYY", "YYY", "YY", "Y", "Y,YYY", "MM", "DD", "DDD", "HH24", "HH", "HH12", "MI", "SS", "MS", "US", "FF2",
        "SSSS", "AM", "p.m.", "Q", "CC", "WW", "W", "FMHH24", "FMMI", "DDth", "MMTH", "FMDD", "FMUS", "TZ", "Mon",
        "BC", "\"of\"", "-",
    ];
    compare_in_zones(&ZONES, |random| {
        let mut part = |from: i32, to: i32| random.random_range(from..to);
        let (year, month, day) = (part(-3, 2100), part(0, 14), part(0, 32));
        let (hour, minute, second) = (part(-1, 25), part(-1, 61), part(-1, 62));
        let micros = part(0, 1_000_000);
        let time = format!("{year}, {month}, {day}, {hour}, {minute}, {second}.{micros:06}");
        let sound = format!("{}, {}, {}, {hour}, {minute}, {second}.5", part(1990, 2030), part(1, 13), part(1, 29));
        let span = format!(
            "{}, {}, {}, {}, {hour}, {minute}, {second}.25",
            part(-4, 9),
            part(-20, 20),
            part(-3, 3),
            part(-9, 50)
        );
        match part(0, 9) {
            0 => format!("make_date({year}, {month}, {day})"),
            1 => format!("make_timestamp({time})"),
            2 => format!("make_timestamp({sound})"),
            3 => format!("make_timestamptz({sound})"),
            4 => format!("make_timestamptz({sound}, 'Australia/Lord_Howe')"),
            5 => format!("make_interval({span})"),
            6 => format!("make_interval(days => {day}, hours => {hour}, secs => {second}.5)"),
            _ => {
                let pattern: Vec<&str> = (0..part(1, 4)).map(|_| WORDS[part(0, 34) as usize]).collect();
                format!("to_char(make_interval({span}), '{}')", pattern.join(" "))
            }
        }
    })
    .await;
}
