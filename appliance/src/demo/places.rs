//! Who is measured in the demo: three places, their meters, and what meters and customers may do.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, SecondsFormat};
use simulator::fleet::Installed;
use simulator::site::{Premises, Site, Wired};

use super::inside::Inside;
use crate::limits;
use crate::settings::{NAME_DEFAULT, NodeSettings};

/// Seconds between two readings of a circuit.
pub const INTERVAL_S: u16 = 5;

/// The customer whose credentials are shown.
pub const CUSTOMER: &str = "casa";

/// The simulator's sites are four hours behind UTC.
const ZONE: &str = "America/La_Paz";

/// Something to be told of.
const THRESHOLD: &str = "INSERT INTO energy.thresholds (customer_id, circuit, threshold, above_w, minutes) \
     VALUES ('casa', 'water-heater', 'ducha larga', 1000, 15)";

pub struct Place {
    customer: &'static str,
    premises: Premises,
    /// Decides how large everything there is, and when it is on.
    seed: u64,
}

pub const PLACES: [Place; 3] = [
    Place { customer: CUSTOMER, premises: Premises::Home, seed: 1 },
    Place { customer: "solar", premises: Premises::SolarHome, seed: 2 },
    Place { customer: "tienda", premises: Premises::Shop, seed: 3 },
];

/// What meters may publish, and what customers' Home Assistants may subscribe to.
const RIGHTS: [&str; 3] = [
    "ALTER ROLE demo_meters SET mqtt.publish = \
     ARRAY['teravolta/clientes/{subject}/consumo/+', 'teravolta/clientes/{subject}/estado/+']",
    "ALTER ROLE demo_homes SET mqtt.subscribe = ARRAY['homeassistant/+/{subject}/+/config', 'caudal/{subject}/#']",
    "ALTER ROLE demo_homes SET mqtt.publish = 'homeassistant/status'",
];

/// What a customer reads by SQL: a view of the own circuits.
const OWN: [&str; 2] = [
    "CREATE OR REPLACE VIEW of_casa AS SELECT circuit, at, power_w, power_factor, voltage_v, energy_kwh \
     FROM energy.latest WHERE customer_id = 'casa'",
    "GRANT SELECT ON of_casa TO casa",
];

impl Place {
    pub fn site(&self) -> Site {
        Site::at(self.premises, self.seed)
    }

    fn meter(&self) -> String {
        format!("meter-{}", self.customer)
    }

    /// Its meter, with its flash in a file.
    pub fn installed(&self, files: &Path, password: &str) -> Installed {
        Installed {
            customer: self.customer.to_owned(),
            device: self.meter(),
            user: self.meter(),
            password: password.to_owned(),
            site: self.site(),
            seed: self.seed,
            flash: Some(files.join(self.meter())),
        }
    }

    /// Its customer and circuits.
    fn rows(&self, installed_at: &str) -> [String; 2] {
        let customer = format!(
            "INSERT INTO energy.customers (customer_id, zone, budget_kwh) VALUES ('{}', '{ZONE}', 300)",
            self.customer
        );
        let circuits = self.site().circuits.iter().map(|wired| self.circuit(wired, installed_at)).collect::<Vec<_>>();
        let columns = "customer_id, circuit, meter, role, interval_s, nominal_v, breaker_a, installed_at";
        [customer, format!("INSERT INTO energy.circuits ({columns}) VALUES {}", circuits.join(", "))]
    }

    fn circuit(&self, wired: &Wired, installed_at: &str) -> String {
        let (role, breaker_a) = match wired.name {
            "mains" => ("mains", 100),
            "solar" => ("generation", 40),
            _ => ("branch", 40),
        };
        let (customer, meter, circuit) = (self.customer, self.meter(), wired.name);
        format!("('{customer}', '{circuit}', '{meter}', '{role}', {INTERVAL_S}, 120, {breaker_a}, '{installed_at}')")
    }

    /// The users that its meter and its customer are, with the roles that they are members of.
    fn users(&self) -> [(String, &'static str); 2] {
        [(self.meter(), "demo_meters"), (self.customer.to_owned(), "demo_homes")]
    }
}

/// What the users of the demo say: where the node has credentials of its own, it may be reached from elsewhere, so they need theirs, new
/// ones at each start.
pub fn password(settings: &NodeSettings) -> anyhow::Result<String> {
    if settings.password.is_none() {
        return Ok(NAME_DEFAULT.to_owned());
    }
    let mut random = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut from| from.read_exact(&mut random));
    read.context("reading random bytes for passwords")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What makes places, rights and users what they should be, whether all, some or none of it is there.
pub async fn statements(inside: &Inside, now_ms: i64, password: &str) -> anyhow::Result<Vec<String>> {
    let known = async |query: &str| -> anyhow::Result<BTreeSet<String>> {
        Ok(inside.rows(query).await?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    };
    let (roles, customers) = (
        known("SELECT rolname FROM pg_roles").await?,
        known("SELECT DISTINCT customer_id FROM energy.circuits").await?,
    );
    // A meter's first reading is of its second interval, and meters begin at different moments of their first.
    let installed_ms = now_ms - limits::DEMO_HISTORY.as_millis() as i64 + 2_000 * i64::from(INTERVAL_S);
    let installed_at = DateTime::from_timestamp_millis(installed_ms).context("a time of this age")?;
    let installed_at = installed_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut statements = Vec::new();
    for place in PLACES.iter().filter(|place| !customers.contains(place.customer)) {
        statements.extend(place.rows(&installed_at));
    }
    if !customers.contains(CUSTOMER) {
        statements.push(THRESHOLD.to_owned());
    }
    let groups = ["demo_meters", "demo_homes"].into_iter().filter(|group| !roles.contains(*group));
    statements.extend(groups.map(|group| format!("CREATE ROLE {group}")));
    statements.extend(RIGHTS.map(str::to_owned));
    for place in &PLACES {
        for (user, group) in place.users() {
            let verb = if roles.contains(&user) { "ALTER" } else { "CREATE" };
            statements.push(format!("{verb} USER \"{user}\" PASSWORD '{password}'"));
            statements.push(format!("GRANT {group} TO \"{user}\""));
            statements.push(format!("ALTER ROLE \"{user}\" SET caudal.subject = '{}'", place.customer));
        }
    }
    statements.extend(OWN.map(str::to_owned));
    Ok(statements)
}
