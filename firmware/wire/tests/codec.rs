//! Readings come back as they went out, in both encodings; what is no reading is refused with its reason; nothing panics.
//!
//! `CAUDAL_SEED=n` runs the seed that a failure names, `CAUDAL_FULL=1` many more cases.

mod messages;

use messages::{cases, cbor, decoded, json, reading, seed, sign};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wire::{Decimal, Reading, Refused, Topic};

#[test]
fn readings_come_back_as_they_went_out() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for case in 0..cases(20_000) {
        let readings = (0..random.random_range(0..5)).map(|_| reading(&mut random)).collect::<Vec<_>>();
        let sent = Ok(readings.iter().copied().map(Ok).collect::<Vec<_>>());
        assert_eq!(decoded(&json(&readings)), sent, "JSON, case {case}, CAUDAL_SEED={seed}");
        assert_eq!(decoded(&cbor(&readings)), sent, "CBOR, case {case}, CAUDAL_SEED={seed}");
    }
}

/// What is encoded is what other readers of JSON read: the same members, with the numbers' own digits.
#[test]
fn json_is_json_to_others() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..cases(2_000) {
        let reading = reading(&mut random);
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&json(&[reading])).unwrap();
        assert_eq!(object["at"].as_i64(), Some(reading.at_ms), "CAUDAL_SEED={seed}");
        let members = [
            ("voltage_v", reading.voltage_v.map(|value| value.0 as f64 / 1e3)),
            ("current_a", reading.current_a.map(|value| value.0 as f64 / 1e3)),
            ("power_w", reading.power_w.map(|value| value.0 as f64 / 1e3)),
            ("power_factor", reading.power_factor.map(|value| value.0 as f64 / 1e3)),
            ("frequency_hz", reading.frequency_hz.map(|value| value.0 as f64 / 1e3)),
            ("energy_kwh", reading.energy_kwh.map(|value| value.0 as f64 / 1e6)),
        ];
        for (name, value) in members {
            let read = object.get(name).map(|value| value.as_f64().unwrap());
            let close = match (read, value) {
                (Some(read), Some(value)) => (read - value).abs() <= value.abs() * 1e-15,
                (read, value) => read == value,
            };
            assert!(close, "{name} {read:?} {value:?}, CAUDAL_SEED={seed}");
        }
    }
}

#[test]
fn decimals_are_read_exactly() {
    let milli = |text| Decimal::<3>::parse(text).map(|value| value.0);
    for (text, expected) in [
        ("0", 0),
        ("-0", 0),
        ("1.5", 1_500),
        ("0.001", 1),
        ("-0.001", -1),
        ("0.0005", 1),
        ("-0.0005", -1),
        ("0.00049999", 0),
        ("1e3", 1_000_000),
        ("1.2345E+2", 123_450),
        ("12345e-6", 12),
        ("1e-400", 0),
        ("0e99999999999999999999", 0),
        ("9223372036854775.807", i64::MAX),
        ("-9223372036854775.808", i64::MIN),
        ("0.1000000000000000055511151231257827", 100),
    ] {
        assert_eq!(milli(text), Ok(expected), "{text}");
    }
    for text in ["9223372036854775.808", "1e16", "1e99999999999999999999", "1e40", "-1e300"] {
        assert_eq!(milli(text), Err(wire::decimal::Unfit::Range), "{text}");
    }
    for text in ["", "-", ".5", "5.", "01", "1e", "1e+", "+1", "0x10", "NaN", "1 ", "1_0", "\"1\"", "true"] {
        assert_eq!(milli(text), Err(wire::decimal::Unfit::NoNumber), "{text}");
    }
}

#[test]
fn decimals_are_written_as_short_as_they_are() {
    for (value, text) in [(0, "0"), (1, "0.001"), (-1, "-0.001"), (1_500, "1.5"), (-120_000, "-120"), (60_010, "60.01")]
    {
        assert_eq!(Decimal::<3>(value).to_string(), text);
    }
    assert_eq!(Decimal::<3>(i64::MIN).to_string(), "-9223372036854775.808");
    assert_eq!(Decimal::<0>(7).to_string(), "7");
}

