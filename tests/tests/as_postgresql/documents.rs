//! JSON documents.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::harness::{compare, compare_in_zones, time};

/// A document, as somebody might write it: with blanks, names twice, exponents, escapes.
pub fn document(random: &mut ChaCha8Rng, depth: usize) -> String {
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

/// Moments in documents, which sessions see in their zone.
#[tokio::test(flavor = "multi_thread")]
async fn moments_in_documents() {
    const ZONES: [&str; 4] = ["'UTC'", "'Europe/Madrid'", "'Asia/Kolkata'", "'America/New_York'"];
    compare_in_zones(&ZONES, |random| {
        let moment = format!("timestamptz '{}+00'", time(random));
        match random.random_range(0..6) {
            0 => format!("to_jsonb({moment})"),
            1 => format!("jsonb_build_object('a', {moment}, 'b', 1)"),
            2 => format!("jsonb_build_array({moment}, NULL)"),
            3 => format!("to_jsonb(ARRAY[{moment}, NULL])"),
            4 => format!("jsonb_agg(at) FROM (VALUES ({moment}), (NULL)) AS v(at)"),
            _ => format!("to_jsonb(v) FROM (SELECT {moment} AS at, 1 AS n) AS v"),
        }
    })
    .await;
}
