//! The job as a good engineer writes it without a database: typed structs on differential dataflow, and RocksDB.
//!
//! Counts and sums are differences, counted by `count_total`; extremes go through buckets, minute into quarter of an hour
//! into day, so that no group holds more than a hundred values. An epoch is one write batch in key order: the readings that
//! changed, the rows that changed, and for each width what changed in it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::InputSession;
use differential_dataflow::operators::CountTotal;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, Options, WriteBatch, WriteOptions,
};
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

use super::readings::{Epoch, Reading};
use super::{Rollup, Rollups, Side, Sync, WIDTHS_US};

/// The first bytes of keys: readings, then the rows of each width, then what changed in them.
const READINGS: u32 = 1;
const ROLLUPS: u32 = 2;
const CHANGES: u32 = 10;

/// The column family of everything.
const FAMILY: &str = "default";

type Window = (i32, i64);
/// Changed windows with their differences.
type Changed<V> = Rc<RefCell<Vec<(Window, V, isize)>>>;

/// What comes out of the dataflow for one width.
#[derive(Default, Clone)]
struct Output {
    /// Readings and their sum.
    totals: Changed<(i64, i64)>,
    /// Least and greatest.
    extremes: Changed<(i64, i64)>,
}

pub struct ByHand {
    db: Arc<DB>,
    worker: Worker,
    totals: InputSession<u64, Window, (i64, i64)>,
    values: InputSession<u64, (Window, i64), isize>,
    outputs: [Output; 3],
    probe: ProbeHandle<u64>,
    rows: [HashMap<Window, Rollup>; 3],
    epoch: u64,
}

impl Side for ByHand {
    const NAME: &'static str = "typed structs by hand";

    fn open(dir: &Path) -> anyhow::Result<ByHand> {
        let mut worker = Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), None);
        let (mut totals, mut values) = (InputSession::new(), InputSession::new());
        let outputs: [Output; 3] = Default::default();
        let probe = ProbeHandle::new();
        worker.dataflow(|scope| {
            let readings = totals.to_collection(scope);
            let by_minute = values
                .to_collection(scope)
                .map(|((circuit, at), value)| (window((circuit, at), WIDTHS_US[0]), (value, value)));
            let mut extremes = least_and_greatest(by_minute);
            for (at, (output, width)) in outputs.iter().zip(WIDTHS_US).enumerate() {
                if at > 0 {
                    extremes = least_and_greatest(extremes.map(move |(of, both)| (window(of, width), both)));
                }
                let counted = readings.clone().map(move |of| window(of, width)).count_total();
                collect(counted, &output.totals).probe_with(&probe);
                collect(extremes.clone(), &output.extremes).probe_with(&probe);
            }
        });
        // Named, because only a named family has the look-up of many sorted keys.
        let family = ColumnFamilyDescriptor::new(FAMILY, options());
        let db = Arc::new(DB::open_cf_descriptors(&options(), dir, [family])?);
        Ok(ByHand { db, worker, totals, values, outputs, probe, rows: Default::default(), epoch: 0 })
    }

    fn epoch(&mut self, epoch: &Epoch) -> anyhow::Result<Sync> {
        let mut batch = WriteBatch::default();
        self.apply(&epoch.readings, &mut batch)?;
        self.epoch += 1;
        self.totals.advance_to(self.epoch);
        self.totals.flush();
        self.values.advance_to(self.epoch);
        self.values.flush();
        while self.probe.less_than(&self.epoch) {
            self.worker.step();
        }
        for width in 0..WIDTHS_US.len() {
            self.put_rollups(width, &mut batch);
        }
        let mut options = WriteOptions::default();
        options.set_sync(false);
        self.db.write_opt(batch, &options)?;
        let db = self.db.clone();
        Ok(Box::new(move || Ok(db.flush_wal(true)?)))
    }

    fn rollups(&self) -> anyhow::Result<Rollups> {
        let of_width = |width: usize| {
            let prefix = (ROLLUPS + width as u32).to_be_bytes();
            let entries = self.db.prefix_iterator(prefix).map_while(|entry| match entry {
                Ok((key, _)) if !key.starts_with(&prefix) => None,
                entry => Some(entry),
            });
            let rollups = entries.map(|entry| entry.map(|(key, value)| (window_of(&key), rollup_of(&value))));
            rollups.collect::<Result<BTreeMap<Window, Rollup>, rocksdb::Error>>()
        };
        Ok([of_width(0)?, of_width(1)?, of_width(2)?])
    }
}

