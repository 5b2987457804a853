//! Random lives of meters: readings late, twice, corrected, withdrawn, impossible; counters that begin anew and jump; gaps;
//! circuits and customers that turn out to be others; restarts. After each step every view is what its query says, and the
//! energy of each circuit what a plain count over its readings says.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use storage::Event;
use tests::clocked::Node;

use crate::pack::{node, sorted, views};

/// 2026-03-27T06:00:00Z: summer time begins in Madrid two days later.
const START_MS: i64 = 1_774_591_200_000;
/// How many steps a life has; `CAUDAL_FULL=1` lives longer, and more lives.
const ROUNDS: usize = 9;
const ROUNDS_FULL: usize = 60;

const CUSTOMERS: &str = "INSERT INTO energy.customers (customer_id, zone, budget_kwh) VALUES
    ('ana', 'America/Guayaquil', 2), ('bob', 'Europe/Madrid', NULL), ('eva', 'Asia/Kathmandu', 500)";

/// One circuit while it lives.
struct Circuit {
    customer: &'static str,
    name: &'static str,
    role: &'static str,
    interval_s: i64,
    breaker_a: Option<i64>,
    /// Whether it sends power, and a counter.
    power: bool,
    counter: bool,
    installed_ms: i64,
    removed_ms: Option<i64>,
    /// When its next reading is due, and what its counter says in thousandths.
    next_ms: i64,
    wh: i64,
}

/// A reading as it was last sent: power in tenths of a watt and the counter in watt-hours.
type Reading = (Option<i64>, Option<i64>);

struct World {
    random: ChaCha8Rng,
    now_ms: i64,
    circuits: Vec<Circuit>,
    /// By circuit and time.
    readings: BTreeMap<(usize, i64), Reading>,
}

fn circuit(
    customer: &'static str,
    name: &'static str,
    role: &'static str,
    interval_s: i64,
    sends: (bool, bool),
) -> Circuit {
    Circuit {
        customer,
        name,
        role,
        interval_s,
        breaker_a: Some(40),
        power: sends.0,
        counter: sends.1,
        installed_ms: START_MS,
        removed_ms: None,
        next_ms: START_MS + interval_s * 500,
        wh: 1_000,
    }
}

impl World {
    fn new(seed: u64) -> World {
        let circuits = vec![
            circuit("ana", "mains", "mains", 60, (true, true)),
            circuit("ana", "fridge", "branch", 60, (true, false)),
            circuit("ana", "roof", "generation", 300, (true, true)),
            circuit("bob", "oven", "branch", 600, (true, true)),
            circuit("bob", "lights", "branch", 900, (false, true)),
            circuit("eva", "house", "mains", 3_600, (false, true)),
            circuit("eva", "shed", "branch", 1_800, (true, true)),
        ];
        World { random: ChaCha8Rng::seed_from_u64(seed), now_ms: START_MS, circuits, readings: BTreeMap::new() }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// What is sent in a round: mostly what is due, and what else may come.
    fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for at in 0..self.circuits.len() {
            if self.chance(12) {
                // Its readings of this round are lost.
                self.skip(at);
                continue;
            }
            while self.circuits[at].next_ms <= self.now_ms {
                let reading = self.due(at);
                if !self.chance(4) {
                    events.push(self.send(at, reading.0, reading.1));
                    if self.chance(3) {
                        events.push(events.last().expect("one was sent").clone());
                    }
                }
            }
        }
        // What was buffered comes in any order.
        for at in (1..events.len()).rev() {
            if self.chance(30) {
                let other = self.random.random_range(0..=at);
                events.swap(at, other);
            }
        }
        for _ in 0..self.random.random_range(0..6) {
            events.extend(self.odd());
        }
        events
    }

    fn skip(&mut self, at: usize) {
        while self.circuits[at].next_ms <= self.now_ms {
            self.due(at);
        }
    }

    /// The reading that is due, and the next one's time.
    fn due(&mut self, at: usize) -> (i64, Reading) {
        let (reset, jitter) = (self.chance(2), self.random.random_range(-400..=400));
        let circuit = &mut self.circuits[at];
        let drawn = self.random.random_range(0..9_000);
        let at_ms = circuit.next_ms;
        circuit.next_ms += circuit.interval_s * 1_000 + if circuit.interval_s < 900 { jitter } else { 0 };
        circuit.wh = if reset { drawn % 50 } else { circuit.wh + drawn * circuit.interval_s / 36_000 };
        (at_ms, (circuit.power.then_some(drawn), circuit.counter.then_some(circuit.wh)))
    }

