//! `caudal import`: a file's rows into a table, through the log of a running node.

mod copy;
mod file;
mod refused;
mod selection;
mod summary;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use futures::{SinkExt, TryStreamExt, pin_mut};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio_postgres::CopyInSink;

use crate::client::{Connection, explain};
use crate::limits;
use crate::settings::ClientArgs;
use file::CsvFile;
use selection::Selection;
use summary::Outcomes;

/// Flags of `caudal import`.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// The table that takes the rows
    table: String,
    /// The file: .csv or .csv.gz, UTF-8, with a header
    file: PathBuf,
    /// A SELECT over the table `file`, whose columns are the file's, all TEXT, an empty cell being NULL; its columns
    /// go to those of the same name in the table. Without it every column of the file does
    #[arg(long, value_name = "SQL", allow_hyphen_values = true)]
    select: Option<String>,
    /// What stands between the cells of the file
    #[arg(long, value_name = "CHAR", default_value = ",")]
    delimiter: char,
    #[command(flatten)]
    client: ClientArgs,
}

/// Runs the command: sends the rows and prints what became of them.
pub async fn run(args: ImportArgs) -> anyhow::Result<()> {
    let delimiter =
        u8::try_from(args.delimiter).ok().filter(u8::is_ascii).context("--delimiter wants one ASCII character")?;
    let (refused, lines) = mpsc::channel(limits::IMPORT_REFUSED_AHEAD);
    let file = CsvFile::open(&args.file, delimiter, refused)?;
    let selection = Selection::plan(&file, args.select.as_deref()).await?;
    let node = args.client.resolve()?;
    let mut connection = Connection::open(node.clone()).await?;
    let columns = target_columns(&connection, &args.table, &selection.columns()).await?;

    let started = Instant::now();
    let bar = progress_bar(file.bytes * selection.scans as u64);
    let refusing = tokio::spawn(refused::send(node, args.table.clone(), lines));
    let sent = send(&connection, &args.table, &columns, &file, selection, &bar).await;
    bar.finish_and_clear();
    // The last that could refuse a line: the other connection ends now.
    drop(file);
    let refused = refusing.await?.context("lines that are no rows could not be sent to quarantine");
    let rows = match (sent, &refused) {
        (Err(_), Err(cause)) => bail!("{cause:#}"),
        (sent, _) => sent?,
    };
    let outcomes = Outcomes::of_notices(&connection.notices())?.and(refused?);
    print!("{}", outcomes.summary(rows, started.elapsed()));
    Ok(())
}

/// The table's own names for the columns of a selection: the same name, or the only one that differs by case alone.
async fn target_columns(connection: &Connection, table: &str, selected: &[String]) -> anyhow::Result<Vec<String>> {
    let question = format!("SELECT * FROM {table}");
    let answer = connection.client.prepare(&question).await;
    let answer = answer.map_err(|error| anyhow::Error::msg(explain(&error, &question)))?;
    let names: Vec<&str> = answer.columns().iter().map(|column| column.name()).collect();
    let mut targets: Vec<String> = Vec::new();
    for column in selected {
        let alike: Vec<&&str> = names.iter().filter(|name| name.eq_ignore_ascii_case(column)).collect();
        let target = match (names.iter().find(|name| *name == column), alike.as_slice()) {
            (Some(name), _) => name,
            (None, [name]) => *name,
            (None, _) => bail!(
                "table {table} has no column {column:?}, it has {}: say with --select which columns of the file go where, \
                 such as --select 'SELECT \"{column}\" AS {} FROM file'",
                names.join(", "),
                names.first().unwrap_or(&"name")
            ),
        };
        if targets.iter().any(|earlier| earlier == target) {
            bail!("two columns go to {target} of {table}: rename or leave out one with --select");
        }
        targets.push(target.to_string());
    }
    Ok(targets)
}

/// Streams the selection to the node; returns how many rows were sent once the node has answered for all of them.
async fn send(
    connection: &Connection,
    table: &str,
    columns: &[String],
    file: &CsvFile,
    selection: Selection,
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    let columns: Vec<String> = columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    let statement = format!("COPY {table} ({}) FROM STDIN", columns.join(", "));
    let refused = |error: tokio_postgres::Error| anyhow::Error::msg(explain(&error, &statement));
    let sink: CopyInSink<Bytes> = connection.client.copy_in(&statement).await.map_err(refused)?;
    pin_mut!(sink);
    let mut batches = selection.execute().await?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await.map_err(selection::in_words)? {
        let sent = sink.send(copy::text(&batch)?).await;
        if let Err(closed) = sent {
            // The node has ended the COPY: its answer says why.
            return Err(sink.finish().await.err().map_or_else(|| refused(closed), refused));
        }
        rows += batch.num_rows() as u64;
        bar.set_position(file.bytes_read());
        bar.set_message(format!("{rows} rows"));
    }
    bar.set_message(format!("{rows} rows sent, waiting until all are visible"));
    sink.finish().await.map_err(refused)?;
    Ok(rows)
}

/// On standard error, and only where that is a terminal.
fn progress_bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {msg}  {elapsed}");
    let bar = ProgressBar::new(bytes).with_style(style.expect("the template is well formed"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
