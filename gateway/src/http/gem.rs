//! `/v1/gem`: packets of GEMs, binary in the body of a POST, or as fields of a form in the body or the query. Durable before the answer.
//!
//! A GEM says no password: it comes in as at the door of its own, by its serial number. A page in a browser does not.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};

use super::Node;
use super::problem::Problem;
use crate::gem::keeping::{NotKept, Refused};
use crate::gem::stream;

/// What browsers say of a request that a page makes.
const OF_PAGES: [&str; 2] = ["origin", "sec-fetch-site"];

pub(super) async fn append(
    State(node): State<Node>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<&'static str, Problem> {
    if OF_PAGES.iter().any(|name| headers.contains_key(*name)) || headers.contains_key(header::REFERER) {
        return Err(Problem::new(403, "Not for pages", "A meter sends this, and no page."));
    }
    let query = query.unwrap_or_default();
    let found = stream::whole(if body.is_empty() { query.as_bytes() } else { &body });
    let (taken, refused) = node.gem.keep(found, "http").await.map_err(|why| match why {
        NotKept::NoTable => Problem::new(404, "No such table", why.to_string()),
        NotKept::Database(_) => Problem::new(503, "The node cannot keep events now", why.to_string()),
    })?;
    match refused.first() {
        None if taken > 0 => Ok("OK\n"),
        None => Err(Problem::new(400, "Not a packet", "There is no packet in the request.")),
        Some(why @ Refused::Damaged(_)) => Err(Problem::new(400, "Not a packet", why.to_string())),
        Some(why @ Refused::Unknown { .. }) => Err(Problem::new(403, "Not known", why.to_string())),
    }
}
