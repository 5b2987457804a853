//! `caudal sql`: statements to a running node, their answers on standard output.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};
use futures::{TryStreamExt, pin_mut};
use tokio::sync::mpsc;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::client::{Connection, explain};
use crate::format::{Column, Format, Kind};
use crate::settings::ClientArgs;
use crate::statements::{self, Statements};

/// Flags of `caudal sql`.
#[derive(Clone, Debug, clap::Args)]
pub struct SqlArgs {
    /// Statements to run, separated by semicolons; without it they are read from standard input
    #[arg(short = 'c', value_name = "SQL")]
    command: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    client: ClientArgs,
}

/// Runs the command. A failed statement ends it, except where a person is typing.
pub async fn run(args: SqlArgs) -> anyhow::Result<()> {
    let connection = Connection::open(args.client.resolve()?).await?;
    let mut console = Console { connection, format: args.format };
    match args.command {
        Some(text) => {
            for statement in statements::split(&text) {
                console.execute(&statement).await?;
            }
            Ok(())
        }
        None if std::io::stdin().is_terminal() => console.converse().await,
        None => console.read().await,
    }
}

struct Console {
    connection: Connection,
    format: Format,
}

impl Console {
    /// Runs the statements of a pipe as they come in.
    async fn read(&mut self) -> anyhow::Result<()> {
        let mut lines = input_lines();
        let mut statements = Statements::default();
        loop {
            let line = tokio::select! {
                line = lines.recv() => line,
                _ = tokio::signal::ctrl_c() => bail!("interrupted"),
            };
            let Some(line) = line else { break };
            for statement in statements.push(&line?) {
                self.execute(&statement).await?;
            }
        }
        match statements.finish() {
            Some(statement) => self.execute(&statement).await,
            None => Ok(()),
        }
    }

    /// Runs the statements that a person types; an error is shown and the conversation goes on.
    async fn converse(&mut self) -> anyhow::Result<()> {
        println!("Statements end with a semicolon; \\q or Ctrl-D leaves, Ctrl-C stops a statement.");
        let mut lines = input_lines();
        let mut statements = Statements::default();
        loop {
            print!("{}", if statements.is_open() { "caudal-> " } else { "caudal=> " });
            std::io::stdout().flush()?;
            let line = tokio::select! {
                line = lines.recv() => line,
                _ = tokio::signal::ctrl_c() => {
                    statements = Statements::default();
                    println!();
                    continue;
                }
            };
            let Some(line) = line else {
                println!();
                return Ok(());
            };
            let line = line?;
            match line.trim() {
                "\\q" | "exit" | "quit" if !statements.is_open() => return Ok(()),
                command if command.starts_with('\\') && !statements.is_open() => {
                    eprintln!("{command} is not known: only \\q is; psql, connected to the same door, has the others");
                    continue;
                }
                _ => {}
            }
            for statement in statements.push(&line) {
                if let Err(error) = self.execute(&statement).await {
                    eprintln!("{error:#}");
                    if self.connection.client.is_closed() {
                        bail!("the node has closed the connection");
                    }
                }
            }
        }
    }

    /// Runs one statement. Ctrl-C cancels it at the node; a second one does not wait for that.
    async fn execute(&mut self, statement: &str) -> anyhow::Result<()> {
        if statement.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("copy")) {
            bail!("COPY needs rows beside the statement: load a file with `caudal import TABLE FILE`");
        }
        let cancel = self.connection.client.cancel_token();
        let result = {
            let answer = print_answer(&self.connection.client, self.format, statement);
            pin_mut!(answer);
            tokio::select! {
                result = &mut answer => result,
                _ = tokio::signal::ctrl_c() => {
                    cancel.cancel_query(NoTls).await.context("asking the node to stop the statement")?;
                    tokio::select! {
                        result = &mut answer => result,
                        _ = tokio::signal::ctrl_c() => bail!("left before the node had stopped the statement"),
                    }
                }
            }
        };
        for notice in self.connection.notices() {
            eprintln!("{}: {}", notice.severity(), notice.message());
        }
        result
    }
}

/// How an answer begins.
enum Head {
    Rows(Vec<Column>),
    /// There are no rows; so many were changed.
    Done(u64),
}

/// Prints the answer of one statement while it comes in.
async fn print_answer(client: &tokio_postgres::Client, format: Format, statement: &str) -> anyhow::Result<()> {
    let failed = |error: tokio_postgres::Error| anyhow::Error::msg(explain(&error, statement));
    // The simple protocol tells no types; a prepared statement does, and CSV needs none.
    let kinds: Vec<Kind> = match format {
        Format::Csv => Vec::new(),
        Format::Table | Format::Json => {
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
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match head {
        Head::Rows(columns) => {
            let mut printer = format.printer(columns, &mut out)?;
            while let Some(message) = messages.try_next().await.map_err(failed)? {
                if let SimpleQueryMessage::Row(row) = message {
                    let cells: Vec<Option<&str>> = (0..row.len()).map(|at| row.get(at)).collect();
                    printer.row(&cells)?;
                }
            }
            printer.finish()?;
        }
        Head::Done(changed) => {
            // The node is asked for the end of the answer, or its error, before anything is said.
            while messages.try_next().await.map_err(failed)?.is_some() {}
            match (format, changed) {
                (Format::Table, 0) => writeln!(out, "done")?,
                (Format::Table, 1) => writeln!(out, "done (1 row)")?,
                (Format::Table, rows) => writeln!(out, "done ({rows} rows)")?,
                (Format::Csv | Format::Json, _) => {}
            }
        }
    }
    Ok(out.flush()?)
}

/// The lines of standard input, each with its end, read on a thread of their own.
fn input_lines() -> mpsc::Receiver<std::io::Result<String>> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = String::new();
            let read = input.read_line(&mut line);
            match read {
                Ok(0) => return,
                Ok(_) if sender.blocking_send(Ok(line)).is_err() => return,
                Ok(_) => {}
                Err(error) => {
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            }
        }
    });
    lines
}
