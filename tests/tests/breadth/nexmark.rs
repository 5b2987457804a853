//! Nexmark: people, auctions and bids, and the queries over them that need neither sessions (q11) nor the time of arrival (q12).
//!
//! Windows are `date_bin`; a hopping window is a join with its hops. `CAUDAL_FULL=1` takes ten times the events. Where a PostgreSQL
//! is installed, it is told the same events and gives the same answers.

use arrow::temporal_conversions::timestamp_ms_to_datetime;
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Auction, Event};
use serde::Serialize;
use serde_json::Value;
use tests::node::Node;
use tests::postgresql::PostgreSql;
use tokio_postgres::Client;

use crate::answers::Query;

const TABLES: &str = include_str!("nexmark_tables.sql");
const QUERIES: &str = include_str!("nexmark.sql");

/// What PostgreSQL lacks: its windows begin where they are told to.
const WINDOWS: &str = "CREATE FUNCTION date_bin(interval, timestamptz) RETURNS timestamptz IMMUTABLE LANGUAGE sql
    AS $$ SELECT date_bin($1, $2, TIMESTAMPTZ '1970-01-01 00:00:00Z') $$";

const EVENTS: usize = 4_000;
const EVENTS_FULL: usize = 40_000;
/// Events that come at once.
const CHUNK: usize = 50;
const CORRECTED: usize = 60;

fn table_of(event: &Event) -> &'static str {
    match event {
        Event::Person(_) => "person",
        Event::Auction(_) => "auction",
        Event::Bid(_) => "bid",
    }
}

fn json(event: &Event) -> Value {
    fn of(row: &impl Serialize) -> Value {
        serde_json::to_value(row).unwrap()
    }
    match event {
        Event::Person(person) => of(person),
        Event::Auction(auction) => of(auction),
        Event::Bid(bid) => of(bid),
    }
}

/// The rows of a table among some events.
fn rows_of(table: &str, events: &[Event]) -> Vec<Value> {
    events.iter().filter(|event| table_of(event) == table).map(json).collect()
}

async fn submit(node: &Node, table: &str, rows: &[Value]) {
    let event = |row: &Value| storage::Event { value: Some(row.to_string().into()), ..storage::Event::default() };
    let outcomes = node.database.submit(table, rows.iter().map(event).collect()).await.unwrap();
    assert_eq!(outcomes.taken + outcomes.corrected, rows.len() as u64, "{table}: {outcomes:?}");
}

/// A PostgreSQL with the tables, where one is installed.
async fn postgresql() -> Option<(PostgreSql, Client)> {
    let server = PostgreSql::start()?;
    let client = server.connect().await;
    // It has no bounded tables.
    let tables = TABLES.replace(" WITH (max_rows = 1000)", "").replace(" WITH (max_rows = 10)", "");
    client.batch_execute(&tables).await.unwrap();
    client.batch_execute(WINDOWS).await.unwrap();
    Some((server, client))
}

/// Tells PostgreSQL some rows; those of the same key go.
async fn tell(client: &Client, table: &str, mut rows: Vec<Value>) {
    for row in &mut rows {
        for name in ["date_time", "expires"] {
            if let Some(ms) = row.get(name).and_then(Value::as_i64) {
                let time = timestamp_ms_to_datetime(ms).unwrap().format("%Y-%m-%dT%H:%M:%S%.3fZ");
                row[name] = Value::from(time.to_string());
            }
        }
    }
    let rows = Value::from(rows).to_string();
    let rows = format!("jsonb_populate_recordset(NULL::{table}, '{}')", rows.replace('\'', "''"));
    if table != "bid" {
        client.batch_execute(&format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {rows})")).await.unwrap();
    }
    client.batch_execute(&format!("INSERT INTO {table} SELECT * FROM {rows}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_nexmark_are_views() {
    let count = if std::env::var_os("CAUDAL_FULL").is_some() { EVENTS_FULL } else { EVENTS };
    // Its numbers come from the event's number: the same events each time.
    let events: Vec<Event> = EventGenerator::new(NexmarkConfig::default()).take(count).collect();
    let queries = Query::all(QUERIES);
    let node = Node::start().await;
    let client = node.connect().await;
    client.batch_execute(TABLES).await.unwrap();
    for query in &queries {
        query.create_view(&client, "fed").await;
    }
    for chunk in events.chunks(CHUNK) {
        for table in ["bid", "auction", "person"] {
            submit(&node, table, &rows_of(table, chunk)).await;
        }
    }
    let postgresql = postgresql().await;
    let theirs = postgresql.as_ref().map(|(_, client)| client);
    for query in &queries {
        query.create_view(&client, "filled").await;
    }
    if let Some(theirs) = theirs {
        for table in ["bid", "auction", "person"] {
            tell(theirs, table, rows_of(table, &events)).await;
        }
    }
    Query::compare_all(&queries, &client, theirs).await;

    // Auctions that are corrected: other categories, and a later end.
    let auctions = events.iter().filter_map(|event| match event {
        Event::Auction(auction) => Some(auction),
        _ => None,
    });
    let corrected = |auction: &Auction| Auction { category: 10, expires: auction.expires + 5_000, ..auction.clone() };
    let corrected: Vec<Value> =
        auctions.map(corrected).take(CORRECTED).map(|auction| json(&Event::Auction(auction))).collect();
    submit(&node, "auction", &corrected).await;
    if let Some(theirs) = theirs {
        tell(theirs, "auction", corrected).await;
    }
    Query::compare_all(&queries, &client, theirs).await;
    node.stop().await;
}
