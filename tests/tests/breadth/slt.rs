//! Files of statements and queries with their answers, in the format of sqllogictest.
//!
//! Each file makes its tables, inserts rows, and asks. It runs three ways, in batch, as views that are filled when they are asked
//! for, and as views that were there before the first row; and where a PostgreSQL is installed, on that too. A query that
//! a view refuses says so: `skipif filled`, `skipif fed`. `UPDATE_SLT=1` has PostgreSQL write the answers into the files.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use datafusion::sql::sqlparser::ast::{SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Record, Runner};
use tests::node::Node;
use tests::postgresql::PostgreSql;
use tokio_postgres::{Client, SimpleQueryMessage};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Batch,
    Filled,
    Fed,
    PostgreSql,
}

/// A database that is asked one way.
struct Asked {
    client: Client,
    way: Way,
    /// Queries of the file, for which views are made before the first row; then the view of each, or why there is none.
    queries: Vec<String>,
    views: HashMap<String, Result<String, Error>>,
    count: usize,
}

/// What a server said, in its words.
#[derive(Debug)]
struct Error(tokio_postgres::Error);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(error) => f.write_str(error.message()),
            None => self.0.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Error {
        Error(error)
    }
}

type Output = DBOutput<DefaultColumnType>;

impl Asked {
    async fn new(client: Client, way: Way, file: &Path) -> Asked {
        let records = sqllogictest::parse_file::<DefaultColumnType>(file).unwrap();
        let queries = records.into_iter().filter_map(|record| match record {
            Record::Query { sql, .. } => Some(sql),
            _ => None,
        });
        Asked { client, way, queries: queries.collect(), views: HashMap::new(), count: 0 }
    }

    async fn plain(&self, sql: &str) -> Result<Output, Error> {
        let messages = self.client.simple_query(sql).await?;
        let mut columns = 0;
        let mut rows = Vec::new();
        for message in &messages {
            match message {
                SimpleQueryMessage::RowDescription(description) => columns = description.len(),
                SimpleQueryMessage::Row(row) => {
                    let cell = |at| match row.get(at) {
                        None => "NULL".to_owned(),
                        Some("") => "(empty)".to_owned(),
                        Some(cell) => cell.to_owned(),
                    };
                    rows.push((0..columns).map(cell).collect());
                }
                _ => {}
            }
        }
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
    }

    async fn create_view(&mut self, sql: &str) -> Result<String, Error> {
        self.count += 1;
        let name = format!("asked_{}", self.count);
        // Two columns of a query may have one name, those of a view may not.
        let columns = self.client.prepare(sql).await?.columns().len();
        let columns: Vec<String> = (0..columns).map(|number| format!("c{number}")).collect();
        let columns = columns.join(", ");
        self.client.simple_query(&format!("CREATE MATERIALIZED VIEW {name} ({columns}) AS {sql}")).await?;
        Ok(name)
    }

    /// Rows one by one, so that each is an epoch.
    async fn feed(&mut self, sql: &str) -> Result<(), Error> {
        for query in std::mem::take(&mut self.queries) {
            let view = self.create_view(&query).await;
            self.views.insert(query, view);
        }
        for row in rows_apart(sql) {
            self.client.simple_query(&row).await?;
        }
        Ok(())
    }
}

/// An INSERT of several rows as one for each.
fn rows_apart(sql: &str) -> Vec<String> {
    let mut parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
    let Some(Statement::Insert(insert)) = parsed.first_mut() else { return vec![sql.to_owned()] };
    let Some(SetExpr::Values(values)) = insert.source.as_deref().map(|source| &*source.body) else {
        return vec![sql.to_owned()];
    };
    let rows = values.rows.clone();
    let one = |row| {
        let mut insert = insert.clone();
        if let Some(SetExpr::Values(values)) = insert.source.as_deref_mut().map(|source| &mut *source.body) {
            values.rows = vec![row];
        }
        Statement::Insert(insert).to_string()
    };
    rows.into_iter().map(one).collect()
}

#[async_trait::async_trait]
impl AsyncDB for Asked {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<Output, Error> {
        let word = sql.split_whitespace().next().unwrap_or_default().to_uppercase();
        let asks = ["SELECT", "WITH", "VALUES"].contains(&&*word);
        match self.way {
            Way::Filled if asks => {
                let view = self.create_view(sql).await?;
                self.plain(&format!("SELECT * FROM {view}")).await
            }
            Way::Fed if asks => match self.views.remove(sql).expect("it is in the file, below the rows") {
                Ok(view) => self.plain(&format!("SELECT * FROM {view}")).await,
                Err(error) => Err(error),
            },
            Way::Fed if word != "CREATE" => {
                self.feed(sql).await?;
                Ok(DBOutput::StatementComplete(0))
            }
            _ if asks => self.plain(sql).await,
            _ => {
                self.client.simple_query(sql).await?;
                Ok(DBOutput::StatementComplete(0))
            }
        }
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        match self.way {
            Way::Batch => "batch",
            Way::Filled => "filled",
            Way::Fed => "fed",
            Way::PostgreSql => "postgresql",
        }
    }

    fn error_sql_state(error: &Error) -> Option<String> {
        error.0.code().map(|code| code.code().to_owned())
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/breadth");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort();
    files
}

async fn run(client: Client, way: Way, file: &Path) {
    let mut client = Some(Asked::new(client, way, file).await);
    let mut runner = Runner::new(move || {
        let client = client.take().expect("a file is run over one connection");
        async move { Ok(client) }
    });
    runner.run_file_async(file).await.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_queries_are_answered_three_ways() {
    for file in files() {
        for way in [Way::Batch, Way::Filled, Way::Fed] {
            let node = Node::start().await;
            run(node.connect().await, way, &file).await;
            node.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_gives_the_same_answers() {
    for file in files() {
        let Some(postgresql) = PostgreSql::start() else { return };
        let client = postgresql.connect().await;
        if std::env::var_os("UPDATE_SLT").is_none() {
            run(client, Way::PostgreSql, &file).await;
            continue;
        }
        let mut client = Some(Asked::new(client, Way::PostgreSql, &file).await);
        let mut runner = Runner::new(move || {
            let client = client.take().expect("a file is run over one connection");
            async move { Ok(client) }
        });
        let (validator, normalizer) = (sqllogictest::default_validator, sqllogictest::default_normalizer);
        let columns = sqllogictest::default_column_validator;
        runner.update_test_file(&file, "\t", validator, normalizer, columns).await.unwrap();
    }
}
