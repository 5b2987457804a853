//! The demo's house: what each circuit draws in each second, a function of the second alone.

/// Decides all that is random about the house, so that a second always has the same readings.
const SEED: u64 = 20_261_121;

/// A circuit of the house's panel.
pub struct Circuit {
    /// Its key in the tables `circuits` and `readings`.
    pub name: &'static str,
    load: Load,
}

/// How a circuit draws power, in watts; hours are of UTC.
enum Load {
    /// On for part of each cycle, as a thermostat does.
    Cycle { on_w: f64, idle_w: f64, period_s: i64, on_s: i64 },
    /// A cycle within some hours of the day, idle outside.
    Hours { on_w: f64, idle_w: f64, period_s: i64, on_s: i64, hours: &'static [(i64, i64)] },
    /// Always about the same.
    Steady { on_w: f64 },
    /// The sun between six and eighteen, with clouds; what it yields, as positive power.
    Sun { peak_w: f64 },
}

/// All circuits; `demo/tables.sql` has their rooms and breakers.
pub const CIRCUITS: [Circuit; 8] = [
    Circuit { name: "fridge", load: Load::Cycle { on_w: 128.0, idle_w: 4.0, period_s: 2_700, on_s: 1_150 } },
    Circuit { name: "freezer", load: Load::Cycle { on_w: 94.0, idle_w: 3.0, period_s: 3_400, on_s: 1_600 } },
    Circuit {
        name: "water heater",
        load: Load::Hours {
            on_w: 4_450.0,
            idle_w: 0.0,
            period_s: 1_200,
            on_s: 420,
            hours: &[(5, 8), (11, 13), (18, 23)],
        },
    },
    Circuit {
        name: "air conditioner",
        load: Load::Hours { on_w: 1_380.0, idle_w: 6.0, period_s: 900, on_s: 560, hours: &[(0, 4), (13, 24)] },
    },
    Circuit {
        name: "oven",
        load: Load::Hours { on_w: 2_150.0, idle_w: 2.0, period_s: 180, on_s: 95, hours: &[(12, 13), (19, 20)] },
    },
    Circuit {
        name: "lights",
        load: Load::Hours {
            on_w: 210.0,
            idle_w: 14.0,
            period_s: 5_400,
            on_s: 4_900,
            hours: &[(0, 1), (5, 7), (18, 24)],
        },
    },
    Circuit { name: "standby", load: Load::Steady { on_w: 61.0 } },
    Circuit { name: "solar", load: Load::Sun { peak_w: 3_600.0 } },
];

impl Circuit {
    /// Mean power of a second (seconds since 1970), to a tenth of a watt.
    pub fn power_w(&self, at_s: i64) -> f64 {
        let level_w = match &self.load {
            Load::Cycle { on_w, idle_w, period_s, on_s } => self.cycle_w(at_s, *on_w, *idle_w, *period_s, *on_s),
            Load::Hours { on_w, idle_w, period_s, on_s, hours } => {
                let hour = at_s.rem_euclid(86_400) / 3_600;
                let within = hours.iter().any(|(from, to)| (*from..*to).contains(&hour));
                if within { self.cycle_w(at_s, *on_w, *idle_w, *period_s, *on_s) } else { *idle_w }
            }
            Load::Steady { on_w } => *on_w,
            Load::Sun { peak_w } => {
                let height = (std::f64::consts::PI * (at_s.rem_euclid(86_400) - 21_600) as f64 / 43_200.0).sin();
                // Clouds come and go over five minutes.
                let (from, to) = (self.random(at_s.div_euclid(300)), self.random(at_s.div_euclid(300) + 1));
                let cloud = from + (to - from) * at_s.rem_euclid(300) as f64 / 300.0;
                peak_w * height.max(0.0) * (1.0 - 0.7 * cloud * cloud)
            }
        };
        let noise = 1.0 + 0.02 * (self.random(at_s) - 0.5);
        (level_w * noise * 10.0).round() / 10.0
    }

    /// Each cycle is a little longer or shorter than the last, and the first seconds draw more: a motor starts.
    fn cycle_w(&self, at_s: i64, on_w: f64, idle_w: f64, period_s: i64, on_s: i64) -> f64 {
        let shifted = at_s + (self.random(0) * period_s as f64) as i64;
        let (cycle, within) = (shifted.div_euclid(period_s), shifted.rem_euclid(period_s));
        let on_s = (on_s as f64 * (0.8 + 0.4 * self.random(-1 - cycle))) as i64;
        match within {
            0..3 => on_w * 1.6,
            within if within < on_s => on_w,
            _ => idle_w,
        }
    }

    /// A number in 0..1 that belongs to this circuit and `at`.
    fn random(&self, at: i64) -> f64 {
        let name = self.name.bytes().fold(SEED, |hash, byte| mixed(hash ^ u64::from(byte)));
        (mixed(name ^ at as u64) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The voltage at the panel, the same for every circuit, to a tenth of a volt.
pub fn voltage_v(at_s: i64) -> f64 {
    let random = (mixed(SEED ^ at_s.div_euclid(20) as u64) >> 11) as f64 / (1u64 << 53) as f64;
    ((120.0 + 3.0 * (random - 0.5)) * 10.0).round() / 10.0
}

/// splitmix64's finaliser: neighbours in, unrelated numbers out.
fn mixed(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z
    const DAY_S: i64 = 1_767_225_600;

    #[test]
    fn every_circuit_draws_what_its_kind_draws_in_a_day() {
        for circuit in &CIRCUITS {
            let kwh = (0..86_400).map(|second| circuit.power_w(DAY_S + second)).sum::<f64>() / 3_600_000.0;
            assert!((0.5..30.0).contains(&kwh), "{} draws {kwh} kWh a day", circuit.name);
        }
    }

    #[test]
    fn the_sun_sets() {
        let solar = CIRCUITS.iter().find(|circuit| circuit.name == "solar").unwrap();
        assert_eq!(solar.power_w(DAY_S), 0.0);
        assert!(solar.power_w(DAY_S + 43_200) > 500.0);
    }
}
