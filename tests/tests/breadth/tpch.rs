//! TPC-H: eight tables, 22 queries, with the values that its specification validates with, but for q8 and q17, which have
//! nothing to say of those in tables this small. Where a PostgreSQL is installed, it has the same rows and gives the same answers.
//!
//! ORDER BY is left out where there is no LIMIT: a view has no order. `CAUDAL_FULL=1` runs at scale 0.05 instead of 0.01.

use std::fmt::Display;

use bytes::Bytes;
use futures::SinkExt;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tests::node::Node;
use tests::postgresql::PostgreSql;
use tokio_postgres::Client;
use tpchgen::csv;
use tpchgen::generators as generate;

use crate::answers::Query;

const TABLES: &str = include_str!("tpch_tables.sql");
const QUERIES: &str = include_str!("tpch.sql");

/// Parts in which the rows of each table come.
const PARTS: usize = 8;
const DELETED: usize = 60;

/// A table's name, its columns, and its rows as CSV.
struct Table {
    name: &'static str,
    columns: &'static str,
    rows: Vec<String>,
}

impl Table {
    fn new<T: Display>(name: &'static str, columns: &'static str, rows: impl Iterator<Item = T>) -> Table {
        Table { name, columns, rows: rows.map(|row| format!("{row}\n")).collect() }
    }

    async fn copy(&self, client: &Client, part: usize) {
        let size = self.rows.len().div_ceil(PARTS);
        let rows: String = self.rows.iter().skip(part * size).take(size).map(String::as_str).collect();
        let statement = format!("COPY {} ({}) FROM STDIN WITH (FORMAT csv)", self.name, self.columns);
        let mut sink = Box::pin(client.copy_in::<_, Bytes>(&statement).await.unwrap());
        sink.send(rows.into()).await.unwrap();
        sink.as_mut().finish().await.unwrap();
    }
}

fn tables(scale: f64) -> Vec<Table> {
    use csv::*;
    use generate::*;
    vec![
        Table::new("region", RegionCsv::header(), RegionGenerator::new(scale, 1, 1).iter().map(RegionCsv::new)),
        Table::new("nation", NationCsv::header(), NationGenerator::new(scale, 1, 1).iter().map(NationCsv::new)),
        Table::new("supplier", SupplierCsv::header(), SupplierGenerator::new(scale, 1, 1).iter().map(SupplierCsv::new)),
        Table::new("customer", CustomerCsv::header(), CustomerGenerator::new(scale, 1, 1).iter().map(CustomerCsv::new)),
        Table::new("part", PartCsv::header(), PartGenerator::new(scale, 1, 1).iter().map(PartCsv::new)),
        Table::new("partsupp", PartSuppCsv::header(), PartSuppGenerator::new(scale, 1, 1).iter().map(PartSuppCsv::new)),
        Table::new("orders", OrderCsv::header(), OrderGenerator::new(scale, 1, 1).iter().map(OrderCsv::new)),
        Table::new("lineitem", LineItemCsv::header(), LineItemGenerator::new(scale, 1, 1).iter().map(LineItemCsv::new)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_queries_of_tpch_are_views() {
    let seed = std::env::var("CAUDAL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let scale = if std::env::var_os("CAUDAL_FULL").is_some() { 0.05 } else { 0.01 };
    let (tables, queries) = (tables(scale), Query::all(QUERIES));
    assert_eq!(queries.len(), 22);
    let node = Node::start().await;
    let client = node.connect().await;
    let postgresql = PostgreSql::start();
    let theirs = match &postgresql {
        Some(postgresql) => Some(postgresql.connect().await),
        None => None,
    };
    let both: Vec<&Client> = [&client].into_iter().chain(&theirs).collect();
    for client in &both {
        client.batch_execute(TABLES).await.unwrap();
    }
    for query in &queries {
        query.create_view(&client, "fed").await;
    }
    for part in 0..PARTS {
        let mut order: Vec<&Table> = tables.iter().collect();
        order.shuffle(&mut random);
        for table in order {
            for client in &both {
                table.copy(client, part).await;
            }
        }
    }
    for query in &queries {
        query.create_view(&client, "filled").await;
    }
    Query::compare_all(&queries, &client, theirs.as_ref()).await;

    let (orders, lines) = (&tables[6].rows, &tables[7].rows);
    for _ in 0..DELETED {
        let cells = |rows: &[String], row: usize| rows[row].split(',').map(str::to_owned).collect::<Vec<_>>();
        let order = &cells(orders, random.random_range(0..orders.len()))[0];
        let line = cells(lines, random.random_range(0..lines.len()));
        let of_line = format!("l_orderkey = {} AND l_linenumber = {}", line[0], line[3]);
        for client in &both {
            client.batch_execute(&format!("DELETE FROM orders WHERE o_orderkey = {order}")).await.unwrap();
            client.batch_execute(&format!("DELETE FROM lineitem WHERE {of_line}")).await.unwrap();
        }
    }
    Query::compare_all(&queries, &client, theirs.as_ref()).await;
    node.stop().await;
}
