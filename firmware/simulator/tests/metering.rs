//! From the clamps to the readings: what flowed is what is read, through resets, power cuts, disturbed wires and clocks that are wrong.

use std::path::Path;

use futures::executor::block_on;
use meter::Provisioning;
use meter::atm90e32::{Atm90e32, Calibration, Gain, Line};
use meter::clock::Correction;
use meter::limits::{BATCH_RECORDS, CIRCUITS, MESSAGE_BYTES_MAX};
use meter::provisioning::Unfit;
use meter::record::{Anchor, Circuit, Content, Record, Sample, Time};
use meter::upload::{Batch, Encoding};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simulator::chip::{Chip, Wire};
use simulator::device::Device;
use simulator::load::Draw;
use simulator::site::{Site, Who};

/// 2026-01-01T16:00:00Z, noon at the sites.
const NOON_MS: i64 = 1_767_283_200_000;
const INTERVAL_MS: i64 = 10_000;
const HOUR_MS: i64 = 3_600_000;

fn who() -> Who<'static> {
    Who { customer: "c-1", device: "m-1", broker: "127.0.0.1:1883", user: "u", password: "p" }
}

fn device(seed: u64, fast_ppb: i64) -> Device {
    let mut device = without_power(seed, fast_ppb, None);
    block_on(device.power_on()).unwrap();
    device
}

fn without_power(seed: u64, fast_ppb: i64, flash: Option<&Path>) -> Device {
    let site = Site::of(seed);
    let mut document = [0; 1_024];
    let length = site.provisioning(who(), 10, Encoding::Json).encode(&mut document).unwrap();
    block_on(Device::new(site, &document[..length], NOON_MS, fast_ppb, flash)).unwrap()
}

/// Samples for so long, and gives the records.
fn run(device: &mut Device, for_ms: i64) -> Vec<Record> {
    let end_ms = device.utc_ms() + for_ms;
    let mut records = Vec::new();
    while device.utc_ms() < end_ms {
        device.advance_to(device.utc_ms() + INTERVAL_MS);
        records.push(block_on(device.sample(None)).unwrap());
    }
    records
}

fn sample(record: &Record) -> &Sample {
    match &record.content {
        Content::Sample(_, sample) => sample,
        other => panic!("{other:?}"),
    }
}

/// What flowed towards the loads, in mWh.
fn flowed(site: &Site, from_ms: i64, to_ms: i64) -> [f64; CIRCUITS] {
    let mut sums = [0.0; CIRCUITS];
    for second in from_ms / 1_000 + 1..=to_ms / 1_000 {
        for (sum, draw) in sums.iter_mut().zip(&site.moment(second).draws) {
            *sum += draw.power_w.max(0.0) / 3.6;
        }
    }
    sums
}

fn counted(device: &Device) -> [f64; CIRCUITS] {
    device.firmware().unwrap().energy().map(|eighths| eighths as f64 / 8.0)
}

#[test]
fn what_flowed_is_what_is_read() {
    for seed in 0..8 {
        let mut device = device(seed, 0);
        let records = run(&mut device, HOUR_MS);
        assert_eq!(records.len(), 360);
        for (record, index) in records.iter().zip(0..) {
            let start_s = NOON_MS / 1_000 + index * 10;
            let moments = (start_s + 1..=start_s + 10).map(|second| device.site().moment(second)).collect::<Vec<_>>();
            for (at, circuit) in sample(record).circuits.iter().enumerate() {
                let circuit = circuit.unwrap();
                let mean = |value: &dyn Fn(usize) -> f64| (0..10).map(value).sum::<f64>() / 10.0;
                let power_w = mean(&|second| moments[second].draws[at].power_w);
                let voltage_v = mean(&|second| moments[second].voltage_v);
                let read_w = f64::from(circuit.power) / 100.0;
                assert!((read_w - power_w).abs() < 0.02, "{read_w} W read of {power_w}, circuit {at} of site {seed}");
                assert!((f64::from(circuit.voltage) / 100.0 - voltage_v).abs() < 0.02, "{circuit:?} at {voltage_v} V");
            }
        }
        for (counted, flowed) in counted(&device).iter().zip(flowed(device.site(), NOON_MS, device.utc_ms())) {
            // What is below a register's unit, and currents below the threshold, are not counted.
            assert!((counted - flowed).abs() < 10.0 + flowed * 1e-6, "{counted} mWh counted of {flowed}, site {seed}");
        }
    }
}

