//! What the operator configures: a flag beats a `CAUDAL_*` variable, that beats the file, that beats the default.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use serde::Deserialize;
use storage::log::ClusterOptions;
use storage::log::cluster::{Authorities, Mechanism, Sasl};

use crate::limits;

/// Where the doors are when nothing is configured.
pub const PG_DEFAULT: &str = "127.0.0.1:5433";
const HTTP_DEFAULT: &str = "127.0.0.1:8080";
const MQTT_DEFAULT: &str = "127.0.0.1:1883";
const KAFKA_DEFAULT: &str = "127.0.0.1:9092";

/// User, password and database while every door is on loopback and nothing else is configured.
pub const NAME_DEFAULT: &str = "caudal";

/// Where a door listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Door {
    Off,
    /// Host and port; port 0 lets the system choose.
    At(String, u16),
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Door, String> {
        if text == "off" {
            return Ok(Door::Off);
        }
        let wrong = || format!("{text:?} is neither HOST:PORT (such as 127.0.0.1:0) nor off");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Door::At(host.to_string(), port.parse().map_err(|_| wrong())?))
    }
}

impl TryFrom<String> for Door {
    type Error = String;

    fn try_from(text: String) -> Result<Door, String> {
        text.parse()
    }
}

impl fmt::Display for Door {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Door::Off => out.write_str("off"),
            Door::At(host, port) if host.contains(':') => write!(out, "[{host}]:{port}"),
            Door::At(host, port) => write!(out, "{host}:{port}"),
        }
    }
}

/// What can be said by flag, variable and file alike; the file's keys are the flags' names.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Directory of the log and the tables; made if it is not there [default: ./caudal-data, of the demo ./caudal-demo]
    #[arg(long, env = "CAUDAL_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the PostgreSQL door, or off [default: 127.0.0.1:5433]
    #[arg(long, env = "CAUDAL_PG", value_name = "ADDR")]
    pg: Option<Door>,
    /// Address of the HTTP door, or off [default: 127.0.0.1:8080]
    #[arg(long, env = "CAUDAL_HTTP", value_name = "ADDR")]
    http: Option<Door>,
    /// Address of the MQTT door, or off [default: 127.0.0.1:1883]
    #[arg(long, env = "CAUDAL_MQTT", value_name = "ADDR")]
    mqtt: Option<Door>,
    /// Address of the MQTT door over WebSocket, or off [default: off]
    #[arg(long, env = "CAUDAL_MQTT_WS", value_name = "ADDR")]
    mqtt_ws: Option<Door>,
    /// Address that GEMs send their packets to over TCP, or off [default: off]
    #[arg(long, env = "CAUDAL_GEM", value_name = "ADDR")]
    gem: Option<Door>,
    /// Address of the Kafka door, or off [default: 127.0.0.1:9092]
    #[arg(long, env = "CAUDAL_KAFKA", value_name = "ADDR")]
    kafka: Option<Door>,
    /// Address that Kafka clients are told, where they reach the door by another one (a name, a router's address)
    #[arg(long, env = "CAUDAL_KAFKA_ADVERTISED", value_name = "HOST:PORT")]
    kafka_advertised: Option<Door>,
    /// Address that customers are told for their Home Assistants, where they reach the MQTT door by another one
    #[arg(long, env = "CAUDAL_MQTT_ADVERTISED", value_name = "HOST:PORT")]
    mqtt_advertised: Option<Door>,
    /// Kafka cluster that has the log, as host:port,host:port; without it the log is in the data directory
    #[arg(long, env = "CAUDAL_BROKERS", value_name = "LIST")]
    brokers: Option<String>,
    /// User at that cluster, where it asks for one
    #[arg(long, env = "CAUDAL_BROKERS_USER", value_name = "NAME")]
    brokers_user: Option<String>,
    /// That user's password; better in the variable or the file than on the command line
    #[arg(long, env = "CAUDAL_BROKERS_PASSWORD", value_name = "WORD", hide_env_values = true)]
    brokers_password: Option<String>,
    /// How the password is shown: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 [default: SCRAM-SHA-256]
    #[arg(long, env = "CAUDAL_BROKERS_SASL", value_name = "MECHANISM")]
    brokers_sasl: Option<String>,
    /// Encrypts connections to the cluster; PEM file with those who vouch for it, or system for those this machine trusts
    #[arg(long, env = "CAUDAL_BROKERS_CA", value_name = "FILE")]
    brokers_ca: Option<PathBuf>,
    /// PEM file with the certificate that encrypts the Kafka, MQTT and HTTP doors
    #[arg(long, env = "CAUDAL_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// PEM file with that certificate's private key
    #[arg(long, env = "CAUDAL_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Who may come in [default: caudal, while every door is on loopback]
    #[arg(long, env = "CAUDAL_USER", value_name = "NAME")]
    user: Option<String>,
    /// That user's password; better in the variable or the file than on the command line [default: caudal, on loopback]
    #[arg(long, env = "CAUDAL_PASSWORD", value_name = "WORD", hide_env_values = true)]
    password: Option<String>,
    /// Mebibytes of memory for the caches of the store [default: 256]
    #[arg(long, env = "CAUDAL_CACHE_MIB", value_name = "N")]
    cache_mib: Option<usize>,
}

