//! A customer's own Home Assistant, the real one, shows what SQL shows of that customer and nothing of others: entities appear,
//! follow, become unavailable, disappear, and come back after restarts of either side; its energy dashboard takes the counters.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::customer_page::{self, Reader, SCHEMA, Settings};
use tests::mqtt::{Client, Connect};
use tests::mqtt_node::{self, Node};
use tests::server::free_address;

/// Home Assistant takes its time to start.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often Home Assistant makes statistics, and then some.
const STATISTICS: Duration = Duration::from_secs(330);

/// A Home Assistant in a folder of its own.
struct Home {
    programs: PathBuf,
    folder: PathBuf,
    url: String,
    process: Child,
}

impl Home {
    fn new(programs: PathBuf, folder: &Path) -> Home {
        let port = free_address().port();
        fs::create_dir(folder).unwrap();
        let settings = format!(
            "homeassistant: {{name: Casa, latitude: 13.7, longitude: -89.2, elevation: 650, unit_system: metric,\n  \
             time_zone: America/El_Salvador, currency: USD, country: SV}}\n\
             http: {{server_host: 127.0.0.1, server_port: {port}}}\nonboarding:\nconfig:\nenergy:\nlogger: {{default: warning}}\n"
        );
        fs::write(folder.join("configuration.yaml"), settings).unwrap();
        let process = Home::start(&programs, folder);
        let home = Home { programs, folder: folder.to_owned(), url: format!("http://127.0.0.1:{port}"), process };
        home.answers();
        home
    }

    fn start(programs: &Path, folder: &Path) -> Child {
        let log = fs::File::options().create(true).append(true).open(folder.join("said")).unwrap();
        let mut hass = Command::new(programs.join("python"));
        hass.args(["-m", "homeassistant", "-c"])
            .arg(folder)
            .arg("--skip-pip")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        hass.spawn().unwrap()
    }

    fn answers(&self) {
        self.until("Home Assistant answers", |home| {
            let mut curl = Command::new("curl");
            curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}"]).arg(format!("{}/api/", home.url));
            let output = curl.output().unwrap();
            (output.stdout == b"401").then_some(())
        });
    }

    fn restart(&mut self) {
        self.end();
        self.process = Home::start(&self.programs, &self.folder);
        self.answers();
    }

    fn end(&mut self) {
        if self.process.try_wait().unwrap().is_none() {
            let _ = Command::new("kill").arg(self.process.id().to_string()).status();
            self.process.wait().unwrap();
        }
    }

    /// What `talk.py` answers.
    fn ask(&self, command: &str, argument: &Value) -> Value {
        let talk = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/home_assistant/talk.py");
        let mut python = Command::new(self.programs.join("python"));
        python.arg(talk).arg(&self.url).arg(&self.folder).arg(command).arg(argument.to_string());
        let output = python.output().unwrap();
        assert!(output.status.success(), "{command}: {}\n{}", String::from_utf8_lossy(&output.stderr), self.log());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What an entity shows.
    fn state(&self, entity: &str) -> Option<String> {
        self.ask("states", &Value::Null)[entity]["state"].as_str().map(str::to_owned)
    }

    /// What the energy dashboard finds wrong with counters.
    fn complaints(&self, counters: &[&str]) -> Vec<String> {
        let checked = self.ask("energy", &json!(counters));
        let found = checked.as_object().unwrap().values().flat_map(|sources| sources.as_array().unwrap());
        let found = found.flat_map(|complaints| complaints.as_array().unwrap());
        found.map(|complaint| complaint["type"].as_str().unwrap().to_owned()).collect()
    }

    fn until<T>(&self, what: &str, mut ask: impl FnMut(&Home) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn shows(&self, entity: &str, state: Option<&str>) {
        let mut seen = None;
        let what = format!("{entity} shows {state:?}");
        self.until(&what, |home| {
            seen = home.state(entity);
            (seen.as_deref() == state).then_some(())
        });
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("said")).unwrap_or_default()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.end();
    }
}