impl ByHand {
    /// Compares the readings with the stored ones and hands on what they change.
    fn apply(&mut self, readings: &[Reading], batch: &mut WriteBatch) -> anyhow::Result<()> {
        let mut sorted = readings.to_vec();
        sorted.sort_unstable_by_key(|reading| (reading.circuit, reading.at));
        let keys: Vec<[u8; 16]> = sorted.iter().map(|reading| key(READINGS, (reading.circuit, reading.at))).collect();
        let db = self.db.clone();
        let family = db.cf_handle(FAMILY).expect("opened with it");
        let stored = db.batched_multi_get_cf(family, &keys, true);
        for ((reading, key), stored) in sorted.iter().zip(&keys).zip(stored) {
            if let Some(stored) = stored? {
                let before = i64::from_le_bytes(stored[..].try_into()?);
                if before == reading.energy_wh {
                    continue;
                }
                self.change(reading, before, -1);
            }
            self.change(reading, reading.energy_wh, 1);
            batch.put(key, reading.energy_wh.to_le_bytes());
        }
        Ok(())
    }

    fn change(&mut self, of: &Reading, energy_wh: i64, diff: i64) {
        self.totals.update((of.circuit, of.at), (diff, diff * energy_wh));
        self.values.update(((of.circuit, of.at), energy_wh), diff as isize);
    }

    /// Brings the rows of a width up to date and puts those that changed.
    fn put_rollups(&mut self, width: usize, batch: &mut WriteBatch) {
        let rows = &mut self.rows[width];
        let mut changed = Vec::new();
        for (window, (count, sum), diff) in self.outputs[width].totals.take() {
            if diff > 0 {
                let row = rows.entry(window).or_default();
                (row.count, row.sum) = (count, sum);
                changed.push(window);
            }
        }
        for (window, (least, greatest), diff) in self.outputs[width].extremes.take() {
            if diff > 0 {
                let row = rows.entry(window).or_default();
                (row.min, row.max) = (least, greatest);
                changed.push(window);
            }
        }
        changed.sort_unstable();
        changed.dedup();
        let mut log = Vec::with_capacity(changed.len() * 48);
        for window in changed {
            let (key, value) = (key(ROLLUPS + width as u32, window), value_of(&rows[&window]));
            batch.put(key, value);
            log.extend_from_slice(&key);
            log.extend_from_slice(&value);
        }
        let changes = [(CHANGES + width as u32).to_be_bytes(), (self.epoch as u32).to_be_bytes()].concat();
        batch.put(changes, log);
    }
}

/// The least and greatest of each group.
fn least_and_greatest(
    values: VecCollection<'_, u64, (Window, (i64, i64)), isize>,
) -> VecCollection<'_, u64, (Window, (i64, i64)), isize> {
    values.reduce(|_, values, both| {
        let least = values.iter().map(|(value, _)| value.0).min().expect("a group is not empty");
        let greatest = values.iter().map(|(value, _)| value.1).max().expect("a group is not empty");
        both.push(((least, greatest), 1));
    })
}

/// Keeps what comes out for the commit.
fn collect<'scope, V: differential_dataflow::Data>(
    rows: VecCollection<'scope, u64, (Window, V), isize>,
    into: &Changed<V>,
) -> VecCollection<'scope, u64, (Window, V), isize> {
    let into = into.clone();
    rows.inspect(move |((window, value), _, diff)| into.borrow_mut().push((*window, value.clone(), *diff)))
}

fn window((circuit, at): Window, width: i64) -> Window {
    (circuit, at - at.rem_euclid(width))
}

/// Relation, circuit and time, ordered as bytes for the times that there are.
fn key(relation: u32, (circuit, at): Window) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&relation.to_be_bytes());
    key[4..8].copy_from_slice(&circuit.to_be_bytes());
    key[8..].copy_from_slice(&at.to_be_bytes());
    key
}

fn window_of(key: &[u8]) -> Window {
    let circuit = i32::from_be_bytes(key[4..8].try_into().expect("four bytes"));
    (circuit, i64::from_be_bytes(key[8..16].try_into().expect("eight bytes")))
}

fn value_of(row: &Rollup) -> [u8; 32] {
    let mut value = [0; 32];
    for (bytes, number) in value.chunks_exact_mut(8).zip([row.count, row.sum, row.min, row.max]) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    value
}

fn rollup_of(value: &[u8]) -> Rollup {
    let number = |at: usize| i64::from_le_bytes(value[8 * at..8 * at + 8].try_into().expect("eight bytes"));
    Rollup { count: number(0), sum: number(1), min: number(2), max: number(3) }
}

/// The options that measured best for this job: small write buffers with a filter, so that a miss costs little.
fn options() -> Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(&Cache::new_lru_cache(128 << 20));
    tables.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&tables);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(16 << 20);
    options.set_max_write_buffer_number(4);
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.1);
    options.set_max_background_jobs(2);
    options
}