/// Flags of a command that runs a node.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct NodeArgs {
    /// TOML file with any of these settings, named as the flags are
    #[arg(long, env = "CAUDAL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// A node's settings, complete.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    pub data: PathBuf,
    pub pg: Door,
    pub http: Door,
    pub mqtt: Door,
    pub mqtt_ws: Door,
    pub gem: Door,
    pub kafka: Door,
    /// Host and port that Kafka clients are told in place of the address that they reached.
    pub kafka_advertised: Option<(String, u16)>,
    /// Host and port that customers are told for their Home Assistants.
    pub mqtt_advertised: Option<(String, u16)>,
    /// The Kafka cluster that has the log.
    pub cluster: Option<ClusterOptions>,
    /// The files with the certificate and its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// `None` where nothing was configured.
    pub user: Option<String>,
    pub password: Option<String>,
    pub cache_bytes: usize,
}

impl NodeArgs {
    /// Reads the file, if one is named, and fills in the defaults.
    pub fn resolve(self, data_default: &str) -> anyhow::Result<NodeSettings> {
        let file = Settings::of_file(self.config.as_deref())?;
        let given = self.settings;
        let cluster = cluster(&given, &file)?;
        let asked = given.kafka.as_ref().or(file.kafka.as_ref());
        if let (Some(_), Some(Door::At(..))) = (&cluster, asked) {
            bail!("kafka and brokers exclude each other: with a log in a Kafka cluster, clients speak to that cluster");
        }
        let kafka_default = if cluster.is_some() { "off" } else { KAFKA_DEFAULT };
        let door = |flag: Option<Door>, file: Option<Door>, default: &str| {
            flag.or(file).unwrap_or_else(|| default.parse().expect("the defaults are addresses"))
        };
        let cache_mib = given.cache_mib.or(file.cache_mib);
        let kafka_advertised = advertised("kafka", given.kafka_advertised.or(file.kafka_advertised))?;
        let mqtt_advertised = advertised("mqtt", given.mqtt_advertised.or(file.mqtt_advertised))?;
        let tls = match (given.tls_certificate.or(file.tls_certificate), given.tls_key.or(file.tls_key)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => bail!("tls-certificate and tls-key go together: one of them is missing"),
        };
        Ok(NodeSettings {
            data: given.data.or(file.data).unwrap_or_else(|| data_default.into()),
            pg: door(given.pg, file.pg, PG_DEFAULT),
            http: door(given.http, file.http, HTTP_DEFAULT),
            mqtt: door(given.mqtt, file.mqtt, MQTT_DEFAULT),
            mqtt_ws: door(given.mqtt_ws, file.mqtt_ws, "off"),
            gem: door(given.gem, file.gem, "off"),
            kafka: door(given.kafka, file.kafka, kafka_default),
            kafka_advertised,
            mqtt_advertised,
            cluster,
            tls,
            user: given.user.or(file.user),
            password: given.password.or(file.password),
            cache_bytes: cache_mib.map_or(limits::CACHE_BYTES_DEFAULT, |mib| mib << 20),
        })
    }
}

/// Where clients of a door are told to go.
fn advertised(door: &str, said: Option<Door>) -> anyhow::Result<Option<(String, u16)>> {
    match said {
        Some(Door::At(host, port)) if port > 0 => Ok(Some((host, port))),
        Some(other) => bail!("{door}-advertised is {other}: it must be a host and a port that clients reach"),
        None => Ok(None),
    }
}