#[test]
fn what_is_no_reading_is_refused_by_itself() {
    let message = br#" [ {"at": "2026-01-01T00:00:00.25-04:00", "power_w": 1.0005, "note": {"a": [1, "]"]}},
        {"at": 1, "current_a": 2}, {"power_w": 1}, {"at": 1.5, "power_w": 1}, {"at": "soon", "power_w": 1},
        {"at": 1, "power_w": "1"}, {"at": 1, "energy_kwh": 1e30}, 7, {"at": 2, "power_w": null, "energy_kwh": -1},
        {"\u0061t": 3, "power\u005fw": 4, "power_w ": 5}, {"at": 1, "at": 6, "power_w": 1} ] "#;
    let power = |at_ms, power| Reading { at_ms, power_w: Some(Decimal(power)), ..Reading::default() };
    let expected = vec![
        Ok(power(1_767_240_000_250, 1_001)),
        Err(Refused::NothingMeasured),
        Err(Refused::NoTime),
        Err(Refused::Time),
        Err(Refused::Time),
        Err(Refused::NoNumber { field: "power_w" }),
        Err(Refused::Range { field: "energy_kwh" }),
        Err(Refused::NoObject),
        Ok(Reading { at_ms: 2, energy_kwh: Some(Decimal(-1_000_000)), ..Reading::default() }),
        Ok(power(3, 4_000)),
        Ok(power(6, 1_000)),
    ];
    assert_eq!(decoded(message), Ok(expected));
}

#[test]
fn cbor_of_other_encoders_is_read() {
    // An array and a map without lengths, a key that is unknown, null, and an integer beyond 64 bits with sign.
    let message =
        [
            &[
                0x9f, 0xbf, 0x00, 0x19, 0x03, 0xe8, 0x03, 0x18, 0x2a, 0x18, 0x63, 0x82, 0x01, 0x61, b'x', 0x01, 0xf6,
                0xff,
            ][..],
            &[0xa2, 0x00, 0x01, 0x03, 0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xa2, 0x00, 0x01, 0x03, 0xfa, 0x3f, 0x80, 0x00, 0x00, 0x01, 0xff],
        ]
        .concat();
    let expected = vec![
        Ok(Reading { at_ms: 1_000, power_w: Some(Decimal(42)), ..Reading::default() }),
        Err(Refused::Range { field: "power_w" }),
        Err(Refused::NoNumber { field: "power_w" }),
        Err(Refused::NoObject),
    ];
    assert_eq!(decoded(&message), Ok(expected));
}

/// Messages cut short and with bytes changed, inserted, removed and doubled, and bytes that never were a message.
#[test]
fn no_bytes_make_it_panic_and_json_is_told_from_other_text() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for case in 0..cases(100_000) {
        let readings = (0..random.random_range(0..3)).map(|_| reading(&mut random)).collect::<Vec<_>>();
        let mut message = match random.random_range(0..4) {
            0 => (0..random.random_range(0..40)).map(|_| random.random()).collect(),
            1 => (0..random.random_range(0..40)).map(|_| sign(&mut random)).collect(),
            2 => cbor(&readings),
            _ => json(&readings),
        };
        messages::spoil(&mut random, &mut message);
        let held = std::panic::catch_unwind(|| messages::holds(&message));
        assert!(held.is_ok(), "{message:02x?}, case {case}, CAUDAL_SEED={seed}");
    }
}

/// Messages that a fuzzer (`firmware/fuzz`) found to go different ways.
#[test]
fn what_a_fuzzer_found_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus");
    let mut count = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        println!("{}", path.display());
        messages::holds(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{corpus} is empty");
}

#[test]
fn depth_is_bounded() {
    let nested = |depth| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    assert_eq!(decoded(&nested(64)), Ok(vec![Err(Refused::NoObject)]));
    assert_eq!(decoded(&nested(65)), Err(Refused::Malformed { at: 64 }));
    assert!(decoded(&b"[".repeat(1_000_000)).is_err());
    assert!(decoded(&[0x81].repeat(1_000_000)).is_err());
}

#[test]
fn topics_name_customer_and_circuit() {
    let text = "teravolta/clientes/c-17/consumo/air conditioner";
    let topic = Topic::parse(text).unwrap();
    assert_eq!((topic.customer(), topic.circuit()), ("c-17", "air conditioner"));
    assert_eq!(topic.to_string(), text);
    assert_eq!(Topic::new("c-17", "air conditioner"), Some(topic));
    let status = wire::status::StatusTopic::new("c-17", "m1").unwrap();
    assert_eq!(status.to_string(), "teravolta/clientes/c-17/estado/m1");
    assert_eq!(wire::status::StatusTopic::new("c-17", "m/1"), None);
    let long = format!("teravolta/clientes/{}/consumo/x", "c".repeat(65));
    for other in [
        "",
        "teravolta/clientes",
        "teravolta/clientes//consumo/x",
        "teravolta/clientes/c/consumo/",
        "teravolta/clientes/c/consumo/x/y",
        "teravolta/clientes/c/x/consumo/y",
        "teravolta/clientes/c/other/x",
        "teravolta/clientes/+/consumo/x",
        "teravolta/clientes/c/consumo/#",
        "teravolta/clientes/c/consumo/x\0",
        "x/teravolta/clientes/c/consumo/x",
        &long,
    ] {
        assert_eq!(Topic::parse(other), None, "{other}");
    }
}
