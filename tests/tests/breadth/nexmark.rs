//! Nexmark: people, auctions and bids, and the queries over them that need neither sessions (q11) nor the time of arrival (q12).
//!
//! Windows are `date_bin`; a hopping window is a join with its hops. `CAUDAL_FULL=1` takes ten times the events.

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Auction, Event};
use serde::Serialize;
use tests::node::Node;

use crate::answers::Query;

const TABLES: &str = include_str!("nexmark_tables.sql");
const QUERIES: &str = include_str!("nexmark.sql");

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

fn payload(row: &impl Serialize) -> storage::Event {
    storage::Event { value: Some(serde_json::to_vec(row).unwrap().into()), ..storage::Event::default() }
}

async fn submit(node: &Node, table: &str, events: Vec<storage::Event>) {
    let count = events.len() as u64;
    let outcomes = node.database.submit(table, events).await.unwrap();
    assert_eq!(outcomes.taken + outcomes.corrected, count, "{table}: {outcomes:?}");
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
            let rows = chunk.iter().filter(|event| table_of(event) == table).map(|event| match event {
                Event::Person(person) => payload(person),
                Event::Auction(auction) => payload(auction),
                Event::Bid(bid) => payload(bid),
            });
            submit(&node, table, rows.collect()).await;
        }
    }
    let mut answered = 0;
    for query in &queries {
        query.create_view(&client, "filled").await;
        answered += usize::from(query.compare(&client, &["fed", "filled"]).await > 0);
    }
    assert_eq!(answered, queries.len(), "every query has rows to compare");

    // Auctions that are corrected: other categories, and a later end.
    let auctions = events.iter().filter_map(|event| match event {
        Event::Auction(auction) => Some(auction),
        _ => None,
    });
    let corrected = |auction: &Auction| Auction { category: 10, expires: auction.expires + 5_000, ..auction.clone() };
    let corrected: Vec<storage::Event> = auctions.map(corrected).take(CORRECTED).map(|row| payload(&row)).collect();
    submit(&node, "auction", corrected).await;
    for query in &queries {
        query.compare(&client, &["fed", "filled"]).await;
    }
    node.stop().await;
}
