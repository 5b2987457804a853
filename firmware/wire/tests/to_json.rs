//! CBOR becomes the JSON that says the same: a meter's readings the very text that its JSON is, and other messages what RFC 8949
//! says that they are; what has no JSON is refused, and nothing panics.
//!
//! `CAUDAL_SEED=n` runs the seed that a failure names, `CAUDAL_FULL=1` many more cases.

mod messages;

use messages::{cases, cbor, json, reading, seed, to_json};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wire::Refused;
use wire::cbor::NoJson;

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(digit).collect()
}

#[test]
fn a_meters_cbor_is_a_meters_json() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for case in 0..cases(20_000) {
        let readings = (0..random.random_range(0..5)).map(|_| reading(&mut random)).collect::<Vec<_>>();
        let text = String::from_utf8(json(&readings)).unwrap();
        assert_eq!(to_json(&cbor(&readings)), Ok(text), "case {case}, CAUDAL_SEED={seed}");
    }
}

/// The examples of RFC 8949, appendix A, that JSON has words for, and the ones of the RFC's sections on tags.
#[test]
fn the_standards_examples_are_what_it_says() {
    for (message, expected) in [
        ("00", "0"),
        ("17", "23"),
        ("1818", "24"),
        ("1a000f4240", "1000000"),
        ("1b000000e8d4a51000", "1000000000000"),
        ("1bffffffffffffffff", "18446744073709551615"),
        ("c249010000000000000000", "18446744073709551616"),
        ("3bffffffffffffffff", "-18446744073709551616"),
        ("c349010000000000000000", "-18446744073709551617"),
        ("20", "-1"),
        ("3903e7", "-1000"),
        ("f90000", "0"),
        ("f98000", "-0"),
        ("f93c00", "1"),
        ("fb3ff199999999999a", "1.1"),
        ("f93e00", "1.5"),
        ("f97bff", "65504"),
        ("fa47c35000", "100000"),
        ("fa7f7fffff", "3.4028234663852886e38"),
        ("fb7e37e43c8800759c", "1e300"),
        ("f90001", "5.960464477539063e-8"),
        ("f90400", "0.00006103515625"),
        ("f9c400", "-4"),
        ("fbc010666666666666", "-4.1"),
        ("f97c00", "\"Infinity\""),
        ("f97e00", "\"NaN\""),
        ("f9fc00", "\"-Infinity\""),
        ("fa7fc00000", "\"NaN\""),
        ("fb7ff0000000000000", "\"Infinity\""),
        ("f4", "false"),
        ("f5", "true"),
        ("f6", "null"),
        ("f7", "null"),
        ("c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\""),
        ("c11a514b67b0", "\"2013-03-21T20:04:00Z\""),
        ("c1fb41d452d9ec200000", "\"2013-03-21T20:04:00.500Z\""),
        ("c13a0001517f", "\"1969-12-31T00:00:00Z\""),
        ("d74401020304", "\"\\\\x01020304\""),
        ("d818456449455446", "\"\\\\x6449455446\""),
        ("d82076687474703a2f2f7777772e6578616d706c652e636f6d", "\"http://www.example.com\""),
        ("40", "\"\\\\x\""),
        ("60", "\"\""),
        ("6449455446", "\"IETF\""),
        ("62225c", "\"\\\"\\\\\""),
        ("62c3bc", "\"\u{fc}\""),
        ("64f0908591", "\"\u{10151}\""),
        ("630a0078", "\"\\u000a\\u0000x\""),
        ("80", "[]"),
        ("8301820203820405", "[1,[2,3],[4,5]]"),
        ("a0", "{}"),
        ("a201020304", "{\"voltage_v\":0.002,\"power_w\":0.004}"),
        ("a26161016162820203", "{\"a\":1,\"b\":[2,3]}"),
        ("826161a161626163", "[\"a\",{\"b\":\"c\"}]"),
        ("5f42010243030405ff", "\"\\\\x0102030405\""),
        ("7f657374726561646d696e67ff", "\"streaming\""),
        ("9fff", "[]"),
        ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
        ("83018202039f0405ff", "[1,[2,3],[4,5]]"),
        ("bf61610161629f0203ffff", "{\"a\":1,\"b\":[2,3]}"),
        ("bf6346756ef563416d7421ff", "{\"Fun\":true,\"Amt\":-2}"),
        // Decimal fractions: 273.15, and one of a bignum.
        ("c48221196ab3", "27315e-2"),
        ("c4822bc249056bc75e2d63100001", "100000000000000000001e-12"),
        ("c4820005", "5"),
        // It says of itself that it is CBOR.
        ("d9d9f7a10007", "{\"at\":7}"),
        // Numbers name fields of events only.
        ("a10719ffff", "{\"7\":65535}"),
        ("a120a10005", "{\"-1\":{\"0\":5}}"),
        ("81a1061903e8", "[{\"energy_kwh\":0.001}]"),
        ("8181a10601", "[[{\"6\":1}]]"),
        ("a100f6", "{\"at\":null}"),
    ] {
        assert_eq!(to_json(&bytes(message)).as_deref(), Ok(expected), "{message}");
    }
}

