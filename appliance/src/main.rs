//! The binary: its command line, and the exit code of each command.

mod client;
mod console;
mod demo;
mod format;
mod import;
mod limits;
mod node;
mod pack;
mod settings;
mod statements;
mod telemetry;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tikv_jemallocator::Jemalloc;

/// Ours and RocksDB's: the system's allocator takes longer for each allocation as memory fills.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Events in, SQL views that are always up to date out.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(args_override_self = true)]
    /// Run a node; a flag beats a CAUDAL_* variable, that beats the --config file, that beats the default
    Run(settings::NodeArgs),
    /// Send SQL to a running node and print what it answers
    Sql(console::SqlArgs),
    /// Load a file into a table of a running node
    Import(import::ImportArgs),
    /// Add, list and check packs: the tables, views and alerts of a business
    #[command(subcommand)]
    Pack(pack::PackCommand),
    #[command(args_override_self = true)]
    /// Run a node with a house whose circuits send a reading a second
    Demo(settings::NodeArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has enough of it, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = sql::runtime()?;
    let result = runtime.block_on(async {
        match command {
            Command::Run(args) => {
                telemetry::start()?;
                node::run(args.resolve("./caudal-data")?).await
            }
            Command::Sql(args) => console::run(args).await,
            Command::Import(args) => import::run(args).await,
            Command::Pack(command) => pack::run(command).await,
            Command::Demo(args) => {
                telemetry::start()?;
                demo::run(args.resolve("./caudal-demo")?).await
            }
        }
    });
    // A thread that waits for standard input, or for a disk, must not keep the process.
    runtime.shutdown_background();
    result
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
