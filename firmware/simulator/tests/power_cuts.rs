//! A power cut loses no record that was accepted and invents none: every write and erase of a queue's life is cut, before it, after
//! each of its words, and within a byte; the queue is opened on what is left, and goes on.
//!
//! `CAUDAL_SEED=n` runs the seed that a failure names.

use std::collections::BTreeMap;

use futures::executor::block_on;
use meter::provisioning;
use meter::queue::Queue;
use meter::record::{Circuit, Content, Record, Sample, Time};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simulator::flash::{Change, Flash};

const PAGES: usize = 4;
const RANGE: std::ops::Range<u32> = 0..PAGES as u32 * 4_096;

type Four = Queue<Flash, PAGES>;

fn seed() -> u64 {
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    seed
}

fn record(random: &mut impl Rng, sequence: u32) -> Record {
    let mut circuit = || {
        random.random_bool(0.9).then(|| Circuit {
            voltage: random.random_range(11_000..13_000),
            current: random.random_range(0..40_000),
            power: random.random_range(-500_000..500_000),
            power_factor: random.random_range(-1_000..=1_000),
        })
    };
    let circuits = std::array::from_fn(|_| circuit());
    let energy = std::array::from_fn(|_| random.random::<u64>() >> random.random_range(20..64));
    let sample = Sample { frequency: 6_000, energy, circuits };
    Record { sequence, start: 3, content: Content::Sample(Time::UtcMs(1_767_225_600_000), sample) }
}

fn opened(flash: Flash) -> (Four, Vec<Record>) {
    let mut records = Vec::new();
    let queue = block_on(Queue::open(flash, RANGE, |record: &Record| records.push(record.clone()))).unwrap();
    (queue, records)
}

/// What had been done before each change of the flash.
struct Life {
    changes: Vec<(Flash, Change)>,
    /// By change, what was so before it.
    before: Vec<Before>,
    records: BTreeMap<u32, Record>,
}

#[derive(Clone, Copy, Default)]
struct Before {
    /// Records that are there, and with the one under way.
    accepted: u32,
    pushing: u32,
    /// Records that are gone, and with those that are going.
    popped: u32,
    popping: u32,
}

/// Pushes and pops, `pushes` records in all, while at most `kept` stay.
fn life(random: &mut impl Rng, pushes: u32, kept: u32) -> Life {
    let mut flash = Flash::new(PAGES);
    flash.keep_journal();
    let (mut queue, none) = opened(flash);
    assert!(none.is_empty());
    let (mut before, mut records) = (Vec::<Before>::new(), BTreeMap::new());
    let (mut pushed, mut popped) = (0, 0);
    while pushed < pushes {
        let (pushing, popping) = if pushed - popped < kept && random.random_bool(0.8) {
            let record = record(random, pushed + 1);
            block_on(queue.push(&record)).unwrap();
            records.insert(pushed + 1, record);
            (pushed + 1, popped)
        } else {
            let through = random.random_range(popped..=pushed);
            block_on(queue.pop_through(through)).unwrap();
            // The newest stays, whatever is popped.
            (pushed, through.min(pushed.saturating_sub(1)).max(popped))
        };
        before.resize(queue.flash().changes(), Before { accepted: pushed, pushing, popped, popping });
        (pushed, popped) = (pushing, popping);
    }
    Life { changes: queue.flash().take_journal(), before, records }
}

/// Where a change may be cut: before it, after each word, and at some bytes within.
fn cuts(change: &Change, random: &mut impl Rng) -> Vec<usize> {
    match change {
        Change::Write { bytes, .. } => {
            let words = (0..=bytes.len()).step_by(4);
            words.chain((0..4).map(|_| random.random_range(0..bytes.len()))).collect()
        }
        Change::Erase { .. } => [0, 1, 4, 2_048, 4_092, 4_095, 4_096].to_vec(),
    }
}

