//! A node in a directory of its own, with its doors on free ports.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gateway::credentials::Credentials;
use sql::limits::CHANGELOG_BYTES;
use sql::{Cancel, Config, Database};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A database with its PostgreSQL and HTTP doors open.
pub struct Node {
    pub database: Arc<Database>,
    pub postgres: SocketAddr,
    pub http: SocketAddr,
    pub shutdown: Cancel,
    pub doors: Vec<JoinHandle<io::Result<()>>>,
    /// Who is at the MQTT door, where one is opened.
    pub clients: Arc<gateway::mqtt::Clients>,
    pub directory: TempDir,
    changelog_bytes: u64,
}

impl Node {
    /// Opens a new database and its doors.
    pub async fn start() -> Node {
        Node::open(tempfile::tempdir().unwrap(), CHANGELOG_BYTES).await
    }

    /// One that keeps so many bytes of changes.
    pub async fn keeping(changelog_bytes: u64) -> Node {
        Node::open(tempfile::tempdir().unwrap(), changelog_bytes).await
    }

    /// Closes the database and opens it again, as after an orderly stop.
    pub async fn restart(self) -> Node {
        self.shutdown.cancel();
        for door in self.doors {
            door.await.unwrap().unwrap();
        }
        self.database.close().await;
        drop(self.database);
        Node::open(self.directory, self.changelog_bytes).await
    }

    async fn open(directory: TempDir, changelog_bytes: u64) -> Node {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let data_dir = directory.path().join("data");
        let config = Config { data_dir, cache_bytes: 16 << 20, changelog_bytes, clock: Arc::new(clock), cluster: None };
        let database = Database::open(config).await.unwrap();
        let shutdown = Cancel::new();
        let listen = || TcpListener::bind("127.0.0.1:0");
        let (postgres, http) = (listen().await.unwrap(), listen().await.unwrap());
        let addresses = (postgres.local_addr().unwrap(), http.local_addr().unwrap());
        let with = || (database.clone(), Credentials::default(), shutdown.clone());
        let (ours, credentials, ends) = with();
        let postgres = tokio::spawn(gateway::postgres::serve(postgres, ours, credentials, ends));
        let (ours, credentials, ends) = with();
        let clients = Arc::<gateway::mqtt::Clients>::default();
        let options = gateway::http::Options { credentials, clients: clients.clone(), ..Default::default() };
        let http = tokio::spawn(gateway::http::serve(http, ours, options, ends));
        let doors = vec![postgres, http];
        Node {
            database,
            postgres: addresses.0,
            http: addresses.1,
            shutdown,
            doors,
            clients,
            directory,
            changelog_bytes,
        }
    }

    /// Settings of a client with the right user, password and database.
    pub fn settings(&self) -> tokio_postgres::Config {
        let mut settings = tokio_postgres::Config::new();
        settings.host("127.0.0.1").port(self.postgres.port()).user("caudal").password("caudal").dbname("caudal");
        settings
    }

    /// A client of the PostgreSQL door.
    pub async fn connect(&self) -> Client {
        let (client, connection) = self.settings().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Closes the doors and the database.
    pub async fn stop(self) {
        self.shutdown.cancel();
        for door in self.doors {
            door.await.unwrap().unwrap();
        }
        self.database.close().await;
    }
}

/// Asks again until the answer is there; panics with `what` when it does not come.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A measurement without labels, from the node's `/metrics`.
pub async fn metric(node: &Node, name: &str) -> f64 {
    let mut stream = TcpStream::connect(node.http).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: caudal\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}

/// Makes a table `digit` of the ten digits, from which queries of any size can be joined.
pub async fn make_digits(client: &Client) {
    client.simple_query("CREATE TABLE digit (d bigint PRIMARY KEY)").await.unwrap();
    let digits: Vec<String> = (0..10).map(|digit| format!("({digit})")).collect();
    client.simple_query(&format!("INSERT INTO digit VALUES {}", digits.join(", "))).await.unwrap();
}

/// A query that nobody waits for the end of. It holds next to nothing, so that no bound ends it.
pub const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 10000000) a, generate_series(1, 80000) b";
