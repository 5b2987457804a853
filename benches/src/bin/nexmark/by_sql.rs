//! A query as a view: planner, engine and store as they run in a node.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use anyhow::Context;
use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use benches::cpu;
use benches::node::Node;
use benches::views::Catalogue;
use dataflow::{Direction, KeyRange, RelationId, State};

use crate::{Run, events};

/// Epochs written and not yet durable, at most.
const UNSYNCED_MAX: usize = 4;

/// The queries, as the tests of what can be a view have them.
fn query(name: &str) -> anyhow::Result<&'static str> {
    Ok(match name {
        "q4" => {
            "SELECT category, avg(final) AS average
             FROM (SELECT a.id, a.category, max(b.price) AS final FROM auction a JOIN bid b ON a.id = b.auction
                   WHERE b.date_time BETWEEN a.date_time AND a.expires GROUP BY a.id, a.category) AS closed
             GROUP BY category"
        }
        "q5" => {
            "WITH binned AS (SELECT auction, date_bin(INTERVAL '2 seconds', date_time) AS last FROM bid),
                  hop AS (SELECT auction, last - back * INTERVAL '2 seconds' AS start FROM binned CROSS JOIN hops),
                  counted AS (SELECT auction, start, count(*) AS num FROM hop GROUP BY auction, start),
                  most AS (SELECT start, max(num) AS num FROM counted GROUP BY start)
             SELECT counted.auction, counted.start, counted.num
             FROM counted JOIN most ON counted.start = most.start AND counted.num = most.num"
        }
        "q7" => {
            "SELECT b.auction, b.price, b.bidder, b.date_time
             FROM bid b JOIN (SELECT date_bin(INTERVAL '10 seconds', date_time) AS start, max(price) AS price FROM bid
                              GROUP BY date_bin(INTERVAL '10 seconds', date_time)) AS highest
               ON b.price = highest.price AND date_bin(INTERVAL '10 seconds', b.date_time) = highest.start"
        }
        "q9" => {
            "SELECT id, item_name, seller, category, bidder, price, won_at
             FROM (SELECT a.id, a.item_name, a.seller, a.category, b.bidder, b.price, b.date_time AS won_at,
                          row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time, b.bidder) AS n
                   FROM auction a JOIN bid b ON a.id = b.auction WHERE b.date_time BETWEEN a.date_time AND a.expires) AS ranked
             WHERE n <= 1"
        }
        "q20" => {
            "SELECT b.auction, b.bidder, b.price, b.channel, a.item_name, a.description, a.initial_bid, a.reserve, a.expires, a.seller
             FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10"
        }
        other => anyhow::bail!("{other} is not one of q4, q5, q7, q9, q20"),
    })
}

/// Takes the first `count` events in epochs of `size`, into streams or else into tables.
pub fn run(name: &str, streams: bool, count: usize, size: usize) -> anyhow::Result<Run> {
    let epochs = events::epochs(count, size);
    let dir = tempfile::tempdir()?;
    let mut catalogue = Catalogue::default();
    let mut of_events = |name: &str, columns: SchemaRef| match streams {
        true => catalogue.stream(name, columns, &[0]),
        false => catalogue.table(name, columns, &[0], None),
    };
    let person = of_events("person", events::person());
    let auction = of_events("auction", events::auction());
    let bid = of_events("bid", events::bid());
    let back = Arc::new(Schema::new(vec![Field::new("back", DataType::Int64, false)]));
    let hops = catalogue.table("hops", back.clone(), &[0], Some(10));
    let view = catalogue.view(name, query(name)?)?;
    let id = view.relation;
    let tables = [person.clone(), auction.clone(), bid.clone(), hops.clone()];
    let mut node = Node::open(dir.path(), &tables, vec![view])?;
    let five = RecordBatch::try_new(back, vec![Arc::new(Int64Array::from_iter_values(0..5))])?;
    let written = node.apply(hops.id, &five)?;
    node.store.sync(written)?;

    let (started, processor_started) = (Instant::now(), cpu::process_seconds());
    let (send, receive) = sync_channel(UNSYNCED_MAX);
    let store = node.store.clone();
    let syncer = std::thread::spawn(move || receive.into_iter().try_for_each(|written| store.sync(written).map(drop)));
    for epoch in &epochs {
        let written =
            node.apply_all(&[(person.id, &epoch.people), (auction.id, &epoch.auctions), (bid.id, &epoch.bids)])?;
        // A send fails when a sync has: its error is what the thread returns.
        if send.send(written).is_err() {
            break;
        }
    }
    drop(send);
    syncer.join().expect("syncing does not panic")?;
    let (seconds, processor_seconds) = (started.elapsed().as_secs_f64(), cpu::process_seconds() - processor_started);
    let (rows, digest) = summary(&node, id)?;
    Ok(Run { seconds, processor_seconds, peak_mib: cpu::peak_mib()?, rows, digest: format!("{digest:016x}") })
}

/// How many rows the view has, and the sum of the FNV-1a hashes of their columns' text between bars.
fn summary(node: &Node, view: RelationId) -> anyhow::Result<(i64, u64)> {
    let mut entries = Vec::new();
    let mut keep = |key: &[u8], value: &[u8]| {
        entries.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    node.store.scan(view, &KeyRange::all(), Direction::Ascending, &mut keep)?;
    let decoded = node.codec(view).decode(entries.iter().map(|(key, value)| (&key[..], &value[..])), None)?;
    let (mut rows, mut digest) = (0, 0u64);
    for row in 0..decoded.rows.num_rows() {
        let count = decoded.counts[row];
        rows += count;
        digest = digest.wrapping_add(fnv(text(&decoded.rows, row)?.as_bytes()).wrapping_mul(count as u64));
    }
    Ok((rows, digest))
}

fn text(rows: &RecordBatch, row: usize) -> anyhow::Result<String> {
    let mut text = String::new();
    for (at, column) in rows.columns().iter().enumerate() {
        if at > 0 {
            text.push('|');
        }
        anyhow::ensure!(column.is_valid(row), "none of these queries has NULL in its answer");
        match column.data_type() {
            DataType::Int64 => write!(text, "{}", column.as_primitive::<Int64Type>().value(row))?,
            DataType::Float64 => write!(text, "{}", column.as_primitive::<Float64Type>().value(row))?,
            DataType::Timestamp(..) => {
                write!(text, "{}", column.as_primitive::<TimestampMicrosecondType>().value(row) / 1_000)?
            }
            _ => text.push_str(column.as_string_opt::<i32>().context("a column of another type")?.value(row)),
        }
    }
    Ok(text)
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