const POWER: &str = "sensor.caudal_17_nevera_20power";
const ENERGY: &str = "sensor.caudal_17_nevera_20energy";
const ALERT: &str = "binary_sensor.caudal_17_nevera_20alert";

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_home_assistant_shows_what_sql_shows() {
    let programs = match tests::clients::home_assistant() {
        Ok(programs) => programs,
        Err(why) => return tests::skip(format_args!("no Home Assistant: {why}")),
    };
    let mut node = mqtt_node::node().await;
    node.sql.batch_execute(SCHEMA).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut home = Home::new(programs, &folder.path().join("home"));
    home.ask("begin", &Value::Null);

    // What the customer's page says is what is typed.
    let reader = Reader::new(node.node.http, "ana", "de ana", "/home-assistant/ana");
    let Settings { broker, port, user, password } = reader.create().await;
    let settings = |word: &str| json!({"broker": broker, "port": port, "username": user, "password": word});
    assert_eq!(home.ask("broker", &settings("de eva"))["errors"]["base"], "cannot_connect");
    assert!(reader.get().await.body.contains("la contraseña no es correcta"));
    assert_eq!(home.ask("broker", &settings(&password))["type"], "create_entry");
    let mut check = reader.follow().await;
    for done in ["Conectado desde 127.0.0.1", "Ya pidió la lista", "Avisó que está en marcha", "Recibió 3 entidades."]
    {
        check.until(done).await;
    }
    drop(check);

    // Entities appear, of this customer alone.
    home.shows(POWER, Some("73.5"));
    home.shows(ENERGY, Some("12.250"));
    home.shows(ALERT, Some("off"));
    let states = home.ask("states", &Value::Null);
    let power = &states[POWER];
    assert_eq!([&power["unit_of_measurement"], &power["device_class"]], [&json!("W"), &json!("power")]);
    assert_eq!(power["friendly_name"], "Medidor nevera potencia");
    assert!(states.as_object().unwrap().keys().all(|entity| !entity.contains("_18_")), "{states}");
    // Home Assistant makes its first statistics of a counter within five minutes, and finds nothing else missing.
    let complaints = home.complaints(&[ENERGY]);
    assert!(complaints.iter().all(|complaint| complaint == "statistics_not_defined"), "{complaints:?}");
    let complaints = home.complaints(&[POWER]);
    assert!(complaints.iter().any(|complaint| complaint == "entity_unexpected_device_class"), "{complaints:?}");

    // They follow, become unavailable and come back.
    let write = async |node: &Node, row: &str| {
        node.sql.batch_execute(&format!("INSERT INTO meters VALUES ('17', 'nevera', {row})")).await.unwrap();
    };
    write(&node, "'2026-11-21T12:00:01Z', 1500, 12.26, true").await;
    home.shows(POWER, Some("1500.0"));
    home.shows(ALERT, Some("on"));
    write(&node, "'2026-11-21T12:00:02Z', 1500, 12.26, false").await;
    home.shows(POWER, Some("unavailable"));
    write(&node, "'2026-11-21T12:00:03Z', NULL, 12.27, true").await;
    home.shows(POWER, Some("unknown"));
    home.shows(ENERGY, Some("12.270"));

    // A meter's last will makes its circuits unavailable, its next connection brings them back.
    write(&node, "'2026-11-21T12:00:03.5Z', 79, 12.27, true").await;
    home.shows(POWER, Some("79.0"));
    for _ in 0..2 {
        let connect = Connect::new(4, "meter").with_will("status/17", r#"{"connected": false}"#, 1, false);
        let mut meter = Client::enter(node.mqtt, &connect).await;
        assert!(meter.publish("status/17", r#"{"connected": true}"#).await);
        home.shows(POWER, Some("79.0"));
        drop(meter);
        home.shows(POWER, Some("unavailable"));
    }
    node.sql.batch_execute("DELETE FROM status WHERE customer = '17'").await.unwrap();
    home.shows(POWER, Some("79.0"));

    // Home Assistant comes back, and what happened meanwhile is there.
    home.end();
    write(&node, "'2026-11-21T12:00:04Z', 80, 12.28, true").await;
    home.restart();
    home.shows(POWER, Some("80.0"));

    // So does the node, at the same address.
    let address = node.mqtt.to_string();
    node = node.restart_at(&address).await;
    write(&node, "'2026-11-21T12:00:05Z', 81, 12.29, true").await;
    home.shows(POWER, Some("81.0"));
    home.shows(ENERGY, Some("12.290"));

    if std::env::var_os("CAUDAL_FULL").is_some() {
        let deadline = Instant::now() + STATISTICS;
        while !home.complaints(&[ENERGY]).is_empty() {
            assert!(Instant::now() < deadline, "{:?}\n{}", home.complaints(&[ENERGY]), home.log());
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    let reader = Reader { http: node.node.http, ..reader };
    the_page_speaks_as_the_dialogue(&home, &reader.get().await.body);

    // What is no row any more is no entity any more, and what is another's has never been one.
    node.sql.batch_execute("DELETE FROM meters WHERE customer = '17' AND circuit = 'nevera'").await.unwrap();
    home.shows(POWER, None);
    assert!(!home.ask("states", &Value::Null).to_string().contains("_18_"));

    // Credentials that are taken back are good for nothing more.
    write(&node, "'2026-11-21T12:00:06Z', 82, 12.30, true").await;
    home.shows(POWER, Some("82.0"));
    assert_eq!(reader.press(&format!("/credentials/{user}/revoke")).await.status, 200);
    home.shows(POWER, Some("unavailable"));
    node.stop().await;
}

/// The labels of the page are those of Home Assistant itself.
fn the_page_speaks_as_the_dialogue(home: &Home, page: &str) {
    let words =
        home.programs.join("../lib/python3.11/site-packages/homeassistant/components/mqtt/translations/es.json");
    let words: Value = serde_json::from_str(&fs::read_to_string(words).unwrap()).unwrap();
    let fields = ["broker", "port", "username", "password"];
    let labels = fields.map(|field| words["config"]["step"]["broker"]["data"][field].as_str().unwrap().to_owned());
    let shown: Vec<String> = customer_page::fields(page).into_iter().map(|(label, _)| label).collect();
    assert_eq!(shown, labels);
}
