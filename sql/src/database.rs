//! A node's database: opened once, shared by all doors.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use dataflow::Epoch;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use prometheus_client::registry::Registry;
use storage::log::ClusterOptions;
use storage::{Event, LogHome, Position, Store, StoreOptions, disk_space, turns};
use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, watch};

use crate::bridge::{Bridge, States};
use crate::catalog::Catalog;
use crate::error::SqlError;
use crate::feed::{Channels, Feed, Pattern, channels};
#[cfg(doc)]
use crate::limits::CHANGELOG_BYTES;
use crate::limits::{DDL_QUEUE_MAX, DISK_PAUSE, REOPEN_FREE_BYTES_MIN, STACK_BYTES};
use crate::metrics::Stored;
use crate::pipeline::{self, Command, Shared};
use crate::roles::{Privilege, Role, Secret, TopicRights};
use crate::room::Room;
use crate::session::{Cancel, Identity, Outcomes, Response, Session, append};

/// Milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The runtime of a process that opens databases.
pub fn runtime() -> std::io::Result<Runtime> {
    turns::serve_events();
    runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build()
}

/// How to open a database.
#[derive(Clone)]
pub struct Config {
    /// The log is in `log/`, the store in `table/`, what queries write for themselves in `temporary/` below it.
    pub data_dir: PathBuf,
    /// Bytes for caches of the store.
    pub cache_bytes: usize,
    /// Bytes of changes that are kept for subscriptions; [`CHANGELOG_BYTES`] unless there is a reason.
    pub changelog_bytes: u64,
    pub clock: Clock,
    /// The Kafka cluster that has the log; `None` for a log in `data_dir`.
    pub cluster: Option<ClusterOptions>,
}

/// Whether the node can take events and answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Ready,
    /// Reads are served, nothing is acknowledged; in words for the operator.
    ReadOnly(String),
    /// Neither works.
    Failed(String),
}

/// What a role that logs in is checked with.
#[derive(Clone, Debug)]
pub struct Login {
    pub secret: Secret,
    pub superuser: bool,
}

/// The database of a node.
pub struct Database {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    data_dir: PathBuf,
}

impl Database {
    /// Opens the log and the store, installs the views and starts the pipeline.
    pub async fn open(config: Config) -> Result<Arc<Database>, SqlError> {
        let Config { data_dir, cache_bytes, changelog_bytes, clock, cluster } = config;
        let dir = data_dir.clone();
        let opened = tokio::task::spawn_blocking(move || -> Result<_, SqlError> {
            let store = Store::open(&dir.join("table"), StoreOptions { cache_bytes, changelog_bytes })?;
            // After the store, whose lock says that no other node has the directory.
            Ok((store, Room::open(&dir.join("temporary"))?))
        });
        let (store, room) = opened.await.map_err(|failed| SqlError::new("XX000", failed.to_string()))??;
        let log = LogHome::open(&data_dir, cluster).await?;
        let catalog =
            Catalog::load(&store.last().catalog).map_err(|error| SqlError::new("XX001", error.to_string()))?;
        let shared = Arc::new(Shared::new(store, log, room, catalog, clock));
        let (commands, waiting) = mpsc::channel(DDL_QUEUE_MAX);
        let threads = pipeline::start(shared.clone(), waiting).await?;
        Ok(Arc::new(Database { shared, commands, threads: Mutex::new(threads), data_dir }))
    }

    /// A session for someone who has been authenticated.
    pub fn session(self: &Arc<Self>, who: Identity) -> Session {
        Session::new(self.shared.clone(), self.commands.clone(), who)
    }

    /// Appends events to the topic of a table. They are durable on return, and visible once their epoch is published.
    pub async fn append(&self, table: &str, mut events: Vec<Event>) -> Result<Vec<Position>, SqlError> {
        self.shared.writable()?;
        let topic = self.topic(table)?;
        events.iter_mut().for_each(|event| event.topic = topic.clone());
        Ok(self.shared.log.append(events).await?)
    }

    /// Appends events to the topic of a table and waits until they are published: what became of them.
    pub async fn submit(&self, table: &str, mut events: Vec<Event>) -> Result<Outcomes, SqlError> {
        let topic = self.topic(table)?;
        events.iter_mut().for_each(|event| event.topic = topic.clone());
        append(&self.shared, &topic, events).await
    }

    /// Whether a table's events are rows of their own, however often they are sent.
    pub fn is_stream(&self, table: &str) -> bool {
        self.shared.catalog().get(table).is_some_and(|entry| entry.is_stream())
    }

    /// The table that a topic of MQTT feeds, if any does.
    pub fn feed(&self, topic: &str) -> Option<Feed> {
        Feed::of(&self.shared.catalog(), topic)
    }

    /// Connections to brokers of others, in name order.
    pub fn bridges(&self) -> Vec<Arc<Bridge>> {
        self.shared.catalog().bridges().values().cloned().collect()
    }

    /// How they are, for those who keep them up to say.
    pub fn bridge_states(&self) -> Arc<States> {
        self.shared.queries.bridges.clone()
    }

    /// What a message from another broker feeds; `None` where its topic says nothing of the table.
    pub fn source_feed(&self, table: &str, topics: &Pattern, topic: &str) -> Option<Feed> {
        Feed::by(self.shared.catalog().get(table)?, topics, topic)
    }

