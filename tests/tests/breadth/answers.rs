//! A query, its two views and its three answers.

use tokio_postgres::{Client, SimpleQueryMessage};

/// A query of a file, under its name.
pub struct Query {
    pub name: String,
    pub sql: String,
}

impl Query {
    /// The queries of a text: `-- name`, then one statement up to its semicolon.
    pub fn all(text: &str) -> Vec<Query> {
        let sections = text.split("-- ").skip(1).map(|section| section.split_once('\n').expect("a name, then a query"));
        sections
            .map(|(name, sql)| Query { name: name.to_owned(), sql: sql.trim().trim_end_matches(';').to_owned() })
            .collect()
    }

    /// Makes a view of it, named with a word before.
    pub async fn create_view(&self, client: &Client, word: &str) {
        let create = format!("CREATE MATERIALIZED VIEW {word}_{} AS {}", self.name, self.sql);
        if let Err(error) = client.simple_query(&create).await {
            panic!("{}: {:?}", self.name, error.as_db_error());
        }
    }

    /// Panics where a view has other rows than the query; returns how many there are.
    pub async fn compare(&self, client: &Client, words: &[&str]) -> usize {
        let batch = sorted(client, &self.sql).await;
        for word in words {
            let kept = sorted(client, &format!("SELECT * FROM {word}_{}", self.name)).await;
            let extra: Vec<_> = kept.iter().filter(|row| !batch.contains(row)).take(3).collect();
            let missing: Vec<_> = batch.iter().filter(|row| !kept.contains(row)).take(3).collect();
            assert!(kept == batch, "{} {word}: extra {extra:#?} missing {missing:#?}", self.name);
        }
        batch.len()
    }
}

async fn sorted(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {:?}", error.as_db_error()));
    let cells = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    };
    let mut rows: Vec<Vec<Option<String>>> = messages.iter().filter_map(cells).collect();
    rows.sort();
    rows
}
