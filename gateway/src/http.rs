//! The HTTP door: events for tables ([`events`]), packets of meters ([`gem`]), how the node is ([`status`]), and the page of customers
//! with a Home Assistant ([`crate::home_assistant`]). Rows are not served here yet.

mod bounded;
mod entering;
mod events;
mod gem;
mod idempotency;
mod opening;
mod problem;
mod status;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use prometheus_client::registry::Registry;
use sql::Database;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::credentials::{Credentials, Verifier};
use crate::gem::keeping::Keeping;
use crate::home_assistant::page::{self, Page};
use crate::limits::{
    HTTP_BODIES_BYTES_MAX, HTTP_CONNECTIONS_MAX, HTTP_EVENTS_BYTES_MAX, HTTP_GEM_BYTES_MAX, HTTP_PASSWORDS_AT_ONCE_MAX,
    SHUTDOWN_GRACE,
};
use crate::metrics::{self, Status};
use crate::mqtt::Clients;
use bounded::Bounded;
use idempotency::Memory;
use opening::Encryption;
use problem::Problem;

/// What is there, for the answer to a request for something else.
const PATHS: &str = "/livez, /readyz, /metrics, /v1/events/{table}, /v1/gem and /home-assistant";

/// How the door is kept.
#[derive(Clone, Default)]
pub struct Options {
    pub credentials: Credentials,
    /// What encrypts. With it, other machines are not served without.
    pub tls: Option<TlsAcceptor>,
    /// Who is at the MQTT door.
    pub clients: Arc<Clients>,
}

/// What the routes share.
#[derive(Clone)]
struct Node {
    database: Arc<Database>,
    registry: Arc<Registry>,
    verifier: Arc<Verifier>,
    operator: Arc<str>,
    /// Whether other machines reach it: then everybody has to say who they are.
    exposed: bool,
    /// Checking a password takes the processor for milliseconds, on purpose.
    checking: Arc<Semaphore>,
    /// Bytes of bodies that may still come in.
    room: Arc<Semaphore>,
    remembered: Arc<Memory>,
    gem: Arc<Keeping>,
}

/// Answers until `shutdown`. `/livez` and `/readyz` are open to all; the others ask for user and password (Basic) where the
/// listener is not on loopback.
pub async fn serve(
    listener: TcpListener,
    database: Arc<Database>,
    options: Options,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let Options { credentials, tls, clients } = options;
    let loopback = listener.local_addr()?.ip().to_canonical().is_loopback();
    let mut registry = Registry::default();
    database.register_metrics(&mut registry);
    metrics::doors().register(&mut registry);
    let held = Arc::downgrade(&database);
    let roles = Box::new(move |user: &str| held.upgrade()?.login(user).map(|login| login.secret));
    let gem = Arc::new(Keeping::new(database.clone()));
    let page = Page::new(database.clone(), clients, shutdown.clone());
    let node = Node {
        database,
        registry: Arc::new(registry),
        verifier: Arc::new(Verifier::new(&credentials, roles)),
        operator: credentials.user.into(),
        exposed: !loopback,
        checking: Arc::new(Semaphore::new(HTTP_PASSWORDS_AT_ONCE_MAX)),
        room: Arc::new(Semaphore::new(HTTP_BODIES_BYTES_MAX)),
        remembered: Arc::default(),
        gem,
    };

    let encryption = tls.map(|tls| Encryption { tls, exposed: !loopback });
    let bounded = Bounded::new(listener, encryption, HTTP_CONNECTIONS_MAX);
    let ending = shutdown.clone();
    let serving =
        axum::serve(bounded, router(node, page)).with_graceful_shutdown(async move { ending.cancelled().await });
    tokio::select! {
        served = async { serving.await } => served,
        () = async { shutdown.cancelled().await; tokio::time::sleep(SHUTDOWN_GRACE).await } => Ok(()),
    }
}

fn router(node: Node, page: Page) -> Router {
    let known = middleware::from_fn_with_state(node.clone(), entering::known);
    Router::new()
        .route("/livez", get(status::live))
        .route("/readyz", get(status::ready))
        .route("/metrics", get(status::metrics))
        .route("/v1/events/{table}", post(events::append))
        .route("/v1/gem", get(gem::append).post(gem::append).layer(DefaultBodyLimit::max(HTTP_GEM_BYTES_MAX)))
        .merge(page::routes(page).route_layer(known))
        .method_not_allowed_fallback(other_method)
        .fallback(other_path)
        .layer(DefaultBodyLimit::max(HTTP_EVENTS_BYTES_MAX))
        .layer(middleware::from_fn(count))
        .with_state(node)
}

async fn other_path(uri: Uri) -> Problem {
    Problem::new(404, "Nothing here", format!("There is nothing at {}; there are {PATHS}.", uri.path()))
}

async fn other_method(method: Method, uri: Uri) -> Problem {
    let written = uri.path().starts_with("/v1/events/") || uri.path().contains("/credentials");
    let right = if written { "written to with POST" } else { "read with GET" };
    Problem::new(405, "Method not allowed", format!("{} is {right}, not {method}.", uri.path()))
}

async fn count(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = Status { status: response.status().as_u16() };
    metrics::doors().http_requests.get_or_create(&status).inc();
    response
}
