//! Errors as the client is told them.

use std::io;

use pgwire::error::PgWireError;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use sql::SqlError;

/// Why a message was not answered as asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The statement failed; the connection goes on.
    Statement(SqlError),
    /// The client is told, and the connection ends.
    Fatal(SqlError),
    /// The client is not there any more.
    Gone,
}

impl From<SqlError> for Fault {
    fn from(error: SqlError) -> Fault {
        Fault::Statement(error)
    }
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Fault {
        Fault::Gone
    }
}

impl From<PgWireError> for Fault {
    /// What `pgwire` refuses to encode or to read of SCRAM.
    fn from(error: PgWireError) -> Fault {
        Fault::Fatal(protocol_violation(error.to_string()))
    }
}

/// The client does not keep to the protocol.
pub(super) fn protocol_violation(message: impl Into<String>) -> SqlError {
    SqlError::new("08P01", message)
}

/// The statement was cancelled by the client.
pub(super) fn canceled() -> SqlError {
    SqlError::new("57014", "canceling statement due to user request")
}

/// The node shuts down.
pub(super) fn shutting_down() -> SqlError {
    SqlError::new("57P01", "terminating connection because the node shuts down")
}

/// An error that ends the statement.
pub(super) fn error(error: &SqlError) -> PgWireBackendMessage {
    PgWireBackendMessage::ErrorResponse(ErrorResponse::new(fields("ERROR", error)))
}

/// An error that ends the connection.
pub(super) fn fatal(error: &SqlError) -> PgWireBackendMessage {
    PgWireBackendMessage::ErrorResponse(ErrorResponse::new(fields("FATAL", error)))
}

/// Something that the client should know of a statement that succeeds.
pub(super) fn notice(message: String, detail: String) -> PgWireBackendMessage {
    let mut notice = SqlError::new("00000", message);
    notice.detail = Some(detail);
    PgWireBackendMessage::NoticeResponse(NoticeResponse::new(fields("NOTICE", &notice)))
}

/// The fields of an error or a notice; their letters are the protocol's.
fn fields(severity: &str, error: &SqlError) -> Vec<(u8, String)> {
    let mut fields = vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', error.sqlstate.to_owned()),
        (b'M', error.message.clone()),
    ];
    let optional = [
        (b'D', error.detail.clone()),
        (b'H', error.hint.clone()),
        (b'P', error.position.map(|position| position.to_string())),
    ];
    fields.extend(optional.into_iter().filter_map(|(letter, text)| Some((letter, text?))));
    for (_, text) in &mut fields {
        // A zero byte would end the field and with it the message.
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
    fields
}
