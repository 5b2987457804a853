//! Timers: (time, key), in the order of time.
//!
//! The first one is known without looking, so that an epoch costs nothing while none is due, however many there are.

use std::cell::Cell;
use std::ops::ControlFlow;

use crate::engine::EngineError;
use crate::limits::TIMERS_PER_EPOCH_MAX;
use crate::relation::RelationId;
use crate::row::{Block, CorruptRow, sorted_order};
use crate::state::{Direction, KeyRange, State, StateWrite};

/// Bytes of the time before the key.
const TIME_BYTES: usize = 8;

/// The timers of one operator.
#[derive(Debug)]
pub(crate) struct Timers {
    relation: RelationId,
    first: Cell<First>,
}

/// What is known of the first timer.
#[derive(Clone, Copy, Debug)]
enum First {
    /// It is not before this time.
    From(i64),
    /// It is at this time, or there is none.
    At(Option<i64>),
}

/// Timers that are set (`true`) and taken away.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    keys: Block,
    times: Vec<i64>,
    set: Vec<bool>,
}

impl Settings {
    pub(crate) fn push(&mut self, time: i64, key: &[u8], set: bool) {
        self.keys.push_with(|out| {
            write_time(time, out);
            out.extend_from_slice(key);
        });
        self.times.push(time);
        self.set.push(set);
    }
}

impl Timers {
    pub(crate) fn new(relation: RelationId) -> Timers {
        Timers { relation, first: Cell::new(First::From(i64::MIN)) }
    }

    /// When the first timer goes off. Looks only where that may be up to `until`; else the answer is a later time, at which
    /// or after which it is.
    pub(crate) fn next(&self, state: &dyn State, until: i64) -> Result<Option<i64>, EngineError> {
        match self.first.get() {
            First::At(first) => Ok(first),
            First::From(from) if from > until => Ok(Some(from)),
            First::From(from) => {
                let mut first = None;
                self.scan(state, from, &mut |time, _| {
                    first = Some(time);
                    ControlFlow::Break(())
                })?;
                self.first.set(First::At(first));
                Ok(first)
            }
        }
    }