#[test]
fn a_day_of_each_site_is_a_plausible_day() {
    for seed in 0..8 {
        let site = Site::of(seed);
        let day = flowed(&site, NOON_MS, NOON_MS + 24 * HOUR_MS).map(|mwh| mwh / 1e6);
        let named = site.circuits.iter().map(|circuit| circuit.name).zip(day).collect::<Vec<_>>();
        assert!(named.iter().all(|(_, kwh)| (0.01..150.0).contains(kwh)), "{named:?}");
        assert!((3.0..150.0).contains(&day[0]), "{named:?}");
    }
}

#[test]
fn a_disturbed_bus_loses_no_energy() {
    let chips = [0.0, 0.02].map(|chance| {
        let mut chip = Chip::new([Gain::SCT_006; 3]);
        chip.disturb(chance);
        Wire::to(chip)
    });
    let calibration = Calibration { line: Line::Hz60, gains: [Gain::SCT_006; 3] };
    let mut disturbed = 0;
    let totals = chips.map(|wire| {
        let mut chip = Atm90e32::start(wire.clone(), &mut NoDelay, &calibration).unwrap();
        let mut total = [0_u64; 3];
        for second in 0..20_000 {
            let draws = [300.0, 900.0, 30.0].map(|power_w| Draw { power_w, power_factor: 0.9 });
            wire.chip().advance(1.0, 120.0, 60.0, &draws);
            if second == 19_999 {
                wire.chip().disturb(0.0);
            }
            disturbed += u32::from(chip.measure().is_err());
            for (total, energy) in total.iter_mut().zip(chip.take_energy()) {
                *total += u64::from(energy.unwrap());
            }
        }
        total
    });
    println!("{disturbed} polls failed");
    assert_eq!(totals[0], totals[1]);
}

#[test]
fn a_chip_is_calibrated_by_a_better_instrument() {
    // A transformer and a clamp that are five per cent off their kind.
    let real = Gain { voltage: 7_670, current: 10_600, scale: 1 };
    let wire = Wire::to(Chip::new([real; 3]));
    let line = Line::Hz50;
    let measured = |gain: Gain| {
        let calibration = Calibration { line, gains: [gain; 3] };
        let mut chip = Atm90e32::start(wire.clone(), &mut NoDelay, &calibration).unwrap();
        wire.chip().advance(1.0, 121.37, 50.0, &[Draw { power_w: 600.0, power_factor: 1.0 }]);
        chip.measure().unwrap().phases[0]
    };
    let before = measured(Gain::SCT_006);
    assert!((11_500..11_600).contains(&before.voltage), "{before:?}");
    let voltage = Gain::calibrated(Gain::SCT_006.voltage, before.voltage.into(), 12_137).unwrap();
    let current = Gain::calibrated(Gain::SCT_006.current, before.current.into(), 4_944).unwrap();
    let after = measured(Gain { voltage, current, scale: 1 });
    assert!(after.voltage.abs_diff(12_137) <= 1 && after.current.abs_diff(4_944) <= 1, "{after:?}");
    assert!((f64::from(after.power) * 0.00032 - 600.0).abs() < 0.2, "{after:?}");
    assert!(Gain::calibrated(27_518, 10, 100_000).is_err() && Gain::calibrated(1, 0, 5).is_err());
}

/// A reset loses nothing, as energy stays in the chips until it is recorded; a cut loses what came after the last record.
#[test]
fn the_counter_goes_on_after_resets_and_power_cuts() {
    let mut device = device(1, 0);
    let mut cut_mwh = [0.0; CIRCUITS];
    let mut before = [0.0; CIRCUITS];
    for round in 0..6 {
        run(&mut device, HOUR_MS / 6);
        let (at_ms, recorded) = (device.utc_ms(), counted(&device));
        device.advance_to(at_ms + 7_000);
        if round % 2 == 0 {
            block_on(device.reset()).unwrap();
        } else {
            // Power goes while a record is written, and comes back after a minute.
            assert!(block_on(device.sample(Some(50))).is_none() && !device.has_power());
            device.advance_to(at_ms + 60_000);
            block_on(device.power_on()).unwrap();
            let lost = flowed(device.site(), at_ms, device.utc_ms());
            cut_mwh.iter_mut().zip(lost).for_each(|(sum, lost)| *sum += lost);
        }
        let after = counted(&device);
        if round % 2 == 1 {
            assert_eq!(after, recorded, "it goes on where the record left it");
        }
        assert!(after.iter().zip(before).all(|(after, before)| *after >= before), "it never falls");
        before = after;
    }
    run(&mut device, INTERVAL_MS);
    let flowed = flowed(device.site(), NOON_MS, device.utc_ms());
    for ((counted, flowed), cut) in counted(&device).iter().zip(flowed).zip(cut_mwh) {
        assert!((counted - (flowed - cut)).abs() < 100.0, "{counted} mWh counted of {flowed} but {cut}");
    }
}