/// The Kafka cluster that has the log, if one is named.
fn cluster(given: &Settings, file: &Settings) -> anyhow::Result<Option<ClusterOptions>> {
    fn said<'a, T>(given: &'a Option<T>, file: &'a Option<T>) -> Option<&'a T> {
        given.as_ref().or(file.as_ref())
    }
    let user = said(&given.brokers_user, &file.brokers_user);
    let password = said(&given.brokers_password, &file.brokers_password);
    let mechanism = said(&given.brokers_sasl, &file.brokers_sasl);
    let authorities = said(&given.brokers_ca, &file.brokers_ca);
    let Some(brokers) = said(&given.brokers, &file.brokers) else {
        if user.is_some() || password.is_some() || mechanism.is_some() || authorities.is_some() {
            bail!("brokers is missing: the other settings of a Kafka cluster say nothing without it");
        }
        return Ok(None);
    };
    for broker in brokers.split(',') {
        match broker.parse() {
            Ok(Door::At(_, port)) if port > 0 => {}
            _ => bail!(
                "brokers has {broker:?}, which is not HOST:PORT: name some of the cluster's brokers, separated by commas"
            ),
        }
    }
    let mechanism = match mechanism {
        None => Mechanism::default(),
        Some(name) => *Mechanism::ALL
            .iter()
            .find(|mechanism| mechanism.name() == name)
            .with_context(|| format!("brokers-sasl is {name}: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are known"))?,
    };
    let sasl = match (user, password) {
        (Some(user), Some(password)) => Some(Sasl { mechanism, user: user.clone(), password: password.clone() }),
        (None, None) => None,
        _ => bail!("brokers-user and brokers-password go together: one of them is missing"),
    };
    let tls = authorities.map(|path| match path.to_str() {
        Some("system") => Authorities::System,
        _ => Authorities::File(path.clone()),
    });
    Ok(Some(ClusterOptions { brokers: brokers.clone(), sasl, tls }))
}

impl Settings {
    fn of_file(path: Option<&Path>) -> anyhow::Result<Settings> {
        let Some(path) = path else { return Ok(Settings::default()) };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading the settings of {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not a file of settings", path.display()))
    }
}

/// Flags that say which node a client talks to.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClientArgs {
    /// The node, as postgresql://USER:PASSWORD@HOST:PORT/caudal; stands above the other three
    #[arg(long, env = "CAUDAL_CONNECT", value_name = "URL", hide_env_values = true)]
    connect: Option<String>,
    /// Address of the node's PostgreSQL door [default: 127.0.0.1:5433]
    #[arg(long, env = "CAUDAL_PG", value_name = "ADDR")]
    pg: Option<Door>,
    /// [default: caudal]
    #[arg(long, env = "CAUDAL_USER", value_name = "NAME")]
    user: Option<String>,
    /// [default: caudal]
    #[arg(long, env = "CAUDAL_PASSWORD", value_name = "WORD", hide_env_values = true)]
    password: Option<String>,
    /// The node's TOML file of settings: its pg, user and password are used where nothing else is said
    #[arg(long, env = "CAUDAL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ClientArgs {
    /// How to reach the node.
    pub fn resolve(self) -> anyhow::Result<tokio_postgres::Config> {
        if let Some(url) = &self.connect {
            return url.parse().context("--connect wants postgresql://USER:PASSWORD@HOST:PORT/caudal");
        }
        let file = Settings::of_file(self.config.as_deref())?;
        let door = self.pg.or(file.pg).unwrap_or_else(|| PG_DEFAULT.parse().expect("the default is an address"));
        let Door::At(host, port) = door else {
            bail!("the PostgreSQL door is off: a client has no other way in; say where it is with --pg or --connect");
        };
        // A door on every address is reached on this machine by loopback.
        let host = match host.as_str() {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            host => host,
        };
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(port).dbname(NAME_DEFAULT);
        config.user(self.user.or(file.user).as_deref().unwrap_or(NAME_DEFAULT));
        config.password(self.password.or(file.password).as_deref().unwrap_or(NAME_DEFAULT));
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(flags: Settings, file: &str) -> anyhow::Result<NodeSettings> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("caudal.toml");
        std::fs::write(&path, file).unwrap();
        NodeArgs { config: Some(path), settings: flags }.resolve("./caudal-data")
    }

