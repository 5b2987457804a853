//! `caudal sql`: statements to a running node, their answers on standard output.
//!
//! A person types into [`editor`]; a backslash begins one of the [`commands`]; answers go to a [`screen`].

mod answer;
mod buffer;
mod commands;
mod complete;
mod editor;
mod history;
mod screen;

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::time::Instant;

use anyhow::{Context, bail};
use futures::pin_mut;
use tokio::sync::mpsc;
use tokio_postgres::{Client, NoTls};

use crate::client::{Connection, address};
use crate::format::Format;
use crate::settings::ClientArgs;
use crate::statements::{self, Statements};
use answer::{cells, is_broken_pipe};
use commands::{COMMANDS, Command};
use complete::Names;
use editor::{Editor, Read};
use history::History;
use screen::Screen;

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
    let config = args.client.resolve()?;
    let node = address(&config);
    let connection = Connection::open(config).await?;
    let mut console = Console { connection, node, format: args.format, timed: false, paged: false };
    match args.command {
        Some(text) => {
            for statement in statements::split(&text) {
                console.execute(&statement).await?;
            }
            Ok(())
        }
        None if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => console.converse().await,
        None => console.read().await,
    }
}

struct Console {
    connection: Connection,
    /// Where the node is.
    node: String,
    format: Format,
    /// Whether it is said how long statements take.
    timed: bool,
    /// Whether long answers go through a pager.
    paged: bool,
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

    /// Runs what a person types; an error is shown and the conversation goes on.
    async fn converse(&mut self) -> anyhow::Result<()> {
        println!("Statements end with a semicolon. \\? lists commands; Ctrl-C stops a statement; Ctrl-D leaves.");
        self.paged = true;
        let mut editor = Editor::new(History::load(History::path()));
        let mut known = false;
        loop {
            if !known {
                // Without names there is nothing to complete, and that is all.
                editor.names = names(&self.connection.client).await.unwrap_or_default();
                known = true;
            }
            let read;
            // The terminal is read from a thread that may wait.
            (editor, read) = tokio::task::spawn_blocking(move || {
                let read = editor.read();
                (editor, read)
            })
            .await?;
            let text = match read? {
                Read::Text(text) => text,
                Read::End => return Ok(()),
            };
            match text.trim() {
                "exit" | "quit" => return Ok(()),
                command if command.starts_with('\\') => match commands::read(command) {
                    Ok(Command::Leave) => return Ok(()),
                    Ok(command) => self.said(command).await?,
                    Err(words) => eprintln!("{words}"),
                },
                _ => {
                    for statement in statements::split(&text) {
                        let executed = self.execute(&statement).await;
                        known &= statement.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"));
                        if self.shown(executed)?.is_none() {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// What came of something; an error is shown. Fails where there is no node to go on with.
    fn shown<T>(&self, result: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        let error = match result {
            Ok(done) => return Ok(Some(done)),
            Err(error) => error,
        };
        eprintln!("{error:#}");
        if self.connection.client.is_closed() {
            bail!("the node has closed the connection");
        }
        Ok(None)
    }

    /// Does what a command says.
    async fn said(&mut self, command: Command) -> anyhow::Result<()> {
        let told = |name: &str, on: bool| println!("{name} is {}.", if on { "on" } else { "off" });
        match command {
            Command::Leave => {}
            Command::Help => COMMANDS.iter().for_each(|(command, words)| println!("{command:<10} {words}")),
            Command::Where => println!("Connected to the node at {}.", self.node),
            Command::Timing(on) => {
                self.timed = on.unwrap_or(!self.timed);
                told("Timing", self.timed);
            }
            Command::Pager(on) => {
                self.paged = on.unwrap_or(!self.paged);
                told("Pager", self.paged);
            }
            Command::Expanded(on) => {
                let expanded = on.unwrap_or(self.format != Format::Expanded);
                self.format = if expanded { Format::Expanded } else { Format::Table };
                told("Expanded display", expanded);
            }
            Command::Ask(sql) => {
                let asked = self.execute(&sql).await;
                self.shown(asked)?;
            }
            Command::Describe { name, more } => {
                let described = self.describe(&name, more).await;
                self.shown(described)?;
            }
        }
        Ok(())
    }

    /// Shows a relation: its columns, then what else is known of it.
    async fn describe(&mut self, name: &str, more: bool) -> anyhow::Result<()> {
        let found = cells(&self.connection.client, &commands::relation(name)).await?;
        let Some([kind, key, topic, sql, comment]) = found.first().and_then(|row| row.first_chunk::<5>()) else {
            bail!("there is no table or view \"{name}\"");
        };
        println!("{} \"{name}\"", kind.as_deref().unwrap_or("relation"));
        self.execute(&commands::columns(name, more)).await?;
        let facts = [("Key", key, true), ("Topic", topic, true), ("Comment", comment, more), ("Made by", sql, more)];
        for (title, fact, _) in facts.iter().filter(|(_, _, wanted)| *wanted) {
            if let Some(fact) = fact {
                println!("{title}: {fact}");
            }
        }
        println!();
        Ok(())
    }

    /// Runs one statement. Ctrl-C cancels it at the node; a second one does not wait for that.
    async fn execute(&mut self, statement: &str) -> anyhow::Result<()> {
        let cancel = self.connection.client.cancel_token();
        let begun = Instant::now();
        let mut screen = Screen::new(self.paged);
        let mut result = {
            let answer = answer::print(&self.connection.client, self.format, statement, &mut screen);
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
        let took = begun.elapsed();
        result = result.and_then(|()| Ok(screen.finish()?));
        if self.paged && is_broken_pipe(&result) {
            // The pager was left before the end: nobody wants the rest.
            cancel.cancel_query(NoTls).await.context("asking the node to stop the statement")?;
            result = Ok(());
        }
        for notice in self.connection.notices() {
            eprintln!("{}: {}", notice.severity(), notice.message());
        }
        if self.timed {
            println!("Time: {:.3} ms", took.as_secs_f64() * 1_000.0);
        }
        result
    }
}

/// The relations of people and of the node with their columns.
async fn names(client: &Client) -> anyhow::Result<Names> {
    const COLUMNS: &str = "SELECT CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END, a.attname \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'v', 'm') AND a.attnum > 0 ORDER BY a.attnum";
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in cells(client, COLUMNS).await? {
        if let [Some(relation), Some(column)] = &row[..] {
            names.entry(relation.clone()).or_default().push(column.clone());
        }
    }
    Ok(Names(names))
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