fn at_ms(batch: &Batch) -> Vec<i64> {
    batch.readings(0).iter().map(|reading| reading.at_ms).collect()
}

/// Everything that is to be sent, acknowledged batch by batch.
fn drained(device: &mut Device) -> Vec<i64> {
    let mut sent = Vec::new();
    loop {
        let batch = block_on(device.oldest()).unwrap();
        if batch.is_empty() {
            return sent;
        }
        assert_eq!(at_ms(&block_on(device.oldest()).unwrap()), at_ms(&batch), "not acknowledged, so the same again");
        sent.extend(at_ms(&batch));
        block_on(device.acknowledge(&batch)).unwrap();
    }
}

#[test]
fn records_are_sent_once_acknowledged_and_again_if_not() {
    let mut device = device(2, 0);
    block_on(device.synchronise(0)).unwrap();
    let records = run(&mut device, HOUR_MS);
    let expected = (1..=360).map(|index| NOON_MS + index * INTERVAL_MS).collect::<Vec<_>>();
    assert_eq!(drained(&mut device), expected);
    assert_eq!(drained(&mut device), [], "what was acknowledged is not sent again");
    block_on(device.reset()).unwrap();
    assert_eq!(drained(&mut device), expected[359..], "but for the newest, which a restart goes on from");
    block_on(device.synchronise(0)).unwrap();
    let more = run(&mut device, INTERVAL_MS);
    assert_eq!(more[0].sequence, records[359].sequence + 1);
    assert_eq!(drained(&mut device), [expected[359] + INTERVAL_MS]);
}

/// Sampled as soon as it has power: no chip was asked yet, so there is nothing to send, and nothing waits behind it.
#[test]
fn a_sample_without_a_measurement_holds_nothing_back() {
    let mut device = device(7, 0);
    block_on(device.synchronise(0)).unwrap();
    assert!(block_on(device.sample(None)).is_some());
    assert_eq!(drained(&mut device), []);
    run(&mut device, INTERVAL_MS);
    assert_eq!(drained(&mut device), [NOON_MS + INTERVAL_MS]);
}

/// Power comes back before the network: those samples wait for a clock, their dates survive a restart, and they are sent in order.
#[test]
fn samples_from_before_the_clock_was_set_get_their_dates() {
    let mut device = device(3, 40_000);
    run(&mut device, HOUR_MS);
    assert_eq!(drained(&mut device), [], "there is no date yet");
    block_on(device.synchronise(0)).unwrap();
    run(&mut device, HOUR_MS);
    block_on(device.reset()).unwrap();
    let sent = drained(&mut device);
    assert_eq!(sent.len(), 720);
    for (sent, index) in sent.iter().zip(1..) {
        let real = NOON_MS + index * INTERVAL_MS;
        assert!((sent - real).abs() < 200, "{sent} is {} ms off", sent - real);
    }
    assert!(sent.is_sorted_by(|one, next| one < next));
    // A start whose clock is never set: its samples are given up when a later one sends, and the counter has their energy.
    run(&mut device, HOUR_MS / 6);
    block_on(device.reset()).unwrap();
    run(&mut device, INTERVAL_MS);
    block_on(device.synchronise(0)).unwrap();
    assert_eq!(drained(&mut device).len(), 2, "the new one, and the last that had been acknowledged before the resets");
    assert_eq!(device.firmware().unwrap().losses().undatable, 60);
}