    #[test]
    fn a_flag_beats_the_file_and_the_file_beats_the_default() {
        let flags = Settings { pg: Some(Door::Off), ..Settings::default() };
        let node = resolved(flags, "pg = '127.0.0.1:1'\nhttp = '[::1]:0'\ncache-mib = 8").unwrap();
        assert_eq!(node.pg, Door::Off);
        assert_eq!(node.http, Door::At("::1".into(), 0));
        assert_eq!(node.http.to_string(), "[::1]:0");
        assert_eq!(node.kafka.to_string(), KAFKA_DEFAULT);
        assert_eq!(node.cache_bytes, 8 << 20);
        assert_eq!(node.data, PathBuf::from("./caudal-data"));
    }

    #[test]
    fn an_unknown_key_of_the_file_is_refused_by_name() {
        let error = resolved(Settings::default(), "pgg = '127.0.0.1:1'").unwrap_err();
        assert!(format!("{error:#}").contains("pgg"), "{error:#}");
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let both = resolved(Settings::default(), "tls-certificate = 'a'\ntls-key = 'b'").unwrap();
        assert_eq!(both.tls, Some(("a".into(), "b".into())));
        let error = resolved(Settings::default(), "tls-key = 'b'").unwrap_err();
        assert!(format!("{error:#}").contains("go together"), "{error:#}");
    }

    #[test]
    fn what_clients_are_told_is_a_place_that_they_reach() {
        let told = "kafka-advertised = 'shop.example:9093'\nmqtt-advertised = 'shop.example:8883'";
        let told = resolved(Settings::default(), told).unwrap();
        assert_eq!(told.kafka_advertised, Some(("shop.example".into(), 9093)));
        assert_eq!(told.mqtt_advertised, Some(("shop.example".into(), 8883)));
        for (door, wrong) in
            [("kafka", "off"), ("kafka", "shop.example:0"), ("mqtt", "off"), ("mqtt", "shop.example:0")]
        {
            let error = resolved(Settings::default(), &format!("{door}-advertised = '{wrong}'")).unwrap_err();
            assert!(format!("{error:#}").contains("that clients reach"), "{error:#}");
        }
    }

    #[test]
    fn a_cluster_takes_the_place_of_the_kafka_door() {
        let file = "brokers = 'one:9092,two:9093'\nbrokers-user = 'ana'\nbrokers-password = 'x'\nbrokers-ca = 'system'";
        let node = resolved(Settings::default(), file).unwrap();
        let sasl = Sasl { mechanism: Mechanism::ScramSha256, user: "ana".into(), password: "x".into() };
        let tls = Some(Authorities::System);
        assert_eq!(node.cluster, Some(ClusterOptions { brokers: "one:9092,two:9093".into(), sasl: Some(sasl), tls }));
        assert_eq!(node.kafka, Door::Off);
        let wrong = [
            ("brokers = 'one:1'\nkafka = '127.0.0.1:0'", "exclude each other"),
            ("brokers = 'one'", "HOST:PORT"),
            ("brokers = 'one:1'\nbrokers-user = 'ana'", "go together"),
            ("brokers = 'one:1'\nbrokers-sasl = 'GSSAPI'", "GSSAPI"),
            ("brokers-ca = 'system'", "brokers is missing"),
        ];
        for (file, why) in wrong {
            let error = resolved(Settings::default(), file).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }

    #[test]
    fn an_address_without_port_is_refused() {
        for text in ["localhost", ":5433", "localhost:http", "on", ""] {
            assert!(text.parse::<Door>().is_err(), "{text}");
        }
        let error = resolved(Settings::default(), "kafka = 'nine'").unwrap_err();
        assert!(format!("{error:#}").contains("HOST:PORT"), "{error:#}");
    }

    #[test]
    fn a_client_reaches_a_door_on_every_address_by_loopback() {
        let config = ClientArgs { pg: Some("0.0.0.0:7".parse().unwrap()), ..ClientArgs::default() }.resolve().unwrap();
        assert_eq!(config.get_hosts(), [tokio_postgres::config::Host::Tcp("127.0.0.1".into())]);
        assert_eq!(config.get_ports(), [7]);
    }
}
