//! Users who are dropped, may not log in any more or have another password lose their sessions at once.

use std::sync::Arc;

use futures::future::join_all;
use rmqtt::context::ServerContext;
use sql::Database;
use tokio_util::sync::CancellationToken;

use super::clients::{Clients, Dismissed};
use super::users::Users;

/// Looks at all clients whenever the catalogue has changed, until `shutdown`. Costs a look at each client.
pub(super) async fn watch(
    database: Arc<Database>,
    clients: Arc<Clients>,
    users: Users,
    broker: ServerContext,
    shutdown: CancellationToken,
) {
    let mut published = database.published();
    let mut seen = None;
    loop {
        let generation = database.generation();
        if seen.replace(generation) != Some(generation) {
            let dismissed = clients.dismiss(|user| users.secret(user));
            join_all(dismissed.into_iter().map(|client| forget(&broker, client))).await;
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = published.changed() => if changed.is_err() { return },
        }
    }
}

/// Ends the session of a client whose connection ends, with what it subscribed to.
pub(super) async fn forget(broker: &ServerContext, client: Dismissed) {
    tracing::info!(user = client.user, "MQTT connection ended: its user may not come in any more");
    if let Some(id) = client.id
        && let Err(error) = broker.extends.shared().await.entry(id).kick(true, true, true).await
    {
        tracing::debug!(%error, "a session had ended by itself");
    }
}
