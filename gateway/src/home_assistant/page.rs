//! The customer's page: how to connect a Home Assistant, credentials for it, and whether it is connected.
//!
//! `/home-assistant` leads a customer to its own page, and an operator to everybody's. Who a customer is says [`customer`]; the
//! credentials that the page makes and drops are roles ([`credential`]); [`check`] follows what they do at the MQTT door. It is
//! plain HTML (`page.html`) that works without JavaScript but for the check that renews itself; its words are in `es.txt`.

mod check;
mod credential;
mod customer;
mod entities;
mod refusal;
mod template;
mod words;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use sql::{Database, Identity};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::credential::Made;
use self::customer::Customer;
use self::refusal::Refusal;
use self::template::{Html, fill};
use self::words::spanish;
use crate::limits::{HOME_ASSISTANT_CREDENTIALS_MAX, HOME_ASSISTANT_FOLLOWERS_MAX};
use crate::mqtt::{Clients, Place};

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Where the pages are.
const ROOT: &str = "/home-assistant";

/// What the pages are made from.
#[derive(Clone)]
pub(crate) struct Page {
    database: Arc<Database>,
    clients: Arc<Clients>,
    shutdown: CancellationToken,
    /// Who may follow a check at a time.
    following: Arc<Semaphore>,
}

impl Page {
    pub(crate) fn new(database: Arc<Database>, clients: Arc<Clients>, shutdown: CancellationToken) -> Page {
        Page { database, clients, shutdown, following: Arc::new(Semaphore::new(HOME_ASSISTANT_FOLLOWERS_MAX)) }
    }
}

/// The pages' routes. Who asks must be among the request's extensions.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(page: Page) -> Router<S> {
    Router::new()
        .route("/home-assistant", get(index))
        .route("/home-assistant/{customer}", get(show))
        .route("/home-assistant/{customer}/credentials", post(create))
        .route("/home-assistant/{customer}/credentials/{user}/revoke", post(revoke))
        .route("/home-assistant/{customer}/check", get(follow))
        .with_state(page)
}

/// The customer's own page, or those of all for an operator.
async fn index(State(page): State<Page>, Extension(who): Extension<Identity>) -> Result<Response, Refusal> {
    if !customer::is_operator(&page.database, &who) {
        let own = Customer::of(&page.database, &who, who.user())?;
        return Ok(Redirect::to(&path(&own.name)).into_response());
    }
    let words = spanish();
    let customers = Customer::all(&page.database);
    let content = if customers.is_empty() {
        fill("remark", words, &[("text", words.say("customers.none").into())])
    } else {
        let listed = customers.iter().map(|customer| {
            let (path, name, subject) = (path(&customer.name), &customer.name, &customer.subject);
            fill("listed", words, &[("path", (&path).into()), ("name", name.into()), ("subject", subject.into())])
        });
        fill("customers", words, &[("customers", listed.collect())])
    };
    Ok(document(words.say("customers.title"), content))
}

async fn show(
    State(page): State<Page>,
    Extension(who): Extension<Identity>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let customer = Customer::of(&page.database, &who, &name)?;
    Ok(page.render(&customer, &headers, Html::default(), None).await)
}

/// Makes credentials, and shows them this once.
async fn create(
    State(page): State<Page>,
    Extension(who): Extension<Identity>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    asked_by_the_page(&headers)?;
    let customer = Customer::of(&page.database, &who, &name)?;
    let made = credential::make(&page.database, &customer.name).await?;
    tracing::info!(by = who.user(), user = made.user, "credentials for a Home Assistant made");
    Ok(page.render(&customer, &headers, Html::default(), Some(made)).await)
}

