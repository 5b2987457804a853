//! What the node says about itself while it runs: human lines on standard error, filtered by `CAUDAL_LOG`.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// Starts the log. `CAUDAL_LOG` is a level or a list such as `info,storage=debug`; unset it is `info`.
pub fn start() -> anyhow::Result<()> {
    let directives = std::env::var("CAUDAL_LOG").unwrap_or_else(|_| "info".to_string());
    let filter = EnvFilter::try_new(&directives)
        .with_context(|| format!("CAUDAL_LOG={directives} is neither a level nor a list such as info,storage=debug"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
