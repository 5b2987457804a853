//! A query, its two views and its three answers; and PostgreSQL's.

use tests::answer::Answer;
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

    /// Compares the views `fed` and `filled` of each query with it, and that with PostgreSQL, where there is one.
    pub async fn compare_all(queries: &[Query], ours: &Client, postgresql: Option<&Client>) {
        for query in queries {
            query.compare(ours, &["fed", "filled"]).await;
            if let Some(postgresql) = postgresql {
                query.compare_with(postgresql, ours).await;
            }
        }
    }

    /// Panics where PostgreSQL answers with other rows, or where there is nothing to answer.
    async fn compare_with(&self, postgresql: &Client, ours: &Client) {
        let answer = async |client: &Client| {
            Answer::of(client, &self.sql).await.unwrap_or_else(|error| panic!("{}: {error:?}", self.name))
        };
        let (expected, found) = (answer(postgresql).await, answer(ours).await);
        assert!(expected.says_something(), "{} has rows to compare", self.name);
        if let Some(difference) = found.differs(&expected) {
            panic!("{} is answered by PostgreSQL with other rows: {difference}", self.name);
        }
    }

    /// Panics where a view has other rows than the query, or where there are none.
    async fn compare(&self, client: &Client, words: &[&str]) {
        let batch = sorted(client, &self.sql).await;
        for word in words {
            let kept = sorted(client, &format!("SELECT * FROM {word}_{}", self.name)).await;
            let extra: Vec<_> = kept.iter().filter(|row| !batch.contains(row)).take(3).collect();
            let missing: Vec<_> = batch.iter().filter(|row| !kept.contains(row)).take(3).collect();
            assert!(kept == batch, "{} {word}: extra {extra:#?} missing {missing:#?}", self.name);
        }
        assert!(batch.iter().flatten().any(Option::is_some), "{} has rows to compare", self.name);
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
