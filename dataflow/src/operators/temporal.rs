//! Temporal: the rows for which a predicate over them and the time is true.
//!
//! State: of the rows for which the predicate may turn, key -> row, how often, and the time that its timer is set to; and
//! (time, key), the [`timers`]. A change costs one look-up and one put, and one of a timer where it is the row's first or
//! must go off earlier than it would: a row that gives way to one that turns later leaves the timer as it is, which is set
//! anew when it goes off. A timer that goes off costs one look-up and two writes. A row that has no turn before it costs
//! the look-up alone.

pub(crate) mod timers;

use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{concat_batches, prep_null_mask_filter};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};

use self::timers::{Settings, Timers};
use super::batch::pieces;
use super::groups::{Groups, consolidated};
use super::rows::{batch, concat, retain, take_rows};
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Reporter;
use crate::plan::Plan;
use crate::relation::{RelationId, RelationSchema};
use crate::row::varint::{read_unsigned, write_unsigned};
use crate::row::{Block, CorruptRow, RowCodec};
use crate::scalar::Scalar;
use crate::state::{Found, StateWrite};

/// A [`Plan::Temporal`] and where its state is.
pub(crate) struct Temporal {
    operator: u32,
    reporter: Reporter,
    predicate: Arc<dyn Scalar>,
    turns: Vec<Arc<dyn Scalar>>,
    /// The input's columns and the time.
    schema: SchemaRef,
    codec: RowCodec,
    /// Rows may occur more than once, as the key is the whole row.
    counted: bool,
    rows: RelationId,
    pub(crate) timers: Rc<Timers>,
}

/// What is kept with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tail {
    /// When its timer goes off.
    timer: i64,
    /// How often it occurs.
    count: i64,
}

/// The rows that are kept of some keys.
struct Kept {
    found: Found,
    /// Those that there are, in key order.
    rows: RecordBatch,
    /// For each key, its place in `rows` and what is kept with it.
    of_key: Vec<Option<(u32, Tail)>>,
}

impl Temporal {
    pub(crate) fn new(plan: &Plan, operator: u32, reporter: Reporter) -> Temporal {
        let Plan::Temporal { input, predicate, turns, key, rows, timers } = plan else {
            panic!("a Temporal is made from a Temporal, not {plan:?}");
        };
        let columns = input.schema();
        let now = Arc::new(Field::new("now", Plan::now(), false));
        let schema = Arc::new(Schema::new(columns.fields().iter().cloned().chain([now]).collect::<Vec<_>>()));
        let counted = key.iter().copied().eq(0..columns.fields().len());
        Temporal {
            operator,
            reporter,
            predicate: predicate.clone(),
            turns: turns.clone(),
            schema,
            codec: RowCodec::new(&RelationSchema { columns, key: key.clone(), counted: false }),
            counted,
            rows: *rows,
            timers: Rc::new(Timers::new(*timers)),
        }
    }

    /// Runs one epoch on all its changes.
    pub(crate) fn run(&self, changes: Vec<Changes>) -> Result<Vec<Changes>, EngineError> {
        let shared = &self.reporter.shared;
        let now_ms = shared.now_ms.get();
        let input = match concat(changes) {
            Some(changes) => consolidated(&changes),
            None => Changes::inserts(RecordBatch::new_empty(self.codec.columns().clone())),
        };
        let (_, due) = self.timers.due(&*shared.state, now_ms)?;
        if input.is_empty() && due.is_empty() {
            return Ok(Vec::new());
        }
        // What comes and goes does so as of now; what was there all along is another by now where its timer went off.
        let mut output = self.passing(&input, &vec![now_ms; input.len()]);
        let mut keys = self.codec.keys(&input.rows);
        due.iter().for_each(|key| keys.push(key));
        let touched = Groups::of(&keys);
        let kept = self.kept(&touched.keys)?;
        if let Some(&key) = touched.of_row[input.len()..].iter().find(|&&key| kept.of_key[key as usize].is_none()) {
            let source = CorruptRow(format!("{:x?} has a timer and no row", touched.keys.get(key as usize)));
            return Err(EngineError::Corrupt { relation: self.rows, source });
        }
        let mut went_off = vec![false; touched.len()];
        touched.of_row[input.len()..].iter().for_each(|&key| went_off[key as usize] = true);
        let turned = kept.of_key.iter().zip(&went_off).filter_map(|(kept, went_off)| kept.filter(|_| *went_off));
        let (places, tails): (Vec<u32>, Vec<Tail>) = turned.unzip();
        let rows = take_rows(&kept.rows, &UInt32Array::from(places));
        let diffs = |sign: i64| tails.iter().map(|tail| sign * tail.count).collect();
        // Until its timer a row is what it was when that was set.
        let before: Vec<i64> = tails.iter().map(|tail| tail.timer - 1).collect();
        output.extend(self.passing(&Changes::new(rows.clone(), diffs(-1)), &before));
        output.extend(self.passing(&Changes::new(rows, diffs(1)), &vec![now_ms; before.len()]));
        self.settle(&input, &touched, &kept, &went_off, now_ms);
        Ok(output.into_iter().flat_map(pieces).collect())
    }

