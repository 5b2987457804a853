//! Packets are written here byte by byte as the document has them, and read back.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wire::{Decimal, Reading};

use super::stream::{self, Found, Stream};
use super::{Channel, Malformed, Packet, text};

/// Code, channels, whether it has polarised energy, whether it has the time, and the length that the document gives.
const KINDS: [(u8, usize, bool, bool, usize); 5] = [
    (5, 48, true, false, 619),
    (5, 48, true, true, 625),
    (6, 48, false, false, 379),
    (7, 32, true, false, 429),
    (8, 32, false, false, 269),
];

/// A packet's bytes and what they mean.
fn packet(random: &mut impl Rng, kind: usize) -> (Vec<u8>, Packet) {
    let (code, channels, is_net, has_time, length) = KINDS[kind];
    let mut bytes = vec![0xfe, 0xff, code];
    let tenths: u16 = random.random();
    bytes.extend(tenths.to_be_bytes());
    // What flows back is part of what flows.
    let flowed = (0..channels).map(|_| random.random::<u64>() >> random.random_range(24..64)).collect::<Vec<_>>();
    let back =
        flowed.iter().map(|flowed| if is_net { flowed / random.random_range(1..9) } else { 0 }).collect::<Vec<_>>();
    flowed.iter().for_each(|flowed| bytes.extend(&flowed.to_le_bytes()[..5]));
    if is_net {
        back.iter().for_each(|back| bytes.extend(&back.to_le_bytes()[..5]));
    }
    let (serial, unit): (u16, u8) = (random.random(), random.random());
    bytes.extend(serial.to_be_bytes());
    bytes.extend([random.random(), unit]);
    let currents = (0..channels).map(|_| random.random::<u16>()).collect::<Vec<_>>();
    currents.iter().for_each(|current| bytes.extend(current.to_le_bytes()));
    bytes.extend((0..3 + 12 + 16 + if channels == 32 { 2 } else { 0 }).map(|_| random.random::<u8>()));
    if has_time {
        bytes.extend([17, 12, 20, 5, 7, 26]);
    }
    bytes.extend([0xff, 0xfe]);
    bytes.push(bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    assert_eq!(bytes.len(), length);
    let channel = |at: usize| Channel {
        number: at as u8 + 1,
        current_a: Some(Decimal(i64::from(currents[at]) * 20)),
        power_w: None,
        energy_kwh: Some(Decimal(((flowed[at] - back[at]) * 10 / 36) as i64)),
    };
    let meant = Packet {
        serial: format!("{unit:03}{serial:05}"),
        at_ms: has_time.then_some(1_513_746_446_000),
        voltage_v: Some(Decimal(i64::from(tenths) * 100)),
        channels: (0..channels).map(channel).collect(),
    };
    (bytes, meant)
}

/// What the bytes are, alone.
fn parse(bytes: &[u8]) -> Result<Packet, Malformed> {
    let mut found = stream::whole(bytes);
    let damaged = found.iter().position(|found| matches!(found, Found::Damaged(..)));
    match found.swap_remove(damaged.unwrap_or(0)) {
        Found::Packet(packet, _) => Ok(packet),
        Found::Damaged(why, _) => Err(why),
    }
}

fn seed() -> u64 {
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    seed
}

#[test]
fn every_binary_format_is_read() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for kind in 0..KINDS.len() {
        for _ in 0..200 {
            let (mut bytes, meant) = packet(&mut random, kind);
            assert_eq!(parse(&bytes), Ok(meant), "CAUDAL_SEED={seed}");
            let at = random.random_range(0..bytes.len());
            bytes[at] = bytes[at].wrapping_add(random.random_range(1..=255));
            assert!(parse(&bytes).is_err(), "a byte was changed, CAUDAL_SEED={seed}");
        }
    }
    assert_eq!(parse(b"\xfe\xff"), Err(Malformed::Header));
    assert_eq!(parse(b"\xfe\xff\x09"), Err(Malformed::Format(9)));
    assert_eq!(parse(b"\xfe\xff\x05\x00"), Err(Malformed::Length { got: 4, expected: 619 }));
}

/// However the stream is cut into pieces, whatever is between them, and with a packet torn: every whole one comes out, in order,
/// and what was damaged is told.
#[test]
fn packets_are_found_in_a_stream() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..200 {
        let (mut bytes, mut meant, mut damaged) = (Vec::new(), Vec::new(), 0);
        for _ in 0..random.random_range(1..8) {
            match random.random_range(0..5) {
                0 => bytes.extend_from_slice([&b"^^^OK\r\n"[..], b"keep-alive", b""][random.random_range(0..3)]),
                1 => {
                    // What was cut off has no end, and what follows is found all the same.
                    let (torn, _) = packet(&mut random, 4);
                    bytes.extend_from_slice(&torn[..random.random_range(5..torn.len())]);
                    damaged += 1;
                    let (whole, packet) = packet(&mut random, 1);
                    bytes.extend_from_slice(&whole);
                    meant.push(packet);
                }
                2 => {
                    // After words that have no end, a line is not known as one.
                    bytes.extend_from_slice(b"\r\nn=01100603&v=120.5&wh_1=5\r\n");
                    meant.push(text::parse(b"n=01100603&v=120.5&wh_1=5").unwrap());
                }
                _ => {
                    let kind = random.random_range(0..KINDS.len());
                    let (whole, packet) = packet(&mut random, kind);
                    bytes.extend_from_slice(&whole);
                    meant.push(packet);
                }
            }
        }
        let mut stream = Stream::default();
        let mut found = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(random.random_range(1..=rest.len().min(900)));
            found.extend(stream.take(piece));
            rest = others;
        }
        found.extend(stream.end());
        let is_damaged = |found: &&Found| matches!(found, Found::Damaged(..));
        assert!(found.iter().filter(is_damaged).count() >= damaged, "CAUDAL_SEED={seed}: {found:?}");
        let packets: Vec<Packet> = found
            .into_iter()
            .filter_map(|found| match found {
                Found::Packet(packet, _) => Some(packet),
                Found::Damaged(..) => None,
            })
            .collect();
        assert_eq!(packets, meant, "CAUDAL_SEED={seed}");
    }
}