#[test]
fn the_clock_learns_its_crystal() {
    // A poor crystal: 60 parts per million are five seconds a day. The server's answers are 30 ms off by turns.
    let mut device = device(4, 60_000);
    for hour in 0..24 {
        block_on(device.synchronise(if hour % 2 == 0 { 30 } else { -30 })).unwrap();
        let records = run(&mut device, HOUR_MS);
        let mut before = 0;
        for (record, index) in records.iter().zip(1..) {
            let Content::Sample(Time::UtcMs(utc_ms), _) = record.content else { panic!("{record:?}") };
            assert!(utc_ms > before, "time goes upwards");
            before = utc_ms;
            let off = utc_ms - (NOON_MS + hour * HOUR_MS + index * INTERVAL_MS);
            let bound = if hour < 6 { 300 } else { 120 };
            assert!(off.abs() <= bound, "{off} ms off in hour {hour}");
        }
    }
    // An answer from the past is not believed, one from the future put right by two that agree.
    let answered = |device: &mut Device, off_ms| block_on(device.synchronise(off_ms)).unwrap().unwrap();
    let is_right = |device: &mut Device| {
        let record = run(device, INTERVAL_MS).remove(0);
        matches!(record.content, Content::Sample(Time::UtcMs(at), _) if (at - device.utc_ms()).abs() < 200)
    };
    block_on(device.reset()).unwrap();
    assert_eq!(answered(&mut device, -HOUR_MS), Correction::Doubted);
    assert_eq!(answered(&mut device, 0), Correction::Set);
    assert!(is_right(&mut device));
    block_on(device.reset()).unwrap();
    assert_eq!(answered(&mut device, HOUR_MS), Correction::Set);
    assert!(!is_right(&mut device));
    assert_eq!(answered(&mut device, -HOUR_MS), Correction::Doubted);
    assert_eq!(answered(&mut device, 0), Correction::Doubted);
    assert!(!is_right(&mut device));
    assert!(matches!(answered(&mut device, 0), Correction::Stepped { .. }));
    assert!(is_right(&mut device));
}

/// Whoever simulates a meter may be killed: with its flash in a file it goes on after its newest record, as if nothing had been.
#[test]
fn a_meter_outlives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flash");
    let mut undisturbed = device(7, 0);
    block_on(undisturbed.synchronise(0)).unwrap();
    let mut readings = Vec::new();
    for life in 0..4 {
        let mut device = without_power(7, 0, Some(&file));
        assert_eq!(block_on(device.resume()).unwrap(), life > 0);
        block_on(device.power_on()).unwrap();
        block_on(device.synchronise(0)).unwrap();
        run(&mut device, HOUR_MS);
        if life == 1 {
            drained(&mut device);
        }
    }
    let mut device = without_power(7, 0, Some(&file));
    assert!(block_on(device.resume()).unwrap());
    loop {
        let batch = block_on(device.oldest()).unwrap();
        if batch.is_empty() {
            break;
        }
        readings.extend(batch.readings(1));
        block_on(device.acknowledge(&batch)).unwrap();
    }
    let expected = run(&mut undisturbed, 4 * HOUR_MS);
    let at = |record: &Record| match record.content {
        Content::Sample(Time::UtcMs(at_ms), _) => at_ms,
        _ => panic!("{record:?}"),
    };
    // What the second life delivered is gone, but for the newest, which is never popped; the rest is there once, on the same times.
    let expected = expected.iter().map(|record| sample(record).reading(1, at(record)).unwrap()).collect::<Vec<_>>();
    let left = &expected[expected.len() / 2 - 1..];
    let times = |readings: &[wire::Reading]| readings.iter().map(|reading| reading.at_ms).collect::<Vec<_>>();
    assert_eq!(times(&readings), times(left));
    for (one, other) in readings.iter().zip(left) {
        let off = one.energy_kwh.unwrap().0 - other.energy_kwh.unwrap().0;
        // A chip that loses power loses less than a hundredth of a pulse, 3.125 mWh of a clamp's scale of two at most.
        assert!(off.abs() <= 4 * 7, "{off} mWh off at {}", one.at_ms);
    }
}

/// A week without network: the queue keeps the newest, what it gave up is counted, and the first reading sent has all its energy.
#[test]
fn a_queue_that_ran_over_says_what_it_lost() {
    let mut device = device(5, 0);
    block_on(device.synchronise(0)).unwrap();
    let records = run(&mut device, 24 * HOUR_MS);
    let bytes =
        records.iter().map(|record| record.encode().len().next_multiple_of(4) + 8).sum::<usize>() / records.len();
    let sent = drained(&mut device);
    let losses = device.firmware().unwrap().losses();
    println!("{bytes} bytes each on flash, {} kept of {}", sent.len(), records.len());
    assert_eq!(losses.overwritten as usize + sent.len(), records.len());
    assert!(sent.len() * bytes > 126 * 4_000 && bytes <= 116, "{bytes} bytes each, {} kept", sent.len());
    assert_eq!(sent.last(), Some(&(NOON_MS + 24 * HOUR_MS)));
}