    /// The number of a relation, which another of the same name does not have.
    pub fn relation_number(&self, name: &str) -> Option<u32> {
        self.shared.catalog().get(name).map(|entry| entry.id().0)
    }

    /// Where everything is that is kept.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What the channels of a meter feed, by its serial number; `None` where there is no table of channels.
    pub async fn channels(self: &Arc<Self>, serial: &str) -> Result<Option<Channels>, SqlError> {
        let catalog = self.shared.catalog();
        let Some((channels, fed)) = channels::tables(&catalog) else { return Ok(None) };
        let session = self.session(Identity::Operator("gem".to_owned()));
        let prepared = session.prepare(&channels::query(channels), &[Some(DataType::Utf8)]).await?;
        let asked = vec![ScalarValue::from(serial)];
        let Response::Rows { rows, .. } = session.execute(&prepared, asked, Cancel::new()).await? else {
            unreachable!("SELECT answers rows");
        };
        let rows: Vec<RecordBatch> = rows.try_collect().await?;
        Channels::of(channels, fed, serial, &rows).map(Some)
    }

    fn topic(&self, table: &str) -> Result<Arc<str>, SqlError> {
        let catalog = self.shared.catalog();
        let entry = catalog.expect(table)?;
        match entry.table() {
            Some(table) => Ok(table.topic.clone()),
            None => Err(SqlError::new("42809", format!("\"{table}\" is a {}, not a table", entry.kind()))),
        }
    }

    /// Names of the materialized views that there are.
    pub fn materialized_views(&self) -> Vec<String> {
        self.shared.catalog().materialized().iter().map(|view| view.name().to_owned()).collect()
    }

    /// How somebody who says to be a role is checked; `None` where there is no such role, or it does not log in.
    pub fn login(&self, role: &str) -> Option<Login> {
        let catalog = self.shared.catalog();
        let secret = catalog.role(role).filter(|role| role.login)?.secret.clone()?;
        Some(Login { secret, superuser: catalog.is_superuser(role) })
    }

    /// A role, as it is now.
    pub fn role(&self, name: &str) -> Option<Role> {
        self.shared.catalog().role(name).cloned()
    }

    /// The roles that are wanted, in name order. Costs a look at each role.
    pub fn roles(&self, wanted: impl Fn(&Role) -> bool) -> Vec<Role> {
        self.shared.catalog().roles().filter(|role| wanted(role)).cloned().collect()
    }

    /// What somebody may do with MQTT topics, by the catalogue of now.
    pub fn topic_rights(&self, who: &Identity) -> TopicRights {
        match who {
            Identity::Operator(_) => TopicRights::all(),
            Identity::Role(role) => self.shared.catalog().topic_rights(role),
        }
    }

    /// Grows with every change of the catalogue, roles and their rights included.
    pub fn generation(&self) -> u64 {
        self.shared.catalog().generation()
    }

    /// Whom a role's data is about.
    pub fn subject(&self, who: &Identity) -> Option<String> {
        match who {
            Identity::Operator(_) => None,
            Identity::Role(role) => self.shared.catalog().subject(role).map(str::to_owned),
        }
    }

    /// Whether somebody has a privilege on a relation, by the catalogue of now.
    pub fn may(&self, who: &Identity, privilege: Privilege, relation: &str) -> bool {
        match who {
            Identity::Operator(_) => true,
            Identity::Role(role) => self.shared.catalog().may(role, privilege, relation),
        }
    }

    /// The time by the node's clock, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.shared.now_ms()
    }

    /// The last published epoch.
    pub fn published(&self) -> watch::Receiver<Epoch> {
        self.shared.published.subscribe()
    }

    /// Waits until a database that stopped for its disk may be opened again, since there is room; for ever while it works, and
    /// where it stopped for something that opening does not mend. Returns why it stopped.
    pub async fn reopenable(&self) -> SqlError {
        loop {
            tokio::time::sleep(DISK_PAUSE).await;
            let Some(stopped) = self.shared.disk_failure() else { continue };
            match disk_space(&self.data_dir) {
                Ok(space) if space.free >= REOPEN_FREE_BYTES_MIN => return stopped,
                _ => {}
            }
        }
    }

    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// The log, for the door that speaks its protocol.
    pub fn log(&self) -> &LogHome {
        &self.shared.log
    }

    /// Adds the database's measurements to a registry.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.shared.metrics.register(registry);
        registry.register_collector(Box::new(Stored(self.shared.clone())));
    }

    /// Ends the pipeline after its current epoch and closes the store and the log.
    pub async fn close(&self) {
        // A pipeline that has ended already needs no telling.
        let _ = self.commands.send(Command::Close).await;
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // Cancelled only with the runtime, which waits for it.
        let _ = tokio::task::spawn_blocking(move || pipeline::joined(threads)).await;
        self.shared.log.close();
    }
}

/// A database that was not closed lets go of its directory all the same, and before the process can end around its threads.
impl Drop for Database {
    fn drop(&mut self) {
        let threads = std::mem::take(self.threads.get_mut().unwrap_or_else(PoisonError::into_inner));
        if threads.is_empty() {
            return;
        }
        // A full queue is worked off, and a pipeline that has ended already needs no telling.
        while let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(Command::Close) {
            std::thread::yield_now();
        }
        pipeline::joined(threads);
        self.shared.log.close();
    }
}