    /// The latest time up to `now` by which not too many timers go off, but for those that go off at once.
    pub(crate) fn reach(&self, state: &dyn State, now: i64) -> Result<i64, EngineError> {
        let (mut reach, mut passed) = (now, 0);
        if self.next(state, now)?.is_some_and(|next| next <= now) {
            self.scan(state, self.from(), &mut |time, _| {
                passed += 1;
                if time <= now && passed == TIMERS_PER_EPOCH_MAX {
                    reach = time;
                }
                if time > now || passed == TIMERS_PER_EPOCH_MAX {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        }
        Ok(reach)
    }

    /// The timers that go off by `now`, with their keys.
    pub(crate) fn due(&self, state: &dyn State, now: i64) -> Result<(Vec<i64>, Block), EngineError> {
        let (mut times, mut keys) = (Vec::new(), Block::default());
        if self.from() > now {
            return Ok((times, keys));
        }
        let mut first = None;
        self.scan(state, self.from(), &mut |time, key| {
            if time > now {
                first = Some(time);
                return ControlFlow::Break(());
            }
            times.push(time);
            keys.push(key);
            ControlFlow::Continue(())
        })?;
        self.first.set(First::At(first));
        Ok((times, keys))
    }

    /// Sets timers and takes timers away, each at most once.
    pub(crate) fn write(&self, settings: &Settings) -> StateWrite {
        let mut write = StateWrite::seldom_read(self.relation);
        for at in sorted_order(&settings.keys) {
            let at = at as usize;
            match settings.set[at] {
                true => write.put(settings.keys.get(at), &[]),
                false => write.delete(settings.keys.get(at)),
            }
            self.first.set(match (self.first.get(), settings.times[at], settings.set[at]) {
                (First::At(first), time, true) if first.is_none_or(|first| time < first) => First::At(Some(time)),
                (First::From(from), time, true) if time <= from => First::At(Some(time)),
                // There may be others at the same time.
                (First::At(Some(first)), time, false) if time == first => First::From(first),
                (first, ..) => first,
            });
        }
        write
    }

    /// No timer is before this time.
    fn from(&self) -> i64 {
        match self.first.get() {
            First::From(from) => from,
            First::At(first) => first.unwrap_or(i64::MAX),
        }
    }

    /// Walks the timers from a time on, in their order.
    fn scan(
        &self,
        state: &dyn State,
        from: i64,
        each: &mut dyn FnMut(i64, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let mut start = Vec::with_capacity(TIME_BYTES);
        write_time(from, &mut start);
        let mut failed = Ok(());
        let range = KeyRange { start, end: None };
        state.scan(self.relation, &range, Direction::Ascending, &mut |key, _| match key.split_first_chunk() {
            Some((time, key)) => each(read_time(*time), key),
            None => {
                let source = CorruptRow(format!("{key:x?} is no timer"));
                failed = Err(EngineError::Corrupt { relation: self.relation, source });
                ControlFlow::Break(())
            }
        })?;
        failed
    }
}

/// The sign is turned, so that bytes compare as times.
fn write_time(time: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&(time ^ i64::MIN).to_be_bytes());
}

fn read_time(bytes: [u8; TIME_BYTES]) -> i64 {
    i64::from_be_bytes(bytes) ^ i64::MIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::MemoryState;

    fn set(timers: &Timers, state: &MemoryState, settings: &[(i64, &str, bool)]) {
        let mut all = Settings::default();
        settings.iter().for_each(|(time, key, set)| all.push(*time, key.as_bytes(), *set));
        state.apply(&[timers.write(&all)]);
    }

    #[test]
    fn the_bytes_of_a_timer_stay_as_they_are() {
        let (timers, state) = (Timers::new(RelationId(7)), MemoryState::default());
        set(&timers, &state, &[(1, "a", true), (-1, "b", true)]);
        let keys: Vec<Vec<u8>> = state.entries(RelationId(7)).into_iter().map(|(key, _)| key).collect();
        let expected: [&[u8]; 2] = [b"\x7f\xff\xff\xff\xff\xff\xff\xffb", b"\x80\0\0\0\0\0\0\x01a"];
        assert_eq!(keys, expected);
    }

    #[test]
    fn the_first_is_known_whatever_is_set_and_taken_away() {
        let (timers, state) = (Timers::new(RelationId(7)), MemoryState::default());
        let next = |timers: &Timers| timers.next(&state, i64::MAX).unwrap();
        assert_eq!(next(&timers), None);
        set(&timers, &state, &[(5, "a", true), (5, "b", true), (9, "a", true)]);
        assert_eq!(next(&timers), Some(5));
        set(&timers, &state, &[(5, "a", false)]);
        assert_eq!(next(&timers), Some(5));
        set(&timers, &state, &[(5, "b", false)]);
        assert_eq!(timers.next(&state, 4).unwrap(), Some(5), "nobody asks as far as that");
        assert_eq!(next(&timers), Some(9));
        set(&timers, &state, &[(3, "c", true)]);
        assert_eq!(next(&timers), Some(3));
        let (times, keys) = timers.due(&state, 8).unwrap();
        assert_eq!((times, keys.iter().collect::<Vec<_>>()), (vec![3], vec![&b"c"[..]]));
        set(&timers, &state, &[(3, "c", false)]);
        assert_eq!(next(&timers), Some(9));
        // What was there before a restart is found.
        assert_eq!(next(&Timers::new(RelationId(7))), Some(9));
    }

    #[test]
    fn many_that_are_due_are_taken_in_several_steps() {
        let (timers, state) = (Timers::new(RelationId(7)), MemoryState::default());
        let mut all = Settings::default();
        (0..2 * TIMERS_PER_EPOCH_MAX as i64).for_each(|time| all.push(time, b"", true));
        state.apply(&[timers.write(&all)]);
        let most = TIMERS_PER_EPOCH_MAX as i64;
        assert_eq!(timers.reach(&state, 10).unwrap(), 10);
        assert_eq!(timers.reach(&state, 5 * most).unwrap(), most - 1);
        assert_eq!(timers.due(&state, most - 1).unwrap().0.len(), TIMERS_PER_EPOCH_MAX);
    }
}
