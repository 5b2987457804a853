//! What appliances draw in a second, a function of the second alone.

use std::f64::consts::PI;

use crate::random::{smooth, unit};

pub const DAY_S: i64 = 86_400;
pub const HOUR_S: i64 = 3_600;

/// What flows through a clamp.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Draw {
    /// Active power; negative towards the grid.
    pub power_w: f64,
    pub power_factor: f64,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A compressor under a thermostat, busier in the afternoon, with a defrosting heater twice a day.
    Fridge,
    /// A tank that is heated again after showers and dishes.
    WaterHeater,
    /// A compressor whose share of the time follows the temperature outside.
    AirConditioner,
    /// On some days, at mealtimes: full power, then a thermostat.
    Oven,
    /// Rooms that people are in, morning and evening.
    Lights,
    /// What is never off: routers, clocks, chargers.
    Standby,
    /// Panels on the roof, with clouds; what they yield is positive.
    Solar,
    /// Lights, tills and displays while a shop is open.
    Shop,
    /// Cold shelves, day and night.
    ColdShelves,
}

#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub kind: Kind,
    /// Power when on.
    pub rated_w: f64,
    pub seed: u64,
}

impl Load {
    /// The draw in a second of local time.
    pub fn draw(&self, local_s: i64) -> Draw {
        let hour = local_s.rem_euclid(DAY_S) as f64 / HOUR_S as f64;
        let (power_w, power_factor) = match self.kind {
            Kind::Fridge => self.fridge(local_s, hour),
            Kind::WaterHeater => self.water_heater(local_s),
            Kind::AirConditioner => self.air_conditioner(local_s, hour),
            Kind::Oven => self.oven(local_s),
            Kind::Lights => {
                let at_home = bump(hour, 6.5, 1.0) * 0.4 + bump(hour, 20.5, 2.3);
                (self.rated_w * (0.04 + at_home * (0.5 + 0.5 * smooth(self.seed, local_s, 1_200))), 0.93)
            }
            Kind::Standby => (self.rated_w * (0.9 + 0.2 * smooth(self.seed, local_s, 3_600)), 0.62),
            Kind::Solar => {
                let height = (PI * (hour - 6.0) / 12.0).sin().max(0.0);
                let cloud = smooth(self.seed, local_s, 300) * smooth(self.seed ^ 1, local_s, 7_200);
                (self.rated_w * height * (1.0 - 0.85 * cloud), 0.99)
            }
            Kind::Shop => {
                let weekday = local_s.div_euclid(DAY_S).rem_euclid(7);
                // 1970 began on a Thursday: 3 is Sunday.
                let is_open = weekday != 3 && (8.5..19.5).contains(&hour);
                let share = if is_open { 0.85 + 0.15 * smooth(self.seed, local_s, 900) } else { 0.08 };
                (self.rated_w * share, 0.91)
            }
            Kind::ColdShelves => self.cycle(local_s, 1_500, 0.62, 0.7),
        };
        let noise = 1.0 + 0.01 * (unit(self.seed ^ 2, local_s) - 0.5);
        Draw { power_w: power_w * noise, power_factor }
    }

    fn fridge(&self, local_s: i64, hour: f64) -> (f64, f64) {
        let defrost = (local_s + (unit(self.seed, -1) * 43_200.0) as i64).rem_euclid(43_200);
        if defrost < 1_200 {
            return (self.rated_w * 3.0, 1.0);
        }
        self.cycle(local_s, 2_700, 0.36 + 0.14 * bump(hour, 15.0, 4.0), 0.68)
    }

    /// Shares of a day's hot water: when, and for how long the tank then heats.
    fn water_heater(&self, local_s: i64) -> (f64, f64) {
        let day = local_s.div_euclid(DAY_S);
        let second = local_s.rem_euclid(DAY_S);
        let is_heating = [(6.4, 2_400.0), (12.9, 700.0), (19.2, 1_900.0), (22.1, 1_000.0)].iter().zip(0..).any(
            |((hour, seconds), event)| {
                let seed = self.seed ^ (event << 8);
                let starts = (hour + 1.2 * (unit(seed, day) - 0.5)) * HOUR_S as f64;
                let lasts = seconds * (0.5 + unit(seed ^ 7, day));
                (starts..starts + lasts).contains(&(second as f64))
            },
        );
        // The tank's own losses, made up every few hours.
        let keeps = (local_s + (unit(self.seed, -1) * 14_400.0) as i64).rem_euclid(14_400) < 240;
        (if is_heating || keeps { self.rated_w } else { 0.0 }, 1.0)
    }

    fn air_conditioner(&self, local_s: i64, hour: f64) -> (f64, f64) {
        let outside_c = 27.0 + 5.0 * (PI * (hour - 9.0) / 12.0).sin() + 3.0 * (smooth(self.seed, local_s, DAY_S) - 0.5);
        let wanted = ((outside_c - 24.0) / 10.0).clamp(0.0, 0.95);
        let at_home = if (8.5..16.0).contains(&hour) { 0.35 } else { 1.0 };
        self.cycle(local_s, 900, wanted * at_home, 0.9)
    }

    fn oven(&self, local_s: i64) -> (f64, f64) {
        let (day, second) = (local_s.div_euclid(DAY_S), local_s.rem_euclid(DAY_S) as f64);
        for (event, (hour, chance)) in [(12.2, 0.25), (19.0, 0.5)].into_iter().enumerate() {
            let seed = self.seed ^ (event as u64 + 1) << 8;
            let starts = (hour + unit(seed, day)) * HOUR_S as f64;
            let lasts = 1_500.0 + 2_400.0 * unit(seed ^ 7, day);
            if unit(seed ^ 3, day) < chance && (starts..starts + lasts).contains(&second) {
                return if second < starts + 600.0 { (self.rated_w, 1.0) } else { self.cycle(local_s, 90, 0.45, 1.0) };
            }
        }
        (2.0, 0.5)
    }

    /// On for a share of each cycle, with a motor's current in its first seconds.
    fn cycle(&self, local_s: i64, period_s: i64, share: f64, power_factor: f64) -> (f64, f64) {
        let shifted = local_s + (unit(self.seed, -2) * period_s as f64) as i64;
        let (cycle, within) = (shifted.div_euclid(period_s), shifted.rem_euclid(period_s));
        let on_s = (period_s as f64 * share * (0.8 + 0.4 * unit(self.seed ^ 5, cycle))) as i64;
        match within {
            within if within >= on_s => (self.rated_w * 0.01, 0.4),
            0..2 if power_factor < 1.0 => (self.rated_w * 1.9, power_factor * 0.6),
            _ => (self.rated_w, power_factor),
        }
    }
}

/// One at `centre`, falling off to both sides over `width` hours, around midnight too.
fn bump(hour: f64, centre: f64, width: f64) -> f64 {
    let away = (hour - centre + 12.0).rem_euclid(24.0) - 12.0;
    (-(away / width).powi(2)).exp()
}
