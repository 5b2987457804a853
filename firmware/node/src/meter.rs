//! The meter as a whole.

use core::ops::Range;

use embedded_hal::delay::DelayNs;
use embedded_hal::spi::SpiDevice;
use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use heapless::Vec;
use sequential_storage::Error as QueueError;
use thiserror::Error;

use crate::atm90e32::{self, Atm90e32};
use crate::clock::{Clock, Correction};
use crate::interval::Interval;
use crate::limits::{ANCHORS, CHIPS, CIRCUITS, CLOCK_STEP_MS, ENERGY_POLLS};
use crate::provisioning::Provisioning;
use crate::queue::Queue;
use crate::record::{Anchor, Content, Record, Sample, Time};
use crate::upload::Batch;

#[derive(Debug, Error)]
pub enum Error<S, F> {
    #[error("a metering chip: {0}")]
    Chip(atm90e32::Error<S>),
    #[error("the flash queue")]
    Queue(QueueError<F>),
}

/// What the meter could not do, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Times that a chip did not answer; its energy registers keep what they counted.
    pub polls: u32,
    /// Records that were overwritten before they were acknowledged, as the flash was full.
    pub overwritten: u32,
    /// Records of starts whose clock was never set; the energy counter holds what they measured.
    pub undatable: u32,
}

/// A device's state between two calls. Its host calls [`poll`](Meter::poll) every second, [`sample`](Meter::sample) at the
/// interval's end, [`synchronise`](Meter::synchronise) when a time server answered, and sends [`oldest`](Meter::oldest) over and
/// over until it is [`acknowledged`](Meter::acknowledge). It may lose power at any moment.
pub struct Meter<S, F: MultiwriteNorFlash, const PAGES: usize> {
    chips: [Atm90e32<S>; CHIPS],
    /// By circuit, what its clamp's registers count in multiples of; 0 where there is no clamp.
    scales: [u8; CIRCUITS],
    intervals: [Interval; CIRCUITS],
    frequency: u16,
    /// Polls since energy was taken out of the chips.
    polls: u32,
    queue: Queue<F, PAGES>,
    clock: Clock,
    /// When starts before this one, or this one, had their clock set.
    anchors: Vec<(u32, Anchor), ANCHORS>,
    start: u32,
    sequence: u32,
    /// Whether this start has records without a date.
    is_undated: bool,
    sampled_ms: Option<i64>,
    acknowledged: Option<u32>,
    losses: Losses,
}

impl<S: SpiDevice, F: MultiwriteNorFlash, const PAGES: usize> Meter<S, F, PAGES> {
    /// Starts after power came or the microcontroller was reset. Counters and numbering go on where the queue ends; on a
    /// flash that is empty they begin at zero, which readers of the counter see as a reset.
    pub async fn start(
        provisioning: &Provisioning<'_>,
        chips: [S; CHIPS],
        delay: &mut impl DelayNs,
        flash: F,
        range: Range<u32>,
    ) -> Result<Self, Error<S::Error, F::Error>> {
        let mut last: Option<Record> = None;
        let mut first = None;
        let mut anchors = Vec::new();
        let mut energy = [0; CIRCUITS];
        let mut sampled_ms = None;
        let seen = |record: &Record| {
            match &record.content {
                Content::Anchor(anchor) => remember(&mut anchors, record.start, *anchor),
                Content::Sample(time, sample) => {
                    energy = sample.energy;
                    if let Time::UtcMs(utc_ms) = time {
                        sampled_ms = Some(*utc_ms);
                    }
                }
            }
            first = first.or(Some(record.sequence));
            last = Some(record.clone());
        };
        let queue = Queue::open(flash, range, seen).await.map_err(Error::Queue)?;
        let [a, b] = chips;
        let [for_a, for_b] = provisioning.calibrations();
        let chips = [
            Atm90e32::start(a, delay, &for_a).map_err(Error::Chip)?,
            Atm90e32::start(b, delay, &for_b).map_err(Error::Chip)?,
        ];
        Ok(Meter {
            chips,
            scales: core::array::from_fn(|at| {
                provisioning.circuits[at].as_ref().map_or(0, |circuit| circuit.gain.scale)
            }),
            intervals: energy.map(Interval::starting_at),
            frequency: 0,
            polls: 0,
            queue,
            clock: Clock::default(),
            anchors,
            start: last.as_ref().map_or(0, |record| record.start + 1),
            sequence: last.as_ref().map_or(0, |record| record.sequence + 1),
            is_undated: false,
            sampled_ms,
            acknowledged: first.and_then(|first: u32| first.checked_sub(1)),
            losses: Losses::default(),
        })
    }

    /// Reads the chips. One that does not answer does not keep the other from being read.
    pub fn poll(&mut self) -> Result<(), Error<S::Error, F::Error>> {
        let mut failed = Ok(());
        for (index, chip) in self.chips.iter_mut().enumerate() {
            match chip.measure() {
                Ok(measured) => {
                    self.frequency = measured.frequency;
                    for (at, phase) in (3 * index..).zip(&measured.phases) {
                        if self.scales[at] > 0 {
                            self.intervals[at].add(phase, self.scales[at]);
                        }
                    }
                }
                Err(error) => {
                    self.losses.polls += 1;
                    failed = Err(Error::Chip(error));
                }
            }
        }
        self.polls += 1;
        if self.polls >= ENERGY_POLLS {
            self.take_energy();
        }
        failed
    }

