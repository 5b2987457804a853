//! The customer's page of Home Assistant, read as its reader does: by labels.

use std::net::SocketAddr;

use crate::http::{Answer, Events, Request};

/// Entities of two customers, and the roles of the one.
pub const SCHEMA: &str = "
    CREATE TABLE meters (customer TEXT, circuit TEXT, at TIMESTAMPTZ, power_w NUMERIC(9, 1), energy_kwh NUMERIC(12, 3), online BOOLEAN,
        PRIMARY KEY (customer, circuit)) WITH (version = 'at');
    CREATE TABLE status (customer TEXT PRIMARY KEY, connected BOOLEAN NOT NULL) WITH (max_rows = 100, mqtt = 'status/{customer}');
    CREATE VIEW circuits AS
        SELECT m.customer, circuit, power_w, energy_kwh, online AND coalesce(connected, true) AS online
        FROM meters AS m LEFT JOIN status AS s ON s.customer = m.customer;
    CREATE MATERIALIZED VIEW home_assistant AS
        SELECT customer AS subject, 'meter' AS device, 'Medidor' AS device_name, circuit || ' power' AS entity,
            circuit || ' potencia' AS name, 'sensor' AS component, 'power' AS device_class, 'W' AS unit,
            'measurement' AS state_class, CAST(power_w AS TEXT) AS state, online AS available, circuit FROM circuits
        UNION ALL
        SELECT customer, 'meter', 'Medidor', circuit || ' energy', circuit || ' energía', 'sensor', 'energy', 'kWh',
            'total_increasing', CAST(energy_kwh AS TEXT), online, circuit FROM circuits
        UNION ALL
        SELECT customer, 'meter', 'Medidor', circuit || ' alert', circuit || ' alerta', 'binary_sensor', 'problem', NULL, NULL,
            CASE WHEN power_w > 1000 THEN 'ON' ELSE 'OFF' END, online, circuit FROM circuits;
    CREATE ROLE homes;
    ALTER ROLE homes SET mqtt.subscribe = ARRAY['homeassistant/+/{subject}/+/config', 'caudal/{subject}/#'];
    ALTER ROLE homes SET mqtt.publish = 'homeassistant/status';
    CREATE USER ana PASSWORD 'de ana';
    GRANT homes TO ana;
    ALTER ROLE ana SET caudal.subject = '17';
    INSERT INTO meters VALUES ('17', 'nevera', '2026-11-21T12:00:00Z', 73.5, 12.25, true),
        ('18', 'horno', '2026-11-21T12:00:00Z', 900, 3, true)";

/// Somebody who reads a customer's page.
#[derive(Clone, Debug)]
pub struct Reader {
    pub http: SocketAddr,
    pub user: String,
    pub password: String,
    /// The page's path.
    pub path: String,
}

/// What is typed into Home Assistant's dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub broker: String,
    pub port: u16,
    pub user: String,
    pub password: String,
}

impl Reader {
    pub fn new(http: SocketAddr, user: &str, password: &str, path: &str) -> Reader {
        Reader { http, user: user.to_owned(), password: password.to_owned(), path: path.to_owned() }
    }

    fn request(&self, method: &str, below: &str) -> Request {
        Request::new(self.http, method, &format!("{}{below}", self.path)).as_user(&self.user, &self.password)
    }

    pub async fn get(&self) -> Answer {
        self.request("GET", "").send().await
    }

    /// Presses a button: a form that is sent by the page itself.
    pub async fn press(&self, below: &str) -> Answer {
        self.request("POST", below).with("origin", &format!("http://{}", self.http)).send().await
    }

    /// As if another site, or none, had sent it.
    pub async fn press_from(&self, below: &str, header: Option<(&str, &str)>) -> Answer {
        let request = self.request("POST", below);
        match header {
            Some((name, value)) => request.with(name, value).send().await,
            None => request.send().await,
        }
    }

    /// Has credentials made; what is to be typed.
    pub async fn create(&self) -> Settings {
        let page = self.press("/credentials").await;
        assert_eq!(page.status, 200, "{page:?}");
        // First the user and the password alone, then the dialogue in its order.
        let fields = fields(&page.body);
        let [_, _, broker, port, user, password, ..] = &fields[..] else { panic!("{fields:?}") };
        assert_eq!(fields[..2], fields[4..6], "the same in both places");
        let labels = [broker, port, user, password].map(|field| field.0.as_str());
        assert_eq!(labels, ["Bróker", "Puerto", "Nombre de usuario", "Contraseña"]);
        Settings {
            broker: broker.1.clone(),
            port: port.1.parse().unwrap(),
            user: user.1.clone(),
            password: password.1.clone(),
        }
    }

    /// The check, as it renews itself.
    pub async fn follow(&self) -> Events {
        self.request("GET", "/check").follow().await
    }
}

/// Labels with what stands beside them, in their order.
pub fn fields(page: &str) -> Vec<(String, String)> {
    let fields = page.split("<dt>").skip(1).map(|field| {
        let (label, rest) = field.split_once("</dt><dd>").unwrap();
        (label.to_owned(), bare(rest.split_once("</dd>").unwrap().0))
    });
    fields.collect()
}

/// Text without its tags.
fn bare(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<') {
        text += piece.split_once('>').map_or(piece, |(_, rest)| rest);
    }
    let escaped = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    escaped.into_iter().fold(text, |text, (written, letter)| text.replace(written, letter))
}
