//! A node's life: doors bound, database opened, doors served, `ready`, and an orderly end.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use gateway::credentials::{Credentials, Door as DoorName, check_exposed};
use gateway::http::Options as HttpOptions;
use gateway::kafka::Options as KafkaOptions;
use gateway::mqtt::{Options as MqttOptions, Transport};
use sql::Database;
use storage::LogHome;
use tokio::net::{TcpListener, lookup_host};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::settings::{Door, NAME_DEFAULT, NodeSettings};

/// `caudal run`: a node until it is asked to end.
pub async fn run(settings: NodeSettings) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let mut node = Node::start(&settings).await?;
    node.announce()?;
    loop {
        let database = node.database.clone();
        let ended = tokio::select! {
            () = signals.next() => Ok(()),
            broken = node.broken() => Err(broken),
            stopped = database.reopenable() => {
                drop(database);
                tracing::warn!("opening the data directory again: {}", in_words(&stopped));
                node = node.reopened(&settings, &mut signals).await?;
                tracing::warn!("events are acknowledged again");
                continue;
            }
        };
        drop(database);
        node.stop(&mut signals).await?;
        return ended;
    }
}

/// A node that serves.
pub struct Node {
    pub database: Arc<Database>,
    /// The open doors with the addresses that they really have, in the order in which they are announced.
    doors: Vec<(DoorName, SocketAddr)>,
    /// The addresses stay taken while the database is opened again: who comes meanwhile waits for a moment.
    bound: Vec<(DoorName, std::net::TcpListener)>,
    kafka: KafkaOptions,
    mqtt: MqttOptions,
    serving: JoinSet<(DoorName, std::io::Result<()>)>,
    /// What goes out to brokers of others.
    bridges: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Node {
    /// Takes the addresses first, so that a port in use is told before anything is opened.
    pub async fn start(settings: &NodeSettings) -> anyhow::Result<Node> {
        let credentials = Credentials {
            user: settings.user.clone().unwrap_or_else(|| NAME_DEFAULT.to_string()),
            password: settings.password.clone().unwrap_or_else(|| NAME_DEFAULT.to_string()),
        };
        let own = settings.password.is_some() && credentials != Credentials::default();
        let tls = match &settings.tls {
            Some((certificate, key)) => Some(gateway::tls::acceptor(certificate, key)?),
            None => None,
        };
        let kafka = KafkaOptions {
            credentials: credentials.clone(),
            tls: tls.clone(),
            advertised: settings.kafka_advertised.clone(),
        };
        let advertised = settings.mqtt_advertised.clone();
        let mqtt = MqttOptions { credentials, tls, advertised, clients: Arc::default() };
        let mut bound = Vec::new();
        for (name, door) in [
            (DoorName::Postgres, &settings.pg),
            (DoorName::Http, &settings.http),
            (DoorName::Mqtt, &settings.mqtt),
            (DoorName::MqttWebSocket, &settings.mqtt_ws),
            (DoorName::Gem, &settings.gem),
            (DoorName::Kafka, &settings.kafka),
        ] {
            if let Some(listener) = bind(name, door, own).await? {
                bound.push((name, listener.into_std()?));
            }
        }

        Node::open(settings, bound, kafka, mqtt).await
    }

    /// Opens the database and serves the doors.
    async fn open(
        settings: &NodeSettings,
        bound: Vec<(DoorName, std::net::TcpListener)>,
        kafka: KafkaOptions,
        mqtt: MqttOptions,
    ) -> anyhow::Result<Node> {
        std::fs::create_dir_all(&settings.data).with_context(|| {
            let dir = settings.data.display();
            format!("the data directory {dir} cannot be made (--data or CAUDAL_DATA names one that can be written to)")
        })?;
        let database = Database::open(sql::Config {
            data_dir: settings.data.clone(),
            cache_bytes: settings.cache_bytes,
            changelog_bytes: sql::limits::CHANGELOG_BYTES,
            clock: Arc::new(now_ms),
            cluster: settings.cluster.clone(),
        })
        .await
        .map_err(|error| anyhow::Error::msg(in_words(&error)))
        .with_context(|| format!("opening the data directory {}", settings.data.display()))?;

        let shutdown = CancellationToken::new();
        let bridges = tokio::spawn(gateway::bridge::serve(database.clone(), shutdown.clone()));
        let serving = JoinSet::new();
        let mut node = Node { database, doors: Vec::new(), bound, kafka, mqtt, serving, bridges, shutdown };
        let mut listeners = Vec::new();
        for at in 0..node.bound.len() {
            let (name, listener) = &node.bound[at];
            let (name, listener) = (*name, TcpListener::from_std(listener.try_clone()?)?);
            node.doors.push((name, listener.local_addr()?));
            match name {
                DoorName::Mqtt => listeners.push((Transport::Tcp, listener)),
                DoorName::MqttWebSocket => listeners.push((Transport::WebSocket, listener)),
                _ => node.serve(name, listener),
            }
        }
        if !listeners.is_empty() {
            node.serve_mqtt(listeners);
        }
        Ok(node)
    }

    /// Closes what is open and opens it again. Clients are told that the node ends (57P01), and come in again.
    async fn reopened(mut self, settings: &NodeSettings, signals: &mut Signals) -> anyhow::Result<Node> {
        let (bound, kafka, mqtt) = (std::mem::take(&mut self.bound), self.kafka.clone(), self.mqtt.clone());
        self.stop(signals).await?;
        Node::open(settings, bound, kafka, mqtt).await
    }

    fn serve(&mut self, name: DoorName, listener: TcpListener) {
        let (kafka, credentials) = (self.kafka.clone(), self.kafka.credentials.clone());
        let http = HttpOptions {
            credentials: credentials.clone(),
            tls: kafka.tls.clone(),
            clients: self.mqtt.clients.clone(),
        };
        let (database, shutdown) = (self.database.clone(), self.shutdown.clone());
        self.serving.spawn(async move {
            let served = match name {
                DoorName::Postgres => gateway::postgres::serve(listener, database, credentials, shutdown).await,
                DoorName::Http => gateway::http::serve(listener, database, http, shutdown).await,
                DoorName::Gem => gateway::gem::serve(listener, database, shutdown).await,
                DoorName::Kafka => {
                    let LogHome::Embedded(log) = database.log() else {
                        unreachable!("the kafka door is never bound with a cluster's log");
                    };
                    gateway::kafka::serve(listener, log.clone(), kafka, shutdown).await
                }
                DoorName::Mqtt | DoorName::MqttWebSocket => unreachable!("the two are one, served below"),
            };
            (name, served)
        });
    }

    /// One broker, whichever way its clients come in.
    fn serve_mqtt(&mut self, listeners: Vec<(Transport, TcpListener)>) {
        let (database, options, shutdown) = (self.database.clone(), self.mqtt.clone(), self.shutdown.clone());
        self.serving
            .spawn(async move { (DoorName::Mqtt, gateway::mqtt::serve(listeners, database, options, shutdown).await) });
    }

    /// The one line on standard output that says that the node takes events and answers.
    pub fn announce(&self) -> std::io::Result<()> {
        let doors: String = self.doors.iter().map(|(name, address)| format!(" {name}={address}")).collect();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ready{doors}")?;
        out.flush()
    }

    /// Where an open door is.
    pub fn door(&self, wanted: DoorName) -> Option<SocketAddr> {
        self.doors.iter().find(|(name, _)| *name == wanted).map(|(_, address)| *address)
    }

    /// Waits until a door fails; for ever while all are served.
    pub async fn broken(&mut self) -> anyhow::Error {
        match self.serving.join_next().await {
            Some(Ok((name, Err(error)))) => anyhow::Error::new(error).context(format!("the {name} door has failed")),
            Some(Ok((name, Ok(())))) => anyhow::anyhow!("the {name} door has closed by itself"),
            Some(Err(panicked)) => anyhow::Error::new(panicked).context("a door has failed"),
            None => std::future::pending().await,
        }
    }

    /// Closes the doors, lets the current epoch end and closes the log and the tables. A second signal, or too long a wait,
    /// leaves at once: what was acknowledged is durable either way.
    pub async fn stop(mut self, signals: &mut Signals) -> anyhow::Result<()> {
        tracing::info!("ending");
        let orderly = async {
            self.shutdown.cancel();
            while self.serving.join_next().await.is_some() {}
            // It ends by the same word.
            let _ = (&mut self.bridges).await;
            self.database.close().await;
        };
        tokio::select! {
            () = orderly => Ok(()),
            () = signals.next() => bail!("left at the second signal, before the end was orderly; nothing acknowledged is lost"),
            () = tokio::time::sleep(limits::SHUTDOWN_MAX) => {
                bail!("the end took longer than {} s; left without it, nothing acknowledged is lost", limits::SHUTDOWN_MAX.as_secs())
            }
        }
    }
}

/// Ctrl-C and SIGTERM, from the moment it is made.
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    pub fn listen() -> anyhow::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next of them.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    since.as_millis() as i64
}

/// An error of the database with its detail and its advice.
pub fn in_words(error: &sql::SqlError) -> String {
    let parts = [Some(&error.message), error.detail.as_ref(), error.hint.as_ref()];
    parts.into_iter().flatten().cloned().collect::<Vec<_>>().join("; ")
}

/// Takes a door's address; `None` where it is off.
async fn bind(name: DoorName, door: &Door, own_credentials: bool) -> anyhow::Result<Option<TcpListener>> {
    let Door::At(host, port) = door else { return Ok(None) };
    let addresses = lookup_host((host.as_str(), *port)).await;
    let addresses: Vec<SocketAddr> =
        addresses.with_context(|| format!("the {name} door: {host} is not an address of this machine"))?.collect();
    let address = *addresses.first().with_context(|| format!("the {name} door: {host} has no address"))?;
    check_exposed(name, address, own_credentials)?;
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "the {name} door cannot open: {address} is taken by another program, perhaps another node; stop it, or choose \
             another address with --{name} HOST:PORT (port 0: any free one; off: no such door)"
        ),
        Err(error) => Err(error).with_context(|| format!("the {name} door cannot open on {address}")),
    }
}
