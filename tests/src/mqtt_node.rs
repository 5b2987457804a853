//! A node with its MQTT door.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gateway::mqtt::{Options, Transport};
use tokio::net::TcpListener;
use tokio_postgres::SimpleQueryMessage;

use crate::mqtt::{Client, Connect};
use crate::node::{self, PATIENCE};

/// A table of readings, and a view over it.
const DEFINITIONS: &str = "CREATE TABLE readings (customer text, circuit int, at timestamptz, w numeric(10, 3), \
     PRIMARY KEY (customer, circuit, at)) WITH (mqtt = 'casa/{customer}/power/{circuit}'); \
     CREATE MATERIALIZED VIEW total AS SELECT customer, circuit, count(*) AS n, sum(w) AS w FROM readings \
     GROUP BY customer, circuit";

pub struct Node {
    pub node: node::Node,
    pub mqtt: SocketAddr,
    pub websocket: SocketAddr,
    pub sql: tokio_postgres::Client,
}

/// A node whose MQTT door is on loopback.
pub async fn node() -> Node {
    node_at("127.0.0.1:0", Options::default()).await
}

pub async fn node_at(address: &str, options: Options) -> Node {
    let node = node::Node::start().await;
    node.connect().await.batch_execute(DEFINITIONS).await.unwrap();
    serve(node, address, options).await
}

async fn serve(mut node: node::Node, address: &str, options: Options) -> Node {
    let sql = node.connect().await;
    let listener = TcpListener::bind(address).await.unwrap();
    let beside = SocketAddr::new(listener.local_addr().unwrap().ip(), 0);
    let websocket = TcpListener::bind(beside).await.unwrap();
    let listeners = vec![(Transport::Tcp, listener), (Transport::WebSocket, websocket)];
    let reached = |at: usize| SocketAddr::from(([127, 0, 0, 1], listeners[at].1.local_addr().unwrap().port()));
    let (mqtt, websocket) = (reached(0), reached(1));
    let options = Options { clients: node.clients.clone(), ..options };
    let door = gateway::mqtt::serve(listeners, node.database.clone(), options, node.shutdown.clone());
    node.doors.push(tokio::spawn(door));
    Node { node, mqtt, websocket, sql }
}

impl Node {
    /// A client by hand, of a version of MQTT.
    pub async fn client(&self, version: u8, id: &str) -> Client {
        Client::enter(self.mqtt, &Connect::new(version, id)).await
    }

    /// Rows of a query, cells separated by `|`.
    pub async fn rows(&self, query: &str) -> Vec<String> {
        let answer = self.sql.simple_query(query).await.unwrap();
        let rows = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
                Some(cells.collect::<Vec<_>>().join("|"))
            }
            _ => None,
        });
        rows.collect()
    }

    /// Waits until a query answers with these rows.
    pub async fn until(&self, query: &str, expected: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rows = self.rows(query).await;
            if rows == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{query}: {rows:#?} and not {expected:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Opens it again, its MQTT door where clients will look for it.
    pub async fn restart_at(self, address: &str) -> Node {
        drop(self.sql);
        serve(self.node.restart().await, address, Options::default()).await
    }

    pub async fn stop(self) {
        drop(self.sql);
        self.node.stop().await;
    }
}
