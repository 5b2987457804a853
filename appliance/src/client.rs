//! A connection of a command to a running node, over the PostgreSQL wire.

use std::fmt::Write;

use anyhow::{anyhow, bail};
use futures::future::poll_fn;
use tokio::sync::mpsc;
use tokio_postgres::config::Host;
use tokio_postgres::error::{DbError, ErrorPosition};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use crate::limits;

/// A connection, and what the node said beside its answers.
pub struct Connection {
    pub client: Client,
    notices: mpsc::Receiver<DbError>,
}

impl Connection {
    /// Connects; when no node answers, says where it was looked for and what to do.
    pub async fn open(mut config: Config) -> anyhow::Result<Connection> {
        config.application_name("caudal").connect_timeout(limits::CONNECT_MAX);
        let (client, mut wire) = match config.connect(NoTls).await {
            Ok(connected) => connected,
            Err(error) if error.as_db_error().is_some() => bail!("{}", explain(&error, "")),
            Err(error) => {
                return Err(anyhow!(error).context(format!(
                    "no node answers at {}: start one with `caudal run` or `caudal demo`, or say where it is with \
                     --pg or --connect",
                    address(&config)
                )));
            }
        };
        let (sender, notices) = mpsc::channel(limits::NOTICES_MAX);
        tokio::spawn(async move {
            // An error of the wire reaches whoever waits for an answer, as a closed connection.
            while let Some(Ok(message)) = poll_fn(|context| wire.poll_message(context)).await {
                if let AsyncMessage::Notice(notice) = message {
                    let _ = sender.try_send(notice);
                }
            }
        });
        Ok(Connection { client, notices })
    }

    /// What the node has said since the last look.
    pub fn notices(&mut self) -> Vec<DbError> {
        std::iter::from_fn(|| self.notices.try_recv().ok()).collect()
    }
}

/// Where a configuration points, for people.
pub fn address(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "an unnamed host".to_string(),
    };
    format!("{host}:{}", config.get_ports().first().copied().unwrap_or(5432))
}

/// An error of a statement for people: code and message, the line with a mark under the place, detail and hint.
pub fn explain(error: &tokio_postgres::Error, statement: &str) -> String {
    let Some(db) = error.as_db_error() else {
        return match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => format!("{error}"),
        };
    };
    let mut text = format!("{} {}: {}", db.severity(), db.code().code(), db.message());
    if let Some(ErrorPosition::Original(position)) = db.position() {
        text.push_str(&mark(statement, *position as usize));
    }
    if let Some(detail) = db.detail() {
        let _ = write!(text, "\nDETAIL: {detail}");
    }
    if let Some(hint) = db.hint() {
        let _ = write!(text, "\nHINT: {hint}");
    }
    text
}

/// The line that holds the character at `position` (from 1), and a mark below that character.
fn mark(statement: &str, position: usize) -> String {
    let before: String = statement.chars().take(position.saturating_sub(1)).collect();
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = statement[line_start..].lines().next().unwrap_or("");
    let label = format!("LINE {}: ", before.matches('\n').count() + 1);
    let indent: String = label
        .chars()
        .map(|_| ' ')
        .chain(before[line_start..].chars().map(|c| if c == '\t' { c } else { ' ' }))
        .collect();
    format!("\n{label}{line}\n{indent}^")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_below_the_character() {
        assert_eq!(mark("SELECT ñ,\n\tx FROM t", 12), "\nLINE 2: \tx FROM t\n        \t^");
        assert_eq!(mark("SELECT", 7), "\nLINE 1: SELECT\n              ^");
    }
}