    /// The changes whose rows the predicate is true for, each at its time; errors are reported.
    fn passing(&self, changes: &Changes, times_ms: &[i64]) -> Vec<Changes> {
        if changes.is_empty() {
            return Vec::new();
        }
        let (passes, failures) = self.predicate.eval(&self.at(&changes.rows, times_ms));
        self.reporter.rows(self.operator, changes, &failures);
        let passes = passes.as_boolean();
        let passes: BooleanArray = match passes.null_count() {
            0 => passes.clone(),
            _ => prep_null_mask_filter(passes),
        };
        vec![retain(changes, &passes)]
    }

    /// The rows, each with its time behind it.
    fn at(&self, rows: &RecordBatch, times_ms: &[i64]) -> RecordBatch {
        let micros = times_ms.iter().map(|time_ms| time_ms.saturating_mul(1_000));
        let time = TimestampMicrosecondArray::from_iter_values(micros).with_timezone("+00:00");
        let columns = rows.columns().iter().cloned().chain([Arc::new(time) as ArrayRef]);
        batch(&self.schema, columns.collect(), rows.num_rows())
    }

    /// What is kept of these keys.
    fn kept(&self, keys: &Block) -> Result<Kept, EngineError> {
        let found = self.reporter.shared.state.get_many(self.rows, keys)?;
        let corrupt = |source| EngineError::Corrupt { relation: self.rows, source };
        let mut of_key = Vec::with_capacity(keys.len());
        let mut entries = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            of_key.push(match found.get(at) {
                None => None,
                Some(value) => {
                    let tail = self.codec.value(value).and_then(|value| Tail::read(value.tail)).map_err(corrupt)?;
                    entries.push((key, value));
                    Some((entries.len() as u32 - 1, tail))
                }
            });
        }
        let rows = self.codec.decode(entries.into_iter(), None).map_err(corrupt)?.rows;
        Ok(Kept { found, rows, of_key })
    }

    /// Writes what is to be kept of the keys that were touched, and their timers.
    fn settle(&self, input: &Changes, touched: &Groups, kept: &Kept, went_off: &[bool], now_ms: i64) {
        // What there is after the epoch: a row of the input, or behind them a kept one, and how often.
        let mut after: Vec<Option<(u32, i64)>> = (kept.of_key.iter())
            .map(|kept| kept.map(|(place, tail)| (input.len() as u32 + place, tail.count)))
            .collect();
        for (row, diff) in input.diffs.iter().enumerate() {
            let after = &mut after[touched.of_row[row] as usize];
            let count = diff + after.filter(|_| self.counted).map_or(0, |(_, count)| count);
            match (*after, count) {
                (_, 1..) => *after = Some((row as u32, count)),
                // It gave way to a row of the input already.
                (Some((known, _)), _) if (known as usize) < input.len() => (),
                _ => *after = None,
            }
        }
        let keys: Vec<usize> = (0..after.len()).filter(|&key| after[key].is_some()).collect();
        let places = UInt32Array::from_iter_values(keys.iter().filter_map(|&key| after[key]).map(|(place, _)| place));
        let all =
            [&input.rows, &kept.rows].map(|rows| batch(self.codec.columns(), rows.columns().to_vec(), rows.num_rows()));
        let all = concat_batches(self.codec.columns(), &all).expect("batches of one schema");
        let rows = take_rows(&all, &places);
        let turns = self.next_turns(&rows, now_ms);
        let mut next = vec![None; after.len()];
        keys.iter().zip(turns).enumerate().for_each(|(row, (&key, turn))| next[key] = turn.map(|turn| (row, turn)));

        let writer = self.codec.writer(&rows);
        let mut write = StateWrite::new(self.rows);
        let mut settings = Settings::default();
        let mut value = Vec::new();
        for (at, key) in touched.keys.iter().enumerate() {
            let before = kept.of_key[at].map(|(_, tail)| tail.timer);
            let timer = next[at].map(|(_, turn)| match before {
                Some(timer) if timer <= turn && !went_off[at] => timer,
                _ => turn,
            });
            if let Some(before) = before.filter(|before| timer != Some(*before)) {
                settings.push(before, key, false);
            }
            if let Some(timer) = timer.filter(|timer| before != Some(*timer)) {
                settings.push(timer, key, true);
            }
            match (timer, next[at], after[at]) {
                (Some(timer), Some((row, _)), Some((_, count))) => {
                    value.clear();
                    writer.write(row, &mut value);
                    Tail { timer, count }.write(&mut value);
                    if kept.found.get(at) != Some(&value[..]) {
                        write.put(key, &value);
                    }
                }
                _ if before.is_some() => write.delete(key),
                _ => (),
            }
        }
        self.reporter.shared.write(write);
        self.reporter.shared.write(self.timers.write(&settings));
    }

    /// When, after now, the predicate may first turn for each row.
    fn next_turns(&self, rows: &RecordBatch, now_ms: i64) -> Vec<Option<i64>> {
        let mut next: Vec<Option<i64>> = vec![None; rows.num_rows()];
        if next.is_empty() {
            return next;
        }
        let rows = self.at(rows, &vec![now_ms; rows.num_rows()]);
        for turn in &self.turns {
            // A row that fails fails in the predicate too, which says so.
            let (turns, _) = turn.eval(&rows);
            for (next, turn) in next.iter_mut().zip(turns.as_primitive::<Int64Type>()) {
                let Some(turn) = turn else { continue };
                assert!(turn > now_ms, "{} says {turn} at {now_ms}", self.predicate.sql());
                *next = Some(next.map_or(turn, |next| next.min(turn)));
            }
        }
        next
    }
}

