//! `caudal pack`: adds packs to a running node, lists them, and checks that they answer what their business asks for.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use clap::Subcommand;
use sql::catalog::PackVersion;
use sql::pack::{Pack, Present};
use tokio_postgres::SimpleQueryMessage;

use crate::client::{Connection, explain};
use crate::format::{Column, Format, Kind};
use crate::settings::ClientArgs;

/// Commands of `caudal pack`.
#[derive(Clone, Debug, Subcommand)]
pub enum PackCommand {
    /// Make a pack's tables, views and alerts in a running node, or what its new version has more
    Add {
        /// The name of a pack that is built in, or the folder of one
        pack: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show the packs of a running node and those that are built in
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Print each sentence of a pack's specification with the view that answers it, or why none does
    Check {
        /// The name of a pack that is built in, or the folder of one
        pack: String,
    },
}

pub async fn run(command: PackCommand) -> anyhow::Result<()> {
    match command {
        PackCommand::Add { pack, client } => add(&read(&pack)?, client).await,
        PackCommand::List { client } => list(client).await,
        PackCommand::Check { pack } => check(&read(&pack)?),
    }
}

/// A pack by its name, or by its folder.
fn read(pack: &str) -> anyhow::Result<Pack> {
    if let Some(builtin) = Pack::builtin(pack) {
        return Ok(builtin?);
    }
    let folder = Path::new(pack);
    if !folder.is_dir() {
        let names: Vec<&str> = Pack::builtin_names().collect();
        bail!("{pack} is neither a pack that is built in ({}) nor a folder", names.join(", "));
    }
    Ok(Pack::read(folder)?)
}

async fn add(pack: &Pack, client: ClientArgs) -> anyhow::Result<()> {
    let connection = Connection::open(client.resolve()?).await?;
    let (name, version) = (&pack.manifest.name, &pack.manifest.version);
    let steps = missing(pack, async |sql| rows(&connection, sql).await).await?;
    if steps.is_empty() {
        println!("{name} {version} is there already");
        return Ok(());
    }
    let mut made = 0;
    for step in &steps {
        let done = connection.client.simple_query(step).await;
        done.map_err(|error| anyhow::Error::msg(explain(&error, step))).with_context(|| {
            format!("pack {name} is there in part; add it again to go on after: {}", first_line(step))
        })?;
        if !step.starts_with("COMMENT") {
            made += 1;
            println!("{}", first_line(step));
        }
    }
    println!("{name} {version} is there: {made} statements, {} comments", steps.len() - made);
    Ok(())
}

fn first_line(sql: &str) -> &str {
    sql.lines().next().unwrap_or_default().trim_end_matches([' ', '('])
}

/// Rows of text, as a query answers them.
pub type Rows = Vec<Vec<Option<String>>>;

/// The statements that make of what a node has the pack. `rows` asks it.
pub async fn missing(pack: &Pack, rows: impl AsyncFn(&str) -> anyhow::Result<Rows>) -> anyhow::Result<Vec<String>> {
    Ok(pack.steps(&present(&pack.manifest.schema, rows).await?)?)
}

/// What the node has, as far as a pack in this schema is about it.
async fn present(schema: &str, rows: impl AsyncFn(&str) -> anyhow::Result<Rows>) -> anyhow::Result<Present> {
    let mut present = Present::default();
    for row in rows("SELECT name, pack, version FROM caudal.schemas").await? {
        let [Some(name), pack, version] = &row[..] else { continue };
        let pack = pack.clone().zip(version.clone()).map(|(name, version)| PackVersion { name, version });
        present.schemas.insert(name.clone(), pack);
    }
    for row in rows("SELECT name, sql, reads FROM caudal.relations WHERE sql IS NOT NULL").await? {
        let [Some(name), Some(sql), reads] = &row[..] else { continue };
        let relation = present.relations.entry(name.clone()).or_default();
        relation.sql = sql.clone();
        relation.reads = reads.iter().flat_map(|reads| reads.split(", ")).map(str::to_owned).collect();
    }
    let columns = format!(
        "SELECT c.relname, obj_description(c.oid, 'pg_class'), a.attname, col_description(c.oid, a.attnum) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE n.nspname = '{}' AND c.relkind IN ('r', 'v', 'm') AND a.attnum > 0",
        schema.replace('\'', "''")
    );
    for row in rows(&columns).await? {
        let [Some(relation), comment, Some(column), said] = &row[..] else { continue };
        let relation = present.relations.entry(format!("{schema}.{relation}")).or_default();
        relation.comment = comment.clone();
        relation.columns.insert(column.clone(), said.clone());
    }
    Ok(present)
}

async fn rows(connection: &Connection, sql: &str) -> anyhow::Result<Rows> {
    let answer = connection.client.simple_query(sql).await;
    let messages = answer.map_err(|error| anyhow::Error::msg(explain(&error, sql)))?;
    let cells = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    };
    Ok(messages.iter().filter_map(cells).collect())
}

async fn list(client: ClientArgs) -> anyhow::Result<()> {
    let connection = Connection::open(client.resolve()?).await?;
    // Of each pack: the version that is built in, its schema, the version that is there, what it is about.
    let mut packs: BTreeMap<String, [Option<String>; 4]> = BTreeMap::new();
    for name in Pack::builtin_names() {
        let manifest = read(name)?.manifest;
        let said = [Some(manifest.version), Some(manifest.schema), None, Some(manifest.about)];
        packs.insert(name.to_owned(), said);
    }
    for row in rows(&connection, "SELECT pack, version, name FROM caudal.schemas WHERE pack IS NOT NULL").await? {
        let [Some(pack), version, schema] = &row[..] else { continue };
        let known = packs.entry(pack.clone()).or_default();
        (known[1], known[2]) = (schema.clone(), version.clone());
    }
    let column = |name: &str| Column { name: name.to_owned(), kind: Kind::Text };
    let columns = ["pack", "built in", "schema", "added", "about"].map(column);
    let mut out = std::io::stdout().lock();
    let mut table = Format::Table.printer(columns.to_vec(), &mut out)?;
    for (name, cells) in &packs {
        let cells: Vec<Option<&str>> =
            std::iter::once(Some(name.as_str())).chain(cells.iter().map(Option::as_deref)).collect();
        table.row(&cells)?;
    }
    Ok(table.finish()?)
}

/// Prints what answers each sentence. A pack with faults is an error.
fn check(pack: &Pack) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for finding in pack.findings() {
        writeln!(out, "{}", finding.sentence.says)?;
        for (name, comment) in &finding.by {
            writeln!(out, "    {name}: {}", comment.unwrap_or("the node's own"))?;
        }
        if let Some(reason) = &finding.sentence.left_out {
            writeln!(out, "    left out: {reason}")?;
        }
    }
    let faults = pack.faults();
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}