#[test]
fn what_has_no_json_is_refused() {
    let value = |at| NoJson::Value { at };
    let refused = |refused: Refused| NoJson::Refused(refused);
    let malformed = |at| refused(Refused::Malformed { at });
    for (message, why) in [
        ("", malformed(0)),
        ("0000", malformed(1)),
        ("ff", value(0)),
        ("81", malformed(1)),
        ("9f00", malformed(2)),
        ("a16161", malformed(3)),
        ("bf6161ff", value(3)),
        ("f0", value(0)),
        ("f8ff", value(0)),
        ("1c", value(0)),
        ("f97c", malformed(0)),
        ("61ff", malformed(0)),
        ("a1410100", NoJson::Name { at: 1 }),
        ("a1f500", NoJson::Name { at: 1 }),
        ("a1818000", NoJson::Name { at: 1 }),
        // A bigfloat, a rational, numbers of more than 128 bits, fractions that are none.
        ("c5822003", value(0)),
        ("d81e820103", value(0)),
        ("c25101000000000000000000000000000000ff", value(1)),
        ("c350ffffffffffffffffffffffffffffffff", value(1)),
        ("c48120", value(1)),
        ("c4822060", value(1)),
        ("c4826001", value(1)),
        ("c482200080", malformed(4)),
        // Times that no text of RFC 3339 says.
        ("c11b0000ffffffffffff", value(1)),
        ("c1f97e00", value(1)),
        ("c16130", value(1)),
        // A meter's numbers are integers that fit.
        ("a103fb3ff8000000000000", refused(Refused::NoNumber { field: "power_w" })),
        ("a1061bffffffffffffffff", refused(Refused::Range { field: "energy_kwh" })),
        ("a1006131", refused(Refused::Time)),
    ] {
        assert_eq!(to_json(&bytes(message)), Err(why), "{message}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |open: &[u8], depth| [open.repeat(depth), vec![0]].concat();
    assert_eq!(to_json(&nested(&[0x81], 32)), Ok(format!("{}0{}", "[".repeat(32), "]".repeat(32))));
    for open in [&[0x81][..], &[0x9f], &[0xa1, 0x60], &[0xd8, 0x40], &[0xbf, 0x60]] {
        assert_eq!(to_json(&nested(open, 33)), Err(NoJson::Depth { at: 33 * open.len() }));
        assert!(matches!(to_json(&open.repeat(1_000_000)), Err(NoJson::Depth { .. })));
    }
    // Who says that much follows is believed as far as there is something.
    assert!(matches!(to_json(&bytes("9bffffffffffffffff00")), Err(NoJson::Refused(Refused::Malformed { at: 10 }))));
    assert!(matches!(to_json(&bytes("bbffffffffffffffff")), Err(NoJson::Refused(Refused::Malformed { at: 9 }))));
    struct NoRoom;
    impl std::fmt::Write for NoRoom {
        fn write_str(&mut self, _: &str) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    assert_eq!(wire::cbor::to_json(&[0xa0], NoRoom), Err(NoJson::TooLong));
}

/// Bytes of CBOR beside the JSON that they are, put together without a codec.
fn value(random: &mut impl Rng, depth: u32, out: &mut Vec<u8>, text: &mut String) {
    match random.random_range(0..if depth < 5 { 10 } else { 7 }) {
        0 => {
            let number = random.random::<u64>() >> random.random_range(0..64);
            let negative = random.random_bool(0.5);
            head(random, if negative { 1 } else { 0 }, number, out);
            *text += &if negative { format!("-{}", u128::from(number) + 1) } else { number.to_string() };
        }
        1 => {
            let (byte, word) =
                [(0xf4, "false"), (0xf5, "true"), (0xf6, "null"), (0xf7, "null")][random.random_range(0..4)];
            out.push(byte);
            *text += word;
        }
        2 => {
            let value = f64::from_bits(random.random());
            out.push(0xfb);
            out.extend(value.to_be_bytes());
            *text += &match value {
                _ if value.is_nan() => "\"NaN\"".to_owned(),
                _ if value.is_infinite() => if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }.to_owned(),
                value => format!("{value:e}"),
            };
        }
        3 => {
            let (exponent, mantissa) =
                (random.random_range(0..40_u64), random.random::<u64>() >> random.random_range(0..64));
            out.extend([0xc4, 0x82]);
            head(random, 1, exponent, out);
            head(random, 0, mantissa, out);
            *text += &format!("{mantissa}e-{}", exponent + 1);
        }
        4 => {
            let bytes = (0..random.random_range(0..9)).map(|_| random.random()).collect::<Vec<u8>>();
            parts(random, 2, &bytes, 1, out);
            *text += &format!("\"\\\\x{}\"", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        5 => string(random, out, text),
        6 => {
            // A tag of no meaning.
            let tag = random.random_range(24..30);
            head(random, 6, tag, out);
            value(random, depth + 1, out, text);
        }
        kind @ (7 | 8) => {
            let count = random.random_range(0..4);
            let is_map = kind == 8;
            let major = if is_map { 5 } else { 4 };
            let counted = random.random_bool(0.5);
            if counted {
                head(random, major, count, out)
            } else {
                out.push(major << 5 | 31)
            }
            text.push(if is_map { '{' } else { '[' });
            for index in 0..count {
                if index > 0 {
                    text.push(',');
                }
                if is_map {
                    string(random, out, text);
                    text.push(':');
                }
                value(random, depth + 1, out, text);
            }
            text.push(if is_map { '}' } else { ']' });
            if !counted {
                out.push(0xff);
            }
        }
        _ => {
            let size = random.random::<u128>() >> random.random_range(0..128);
            out.push(0xc2);
            parts(random, 2, &size.to_be_bytes(), 16, out);
            *text += &size.to_string();
        }
    }
}

/// A type and its argument, in as few bytes as it takes or in more.
fn head(random: &mut impl Rng, major: u8, argument: u64, out: &mut Vec<u8>) {
    let least = match argument {
        0..24 => 0,
        24..0x100 => 1,
        0x100..0x1_0000 => 2,
        0x1_0000..0x1_0000_0000 => 4,
        _ => 8,
    };
    let size = [0, 1, 2, 4, 8].into_iter().filter(|size| *size >= least).collect::<Vec<_>>();
    let size = size[random.random_range(0..size.len())];
    let short = [(0, argument as u8), (1, 24), (2, 25), (4, 26), (8, 27)].into_iter().find(|(of, _)| *of == size);
    out.push(major << 5 | short.unwrap().1);
    out.extend(&argument.to_be_bytes()[8 - size..]);
}

/// A string whole, or in parts up to a break: after every so many bytes.
fn parts(random: &mut impl Rng, major: u8, bytes: &[u8], least: usize, out: &mut Vec<u8>) {
    if least > 1 || random.random_bool(0.5) {
        head(random, major, bytes.len() as u64, out);
        out.extend(bytes);
        return;
    }
    out.push(major << 5 | 31);
    for part in bytes.chunks(2) {
        head(random, major, part.len() as u64, out);
        out.extend(part);
    }
    out.push(0xff);
}

fn string(random: &mut impl Rng, out: &mut Vec<u8>, text: &mut String) {
    let of = ["a", "\"", "\\", "\n", "\u{0}", " ", "~", "1", "/", "\u{7f}"];
    let content = (0..random.random_range(0..8)).map(|_| of[random.random_range(0..of.len())]).collect::<String>();
    parts(random, 3, content.as_bytes(), 1, out);
    *text += &serde_json::to_string(&content).unwrap();
}

/// The tokens of a JSON text: strings as what they say, numbers as their digits and a power of ten.
fn tokens(text: &str) -> Vec<String> {
    let (mut rest, mut tokens) = (text, Vec::new());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                tokens.push(format!("{:?}", strings.next().unwrap().unwrap()));
                strings.byte_offset()
            }
            '-' | '0'..='9' => {
                let end = rest.find(|sign: char| !matches!(sign, '-' | '.' | 'e' | '0'..='9'));
                let number = &rest[..end.unwrap_or(rest.len())];
                tokens.push(number_of(number));
                number.len()
            }
            sign => {
                tokens.push(sign.to_string());
                sign.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

fn number_of(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    let exponent = exponent.parse::<i64>().unwrap() - fraction.len() as i64 + (digits.len() - kept.len()) as i64;
    if kept.is_empty() { format!("{sign}0") } else { format!("{sign}{kept}e{exponent}") }
}

#[test]
fn what_is_put_together_by_hand_is_read_as_it_was_meant() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for case in 0..cases(20_000) {
        let (mut message, mut expected) = (Vec::new(), String::new());
        value(&mut random, 0, &mut message, &mut expected);
        let about = format!("case {case}, CAUDAL_SEED={seed}");
        let found = to_json(&message).unwrap_or_else(|why| panic!("{why}: {message:02x?}, {about}"));
        serde_json::from_str::<&serde_json::value::RawValue>(&found)
            .unwrap_or_else(|why| panic!("{why}: {found}, {about}"));
        assert_eq!(tokens(&found), tokens(&expected), "{found}\n{expected}\n{about}");
    }
}

/// Messages cut short and with bytes changed, inserted, removed and doubled, and bytes that never were a message.
#[test]
fn no_bytes_make_it_panic_and_what_it_writes_is_json() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut taken = 0;
    for case in 0..cases(100_000) {
        let mut message = match random.random_range(0..3) {
            0 => (0..random.random_range(0..40)).map(|_| random.random()).collect(),
            1 => cbor(&(0..random.random_range(0..3)).map(|_| reading(&mut random)).collect::<Vec<_>>()),
            _ => {
                let mut message = Vec::new();
                value(&mut random, 2, &mut message, &mut String::new());
                message
            }
        };
        messages::spoil(&mut random, &mut message);
        taken += usize::from(to_json(&message).is_ok());
        let held = std::panic::catch_unwind(|| messages::holds(&message));
        assert!(held.is_ok(), "{message:02x?}, case {case}, CAUDAL_SEED={seed}");
    }
    assert!(taken > 1_000, "{taken} were CBOR: the test tests nothing");
}
