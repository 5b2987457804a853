//! An entity of Home Assistant: one row of a view, and the MQTT messages that say it.
//!
//! Messages are those of Home Assistant's MQTT discovery. All are retained: whoever subscribes later is told what is.

use serde_json::{Map, Value, json};

/// The columns of a view of entities, in the order in which they are read; all are text but the last.
pub const COLUMNS: [&str; 11] = [
    "subject",
    "device",
    "device_name",
    "entity",
    "name",
    "component",
    "device_class",
    "unit",
    "state_class",
    "state",
    "available",
];

/// What Home Assistant can be shown of a view.
const COMPONENTS: [&str; 2] = ["sensor", "binary_sensor"];

/// Before the topics of states and availability.
const STATES: &str = "caudal";

/// A row of a view of entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    pub config: Config,
    /// What it shows; unknown where the row says NULL.
    pub state: Option<String>,
    pub available: bool,
}

/// What Home Assistant has to know once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whose it is: who has the same subject as a role sees it.
    pub subject: String,
    pub device: String,
    pub device_name: Option<String>,
    /// One of the subject's.
    pub entity: String,
    pub name: Option<String>,
    pub component: String,
    pub device_class: Option<String>,
    pub unit: Option<String>,
    pub state_class: Option<String>,
}

/// A retained message; an empty one takes back what was retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: String,
}

impl Config {
    /// Why Home Assistant could not take it, if so.
    pub fn refused(&self) -> Option<String> {
        if !COMPONENTS.contains(&self.component.as_str()) {
            return Some(format!("component \"{}\" is none of {}", self.component, COMPONENTS.join(", ")));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.subject.is_empty() || !self.subject.bytes().all(plain) {
            return Some(format!("subject \"{}\" has other characters than a-z, A-Z, 0-9, - and _", self.subject));
        }
        self.entity.is_empty().then(|| "an entity has an empty name".to_owned())
    }

    /// Topics of a discovery and of a state as a subject's Home Assistant receives them.
    pub fn topics_of(subject: &str) -> (String, String) {
        (format!("homeassistant/sensor/{subject}/entity/config"), format!("{STATES}/{subject}/entity/state"))
    }

    /// Tells the entities of all views apart.
    pub fn key(&self) -> (String, String) {
        (self.subject.clone(), self.entity.clone())
    }

    fn topic(&self, what: &str) -> String {
        format!("{STATES}/{}/{}/{what}", self.subject, plain(&self.entity))
    }

    fn config_topic(&self) -> String {
        format!("homeassistant/{}/{}/{}/config", self.component, self.subject, plain(&self.entity))
    }

    fn discovery(&self) -> Message {
        let id = |part: &str| format!("caudal_{}_{}", self.subject, plain(part));
        let mut said = Map::new();
        said.insert("unique_id".into(), id(&self.entity).into());
        said.insert("object_id".into(), id(&self.entity).into());
        said.insert("name".into(), self.name.clone().map_or(Value::Null, Value::from));
        said.insert("state_topic".into(), self.topic("state").into());
        said.insert("availability_topic".into(), self.topic("availability").into());
        let device_name = self.device_name.as_ref().unwrap_or(&self.device);
        said.insert(
            "device".into(),
            json!({"identifiers": [id(&self.device)], "name": device_name, "manufacturer": "Caudal"}),
        );
        let more = [
            ("device_class", &self.device_class),
            ("unit_of_measurement", &self.unit),
            ("state_class", &self.state_class),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                said.insert(name.into(), value.clone().into());
            }
        }
        Message { topic: self.config_topic(), payload: Value::Object(said).to_string() }
    }
}

impl Entity {
    /// All that there is to say, in the order in which Home Assistant wants it.
    pub fn said(&self) -> Vec<Message> {
        vec![self.config.discovery(), self.availability(), self.shown()]
    }

    /// What is to be said where this was said before.
    pub fn said_after(&self, before: &Entity) -> Vec<Message> {
        let mut messages = Vec::new();
        if self.config != before.config {
            // Another component has another topic: the old one goes first, or both would be there.
            if self.config.config_topic() != before.config.config_topic() {
                messages.push(Message { topic: before.config.config_topic(), payload: String::new() });
            }
            messages.push(self.config.discovery());
        }
        messages.extend((self.available != before.available).then(|| self.availability()));
        messages.extend((self.state != before.state).then(|| self.shown()));
        messages
    }

