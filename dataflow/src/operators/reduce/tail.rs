//! What a Reduce keeps of a group, as bytes.
//!
//! ```text
//! format u8 = 1 | rows varint | for each slot, in the order of the plan's aggregates:
//!     count: varint | sum: as the exact sum writes itself | extreme: length varint (0: none), its value in the key codec
//! ```
//!
//! The format is persisted. Its bytes are pinned by a golden test and change only with a new format byte.

use super::accumulators::{Accumulator, Accumulators};
use crate::exact::{FloatSum, IntSum};
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
            Accumulator::Extreme(extremes) => {
                let extreme = extremes[group].bytes();
                write_unsigned(extreme.len() as u64, out);
                out.extend_from_slice(extreme);
            }
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
            Accumulator::Extreme(extremes) => {
                let len = read_unsigned(tail).and_then(|len| usize::try_from(len).ok());
                let bytes = len.and_then(|len| tail.split_off(..len));
                extremes[group] = Row::new(bytes.ok_or_else(|| CorruptRow("an extreme is cut short".into()))?);
            }
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
        let slots = vec![
            Accumulator::Count(vec![2]),
            Accumulator::Integers(vec![whole]),
            Accumulator::Floats(vec![float]),
            Accumulator::Extreme(vec![Row::new(&[1, 0x80, 0, 0, 7])]),
            Accumulator::Extreme(vec![Row::new(&[])]),
        ];
        Accumulators { rows: vec![300], slots }
    }

    const GOLDEN: &[u8] = &[1, 172, 2, 2, 2, 212, 254, 2, 134, 1, 6, 5, 1, 128, 0, 0, 7, 0];

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
