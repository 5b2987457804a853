//! Bridges to MQTT brokers of others: what is published there becomes rows of a table ([`source`]), what changes in a view is
//! published there ([`sink`]).
//!
//! [`serve`] keeps one task for each that the catalogue has. A task is connected or tries to be, and says in `caudal.bridges` how
//! that goes. What a source was sent is acknowledged to the broker once the log has it; a sink remembers in its [`journal`] up to which
//! epoch the broker has acknowledged everything: so either end may die.

mod connection;
mod journal;
mod sink;
mod source;

use std::sync::Arc;

use sql::Database;
use sql::bridge::{Bridge, Way};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::journal::Journal;
use crate::limits::{BRIDGE_GRACE, BRIDGE_RETRY_MAX, BRIDGE_RETRY_MIN, BRIDGES_PERIOD};

/// Why a bridge is down, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Down(String);

/// A bridge that is kept up, or taken down.
struct Kept {
    bridge: Arc<Bridge>,
    gone: CancellationToken,
    task: AbortHandle,
}

/// Keeps the bridges up until `shutdown`.
pub async fn serve(database: Arc<Database>, shutdown: CancellationToken) {
    let mut kept: Vec<Kept> = Vec::new();
    let mut tasks = JoinSet::new();
    let mut look = tokio::time::interval(BRIDGES_PERIOD);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = look.tick() => {}
        }
        while tasks.try_join_next().is_some() {}
        kept.retain(|kept| !kept.task.is_finished());
        let wanted = database.bridges();
        for kept in &kept {
            if !wanted.iter().any(|bridge| bridge.number == kept.bridge.number) {
                kept.gone.cancel();
            }
        }
        for bridge in wanted {
            // A client that is taken down would take another one of its name with it, which waits for that.
            if !kept
                .iter()
                .any(|kept| kept.bridge.number == bridge.number || kept.bridge.broker.is_client_of(&bridge.broker))
            {
                let gone = CancellationToken::new();
                let task = keep(database.clone(), bridge.clone(), gone.clone(), shutdown.clone());
                let task = tasks.spawn(task);
                kept.push(Kept { bridge, gone, task });
            }
        }
    }
    // They let go of the database.
    let _ = timeout(BRIDGE_GRACE, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
}

/// Keeps one bridge up until it is `gone` from the catalogue, or the node is `closing`.
async fn keep(database: Arc<Database>, bridge: Arc<Bridge>, gone: CancellationToken, closing: CancellationToken) {
    let states = database.bridge_states();
    let mut pause = BRIDGE_RETRY_MIN;
    loop {
        let running = async {
            match &bridge.way {
                Way::Source { table, topics } => source::run(&database, &bridge, table, topics).await,
                Way::Sink { relation, topics, retain, deleted } => {
                    let told = sink::Told { relation, topics, retain: *retain, deleted: deleted.as_deref() };
                    sink::run(&database, &bridge, told).await
                }
            }
        };
        let Down(why) = tokio::select! {
            () = closing.cancelled() => return,
            () = gone.cancelled() => break,
            down = running => down,
        };
        warn!(bridge = bridge.name, kind = bridge.kind(), broker = %bridge.broker.address, "a bridge is down: {why}");
        let mut was_up = false;
        states.change(bridge.number, |state| {
            was_up = state.connected_since_ms.take().is_some();
            state.error = Some((why, database.now_ms()));
        });
        pause = if was_up { BRIDGE_RETRY_MIN } else { (pause * 2).min(BRIDGE_RETRY_MAX) };
        tokio::select! {
            () = closing.cancelled() => return,
            () = gone.cancelled() => break,
            // Not all at once, when a broker that many speak to comes back.
            () = tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))) => {}
        }
    }
    let undone = match &bridge.way {
        Way::Source { .. } => source::leave(&bridge.broker).await,
        Way::Sink { .. } => Journal::remove(database.data_dir(), bridge.number),
    };
    match undone {
        Ok(()) => info!(bridge = bridge.name, kind = bridge.kind(), "a bridge has been taken down"),
        Err(Down(why)) => warn!(bridge = bridge.name, kind = bridge.kind(), "something is left of a bridge: {why}"),
    }
    states.forget(bridge.number);
}
