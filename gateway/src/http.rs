//! The HTTP door: how the node is, for those who run it. Rows are not served here yet.

mod bounded;
mod problem;
mod status;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use prometheus_client::registry::Registry;
use sql::Database;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::credentials::Credentials;
use crate::limits::{HTTP_CONNECTIONS_MAX, SHUTDOWN_GRACE};
use crate::metrics::{self, Status};
use bounded::Bounded;
use problem::Problem;

/// What is there, for the answer to a request for something else.
const PATHS: &str = "/livez, /readyz and /metrics";

/// What the routes share.
#[derive(Clone)]
struct Node {
    database: Arc<Database>,
    registry: Arc<Registry>,
    /// Asked for at `/metrics`; `None` on loopback, where whoever can connect may look.
    credentials: Option<Credentials>,
}

/// Answers until `shutdown`. `/livez` and `/readyz` are open to all; `/metrics` asks for the credentials (Basic) where the
/// listener is not on loopback.
pub async fn serve(
    listener: TcpListener,
    database: Arc<Database>,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
    let mut registry = Registry::default();
    database.register_metrics(&mut registry);
    metrics::doors().register(&mut registry);
    let node = Node { database, registry: Arc::new(registry), credentials: (!loopback).then_some(credentials) };

    let bounded = Bounded::new(listener, HTTP_CONNECTIONS_MAX);
    let ending = shutdown.clone();
    let serving = axum::serve(bounded, router(node)).with_graceful_shutdown(async move { ending.cancelled().await });
    tokio::select! {
        served = async { serving.await } => served,
        () = async { shutdown.cancelled().await; tokio::time::sleep(SHUTDOWN_GRACE).await } => Ok(()),
    }
}

fn router(node: Node) -> Router {
    Router::new()
        .route("/livez", get(status::live))
        .route("/readyz", get(status::ready))
        .route("/metrics", get(status::metrics))
        .method_not_allowed_fallback(other_method)
        .fallback(other_path)
        .layer(middleware::from_fn(count))
        .with_state(node)
}

async fn other_path(uri: Uri) -> Problem {
    Problem::new(404, "Nothing here", format!("There is nothing at {}; there are {PATHS}.", uri.path()))
}

async fn other_method(method: Method, uri: Uri) -> Problem {
    Problem::new(405, "Method not allowed", format!("{} is read with GET, not {method}.", uri.path()))
}

async fn count(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = Status { status: response.status().as_u16() };
    metrics::doors().http_requests.get_or_create(&status).inc();
    response
}
