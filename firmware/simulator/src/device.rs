//! A meter with everything that it is connected to: chips, flash, a crystal, a panel. What happens to it, happens here; what it
//! does about it is the firmware's.

use std::path::Path;

use anyhow::Context;
use embedded_hal::delay::DelayNs;
use meter::clock::Correction;
use meter::limits::{CHIPS, POLL_MS};
use meter::record::Record;
use meter::upload::Batch;
use meter::{Meter, Provisioning, provisioning};

use crate::chip::{Chip, Wire};
use crate::flash::{Flash, NoPower};
use crate::site::Site;

/// Pages for the document, and for the queue: half a mebibyte, a third of what a device of 4 MiB has.
const DOCUMENT_PAGES: usize = 2;
const QUEUE_PAGES: usize = 128;
const PAGE: u32 = 4_096;

type Firmware = Meter<Wire, Flash, QUEUE_PAGES>;
pub type Error = meter::Error<std::convert::Infallible, NoPower>;

pub struct Device {
    site: Site,
    wires: [Wire; CHIPS],
    power: Power,
    /// The time that it is, whatever the device believes.
    utc_ms: i64,
    /// How much the crystal is fast, in parts per billion.
    fast_ppb: i64,
}

enum Power {
    On { meter: Box<Firmware>, since_ms: i64 },
    Off { flash: Flash },
}

impl Device {
    /// A device as it comes from the installer's bench: provisioned, without power. Where its flash is in a file, what it recorded
    /// before is there.
    pub async fn new(
        site: Site,
        document: &[u8],
        utc_ms: i64,
        fast_ppb: i64,
        flash: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let pages = DOCUMENT_PAGES + QUEUE_PAGES;
        let mut flash = match flash {
            Some(path) => Flash::in_file(path, pages).with_context(|| format!("the flash in {}", path.display()))?,
            None => Flash::new(pages),
        };
        provisioning::save(&mut flash, 0..DOCUMENT_PAGES as u32 * PAGE, document)
            .await
            .map_err(|error| anyhow::anyhow!("provisioning: {error:?}"))?;
        let clamp = |index: usize| site.circuits.get(index).map_or(meter::atm90e32::Gain::SCT_006, |wired| wired.gain);
        let wires =
            std::array::from_fn(|chip| Wire::to(Chip::new(std::array::from_fn(|phase| clamp(3 * chip + phase)))));
        Ok(Device { site, wires, power: Power::Off { flash }, utc_ms, fast_ppb })
    }

    pub fn site(&self) -> &Site {
        &self.site
    }

    pub fn utc_ms(&self) -> i64 {
        self.utc_ms
    }

    pub fn has_power(&self) -> bool {
        matches!(self.power, Power::On { .. })
    }

    pub fn firmware(&self) -> Option<&Firmware> {
        match &self.power {
            Power::On { meter, .. } => Some(meter),
            Power::Off { .. } => None,
        }
    }

    /// Power comes, to the chips too, where it was gone.
    pub async fn power_on(&mut self) -> anyhow::Result<()> {
        if self.has_power() {
            return Ok(());
        }
        self.wires.iter().for_each(|wire| wire.chip().reset());
        self.start().await
    }

    /// Power comes to a meter that was recording: its time is where its newest record ends, if that is after what it is. Whether it has
    /// such a record.
    pub async fn resume(&mut self) -> anyhow::Result<bool> {
        self.power_on().await?;
        let sampled_ms = self.firmware().and_then(|firmware| firmware.sampled_ms());
        let goes_on = sampled_ms.is_some_and(|sampled_ms| sampled_ms >= self.utc_ms);
        self.power_off();
        if goes_on {
            self.utc_ms = sampled_ms.unwrap_or(self.utc_ms);
            self.power_on().await?;
        }
        Ok(goes_on)
    }

