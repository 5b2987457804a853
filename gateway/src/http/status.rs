//! Whether the node lives, whether it can work, and its measurements.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use sql::{Health, Identity};

use super::problem::Problem;
use super::{Node, entering};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The node takes events and answers queries.
pub(super) async fn ready(State(node): State<Node>) -> Result<&'static str, Problem> {
    match node.database.health() {
        Health::Ready => Ok("ready\n"),
        Health::ReadOnly(reason) => Err(Problem::new(503, "Only reads are served", reason)),
        Health::Failed(reason) => Err(Problem::new(503, "The node cannot work", reason)),
    }
}

/// All measurements as OpenMetrics text, for the operator.
pub(super) async fn metrics(State(node): State<Node>, headers: HeaderMap) -> Result<Response, Response> {
    match entering::identity(&node, &headers).await? {
        Identity::Operator(_) => {}
        Identity::Role(role) => {
            let words = format!("{role} is not the operator.");
            return Err(Problem::new(403, "For the operator", words).into_response());
        }
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &node.registry).expect("writing to a string does not fail");
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response())
}
