//! The answer of one statement, printed while it comes in.

use std::io::{self, Write};

use futures::{TryStreamExt, pin_mut};
use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::screen::Screen;
use crate::client::explain;
use crate::format::{Column, Format, Kind};
use crate::limits::ROWS_SHOWN_AFTER;

/// How an answer begins.
enum Head {
    Rows(Vec<Column>),
    /// There are no rows; so many were changed.
    Done(u64),
}

/// Prints the answer of a statement. Rows that are long in coming are shown as they come.
pub async fn print(client: &Client, format: Format, statement: &str, screen: &mut Screen) -> anyhow::Result<()> {
    let words: Vec<String> = statement.split_whitespace().map(str::to_lowercase).collect();
    if words.first().is_some_and(|word| word == "copy") {
        if words.windows(2).any(|pair| pair[0] == "to" && pair[1] == "stdout") {
            return copy_out(client, statement, screen).await;
        }
        anyhow::bail!("COPY needs rows beside the statement: load a file with `caudal import TABLE FILE`");
    }
    let failed = |error: tokio_postgres::Error| anyhow::Error::msg(explain(&error, statement));
    // The simple protocol tells no types; a prepared statement does, and CSV needs none.
    let kinds: Vec<Kind> = match format {
        Format::Csv => Vec::new(),
        Format::Table | Format::Expanded | Format::Json => {
            let prepared = client.prepare(statement).await.map_err(failed)?;
            prepared.columns().iter().map(|column| Kind::from(column.type_())).collect()
        }
    };
    let messages = client.simple_query_raw(statement).await.map_err(failed)?;
    pin_mut!(messages);
    let head = loop {
        match messages.try_next().await.map_err(failed)? {
            Some(SimpleQueryMessage::RowDescription(columns)) => {
                let kinds = kinds.iter().copied().chain(std::iter::repeat(Kind::Text));
                let columns = columns.iter().zip(kinds);
                break Head::Rows(columns.map(|(column, kind)| Column { name: column.name().into(), kind }).collect());
            }
            Some(SimpleQueryMessage::CommandComplete(rows)) => break Head::Done(rows),
            Some(_) => {}
            None => break Head::Done(0),
        }
    };
    match head {
        Head::Rows(columns) => {
            let mut printer = format.printer(columns, screen)?;
            loop {
                let message = match timeout(ROWS_SHOWN_AFTER, messages.try_next()).await {
                    Ok(message) => message,
                    Err(_) => {
                        printer.pause()?;
                        messages.try_next().await
                    }
                };
                match message.map_err(failed)? {
                    Some(SimpleQueryMessage::Row(row)) => {
                        let cells: Vec<Option<&str>> = (0..row.len()).map(|at| row.get(at)).collect();
                        printer.row(&cells)?;
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            printer.finish()?;
        }
        Head::Done(changed) => {
            // The node is asked for the end of the answer, or its error, before anything is said.
            while messages.try_next().await.map_err(failed)?.is_some() {}
            match (format, changed) {
                (Format::Csv | Format::Json, _) => {}
                (_, 0) => writeln!(screen, "done")?,
                (_, 1) => writeln!(screen, "done (1 row)")?,
                (_, rows) => writeln!(screen, "done ({rows} rows)")?,
            }
        }
    }
    Ok(())
}

/// Prints the lines of COPY .. TO STDOUT.
async fn copy_out(client: &Client, statement: &str, screen: &mut Screen) -> anyhow::Result<()> {
    let failed = |error: tokio_postgres::Error| anyhow::Error::msg(explain(&error, statement));
    let lines = client.copy_out(statement).await.map_err(failed)?;
    pin_mut!(lines);
    loop {
        let line = match timeout(ROWS_SHOWN_AFTER, lines.try_next()).await {
            Ok(line) => line,
            Err(_) => {
                screen.flush()?;
                lines.try_next().await
            }
        };
        match line.map_err(failed)? {
            Some(line) => screen.write_all(&line)?,
            None => return Ok(()),
        }
    }
}

/// The cells of a query's rows.
pub async fn cells(client: &Client, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let messages = client.simple_query(sql).await.map_err(|error| anyhow::Error::msg(explain(&error, sql)))?;
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    };
    Ok(messages.iter().filter_map(row).collect())
}

/// Whether whoever was to read the answer has gone.
pub fn is_broken_pipe(result: &anyhow::Result<()>) -> bool {
    let kind = |error: &anyhow::Error| error.downcast_ref::<io::Error>().map(io::Error::kind);
    result.as_ref().err().and_then(kind) == Some(io::ErrorKind::BrokenPipe)
}