    /// Energy stays in the chips, where it survives a reset of the microcontroller, until it is about to be recorded.
    fn take_energy(&mut self) {
        self.polls = 0;
        for (index, chip) in self.chips.iter_mut().enumerate() {
            for (at, energy) in (3 * index..).zip(chip.take_energy()) {
                match energy {
                    Ok(energy) => self.intervals[at].count(energy, self.scales[at]),
                    Err(_) => self.losses.polls += 1,
                }
            }
        }
    }

    /// Records what was polled since the record before, and gives the record. Once this returns, it survives a power cut.
    pub async fn sample(&mut self, uptime_ms: u64) -> Result<Record, Error<S::Error, F::Error>> {
        self.take_energy();
        let energy = self.energy();
        let circuits = core::array::from_fn(|at| self.intervals[at].close());
        let time = match self.clock.utc_ms(uptime_ms) {
            Some(utc_ms) => Time::UtcMs(self.upwards(utc_ms)),
            None => Time::UptimeMs(uptime_ms),
        };
        self.is_undated |= matches!(time, Time::UptimeMs(_));
        self.push(Content::Sample(time, Sample { frequency: self.frequency, energy, circuits })).await
    }

    /// A clock that is steered back stands still for that long, so that no two samples have one time. One that is set back goes
    /// back.
    fn upwards(&mut self, utc_ms: i64) -> i64 {
        let utc_ms = match self.sampled_ms {
            Some(before) if (0..=CLOCK_STEP_MS).contains(&(before - utc_ms)) => before + 1,
            _ => utc_ms,
        };
        self.sampled_ms = Some(utc_ms);
        utc_ms
    }

    /// Takes a time server's answer. The first of a start dates its records: if that is not on flash, the clock stays unset.
    pub async fn synchronise(&mut self, uptime_ms: u64, utc_ms: i64) -> Result<Correction, Error<S::Error, F::Error>> {
        if !self.clock.believes(uptime_ms, utc_ms, self.sampled_ms) {
            return Ok(Correction::Doubted);
        }
        if self.clock.first().is_none() && self.is_undated {
            let anchor = Anchor { uptime_ms, utc_ms };
            self.push(Content::Anchor(anchor)).await?;
            remember(&mut self.anchors, self.start, anchor);
        }
        Ok(self.clock.synchronise(uptime_ms, utc_ms))
    }

    /// A number that was not written is not used again.
    async fn push(&mut self, content: Content) -> Result<Record, Error<S::Error, F::Error>> {
        let record = Record { sequence: self.sequence, start: self.start, content };
        self.sequence += 1;
        self.queue.push(&record).await.map_err(Error::Queue)?;
        Ok(record)
    }

    /// The oldest records that were not acknowledged, as many as are sent together. Records that wait for the clock to be set
    /// hold back those behind them.
    pub async fn oldest(&mut self) -> Result<Batch, Error<S::Error, F::Error>> {
        let mut batch = Batch::default();
        let Meter { queue, anchors, acknowledged, start, losses, .. } = self;
        let expected = acknowledged.map_or(0, |acknowledged| acknowledged + 1);
        let collect = |record: &Record| {
            if Some(record.sequence) <= *acknowledged {
                return true;
            }
            let at_ms = match &record.content {
                Content::Anchor(_) => None,
                Content::Sample(Time::UtcMs(utc_ms), _) => Some(*utc_ms),
                Content::Sample(Time::UptimeMs(uptime_ms), _) => {
                    let anchor = anchors.iter().find(|(of, _)| *of == record.start);
                    if anchor.is_none() && record.start == *start {
                        return false;
                    }
                    batch.undatable += u32::from(anchor.is_none());
                    anchor.map(|(_, anchor)| anchor.utc_ms(*uptime_ms))
                }
            };
            // A sample in which no chip answered has nothing to send, just the counters to go on from.
            if let (Some(at_ms), Content::Sample(_, sample)) = (at_ms, &record.content)
                && sample.circuits.iter().any(Option::is_some)
                && batch.samples.push((at_ms, sample.clone())).is_err()
            {
                return false;
            }
            if batch.through.is_none() {
                losses.overwritten += record.sequence - expected;
                // What was overwritten is dealt with, and not counted again.
                *acknowledged = record.sequence.checked_sub(1);
            }
            batch.through = Some(record.sequence);
            true
        };
        queue.each(collect).await.map_err(Error::Queue)?;
        if batch.is_empty() {
            self.acknowledge(&batch).await?;
        }
        Ok(batch)
    }

    /// Forgets what the broker has.
    pub async fn acknowledge(&mut self, batch: &Batch) -> Result<(), Error<S::Error, F::Error>> {
        let Some(through) = batch.through else { return Ok(()) };
        self.losses.undatable += batch.undatable;
        self.acknowledged = self.acknowledged.max(Some(through));
        self.queue.pop_through(through).await.map_err(Error::Queue)
    }

    /// Which start of the device this is.
    pub fn start_number(&self) -> u32 {
        self.start
    }

    /// The time of its newest sample that has one, of this start or one before.
    pub fn sampled_ms(&self) -> Option<i64> {
        self.sampled_ms
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The energy counters, in eighths of a mWh.
    pub fn energy(&self) -> [u64; CIRCUITS] {
        self.intervals.map(|interval| interval.energy())
    }

    pub fn losses(&self) -> Losses {
        self.losses
    }

    pub fn flash(&mut self) -> &mut F {
        self.queue.flash()
    }

    /// The flash, as it is: what a power cut leaves.
    pub fn into_flash(self) -> F {
        self.queue.into_flash()
    }
}

fn remember(anchors: &mut Vec<(u32, Anchor), ANCHORS>, start: u32, anchor: Anchor) {
    if anchors.is_full() {
        anchors.remove(0);
    }
    anchors.push((start, anchor)).expect("there is room for one more");
}
