//! `POST /v1/events/{table}`: events for a table, durable before the answer.
//!
//! The body is one JSON object, an array of them, lines of them (NDJSON), or a map of CBOR or an array of maps. What is no row is taken too and goes to quarantine, as at every door. With
//! an `Idempotency-Key` the same request again is answered as the first time and appends nothing ([`super::idempotency`]); beyond what is
//! remembered of that, its events have the same ids, so that rows without a key of their own are there once.

use std::time::Duration;

use axum::Json;
use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use sql::feed::message::{self, Shape};
use sql::roles::Privilege;
use sql::{Identity, SqlError};
use storage::Event;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::idempotency::{Attempt, Key, Request as Remembered, Taken};
use super::problem::Problem;
use super::{Node, entering};
use crate::cbor;
use crate::limits::{CBOR_JSON_BYTES_MAX, HTTP_BODY_TIMEOUT, HTTP_EVENTS_BYTES_MAX, HTTP_EVENTS_MAX};
use crate::metrics;

const JSON: &str = "application/json";
const NDJSON: [&str; 3] = ["application/x-ndjson", "application/jsonl", "application/ndjson"];
const RETRY_AFTER: Duration = Duration::from_secs(5);

pub(super) async fn append(
    State(node): State<Node>,
    Path(table): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Response> {
    let who = entering::sender(&node, &headers).await?;
    if !node.database.may(&who, Privilege::Insert, &table) {
        let words = format!("{} has no INSERT on \"{table}\".", name(&who));
        return Err(Problem::new(403, "Not allowed", words).into_response());
    }
    let format = Format::of(&headers).map_err(Problem::into_response)?;
    let key = Key::of(&headers, name(&who), &table).map_err(Problem::into_response)?;
    if key.is_some() && node.database.is_stream(&table) {
        let words = format!(
            "\"{table}\" is a stream: it could not know this request again after a restart of the node. Leave out \
             Idempotency-Key, or send to a table with a primary key."
        );
        return Err(Problem::new(400, "Not known again", words).into_response());
    }
    let (body, _room) = body(&node, request, format).await.map_err(Problem::into_response)?;
    let Some(key) = key else {
        let taken = node.append(&table, events(&body, format).map_err(Problem::into_response)?).await?;
        return Ok(Json(taken).into_response());
    };
    let attempt = match node.remembered.begin(&key, &body) {
        Remembered::New(attempt) => attempt,
        Remembered::Done(taken) => return Ok(([("idempotency-replayed", "true")], Json(taken)).into_response()),
        Remembered::Refused(problem) => return Err(problem.into_response()),
    };
    let mut events = events(&body, format).map_err(Problem::into_response)?;
    for (at, event) in events.iter_mut().enumerate() {
        event.headers.extend(key.headers(at));
    }
    let taken = node.append(&table, events).await?;
    Attempt::done(attempt, taken);
    Ok(Json(taken).into_response())
}

fn name(who: &Identity) -> &str {
    match who {
        Identity::Operator(name) | Identity::Role(name) => name,
    }
}

impl Node {
    async fn append(&self, table: &str, mut events: Vec<Event>) -> Result<Taken, Response> {
        let (count, now_ms) = (events.len(), self.database.now_ms());
        events.iter_mut().for_each(|event| event.timestamp_ms = now_ms);
        self.database.append(table, events).await.map_err(refused)?;
        metrics::doors().http_events.inc_by(count as u64);
        Ok(Taken { events: count })
    }
}

fn refused(error: SqlError) -> Response {
    match error.sqlstate {
        "42P01" | "42809" => Problem::new(404, "No such table", error.message).into_response(),
        "54000" => Problem::new(413, "An event is too large", error.message).into_response(),
        _ => {
            let problem = Problem::new(503, "The node cannot keep events now", error.message);
            ([(header::RETRY_AFTER, RETRY_AFTER.as_secs().to_string())], problem).into_response()
        }
    }
}

/// How events stand in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json(Shape),
    Cbor,
}

impl Format {
    /// It must be said: so a page in a browser cannot send events behind its reader's back.
    fn of(headers: &HeaderMap) -> Result<Format, Problem> {
        let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if cbor::is_named(said) {
            return Ok(Format::Cbor);
        }
        let said = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if said == JSON {
            return Ok(Format::Json(Shape::Whole));
        }
        if NDJSON.contains(&said.as_str()) {
            return Ok(Format::Json(Shape::Lines));
        }
        let words = format!(
            "Send events with content-type {JSON} or {}, or lines of them with {}.",
            wire::cbor::MEDIA_TYPE,
            NDJSON[0]
        );
        Err(Problem::new(415, "Which format?", words))
    }
}

/// The body, once there is room for it, and for the JSON that it becomes.
async fn body(node: &Node, request: Request, format: Format) -> Result<(Bytes, SemaphorePermit<'_>), Problem> {
    let too_large = || {
        let words = format!("A request has at most {HTTP_EVENTS_BYTES_MAX} bytes: send the events in several.");
        Problem::new(413, "Too much at once", words)
    };
    let said = request.body().size_hint();
    let bytes = said.upper().unwrap_or(HTTP_EVENTS_BYTES_MAX as u64);
    if said.lower() > HTTP_EVENTS_BYTES_MAX as u64 || bytes > HTTP_EVENTS_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let room = match format {
        Format::Json(_) => bytes as usize,
        Format::Cbor => CBOR_JSON_BYTES_MAX,
    };
    let reading = async {
        let room = node.room.acquire_many(room as u32).await.expect("the semaphore is never closed");
        Ok((Bytes::from_request(request, &()).await.map_err(|_| too_large())?, room))
    };
    let late = |_| Problem::new(408, "Too slow", "The body did not come in time.");
    timeout(HTTP_BODY_TIMEOUT, reading).await.map_err(late)?
}

fn events(body: &[u8], format: Format) -> Result<Vec<Event>, Problem> {
    let not_events = |why: String| Problem::new(400, "Not events", why);
    let events = match format {
        Format::Json(shape) => message::of_body(body, shape, HTTP_EVENTS_MAX),
        Format::Cbor => {
            let json = cbor::to_json(body).map_err(|why| not_events(format!("no JSON for its CBOR: {why}")))?;
            message::of_body(json.as_bytes(), Shape::Whole, HTTP_EVENTS_MAX)
        }
    };
    events.map_err(|reason| not_events(reason.0))
}