    /// Something that is not as it should be.
    fn odd(&mut self) -> Option<Event> {
        let known: Vec<(usize, i64)> = self.readings.keys().copied().collect();
        let pick = |random: &mut ChaCha8Rng| (!known.is_empty()).then(|| known[random.random_range(0..known.len())]);
        let (at, at_ms) = pick(&mut self.random)?;
        let (power, wh) = self.readings[&(at, at_ms)];
        let new = self.random.random_range(0..9_000);
        Some(match self.random.random_range(0..7) {
            // A correction.
            0 => self.send(at, at_ms, (power.map(|_| new), wh)),
            1 => self.send(at, at_ms, (power, wh.map(|wh| wh + new % 20))),
            // A counter far away.
            2 => self.send(at, at_ms, (power, wh.map(|wh| wh + 40_000_000))),
            // Far over the breaker's rating.
            3 => self.send(at, at_ms, (power.map(|_| 9_000_000), wh)),
            // Withdrawn.
            4 => {
                self.readings.remove(&(at, at_ms));
                let circuit = &self.circuits[at];
                let key = format!(
                    r#"{{"customer_id": "{}", "circuit": "{}", "at": {at_ms}}}"#,
                    circuit.customer, circuit.name
                );
                Event { key: Some(key.into()), value: None, ..Event::default() }
            }
            // Of a circuit that nobody registered.
            5 => json(&format!(r#"{{"customer_id": "ana", "circuit": "x{}", "at": {at_ms}, "power_w": 5}}"#, new % 3)),
            // Impossible.
            _ => json(&format!(
                r#"{{"customer_id": "ana", "circuit": "mains", "at": {}, "power_w": 5, "voltage_v": {}}}"#,
                self.now_ms + if new % 2 == 0 { 3_600_000 } else { 0 },
                if new % 2 == 0 { 120 } else { -1 }
            )),
        })
    }

    fn send(&mut self, at: usize, at_ms: i64, reading: Reading) -> Event {
        self.readings.insert((at, at_ms), reading);
        let circuit = &self.circuits[at];
        let mut text =
            format!(r#"{{"customer_id": "{}", "circuit": "{}", "at": {at_ms}"#, circuit.customer, circuit.name);
        if let Some(power) = reading.0 {
            text += &format!(
                r#", "power_w": {}.{}, "voltage_v": {}, "power_factor": 0.9"#,
                power / 10,
                power % 10,
                100 + power % 40
            );
        }
        if let Some(wh) = reading.1 {
            text += &format!(r#", "energy_kwh": {}.{:03}"#, wh / 1_000, wh % 1_000);
        }
        json(&(text + "}"))
    }

    /// A statement by which a customer or a circuit turns out to be another.
    fn change(&mut self) -> String {
        let at = self.random.random_range(0..self.circuits.len());
        let now_ms = self.now_ms;
        match self.random.random_range(0..7) {
            0 => {
                let zone = ["America/Guayaquil", "Europe/Madrid", "Asia/Kathmandu"][self.random.random_range(0..3)];
                let customer = self.circuits[at].customer;
                return format!(
                    "UPDATE energy.customers SET zone = '{zone}', budget_kwh = 3 WHERE customer_id = '{customer}'"
                );
            }
            1 => {
                let (above_w, minutes) = (self.random.random_range(0..900), self.random.random_range(0..60));
                let Circuit { customer, name, .. } = &self.circuits[at];
                return format!(
                    "INSERT INTO energy.thresholds VALUES ('{customer}', '{name}', 'high', {above_w}, {minutes})"
                );
            }
            6 => {
                let (customer, online) = (self.circuits[at].customer, self.chance(50));
                return format!("INSERT INTO energy.meter_status VALUES ('{customer}', 'm-{customer}', {online})");
            }
            2 => self.circuits[at].breaker_a = if self.chance(50) { None } else { Some(2) },
            3 => self.circuits[at].installed_ms = START_MS + self.random.random_range(0..7_200_000),
            4 => {
                self.circuits[at].removed_ms =
                    if self.chance(50) { None } else { Some(now_ms - 600_000).filter(|ms| *ms > START_MS + 7_200_000) }
            }
            _ => self.circuits[at].role = ["mains", "branch", "generation"][self.random.random_range(0..3)],
        }
        self.circuits[at].row()
    }

    /// Energy in millionths of a kilowatt-hour of each circuit, by the rules and nothing else.
    fn energy(&self) -> BTreeMap<String, i64> {
        let mut energy = BTreeMap::new();
        for (at, circuit) in self.circuits.iter().enumerate() {
            let far_w10 = circuit.breaker_a.map(|breaker_a| breaker_a * 120 * 2 * 10);
            let fits = |at_ms: i64, (power, _): Reading| {
                at_ms >= circuit.installed_ms
                    && circuit.removed_ms.is_none_or(|removed| at_ms < removed)
                    && far_w10.zip(power).is_none_or(|(far, power)| power <= far)
            };
            let readings = self.readings.range((at, i64::MIN)..(at + 1, i64::MIN));
            let accepted: Vec<(i64, Reading)> = readings
                .map(|((_, at_ms), reading)| (*at_ms, *reading))
                .filter(|(at_ms, reading)| fits(*at_ms, *reading))
                .collect();
            let steps = accepted.windows(2).filter_map(|pair| circuit.step(pair[0], pair[1]));
            if let Some(total) = steps.reduce(|one, other| one + other) {
                energy.insert(format!("{},{}", circuit.customer, circuit.name), total);
            }
        }
        energy
    }
}

impl Circuit {
    /// The row of its table.
    fn row(&self) -> String {
        let time = |ms: i64| format!("'{}'", chrono(ms));
        let Circuit { customer, name, role, interval_s, .. } = self;
        format!(
            "INSERT INTO energy.circuits (customer_id, circuit, meter, role, interval_s, nominal_v, breaker_a, installed_at, removed_at, off_below_w)
             VALUES ('{customer}', '{name}', 'm-{customer}', '{role}', {interval_s}, 120, {}, {}, {}, 20)",
            self.breaker_a.map_or("NULL".to_owned(), |breaker_a| breaker_a.to_string()),
            time(self.installed_ms),
            self.removed_ms.map_or("NULL".to_owned(), time),
        )
    }

    /// Millionths of a kilowatt-hour from one reading to the next.
    fn step(&self, (from_ms, from): (i64, Reading), (til_ms, til): (i64, Reading)) -> Option<i64> {
        let ms = til_ms - from_ms;
        let step = match (from, til) {
            ((_, Some(from)), (_, Some(til))) if til * 10 < from * 9 => til * 1_000,
            ((_, Some(from)), (_, Some(til))) => (til - from) * 1_000,
            // Tenths of watts by milliseconds, of two readings, in millionths of kilowatt-hours.
            ((Some(from), _), (Some(til), _)) if 2 * ms <= 3 * self.interval_s * 1_000 => {
                let (dividend, divisor) = ((from + til) * ms, 72_000);
                (dividend + divisor / 2).div_euclid(divisor)
            }
            _ => return None,
        };
        let seconds_ms = ms.max(self.interval_s * 1_000);
        let most = self.breaker_a.map(|breaker_a| i128::from(breaker_a * 120 * 2) * i128::from(seconds_ms));
        let jumps = most.is_some_and(|most| i128::from(step.abs()) * 3_600 > most);
        (!jumps).then_some(step)
    }
}

fn json(text: &str) -> Event {
    Event { value: Some(text.to_owned().into()), ..Event::default() }
}

/// The time as SQL reads it.
fn chrono(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // The days of March and April 2026 are all that is needed.
    let day = days - 20_513;
    let (month, day) = if day < 31 { (3, day + 1) } else { (4, day - 30) };
    let (hours, minutes, millis) = (rest / 3_600_000, rest / 60_000 % 60, rest % 60_000);
    format!("2026-{month:02}-{day:02} {hours:02}:{minutes:02}:{:02}.{:03}Z", millis / 1_000, millis % 1_000)
}

/// What differs between a view and its query, by name.
async fn differences(node: &Node) -> Vec<String> {
    let mut differences = Vec::new();
    for view in views() {
        let kept = sorted(node, &format!("SELECT * FROM {}", view.name)).await;
        let asked = sorted(node, &view.query).await;
        if kept != asked {
            let extra: Vec<&String> = kept.iter().filter(|row| !asked.contains(row)).take(3).collect();
            let missing: Vec<&String> = asked.iter().filter(|row| !kept.contains(row)).take(3).collect();
            differences.push(format!("{}: extra {extra:#?} missing {missing:#?}", view.name));
        }
    }
    differences
}

/// Compares until all that the clock makes due is done.
async fn agree(node: &Node, when: &str) {
    let mut published = node.database.published();
    loop {
        let found = differences(node).await;
        if found.is_empty() {
            return;
        }
        let more = tokio::time::timeout(Duration::from_secs(5), published.changed()).await;
        assert!(more.is_ok(), "{when}: {}", found.join("\n"));
    }
}

/// The sum of all days of a circuit is what its counters say, in millionths.
async fn totals(node: &Node, column: &str) -> BTreeMap<String, i64> {
    let rows = node.rows(column).await;
    let rows = rows.split(';').filter_map(|row| row.rsplit_once(','));
    let millionths = |text: &str| text.replace('.', "").parse::<i64>().ok();
    rows.filter_map(|(circuit, kwh)| Some((circuit.to_owned(), millionths(kwh)?))).collect()
}

async fn lives(seed: u64, rounds: usize) {
    let mut world = World::new(seed);
    let mut node = node(chrono(START_MS).trim_end_matches('Z')).await;
    node.run(CUSTOMERS).await;
    for circuit in &world.circuits {
        node.run(&circuit.row()).await;
    }
    for round in 0..rounds {
        let minutes = [3, 20, 70, 400, 1_500][world.random.random_range(0..5)];
        world.now_ms += minutes * 60_000;
        node.set(chrono(world.now_ms).trim_end_matches('Z'));
        let events = world.events();
        let pieces = world.random.random_range(1..4);
        for piece in events.chunks(events.len().div_ceil(pieces).max(1)) {
            node.database.submit("energy.readings", piece.to_vec()).await.unwrap();
        }
        if round % 3 == 1 {
            let change = world.change();
            node.run(&change).await;
        }
        if round % 5 == 4 {
            node = node.sleeps_until(chrono(world.now_ms).trim_end_matches('Z')).await;
        }
        // Whatever is due by this time is due in an epoch of this time.
        node.run("INSERT INTO energy.thresholds VALUES ('nobody', 'nothing', 'x', 1, 1)").await;
        let when = format!("CAUDAL_SEED={seed}, round {round}");
        agree(&node, &when).await;
        let energy = world.energy();
        let steps = "SELECT customer_id, circuit, sum(kwh)::NUMERIC(18, 6) FROM energy.steps GROUP BY 1, 2 HAVING sum(kwh) IS NOT NULL";
        assert_eq!(totals(&node, steps).await, energy, "{when}");
        for by in ["circuit_days", "circuit_months"] {
            let query = format!(
                "SELECT customer_id, circuit, sum(kwh)::NUMERIC(18, 6) FROM energy.{by} GROUP BY 1, 2 HAVING sum(kwh) IS NOT NULL"
            );
            assert_eq!(totals(&node, &query).await, energy, "{when} by {by}");
        }
    }
    for view in views() {
        let name = view.name.replace("energy.", "filled_");
        node.run(&format!("CREATE MATERIALIZED VIEW {name} AS {}", view.query)).await;
        let (filled, fed) = (
            sorted(&node, &format!("SELECT * FROM {name}")).await,
            sorted(&node, &format!("SELECT * FROM {}", view.name)).await,
        );
        assert_eq!(filled, fed, "CAUDAL_SEED={seed}: {name}");
    }
    assert_eq!(node.rows("SELECT * FROM caudal.errors").await, "", "CAUDAL_SEED={seed}");
    node.database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_equal_their_queries_whatever_meters_do() {
    let given = std::env::var("CAUDAL_SEED").ok().map(|seed| seed.parse().expect("CAUDAL_SEED is a number"));
    let full = std::env::var_os("CAUDAL_FULL").is_some();
    let rounds = if full { ROUNDS_FULL } else { ROUNDS };
    for seed in given.map_or(if full { 1..9 } else { 1..2 }, |seed: u64| seed..seed + 1) {
        lives(seed, rounds).await;
    }
}
