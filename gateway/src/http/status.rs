//! Whether the node lives, whether it can work, and its measurements.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sql::Health;

use super::Node;
use super::problem::Problem;
use crate::credentials::{Credentials, same_secret};

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

/// All measurements as OpenMetrics text.
pub(super) async fn metrics(State(node): State<Node>, headers: HeaderMap) -> Response {
    if let Some(credentials) = &node.credentials
        && !basic(&headers, credentials)
    {
        let problem = Problem::new(401, "Who is asking?", "Ask with user and password (HTTP Basic).");
        return ([(header::WWW_AUTHENTICATE, "Basic realm=\"caudal\"")], problem).into_response();
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &node.registry).expect("writing to a string does not fail");
    ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response()
}

/// Whether a request has the credentials by HTTP Basic.
fn basic(headers: &HeaderMap, credentials: &Credentials) -> bool {
    let expected = BASE64_STANDARD.encode(format!("{}:{}", credentials.user, credentials.password));
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .is_some_and(|given| same_secret(given.trim().as_bytes(), expected.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_for_those_with_the_password() {
        let ours = Credentials { user: "ana".to_owned(), password: "p:w".to_owned() };
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            headers
        };
        assert!(basic(&with("Basic YW5hOnA6dw=="), &ours));
        assert!(!basic(&with("Basic YW5hOnA6eA=="), &ours));
        assert!(!basic(&with("Bearer YW5hOnA6dw=="), &ours));
        assert!(!basic(&HeaderMap::new(), &ours));
    }
}