#[test]
fn what_is_damaged_is_told_with_its_bytes() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (good, meant) = packet(&mut random, 0);
    let mut wrong = good.clone();
    wrong[700 % good.len()] ^= 1;
    let damaged = |bytes: &[u8]| match &stream::whole(bytes)[..] {
        [Found::Damaged(why, told)] if *told == bytes => why.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(damaged(&wrong), Malformed::Checksum);
    assert_eq!(damaged(&good[..300]), Malformed::Length { got: 300, expected: 619 });
    assert_eq!(damaged(b"\xfe\xff\x09abc"), Malformed::Format(9));
    assert_eq!(damaged(b"\x01\x02"), Malformed::Header);
    assert_eq!(damaged(b"n=1&wh_1=much"), Malformed::Number("wh_1".to_owned()));
    assert_eq!(damaged(b"100603&wh_1=5"), Malformed::Header);
    assert_eq!(stream::whole(b"n=1&wh_1=5").len(), 1);
    assert_eq!(stream::whole(b"Keep-Alive\r\n"), []);
    let both = stream::whole(&[&wrong[..], &good].concat());
    assert!(matches!(&both[..], [Found::Damaged(..), Found::Packet(packet, _)] if *packet == meant), "{both:?}");
}

#[test]
fn no_bytes_stop_a_stream() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut stream = Stream::default();
    for _ in 0..20_000 {
        let byte =
            |random: &mut ChaCha8Rng| [0xfe, 0xff, 5, 8, b'n', b'=', b'\n', random.random()][random.random_range(0..8)];
        let piece = (0..random.random_range(0..90)).map(|_| byte(&mut random)).collect::<Vec<u8>>();
        // By chance some of it is a packet.
        stream.take(&piece);
        assert!(stream.waiting() < 9_000, "it is bounded, CAUDAL_SEED={seed}");
        let _ = text::parse(&piece);
    }
}

#[test]
fn a_form_is_read() {
    let form =
        b"n=01100603&m=16623&v=121.1&p_1=51.25&a_1=0.42&wh_1=867.682&t_1=75.5&p_12=-3&wh_12=1e3&p_99=1&x=y&c_1=7";
    let channel = |number, power, energy| Channel {
        number,
        current_a: (number == 1).then_some(Decimal(420)),
        power_w: Some(Decimal(power)),
        energy_kwh: Some(Decimal(energy)),
    };
    let packet = Packet {
        serial: "01100603".to_string(),
        at_ms: None,
        voltage_v: Some(Decimal(121_100)),
        channels: vec![channel(1, 51_250, 867_682), channel(12, -3_000, 1_000_000)],
    };
    assert_eq!(text::parse(form), Ok(packet));
    assert_eq!(text::parse(b"v=121"), Err(Malformed::NoSerial));
    assert_eq!(text::parse(b"n=123456789"), Err(Malformed::NoSerial));
    assert_eq!(text::parse(b"n=%3Cb%3E"), Err(Malformed::NoSerial));
    assert_eq!(text::parse(b"n=1&p_1=much"), Err(Malformed::Number("p_1".to_string())));
}

#[test]
fn counters_that_begin_anew_one_after_the_other_still_tell_what_was_taken() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut bytes, _) = packet(&mut random, 0);
    // What flowed has begun anew, what flowed back has not.
    bytes[5..10].copy_from_slice(&36_u64.to_le_bytes()[..5]);
    bytes[245..250].copy_from_slice(&((1_u64 << 40) - 36).to_le_bytes()[..5]);
    let last = bytes.len() - 1;
    bytes[last] = bytes[..last].iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    assert_eq!(parse(&bytes).unwrap().channels[0].energy_kwh, Some(Decimal(20)));
}

/// Of the time of the packet, else of its arrival; what measured nothing is none.
#[test]
fn a_channel_is_a_reading_of_its_time() {
    let packet = text::parse(b"n=1&v=120&p_1=100&wh_1=5&a_4=1").unwrap();
    let reading = Reading {
        at_ms: 17,
        voltage_v: Some(Decimal(120_000)),
        power_w: Some(Decimal(100_000)),
        energy_kwh: Some(Decimal(5_000)),
        ..Reading::default()
    };
    assert_eq!(packet.channels[0].reading(&packet, 17), Some(reading));
    assert_eq!(packet.channels[1].reading(&packet, 17), None);
    let dated = Packet { at_ms: Some(9), ..packet };
    assert_eq!(dated.channels[0].reading(&dated, 17).unwrap().at_ms, 9);
}