#[test]
fn every_cut_leaves_what_was_accepted_and_nothing_else() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Six times around the ring, with up to three of four pages in use.
    let life = life(&mut random, 900, 100);
    let mut cut = 0;
    for ((flash, change), before) in life.changes.iter().zip(&life.before) {
        for done in cuts(change, &mut random) {
            cut += 1;
            let about = format!("{change:?} cut after {done}, CAUDAL_SEED={seed}");
            let left = flash.clone().torn(change, done, random.random());
            let (mut queue, records) = opened(left);
            for record in &records {
                assert_eq!(life.records.get(&record.sequence), Some(record), "{about}");
            }
            let found = records.iter().map(|record| record.sequence).collect::<Vec<_>>();
            assert!(found.is_sorted_by(|one, next| one + 1 == *next), "{found:?}: {about}");
            let (first, last) = (found.first().copied().unwrap_or(0), found.last().copied().unwrap_or(0));
            assert!(last == before.accepted || last == before.pushing, "{found:?} of {}: {about}", before.accepted);
            // What was popped does not come back.
            let kept = before.popped + u32::from(before.accepted > 0)..=before.popping + 1;
            assert!(kept.contains(&first), "{found:?}, first one of {kept:?}: {about}");
            // It goes on: what is pushed now is there, behind the others, when it is opened again.
            let next = record(&mut random, last + 1);
            block_on(queue.push(&next)).unwrap_or_else(|error| panic!("{error:?}: {about}"));
            let (_, again) = opened(queue.into_flash());
            assert_eq!(again, [records, vec![next]].concat(), "{about}");
        }
    }
    println!("{cut} cuts in {} writes and erases", life.changes.len());
    assert!(
        life.changes.len() > 2_000 && life.changes.iter().any(|(_, change)| matches!(change, Change::Erase { .. }))
    );
}

/// When the ring is full, the oldest page makes room: what is left has no hole, and is all but a page of what fits.
#[test]
fn a_full_queue_keeps_the_newest() {
    let seed = seed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut flash = Flash::new(PAGES);
    flash.keep_journal();
    let (mut queue, _) = opened(flash);
    let mut pushed = Vec::new();
    let mut before = Vec::new();
    for sequence in 1..=300 {
        let record = record(&mut random, sequence);
        block_on(queue.push(&record)).unwrap();
        before.resize(queue.flash().changes(), pushed.len());
        pushed.push(record);
    }
    let fits = pushed.iter().map(|record| record.encode().len().next_multiple_of(4) + 8).max().unwrap();
    let at_least = (PAGES - 1) * (4_088 / fits) - 1;
    for ((flash, change), accepted) in queue.flash().take_journal().iter().zip(before) {
        for done in cuts(change, &mut random) {
            let (_, left) = opened(flash.clone().torn(change, done, random.random()));
            let end = left.last().map_or(0, |record| record.sequence as usize);
            assert!(end == accepted || end == accepted + 1, "{end} of {accepted}, CAUDAL_SEED={seed}");
            assert_eq!(left, pushed[end - left.len()..end], "CAUDAL_SEED={seed}");
            assert!(left.len() >= at_least.min(accepted), "{} of {accepted}, CAUDAL_SEED={seed}", left.len());
        }
    }
}

#[test]
fn a_document_is_replaced_whole_or_not() {
    let range = 0..2 * 4_096;
    let mut flash = Flash::new(2);
    flash.keep_journal();
    let documents = (0..60_u8).map(|number| vec![number; 200 + usize::from(number)]).collect::<Vec<_>>();
    let mut before = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        block_on(provisioning::save(&mut flash, range.clone(), document)).unwrap();
        before.resize(flash.changes(), index);
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for ((flash, change), saved) in flash.take_journal().iter().zip(before) {
        for done in cuts(change, &mut random) {
            let mut buffer = provisioning::Buffer::default();
            let left = flash.clone().torn(change, done, random.random());
            let document = block_on(provisioning::load(left, range.clone(), &mut buffer)).unwrap();
            let old = saved.checked_sub(1).map(|old| &documents[old][..]);
            assert!(document == old || document == Some(&documents[saved]), "{change:?} cut after {done}");
        }
    }
}
