//! What a technician tells a device when it is installed: whose it is, where it sends to, what its clamps are on.
//!
//! The document is CBOR, handed over by the installer's application over the device's USB port, kept on flash: a power cut while
//! it is replaced leaves the old one or the new one. A device without one measures nothing.

use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;
use minicbor::{Decode, Encode};
use sequential_storage::Error;
use sequential_storage::cache::Cache;
use sequential_storage::map::{MapConfig, MapStorage};
use thiserror::Error;
use wire::Topic;

use crate::atm90e32::{Calibration, Gain, Line};
use crate::limits::{CHIPS, CIRCUITS, PROVISIONING_BYTES_MAX};
use crate::upload::Encoding;

/// Keys are never given another meaning; unknown ones are ignored.
#[derive(Clone, Debug, Decode, Encode, PartialEq, Eq)]
#[cbor(map)]
pub struct Provisioning<'d> {
    #[b(0)]
    pub customer: &'d str,
    /// The client id at the broker.
    #[b(1)]
    pub device: &'d str,
    /// `host:port`.
    #[b(2)]
    pub broker: &'d str,
    #[b(3)]
    pub user: &'d str,
    #[b(4)]
    pub password: &'d str,
    /// The customer's Wi-Fi.
    #[b(5)]
    pub network: &'d str,
    #[b(6)]
    pub network_password: &'d str,
    /// Between two readings of a circuit.
    #[n(7)]
    pub interval_s: u16,
    #[n(8)]
    pub line: Line,
    /// What each clamp is on, in the order of the board's sockets.
    #[b(9)]
    pub circuits: [Option<Circuit<'d>>; CIRCUITS],
    #[n(10)]
    pub encoding: Encoding,
}

#[derive(Clone, Debug, Decode, Encode, PartialEq, Eq)]
pub struct Circuit<'d> {
    #[b(0)]
    pub name: &'d str,
    #[n(1)]
    pub gain: Gain,
}

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unfit {
    #[error("the document is not the CBOR of a provisioning")]
    Malformed,
    #[error("the document is longer than a device keeps")]
    TooLong,
    #[error("the names of customer and circuits are levels of a topic: 1 to 64 bytes without / + #")]
    Name,
    #[error("two circuits have one name")]
    SameName,
    #[error("no circuit is named")]
    NoCircuit,
    #[error("device, broker and network must be named")]
    Missing,
    #[error("the interval is 1 to 900 seconds")]
    Interval,
    #[error("a scale is 1 or 2")]
    Scale,
}

/// Names of what is on flash; never given another meaning.
const DOCUMENT: u8 = 0;

/// A document with room for the name that it has on flash, aligned as the flash's words are.
#[repr(align(4))]
pub struct Buffer([u8; PROVISIONING_BYTES_MAX + 32]);

impl Default for Buffer {
    fn default() -> Self {
        Buffer([0; PROVISIONING_BYTES_MAX + 32])
    }
}

impl<'d> Provisioning<'d> {
    /// Reads a document, and refuses one that would not do.
    pub fn decode(document: &'d [u8]) -> Result<Self, Unfit> {
        if document.len() > PROVISIONING_BYTES_MAX {
            return Err(Unfit::TooLong);
        }
        let provisioning: Provisioning<'d> = minicbor::decode(document).map_err(|_| Unfit::Malformed)?;
        provisioning.check()?;
        Ok(provisioning)
    }

    /// Writes the document, and says how long it is.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, Unfit> {
        self.check()?;
        let mut cursor = minicbor::encode::write::Cursor::new(buffer);
        minicbor::encode(self, &mut cursor).map_err(|_| Unfit::TooLong)?;
        if cursor.position() > PROVISIONING_BYTES_MAX { Err(Unfit::TooLong) } else { Ok(cursor.position()) }
    }

    fn check(&self) -> Result<(), Unfit> {
        let mut circuits = self.circuits.iter().flatten();
        if circuits.clone().next().is_none() {
            return Err(Unfit::NoCircuit);
        }
        if !circuits.all(|circuit| Topic::new(self.customer, circuit.name).is_some()) {
            return Err(Unfit::Name);
        }
        let names = || self.circuits.iter().flatten().map(|circuit| circuit.name);
        if names().enumerate().any(|(index, name)| names().take(index).any(|other| other == name)) {
            return Err(Unfit::SameName);
        }
        if [self.device, self.broker, self.network].iter().any(|text| text.is_empty()) {
            return Err(Unfit::Missing);
        }
        if !(1..=900).contains(&self.interval_s) {
            return Err(Unfit::Interval);
        }
        if self.circuits.iter().flatten().any(|circuit| !(1..=2).contains(&circuit.gain.scale)) {
            return Err(Unfit::Scale);
        }
        Ok(())
    }

    /// What each chip is told. A channel with no clamp has a gain all the same: its registers are not asked.
    pub fn calibrations(&self) -> [Calibration; CHIPS] {
        let gain = |index: usize| self.circuits[index].as_ref().map_or(Gain::SCT_006, |circuit| circuit.gain);
        core::array::from_fn(|chip| Calibration {
            line: self.line,
            gains: core::array::from_fn(|at| gain(3 * chip + at)),
        })
    }
}

/// Keeps a document in `range` of the flash.
pub async fn save<F: NorFlash>(flash: F, range: Range<u32>, document: &[u8]) -> Result<(), Error<F::Error>> {
    let mut buffer = Buffer::default();
    let mut map = MapStorage::<u8, _, _>::new(flash, MapConfig::new(range), Cache::new_uncached());
    map.store_item(&mut buffer.0, &DOCUMENT, &document).await
}

/// The document that is kept there; read it with [`Provisioning::decode`].
pub async fn load<F: NorFlash>(
    flash: F,
    range: Range<u32>,
    buffer: &mut Buffer,
) -> Result<Option<&[u8]>, Error<F::Error>> {
    let mut map = MapStorage::<u8, _, _>::new(flash, MapConfig::new(range), Cache::new_uncached());
    map.fetch_item(&mut buffer.0, &DOCUMENT).await
}