/// The format byte of tails written today; the timer (i64, little-endian) and the count (a varint) follow.
const FORMAT: u8 = 1;

impl Tail {
    fn write(self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&self.timer.to_le_bytes());
        write_unsigned(self.count as u64, out);
    }

    fn read(bytes: &[u8]) -> Result<Tail, CorruptRow> {
        let tail = || {
            let (&[FORMAT], rest) = bytes.split_first_chunk::<1>()? else { return None };
            let (timer, mut rest) = rest.split_first_chunk()?;
            let count = i64::try_from(read_unsigned(&mut rest)?).ok()?;
            rest.is_empty().then_some(Tail { timer: i64::from_le_bytes(*timer), count })
        };
        tail().ok_or_else(|| CorruptRow(format!("{bytes:x?} is not what is kept with a row that has a timer")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_what_is_kept_with_a_row_stay_as_they_are() {
        let tail = Tail { timer: 258, count: 300 };
        let mut bytes = Vec::new();
        tail.write(&mut bytes);
        assert_eq!(bytes, [1, 2, 1, 0, 0, 0, 0, 0, 0, 0xac, 2]);
        assert_eq!(Tail::read(&bytes).unwrap(), tail);
        for bytes in [&[][..], &[2; 10], &bytes[..9], &[&bytes[..], &[0]].concat()] {
            assert!(Tail::read(bytes).is_err(), "{bytes:x?}");
        }
    }
}
