//! What the page does not do, in words for who asked.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sql::SqlError;

use super::template::{Html, fill};
use super::{document, words};

/// Why something is not done.
#[derive(Debug)]
pub(super) enum Refusal {
    NotYours,
    Unknown,
    /// Somebody who has no Home Assistant of their own: credentials of one, or who may do everything.
    NoCustomer,
    NoSubject,
    NoRights,
    /// Another site has asked, in the name of who looks at it.
    Elsewhere,
    /// There are as many credentials as a customer may have.
    Enough,
    Busy,
    Node(SqlError),
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Refusal {
        Refusal::Node(error)
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Unknown => StatusCode::NOT_FOUND,
            Refusal::Enough => StatusCode::CONFLICT,
            Refusal::Busy | Refusal::Node(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::FORBIDDEN,
        }
    }

    fn words(&self) -> String {
        let words = words::spanish();
        let name = match self {
            Refusal::NotYours => "refused.not_yours",
            Refusal::Unknown => "refused.unknown",
            Refusal::NoCustomer => "refused.no_customer",
            Refusal::NoSubject => "refused.no_subject",
            Refusal::NoRights => "refused.no_rights",
            Refusal::Elsewhere => "refused.elsewhere",
            Refusal::Enough => "refused.enough",
            Refusal::Busy => "refused.busy",
            Refusal::Node(error) => return words.with("refused.node", &[("why", &error.message)]),
        };
        words.say(name).to_owned()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let words = words::spanish();
        let content = fill("refusal", words, &[("text", Html::text(&self.words()))]);
        (self.status(), document(words.say("refused.title"), content)).into_response()
    }
}