    /// Takes everything back: the entity disappears.
    pub fn unsaid(&self) -> Vec<Message> {
        let topics = [self.config.config_topic(), self.config.topic("availability"), self.config.topic("state")];
        topics.map(|topic| Message { topic, payload: String::new() }).to_vec()
    }

    fn availability(&self) -> Message {
        let payload = if self.available { "online" } else { "offline" };
        Message { topic: self.config.topic("availability"), payload: payload.into() }
    }

    fn shown(&self) -> Message {
        // What Home Assistant reads as unknown.
        let state = self.state.clone().unwrap_or_else(|| "None".into());
        Message { topic: self.config.topic("state"), payload: state }
    }
}

/// A name with nothing in it but letters, digits and `-`, and `_` before the code of any other byte: two names stay two.
fn plain(name: &str) -> String {
    let mut written = String::new();
    for byte in name.bytes() {
        match byte {
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => written.push(byte.into()),
            _ => written += &format!("_{byte:02x}"),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fridge() -> Entity {
        let config = Config {
            subject: "17".into(),
            device: "meter".into(),
            device_name: Some("Medidor".into()),
            entity: "fridge power".into(),
            name: Some("Nevera".into()),
            component: "sensor".into(),
            device_class: Some("power".into()),
            unit: Some("W".into()),
            state_class: Some("measurement".into()),
        };
        Entity { config, state: Some("73.5".into()), available: true }
    }

    #[test]
    fn an_entity_is_said_as_home_assistant_reads_it() {
        let [config, availability, state] = &fridge().said()[..] else { panic!("three messages") };
        assert_eq!(config.topic, "homeassistant/sensor/17/fridge_20power/config");
        let said: Value = serde_json::from_str(&config.payload).unwrap();
        assert_eq!(said["state_topic"], state.topic.as_str());
        assert_eq!(said["availability_topic"], availability.topic.as_str());
        assert_eq!((&said["unit_of_measurement"], &said["device"]["name"]), (&json!("W"), &json!("Medidor")));
        assert_eq!((state.topic.as_str(), state.payload.as_str()), ("caudal/17/fridge_20power/state", "73.5"));
        assert_eq!(availability.payload, "online");
        let unknown = Entity { state: None, available: false, ..fridge() };
        let payloads: Vec<String> = unknown.said_after(&fridge()).into_iter().map(|message| message.payload).collect();
        assert_eq!(payloads, ["offline", "None"]);
    }

    #[test]
    fn only_what_has_changed_is_said_again() {
        let before = fridge();
        assert_eq!(before.said_after(&before), []);
        let mut after = fridge();
        after.state = Some("74".into());
        assert_eq!(after.said_after(&before).len(), 1);
        after.config.component = "binary_sensor".into();
        let said = after.said_after(&before);
        assert_eq!((said[0].topic.as_str(), said[0].payload.as_str()), (&*before.config.config_topic(), ""));
        assert_eq!(said.len(), 3);
        assert!(before.unsaid().iter().all(|message| message.payload.is_empty()));
    }

    #[test]
    fn names_stay_apart() {
        let names = ["a b", "a_b", "a_20b", "a/b", "ñ", "A b", ""];
        let written: std::collections::BTreeSet<String> = names.iter().map(|name| plain(name)).collect();
        assert_eq!(written.len(), names.len(), "{written:?}");
    }

    #[test]
    fn what_home_assistant_would_not_take_is_refused_in_words() {
        let with = |change: fn(&mut Config)| {
            let mut config = fridge().config;
            change(&mut config);
            config.refused()
        };
        assert_eq!(with(|_| {}), None);
        assert!(with(|config| config.component = "light".into()).unwrap().contains("sensor, binary_sensor"));
        for subject in ["a/b", "", "ñ", "a b", "#"] {
            let mut config = fridge().config;
            config.subject = subject.into();
            assert!(config.refused().is_some(), "{subject}");
        }
    }
}
