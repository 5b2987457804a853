//! Who asks: by HTTP Basic, from other machines always.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sql::Identity;

use super::Node;
use super::problem::Problem;

/// Who asks, or the answer that says that this must be said.
pub(super) async fn identity(node: &Node, headers: &HeaderMap) -> Result<Identity, Response> {
    if headers.contains_key(header::AUTHORIZATION) {
        let Some((user, password)) = basic(headers) else { return Err(who_asks()) };
        let verifier = node.verifier.clone();
        let _turn = node.checking.acquire().await.expect("the semaphore is never closed");
        let checked =
            tokio::task::spawn_blocking(move || verifier.admits(&user, &password).then(|| verifier.identity(&user)));
        return checked.await.ok().flatten().ok_or_else(who_asks);
    }
    match node.exposed {
        true => Err(who_asks()),
        false => Ok(Identity::Operator(node.operator.to_string())),
    }
}

/// Who sends something that is kept.
pub(super) async fn sender(node: &Node, headers: &HeaderMap) -> Result<Identity, Response> {
    if !headers.contains_key(header::AUTHORIZATION) && !names_this_machine(headers) {
        return Err(who_asks());
    }
    identity(node, headers).await
}

/// Lets a request through with who has sent it, as an extension: for routes on which nothing is said to strangers.
pub(super) async fn known(State(node): State<Node>, mut request: Request, next: Next) -> Response {
    match sender(&node, request.headers()).await {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(refused) => refused,
    }
}

fn who_asks() -> Response {
    let problem = Problem::new(401, "Who is asking?", "Ask with user and password (HTTP Basic).");
    ([(header::WWW_AUTHENTICATE, "Basic realm=\"caudal\"")], problem).into_response()
}

/// User and password.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let said = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = BASE64_STANDARD.decode(said.strip_prefix("Basic ")?.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Whether a request that says nothing of its sender was meant for this machine: a page whose name was made to lead here
/// (DNS rebinding) asks for its own name.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        [(name, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn basic_is_a_user_and_a_password() {
        let said = |value: &str| basic(&with(header::AUTHORIZATION, value));
        assert_eq!(said("Basic YW5hOnA6dw=="), Some(("ana".to_owned(), "p:w".to_owned())));
        for other in ["Bearer YW5hOnA6dw==", "Basic ===", "Basic YW5h", ""] {
            assert_eq!(said(other), None, "{other}");
        }
    }

    #[test]
    fn strangers_names_are_not_this_machines() {
        for own in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "10.0.0.7"] {
            assert!(names_this_machine(&with(header::HOST, own)), "{own}");
        }
        for other in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""] {
            assert!(!names_this_machine(&with(header::HOST, other)), "{other}");
        }
    }
}