    /// The microcontroller starts; the chips may have gone on.
    async fn start(&mut self) -> anyhow::Result<()> {
        let Power::Off { flash } = &mut self.power else { return Ok(()) };
        flash.restore();
        let mut buffer = provisioning::Buffer::default();
        let document = provisioning::load(&mut *flash, 0..DOCUMENT_PAGES as u32 * PAGE, &mut buffer).await;
        let document = document.map_err(|error| anyhow::anyhow!("provisioning: {error:?}"))?;
        let document = Provisioning::decode(document.context("the device is not provisioned")?)?;
        let range = DOCUMENT_PAGES as u32 * PAGE..flash.bytes();
        let started = Meter::start(&document, self.wires.clone(), &mut Instantly, flash.clone(), range).await;
        let meter = started.map_err(|error| anyhow::anyhow!("starting: {error:?}"))?;
        self.power = Power::On { meter: Box::new(meter), since_ms: self.utc_ms };
        Ok(())
    }

    /// Power goes, and with it all that is in memory.
    pub fn power_off(&mut self) {
        let nothing = Power::Off { flash: Flash::new(0) };
        self.power = match std::mem::replace(&mut self.power, nothing) {
            Power::On { meter, .. } => Power::Off { flash: meter.into_flash() },
            off => off,
        };
    }

    /// The microcontroller is reset, the chips are not.
    pub async fn reset(&mut self) -> anyhow::Result<()> {
        self.power_off();
        self.start().await
    }

    /// Time passes: the chips measure, and the firmware asks them every second. Without power nothing is measured.
    pub fn advance_to(&mut self, utc_ms: i64) {
        while self.utc_ms < utc_ms {
            self.utc_ms = utc_ms.min(self.utc_ms + POLL_MS as i64);
            let Power::On { meter, .. } = &mut self.power else { continue };
            let moment = self.site.moment(self.utc_ms / 1_000);
            for (wire, draws) in self.wires.iter().zip(moment.draws.chunks(3)) {
                let mut chip = wire.chip();
                chip.advance(POLL_MS as f64 / 1e3, moment.voltage_v, moment.frequency_hz, draws);
            }
            // A poll that failed is counted among the meter's losses, and the next one makes up for it.
            let _ = meter.poll();
        }
    }

    /// What the device counts since it started, by its own crystal.
    fn uptime_ms(&self, since_ms: i64) -> u64 {
        let passed_ms = self.utc_ms - since_ms;
        (passed_ms + passed_ms * self.fast_ppb / 1_000_000_000) as u64
    }

    /// Takes a sample. When power goes within it, after `cut_after` bytes of flash, nothing is returned, and the device is off.
    pub async fn sample(&mut self, cut_after: Option<u64>) -> Option<Record> {
        let Power::On { since_ms, .. } = &self.power else { return None };
        let uptime_ms = self.uptime_ms(*since_ms);
        let Power::On { meter, .. } = &mut self.power else { return None };
        if let Some(bytes) = cut_after {
            meter.flash().cut_after(bytes);
        }
        let sampled = meter.sample(uptime_ms).await;
        if sampled.is_err() {
            self.power_off();
        }
        sampled.ok()
    }

    /// A time server answers, `off_ms` wrong.
    pub async fn synchronise(&mut self, off_ms: i64) -> Result<Option<Correction>, Error> {
        let Power::On { since_ms, .. } = &self.power else { return Ok(None) };
        let uptime_ms = self.uptime_ms(*since_ms);
        let utc_ms = self.utc_ms + off_ms;
        let Power::On { meter, .. } = &mut self.power else { return Ok(None) };
        meter.synchronise(uptime_ms, utc_ms).await.map(Some)
    }

    /// What is to be sent next.
    pub async fn oldest(&mut self) -> Result<Batch, Error> {
        match &mut self.power {
            Power::On { meter, .. } => meter.oldest().await,
            Power::Off { .. } => Ok(Batch::default()),
        }
    }

    pub async fn acknowledge(&mut self, batch: &Batch) -> Result<(), Error> {
        match &mut self.power {
            Power::On { meter, .. } => meter.acknowledge(batch).await,
            Power::Off { .. } => Ok(()),
        }
    }
}

/// Simulated chips are ready at once.
struct Instantly;

impl DelayNs for Instantly {
    fn delay_ns(&mut self, _: u32) {}
}
