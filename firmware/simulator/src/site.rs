//! A panel: its circuits, what is on them, and the voltage there.

use meter::atm90e32::{Gain, Line};
use meter::limits::CIRCUITS;
use meter::provisioning::{Circuit, Provisioning};
use meter::upload::Encoding;

use crate::load::{Draw, Kind, Load};
use crate::random::{mixed, smooth, unit};

/// Local time of the sites, behind UTC.
const BEHIND_UTC_S: i64 = 4 * 3_600;

const NOMINAL_V: f64 = 120.0;

/// The service sags by so many volts per ampere.
const SERVICE_OHM: f64 = 0.04;

#[derive(Clone, Debug)]
pub struct Site {
    pub circuits: Vec<Wired>,
    seed: u64,
}

/// What kind of place a panel is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premises {
    Home,
    /// With panels on the roof.
    SolarHome,
    Shop,
}

/// A circuit with a clamp.
#[derive(Clone, Debug)]
pub struct Wired {
    pub name: &'static str,
    pub gain: Gain,
    /// Nothing where it is the service, which all others are behind.
    load: Option<Load>,
}

/// What the chips are given in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    pub voltage_v: f64,
    pub frequency_hz: f64,
    pub draws: [Draw; CIRCUITS],
}

impl Site {
    /// A site of the fleet: homes, homes with panels on the roof, and shops.
    pub fn of(seed: u64) -> Self {
        let seed = mixed(seed);
        let kinds = [Premises::Home, Premises::Home, Premises::SolarHome, Premises::Shop];
        Site::at(kinds[(seed % 4) as usize], seed)
    }

    /// The panel of a place; each is of its own size.
    pub fn at(premises: Premises, seed: u64) -> Self {
        let home = [
            ("fridge", Kind::Fridge, 140.0),
            ("water-heater", Kind::WaterHeater, 4_200.0),
            ("air-conditioner", Kind::AirConditioner, 1_500.0),
            ("oven", Kind::Oven, 2_300.0),
            ("lights", Kind::Lights, 450.0),
        ];
        let solar = [
            ("solar", Kind::Solar, 4_000.0),
            ("fridge", Kind::Fridge, 140.0),
            ("air-conditioner", Kind::AirConditioner, 1_500.0),
            ("water-heater", Kind::WaterHeater, 4_200.0),
            ("standby", Kind::Standby, 70.0),
        ];
        let shop = [
            ("shop", Kind::Shop, 1_800.0),
            ("cold-shelves", Kind::ColdShelves, 1_200.0),
            ("air-conditioner", Kind::AirConditioner, 3_500.0),
            ("oven", Kind::Oven, 5_000.0),
            ("standby", Kind::Standby, 120.0),
        ];
        let branches = match premises {
            Premises::Home => home,
            Premises::SolarHome => solar,
            Premises::Shop => shop,
        };
        let mains = Wired { name: "mains", gain: Gain::SCT_013_000, load: None };
        let circuits = branches.into_iter().zip(1..).map(|((name, kind, rated_w), index)| {
            let seed = mixed(seed ^ index << 32);
            let rated_w = rated_w * (0.7 + 0.6 * unit(seed, 0));
            // What would be beyond a clamp of 20 A has the next larger one.
            let gain = if rated_w < 1_200.0 { Gain::SCT_006 } else { Gain::SCT_013_000 };
            Wired { name, gain, load: Some(Load { kind, rated_w, seed }) }
        });
        Site { circuits: std::iter::once(mains).chain(circuits).collect(), seed }
    }

    /// What is there in a second since 1970.
    pub fn moment(&self, utc_s: i64) -> Moment {
        let local_s = utc_s - BEHIND_UTC_S;
        let mut draws = [Draw::default(); CIRCUITS];
        let (mut service_w, mut apparent_va) = (0.0, 0.0);
        for (draw, circuit) in draws.iter_mut().zip(&self.circuits) {
            let Some(load) = &circuit.load else { continue };
            *draw = load.draw(local_s);
            service_w += if matches!(load.kind, Kind::Solar) { -draw.power_w } else { draw.power_w };
            apparent_va += draw.power_w / draw.power_factor;
        }
        let power_factor = (service_w.abs() / apparent_va.max(1.0)).clamp(0.05, 1.0);
        draws[0] = Draw { power_w: service_w, power_factor: power_factor.copysign(service_w) };
        let voltage_v = NOMINAL_V + 3.0 * (smooth(self.seed, utc_s, 60) - 0.5) - SERVICE_OHM * service_w / NOMINAL_V;
        let frequency_hz = 60.0 + 0.06 * (smooth(self.seed ^ 9, utc_s, 30) - 0.5);
        Moment { voltage_v, frequency_hz, draws }
    }

    /// The document that the technician gives the device.
    pub fn provisioning<'d>(&self, who: Who<'d>, interval_s: u16, encoding: Encoding) -> Provisioning<'d> {
        let circuit =
            |index| self.circuits.get(index).map(|wired: &Wired| Circuit { name: wired.name, gain: wired.gain });
        Provisioning {
            customer: who.customer,
            device: who.device,
            broker: who.broker,
            user: who.user,
            password: who.password,
            network: "casa",
            network_password: "",
            interval_s,
            line: Line::Hz60,
            circuits: std::array::from_fn(circuit),
            encoding,
        }
    }
}

/// A device's names.
#[derive(Clone, Copy, Debug)]
pub struct Who<'d> {
    pub customer: &'d str,
    pub device: &'d str,
    pub broker: &'d str,
    pub user: &'d str,
    pub password: &'d str,
}