/// Takes credentials back: what is connected by them is disconnected.
async fn revoke(
    State(page): State<Page>,
    Extension(who): Extension<Identity>,
    Path((name, user)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    asked_by_the_page(&headers)?;
    let customer = Customer::of(&page.database, &who, &name)?;
    credential::revoke(&page.database, &customer.name, &user).await?;
    tracing::info!(by = who.user(), user, "credentials for a Home Assistant revoked");
    let words = spanish();
    let said = words.with("credentials.revoked", &[("user", &user)]);
    let notice = fill("notice", words, &[("path", (&path(&customer.name)).into()), ("text", (&said).into())]);
    Ok(page.render(&customer, &headers, notice, None).await)
}

/// How the connection is, whenever that changes (server-sent events).
async fn follow(
    State(page): State<Page>,
    Extension(who): Extension<Identity>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    Customer::of(&page.database, &who, &name)?;
    let place = page.following.clone().try_acquire_owned().map_err(|_| Refusal::Busy)?;
    // A proxy between would keep events until it has many.
    Ok(([("x-accel-buffering", "no")], check::follow(page, who, name, place)).into_response())
}

/// Browsers send a password by themselves, also for what another site asks of them: so they must say that this page has asked.
fn asked_by_the_page(headers: &HeaderMap) -> Result<(), Refusal> {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let own = match said("sec-fetch-site") {
        Some(site) => site == "same-origin",
        // Not said where the page is not encrypted.
        None => match (said("origin").and_then(|origin| origin.split_once("://")), said("host")) {
            (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
            _ => false,
        },
    };
    if own { Ok(()) } else { Err(Refusal::Elsewhere) }
}

impl Page {
    async fn render(&self, customer: &Customer, headers: &HeaderMap, notice: Html, made: Option<Made>) -> Response {
        let words = spanish();
        let path = path(&customer.name);
        let users = credential::of(&self.database, &customer.name);
        let button = |class: &str, words_of: &str| {
            let values = [("path", (&path).into()), ("class", class.into()), ("create", words.say(words_of).into())];
            fill("create", words, &values)
        };
        let create = match users.len() {
            0 => button("main", "credentials.create"),
            1..HOME_ASSISTANT_CREDENTIALS_MAX => button("more", "credentials.create.more"),
            _ => fill("remark", words, &[("text", words.say("credentials.enough").into())]),
        };
        let content = fill(
            "customer",
            words,
            &[
                ("name", (&customer.name).into()),
                ("path", (&path).into()),
                ("notice", notice),
                ("made", made.as_ref().map_or(Html::default(), |made| shown_once(made, &path))),
                ("create", create),
                ("credentials", listed(&users, &path)),
                ("integration", integration(self.clients.place(), headers, &users, made.as_ref())),
                ("check", check::now(self, customer)),
                ("entities", entities::html(&self.database, words, &customer.subject).await),
            ],
        );
        document(words.say("title"), content)
    }
}

fn shown_once(made: &Made, path: &str) -> Html {
    let (user, password) = (&made.user, &made.password);
    fill("made", spanish(), &[("path", path.into()), ("user", user.into()), ("password", password.into())])
}

fn listed(users: &[String], path: &str) -> Html {
    let words = spanish();
    if users.is_empty() {
        return fill("remark", words, &[("text", words.say("credentials.none").into())]);
    }
    let users = users.iter().map(|user| {
        let yes = words.with("revoke.yes", &[("user", user)]);
        let key = encoded(user);
        let values = [("user", user.into()), ("key", (&key).into()), ("path", path.into()), ("yes", (&yes).into())];
        fill("credential", words, &values)
    });
    fill("credentials", words, &[("users", users.collect())])
}

/// The fields of Home Assistant's dialogue, in its order. `users`: those that there are.
fn integration(place: Option<Place>, headers: &HeaderMap, users: &[String], made: Option<&Made>) -> Html {
    let words = spanish();
    let remark = |name: &str| fill("remark", words, &[("text", words.say(name).into())]);
    let Some(place) = place else { return remark("integration.closed") };
    let (host, port) = reached(&place, headers);
    let local = place.advertised.is_none() && is_loopback(&host);
    let remarks = match (place.encrypted, local) {
        // Other machines are not served without.
        (true, false) => remark("integration.tls"),
        (false, false) => remark("integration.plain"),
        (_, true) => remark("integration.local"),
    };
    let code = |text: &String| fill("code", words, &[("text", text.into())]);
    let user = match (made, users) {
        (Some(made), _) => Some(&made.user),
        (None, [user]) => Some(user),
        (None, _) => None,
    };
    let encryption = match place.encrypted && !local {
        true => fill("encryption", words, &[]),
        false => Html::default(),
    };
    let marked = |name: &str| Html(words.say(name).to_owned());
    fill(
        "integration",
        words,
        &[
            ("open", marked("integration.open")),
            ("host", (&host).into()),
            ("port", (&port.to_string()).into()),
            ("user", user.map_or_else(|| words.say("value.username").into(), code)),
            ("password", made.map_or_else(|| words.say("value.password").into(), |made| code(&made.password))),
            ("encryption", encryption),
            ("remarks", remarks),
            ("send", marked("integration.send")),
            ("energy", marked("integration.energy")),
        ],
    )
}

/// Where a Home Assistant reaches the MQTT door: where the operator says, else by the name by which the browser has reached this one.
fn reached(place: &Place, headers: &HeaderMap) -> (String, u16) {
    if let Some(advertised) = &place.advertised {
        return advertised.clone();
    }
    let ip = place.address.ip().to_canonical();
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(without_port);
    let host = match named {
        // A door that is open to this machine alone is reached by no other name.
        Some(host) if !ip.is_loopback() || is_loopback(host) => host.to_owned(),
        _ => ip.to_string(),
    };
    (host, place.address.port())
}

/// The name or the address of a Host header.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    name.trim_start_matches('[').trim_end_matches(']')
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn path(customer: &str) -> String {
    format!("{ROOT}/{}", encoded(customer))
}

/// A name as a part of a path.
fn encoded(name: &str) -> String {
    let mut written = String::new();
    for byte in name.bytes() {
        match byte {
            b'-' | b'_' | b'.' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => written.push(byte.into()),
            _ => written += &format!("%{byte:02X}"),
        }
    }
    written
}

/// A whole document. It is kept nowhere, is in no frame of another site, and runs nothing but its own script.
fn document(title: &str, content: Html) -> Response {
    let nonce = format!("{:032x}", rand::random::<u128>());
    let page = fill(
        "page",
        spanish(),
        &[
            ("title", title.into()),
            ("nonce", (&nonce).into()),
            ("style", Html(STYLE.to_owned())),
            ("script", Html(SCRIPT.to_owned())),
            ("content", content),
        ],
    );
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::from_str(&policy).expect("a nonce is plain text");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // With none at all the browser would not say where a form was sent from.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (headers, page.0).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(said: &[(&'static str, &str)]) -> HeaderMap {
        said.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn another_site_changes_nothing() {
        let asked = |said: &[(&'static str, &str)]| asked_by_the_page(&headers(said)).is_ok();
        assert!(asked(&[("sec-fetch-site", "same-origin"), ("host", "node"), ("origin", "http://node")]));
        assert!(asked(&[("host", "Node:8080"), ("origin", "http://node:8080")]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(!asked(&[("sec-fetch-site", site), ("host", "node"), ("origin", "http://node")]), "{site}");
        }
        for origin in ["http://evil.example", "null", "http://node:8081", "http://node.evil.example:8080", ""] {
            assert!(!asked(&[("host", "node:8080"), ("origin", origin)]), "{origin}");
        }
        assert!(!asked(&[("host", "node:8080")]));
    }

    #[test]
    fn the_door_is_where_home_assistant_reaches_it() {
        let place =
            |address: &str, advertised| Place { advertised, address: address.parse().unwrap(), encrypted: false };
        let at = |place: Place, host: &str| reached(&place, &headers(&[("host", host)]));
        let told = |host: &str, port| (host.to_owned(), port);
        assert_eq!(at(place("0.0.0.0:1883", None), "10.0.0.7:8080"), told("10.0.0.7", 1883));
        assert_eq!(at(place("[::]:1883", None), "[fe80::1]:8080"), told("fe80::1", 1883));
        assert_eq!(at(place("[::]:1883", None), "shop.example"), told("shop.example", 1883));
        assert_eq!(at(place("127.0.0.1:1883", None), "10.0.0.7:8080"), told("127.0.0.1", 1883));
        assert_eq!(at(place("127.0.0.1:1883", None), "localhost:8080"), told("localhost", 1883));
        let advertised = Some(told("mqtt.shop.example", 8883));
        assert_eq!(at(place("0.0.0.0:1883", advertised), "10.0.0.7:8080"), told("mqtt.shop.example", 8883));
    }

    #[test]
    fn names_are_parts_of_paths() {
        assert_eq!(encoded("ana-casa-k7fm"), "ana-casa-k7fm");
        assert_eq!(encoded("señora / ?"), "se%C3%B1ora%20%2F%20%3F");
    }
}
