//! What a Reduce keeps of a group, as bytes.
//!
//! ```text
//! format u8 = 1 | rows varint | for each slot, in the order of the plan's aggregates:
//!     count: varint | sum: as the exact sum writes itself | extreme: length varint (0: none), its value in the key codec
//!     percentile: the value at it as an extreme, how many are less varint, the next value as an extreme
//! ```
//!
//! The format is persisted. Its bytes are pinned by a golden test and change only with a new format byte.

use super::accumulators::{Accumulator, Accumulators};
use super::percentiles::Cursor;
use crate::exact::{FloatSquares, FloatSum, IntSquares, IntSum};
use crate::operators::small::Row;
use crate::row::CorruptRow;
use crate::row::varint::{read_unsigned, write_unsigned};

/// The format byte of tails written today.
const FORMAT: u8 = 1;

/// Appends what is kept of a group.
pub(super) fn write(accumulators: &Accumulators, group: usize, out: &mut Vec<u8>) {
    out.push(FORMAT);
    write_count(accumulators.rows[group], out);
    for slot in &accumulators.slots {
        match slot {
            Accumulator::Count(counts) => write_count(counts[group], out),
            Accumulator::Integers(sums) => sums[group].write(out),
            Accumulator::Floats(sums) => sums[group].write(out),
            Accumulator::IntegerSquares(sums) => sums[group].write(out),
            Accumulator::FloatSquares(sums) => sums[group].write(out),
            Accumulator::Extreme(extremes) => write_value(&extremes[group], out),
            Accumulator::Percentile(cursors) => {
                write_value(&cursors[group].low, out);
                write_count(cursors[group].below, out);
                write_value(&cursors[group].high, out);
            }
            Accumulator::Sequence(_) => (),
        }
    }
}

/// Sets what is kept of a group from its tail.
pub(super) fn read(accumulators: &mut Accumulators, group: usize, mut tail: &[u8]) -> Result<(), CorruptRow> {
    let tail = &mut tail;
    match tail.split_off_first() {
        Some(&FORMAT) => (),
        Some(other) => return Err(CorruptRow(format!("aggregate state format {other}, this version reads {FORMAT}"))),
        None => return Err(CorruptRow("aggregate state is empty".into())),
    }
    accumulators.rows[group] = read_count(tail)?;
    for slot in &mut accumulators.slots {
        match slot {
            Accumulator::Count(counts) => counts[group] = read_count(tail)?,
            Accumulator::Integers(sums) => sums[group] = sum(IntSum::read(tail))?,
            Accumulator::Floats(sums) => sums[group] = sum(FloatSum::read(tail))?,
            Accumulator::IntegerSquares(sums) => sums[group] = sum(IntSquares::read(tail))?,
            Accumulator::FloatSquares(sums) => sums[group] = sum(FloatSquares::read(tail))?,
            Accumulator::Extreme(extremes) => extremes[group] = read_value(tail)?,
            Accumulator::Percentile(cursors) => {
                cursors[group] = Cursor { low: read_value(tail)?, below: read_count(tail)?, high: read_value(tail)? };
            }
            Accumulator::Sequence(_) => (),
        }
    }
    if tail.is_empty() { Ok(()) } else { Err(CorruptRow("aggregate state is longer than its aggregates".into())) }
}

fn write_count(count: i64, out: &mut Vec<u8>) {
    assert!(count >= 0, "a group would have {count} rows");
    write_unsigned(count as u64, out);
}

fn read_count(tail: &mut &[u8]) -> Result<i64, CorruptRow> {
    let count = read_unsigned(tail).and_then(|count| i64::try_from(count).ok());
    count.ok_or_else(|| CorruptRow("a count in aggregate state".into()))
}

fn write_value(value: &Row, out: &mut Vec<u8>) {
    write_unsigned(value.bytes().len() as u64, out);
    out.extend_from_slice(value.bytes());
}

fn read_value(tail: &mut &[u8]) -> Result<Row, CorruptRow> {
    let len = read_unsigned(tail).and_then(|len| usize::try_from(len).ok());
    let bytes = len.and_then(|len| tail.split_off(..len));
    bytes.map(Row::new).ok_or_else(|| CorruptRow("a value in aggregate state is cut short".into()))
}

fn sum<S>(read: Option<S>) -> Result<S, CorruptRow> {
    read.ok_or_else(|| CorruptRow("a sum in aggregate state".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_group() -> Accumulators {
        let (mut whole, mut float) = (IntSum::default(), FloatSum::default());
        whole.add(-300, 1);
        float.add(1.5, 1);
        let (mut whole_square, mut float_square) = (IntSquares::default(), FloatSquares::default());
        whole_square.add(-300, 1);
        float_square.add(1.5, 1);
        let slots = vec![
            Accumulator::Count(vec![2]),
            Accumulator::Integers(vec![whole]),
            Accumulator::Floats(vec![float]),
            Accumulator::Extreme(vec![Row::new(&[1, 0x80, 0, 0, 7])]),
            Accumulator::Extreme(vec![Row::new(&[])]),
            Accumulator::IntegerSquares(vec![whole_square]),
            Accumulator::FloatSquares(vec![float_square]),
            Accumulator::Percentile(vec![Cursor { low: Row::new(&[1, 5]), below: 200, high: Row::new(&[1, 6]) }]),
        ];
        Accumulators { rows: vec![300], slots }
    }

    const GOLDEN: &[u8] = &[
        1, 172, 2, 2, 2, 212, 254, 2, 134, 1, 6, 5, 1, 128, 0, 0, 7, 0, 6, 0, 144, 95, 1, 2, 140, 2, 36, 2, 1, 5, 200,
        1, 2, 1, 6,
    ];

    #[test]
    fn the_bytes_of_format_1_stay_as_they_are_and_are_read_back() {
        let mut bytes = Vec::new();
        write(&one_group(), 0, &mut bytes);
        assert_eq!(bytes, GOLDEN);

        let mut empty = one_group();
        empty.rows[0] = 0;
        empty.slots.iter_mut().for_each(|slot| match slot {
            Accumulator::Count(counts) => counts[0] = 0,
            Accumulator::Integers(sums) => sums[0] = IntSum::default(),
            Accumulator::Floats(sums) => sums[0] = FloatSum::default(),
            Accumulator::Extreme(extremes) => extremes[0] = Row::new(&[]),
            Accumulator::IntegerSquares(sums) => sums[0] = IntSquares::default(),
            Accumulator::FloatSquares(sums) => sums[0] = FloatSquares::default(),
            Accumulator::Percentile(cursors) => cursors[0] = Cursor::none(),
            Accumulator::Sequence(_) => (),
        });
        read(&mut empty, 0, GOLDEN).unwrap();
        let mut again = Vec::new();
        write(&empty, 0, &mut again);
        assert_eq!(again, GOLDEN);
    }

    #[test]
    fn torn_overlong_and_newer_state_is_refused_with_words() {
        let mut into = one_group();
        for len in 0..GOLDEN.len() {
            assert!(read(&mut into, 0, &GOLDEN[..len]).is_err(), "{len} bytes");
        }
        assert!(read(&mut into, 0, &[GOLDEN, &[0]].concat()).unwrap_err().0.contains("longer"));
        let newer = [&[2], &GOLDEN[1..]].concat();
        assert!(read(&mut into, 0, &newer).unwrap_err().0.contains("format 2"));
    }
}
