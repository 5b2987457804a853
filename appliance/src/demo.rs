//! `caudal demo`: a node with the energy pack, and meters of three places that send to it by MQTT.

mod inside;
mod places;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use gateway::credentials::Door;
use meter::upload::Encoding;
use simulator::faults::Severity;
use simulator::fleet::{self, Options, Tally};
use sql::Identity;
use sql::pack::Pack;
use tokio::sync::watch;

use crate::node::{Node, Signals, now_ms};
use crate::settings::{Door as DoorSetting, NAME_DEFAULT, NodeSettings, PG_DEFAULT};
use crate::{limits, pack};
use inside::Inside;
use places::{CUSTOMER, INTERVAL_S, PLACES};

const PACK: &str = "energy";

/// How many times faster the past goes by.
const HURRY: f64 = 3_600.0;

/// Runs the demo until it is asked to end.
pub async fn run(settings: NodeSettings) -> anyhow::Result<()> {
    if settings.mqtt == DoorSetting::Off {
        bail!("the demo's meters send by MQTT: leave that door open");
    }
    let mut signals = Signals::listen()?;
    let mut node = Node::start(&settings).await?;
    let inside = Inside::new(node.database.session(Identity::Operator(NAME_DEFAULT.to_string())));
    let energy = Pack::builtin(PACK).context("the energy pack is built in")??;
    for step in pack::missing(&energy, async |sql| inside.rows(sql).await).await? {
        inside.execute(&step).await?;
    }
    let meters = settings.data.join("meters");
    let is_first = !meters.exists();
    std::fs::create_dir_all(&meters).with_context(|| format!("making {}", meters.display()))?;
    let password = places::password(&settings)?;
    for statement in places::statements(&inside, now_ms(), &password).await? {
        inside.execute(&statement).await?;
    }
    let fleet = fleet(&node, &meters, is_first, &password)?;
    node.announce()?;
    print!("{}", where_to_look(&node, &settings, &password));
    // The simulator ends when the demo does, as it would by a power cut.
    let (_stop, stop) = watch::channel(false);
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        broken = node.broken() => Err(broken),
        stopped = fleet::run(fleet, Arc::new(Tally::default()), stop) => {
            stopped.map(drop).and_then(|()| bail!("the meters have stopped"))
        }
    };
    node.stop(&mut signals).await?;
    ended
}

/// The meters, which keep in files what they have not delivered, and go on after their last records.
fn fleet(node: &Node, files: &Path, is_first: bool, password: &str) -> anyhow::Result<Options> {
    let mut at = node.door(Door::Mqtt).context("the MQTT door is open")?;
    if at.ip().is_unspecified() {
        at.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(Options {
        meters: PLACES.iter().map(|place| place.installed(files, password)).collect(),
        broker: at.to_string(),
        interval_s: INTERVAL_S,
        encoding: Encoding::Cbor,
        faults: Severity::None,
        back: if is_first { limits::DEMO_HISTORY } else { limits::DEMO_BUFFER },
        speed: HURRY,
        span: None,
        settle: limits::SHUTDOWN_MAX,
        keeps_records: false,
    })
}

/// Commands for a second terminal, one for each open door.
fn where_to_look(node: &Node, settings: &NodeSettings, password: &str) -> String {
    let binary = std::env::args().next().unwrap_or_else(|| NAME_DEFAULT.to_string());
    let circuits: usize = PLACES.iter().map(|place| place.site().circuits.len()).sum();
    let mut text = format!(
        "{} meters send what {circuits} circuits draw every {INTERVAL_S} s, after two hours of history. In a second terminal:\n",
        PLACES.len()
    );
    let mut of_customer = String::new();
    if let Some(pg) = node.door(Door::Postgres) {
        let user = settings.user.as_deref().unwrap_or(NAME_DEFAULT);
        let at = if pg.to_string() == PG_DEFAULT { String::new() } else { format!(" --pg {pg}") };
        let select = "SELECT customer_id, circuit, minute, mean_w, kwh FROM energy.circuit_minutes ORDER BY minute DESC, 1, 2 LIMIT 18";
        text += &format!("  {binary} sql{at} -c \"{select}\"\n");
        text += &format!(
            "  psql postgresql://{user}@{pg}/{NAME_DEFAULT}   (then: SELECT * FROM energy.latest \\watch 1)\n"
        );
        of_customer += &format!(
            "  CAUDAL_PASSWORD={password} {binary} sql{at} --user {CUSTOMER} -c \"SELECT * FROM of_casa ORDER BY circuit\"\n"
        );
    }
    if let Some(kafka) = node.door(Door::Kafka) {
        text += &format!("  kcat -C -b {kafka} -t energy.readings -o -8 -e\n");
    }
    if let Some(http) = node.door(Door::Http) {
        text += &format!("  curl http://{http}/readyz\n");
        of_customer +=
            &format!("  http://{http}/home-assistant in a browser, as {CUSTOMER} with the password {password}\n");
    }
    if let Some(mqtt) = node.door(Door::Mqtt) {
        let (host, port) = (mqtt.ip(), mqtt.port());
        of_customer +=
            &format!("  mosquitto_sub -h {host} -p {port} -u {CUSTOMER} -P {password} -t 'caudal/{CUSTOMER}/#' -v\n");
    }
    text += &format!("What {CUSTOMER}, one of the customers, may see, and the Home Assistant there:\n{of_customer}");
    text += &format!(
        "Ctrl-C ends it; so may kill -9: started again it goes on where it was. Data: {}\n",
        settings.data.display()
    );
    text
}