#[test]
fn records_come_back_from_their_bytes_and_others_are_none() {
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut longest = 0;
    for _ in 0..20_000 {
        let shift = random.random_range(0..64);
        let mut number = || random.random::<u64>() >> shift;
        let circuits = std::array::from_fn(|_| {
            (number() % 8 != 1).then(|| Circuit {
                voltage: number() as u32,
                current: number() as u32,
                power: number() as i32,
                power_factor: number() as i16,
            })
        });
        let sample = Sample { frequency: number() as u16, energy: std::array::from_fn(|_| number()), circuits };
        let content = match number() % 3 {
            0 => Content::Anchor(Anchor { uptime_ms: number(), utc_ms: number() as i64 }),
            1 => Content::Sample(Time::UptimeMs(number()), sample),
            _ => Content::Sample(Time::UtcMs(number() as i64), sample),
        };
        let record = Record { sequence: number() as u32, start: number() as u32, content };
        let mut bytes = record.encode();
        longest = longest.max(bytes.len());
        assert_eq!(Record::decode(&bytes), Some(record), "CAUDAL_SEED={seed}");
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
        let _ = Record::decode(&bytes);
        assert_eq!(Record::decode(&bytes[..at]), None, "CAUDAL_SEED={seed}");
    }
    println!("{longest} bytes at most");
}

#[test]
fn the_longest_batch_fits_a_message() {
    let mut device = device(6, 0);
    block_on(device.synchronise(0)).unwrap();
    run(&mut device, INTERVAL_MS * BATCH_RECORDS as i64);
    let batch = block_on(device.oldest()).unwrap();
    let json = batch.message(0, Encoding::Json).unwrap();
    let cbor = batch.message(0, Encoding::Cbor).unwrap();
    println!("{} bytes of JSON, {} of CBOR for {BATCH_RECORDS} readings", json.len(), cbor.len());
    let read = |message: &[u8]| wire::decode(message).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(read(&json), batch.readings(0).as_slice());
    assert_eq!(read(&cbor), batch.readings(0).as_slice());
    // Each field as long as the units of the chip let it be.
    let reading = r#"{"at":9007199254740991,"voltage_v":-21474836.47,"current_a":-4294967.295,"power_w":-21474836.48,"power_factor":-32.768,"frequency_hz":655.35,"energy_kwh":2305843009213.693951},"#;
    assert!(BATCH_RECORDS * reading.len() < MESSAGE_BYTES_MAX, "{}", reading.len());
}

#[test]
fn a_provisioning_that_would_not_do_is_refused() {
    let site = Site::of(1);
    let fits = site.provisioning(who(), 10, Encoding::Cbor);
    let mut buffer = [0; 2_048];
    let length = fits.encode(&mut buffer).unwrap();
    assert_eq!(Provisioning::decode(&buffer[..length]), Ok(fits.clone()));
    assert_eq!(Provisioning::decode(&buffer[..length - 1]), Err(Unfit::Malformed));
    assert_eq!(Provisioning::decode(&[0; 1_025]), Err(Unfit::TooLong));
    let long = "x".repeat(1_100);
    let refused = |change: &dyn Fn(&mut Provisioning<'_>), why| {
        let mut other = fits.clone();
        change(&mut other);
        assert_eq!(other.encode(&mut [0; 2_048]), Err(why));
    };
    refused(&|other| other.circuits = Default::default(), Unfit::NoCircuit);
    refused(&|other| other.customer = "a/b", Unfit::Name);
    refused(&|other| other.circuits[1].as_mut().unwrap().name = "#", Unfit::Name);
    refused(&|other| other.circuits[1] = other.circuits[0].clone(), Unfit::SameName);
    refused(&|other| other.broker = "", Unfit::Missing);
    refused(&|other| other.interval_s = 0, Unfit::Interval);
    refused(&|other| other.circuits[0].as_mut().unwrap().gain.scale = 0, Unfit::Scale);
    assert_eq!(Provisioning { password: &long, ..fits.clone() }.encode(&mut [0; 2_048]), Err(Unfit::TooLong));
}

struct NoDelay;

impl embedded_hal::delay::DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}
