//! Idempotent producers of a partition: a batch that is sent again is recognised, a gap or an old epoch is refused.

use std::collections::{HashMap, VecDeque};

use bytes::{Buf, BufMut};

use crate::limits::{PRODUCER_BATCHES_MAX, PRODUCERS_MAX};
use crate::log::LogError;
use crate::log::batch::BatchHeader;

/// What each producer wrote last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    by_id: HashMap<i64, Producer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    /// Oldest first, never empty, at most [`PRODUCER_BATCHES_MAX`].
    batches: VecDeque<Appended>,
}

/// A batch that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Appended {
    base_sequence: i32,
    records: i32,
    base_offset: u64,
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    New,
    /// It is in the log already, from this offset on.
    Duplicate(u64),
}

impl Producers {
    /// Compares a batch with what its producer wrote before. A producer that is not known may begin at any sequence: it
    /// was forgotten with the segments that it wrote, or it was unused for long.
    pub fn judge(&self, batch: &BatchHeader) -> Result<Verdict, LogError> {
        if !batch.is_idempotent() {
            return Ok(Verdict::New);
        }
        let Some(known) = self.by_id.get(&batch.producer_id) else { return Ok(Verdict::New) };
        if batch.producer_epoch < known.epoch {
            let (got, current) = (batch.producer_epoch, known.epoch);
            return Err(LogError::Fenced { producer: batch.producer_id, got, current });
        }
        let expected = if batch.producer_epoch > known.epoch { 0 } else { known.next_sequence() };
        if batch.base_sequence == expected {
            return Ok(Verdict::New);
        }
        let resent = |appended: &&Appended| {
            batch.producer_epoch == known.epoch
                && (appended.base_sequence, appended.records) == (batch.base_sequence, batch.records)
        };
        match known.batches.iter().find(resent) {
            Some(appended) => Ok(Verdict::Duplicate(appended.base_offset)),
            None => Err(LogError::OutOfSequence { producer: batch.producer_id, got: batch.base_sequence, expected }),
        }
    }

    /// Remembers a batch that has its place in the log.
    pub fn note(&mut self, batch: &BatchHeader) {
        if !batch.is_idempotent() {
            return;
        }
        let appended =
            Appended { base_sequence: batch.base_sequence, records: batch.records, base_offset: batch.base_offset };
        let producer = self
            .by_id
            .entry(batch.producer_id)
            .or_insert_with(|| Producer { epoch: batch.producer_epoch, batches: VecDeque::new() });
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        producer.batches.push_back(appended);
        if producer.batches.len() > PRODUCER_BATCHES_MAX {
            producer.batches.pop_front();
        }
        if self.by_id.len() > PRODUCERS_MAX {
            let unused = self.by_id.iter().min_by_key(|(_, producer)| producer.last().base_offset);
            let unused = *unused.expect("there are producers").0;
            self.by_id.remove(&unused);
        }
    }

    /// Appends all of it to `buffer`, by producer id.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        let mut ids: Vec<i64> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        buffer.put_u32(ids.len() as u32);
        for id in ids {
            let producer = &self.by_id[&id];
            buffer.put_i64(id);
            buffer.put_i16(producer.epoch);
            buffer.put_u8(producer.batches.len() as u8);
            for appended in &producer.batches {
                buffer.put_i32(appended.base_sequence);
                buffer.put_i32(appended.records);
                buffer.put_u64(appended.base_offset);
            }
        }
    }

    /// Reads what [`Producers::encode`] wrote; `None` if it is something else.
    pub fn decode(bytes: &mut &[u8]) -> Option<Producers> {
        let mut producers = Producers::default();
        for _ in 0..bytes.try_get_u32().ok()? {
            let id = bytes.try_get_i64().ok()?;
            let epoch = bytes.try_get_i16().ok()?;
            let mut batches = VecDeque::new();
            for _ in 0..bytes.try_get_u8().ok()? {
                batches.push_back(Appended {
                    base_sequence: bytes.try_get_i32().ok()?,
                    records: bytes.try_get_i32().ok()?,
                    base_offset: bytes.try_get_u64().ok()?,
                });
            }
            if batches.is_empty() {
                return None;
            }
            producers.by_id.insert(id, Producer { epoch, batches });
        }
        Some(producers)
    }
}

impl Producer {
    fn last(&self) -> &Appended {
        self.batches.back().expect("a producer is known by what it wrote")
    }

    /// Sequences count records and go on at 0 after the largest `i32`.
    fn next_sequence(&self) -> i32 {
        let last = self.last();
        ((i64::from(last.base_sequence) + i64::from(last.records)) & i64::from(i32::MAX)) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(producer_id: i64, producer_epoch: i16, base_sequence: i32, records: i32, base_offset: u64) -> BatchHeader {
        BatchHeader {
            base_offset,
            bytes: 0,
            crc: 0,
            attributes: 0,
            last_offset_delta: records - 1,
            base_timestamp_ms: 0,
            max_timestamp_ms: 0,
            producer_id,
            producer_epoch,
            base_sequence,
            records,
        }
    }

    #[test]
    fn a_batch_sent_again_is_found_among_the_last_five() {
        let mut producers = Producers::default();
        for sent in 0..6 {
            producers.note(&batch(7, 0, sent * 10, 10, 100 + sent as u64 * 10));
        }
        assert_eq!(producers.judge(&batch(7, 0, 10, 10, 0)).unwrap(), Verdict::Duplicate(110));
        assert_eq!(producers.judge(&batch(7, 0, 50, 10, 0)).unwrap(), Verdict::Duplicate(150));
        assert!(matches!(producers.judge(&batch(7, 0, 0, 10, 0)), Err(LogError::OutOfSequence { expected: 60, .. })));
        assert_eq!(producers.judge(&batch(7, 0, 60, 1, 0)).unwrap(), Verdict::New);
    }

    #[test]
    fn a_gap_and_an_old_epoch_are_refused_and_a_new_epoch_begins_at_zero() {
        let mut producers = Producers::default();
        producers.note(&batch(7, 3, 0, 5, 0));
        assert!(matches!(
            producers.judge(&batch(7, 3, 6, 1, 0)),
            Err(LogError::OutOfSequence { producer: 7, got: 6, expected: 5 })
        ));
        assert!(matches!(producers.judge(&batch(7, 2, 5, 1, 0)), Err(LogError::Fenced { got: 2, current: 3, .. })));
        assert!(matches!(producers.judge(&batch(7, 4, 5, 1, 0)), Err(LogError::OutOfSequence { expected: 0, .. })));
        assert_eq!(producers.judge(&batch(7, 4, 0, 1, 0)).unwrap(), Verdict::New);
    }

    #[test]
    fn sequences_go_on_at_zero_after_the_largest() {
        let mut producers = Producers::default();
        producers.note(&batch(7, 0, i32::MAX - 1, 2, 0));
        assert_eq!(producers.judge(&batch(7, 0, 0, 4, 0)).unwrap(), Verdict::New);
        producers.note(&batch(7, 0, i32::MAX - 1, 5, 0));
        assert_eq!(producers.judge(&batch(7, 0, 3, 4, 0)).unwrap(), Verdict::New);
    }

    #[test]
    fn no_more_producers_are_remembered_than_the_limit_and_the_oldest_goes_first() {
        let mut producers = Producers::default();
        for id in 0..=PRODUCERS_MAX as i64 {
            producers.note(&batch(id, 0, 0, 1, id as u64));
        }
        assert_eq!(producers.by_id.len(), PRODUCERS_MAX);
        assert!(!producers.by_id.contains_key(&0));
    }
}
