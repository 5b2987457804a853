//! SaslHandshake and SaslAuthenticate: a client says who it is, and proves it.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::sleep;
use tracing::warn;

use super::call::{Answer, BadRequest, Call};
use super::error::code_of;
use super::shape::{Field, blob, text};
use crate::limits::KAFKA_REFUSAL_DELAY;
use crate::metrics;

/// The way in.
pub const HANDSHAKE_FIELDS: &[Field] = &[text(0)];

/// What the client says.
pub const AUTHENTICATE_FIELDS: &[Field] = &[blob(0)];

/// Before this version bare words follow in place of requests, as clients spoke until 2017: that is refused. It is offered all the
/// same, since older librdkafka takes SASL for missing where it is not.
const VERSION_WITH_AUTHENTICATE: i16 = 1;

pub fn handshake(mut call: Call) -> Result<Answer, BadRequest> {
    let request: SaslHandshakeRequest = call.decode()?;
    let entry = &call.broker.entry;
    let mechanisms = entry.mechanisms().iter().map(|mechanism| StrBytes::from_static_str(mechanism.name()));
    let chosen = match call.version >= VERSION_WITH_AUTHENTICATE {
        true => entry.choose(&request.mechanism),
        false => Err(ResponseError::UnsupportedVersion),
    };
    let response =
        SaslHandshakeResponse::default().with_mechanisms(mechanisms.collect()).with_error_code(code_of(chosen));
    let frame = call.encode(&response);
    Ok(Box::pin(async { Some(frame) }))
}

/// Hears the client before its next request is looked at, since that depends on what is said here.
pub async fn authenticate(mut call: Call) -> Result<Answer, BadRequest> {
    let request: SaslAuthenticateRequest = call.decode()?;
    let said = call.broker.entry.hear(request.auth_bytes).await;
    let response = match said {
        Ok(words) => SaslAuthenticateResponse::default().with_auth_bytes(words),
        Err(error) => {
            metrics::doors().kafka_refused.inc();
            warn!(peer = %call.broker.peer, "Kafka client not let in: wrong user or password, or out of turn");
            if error == ResponseError::SaslAuthenticationFailed {
                sleep(KAFKA_REFUSAL_DELAY).await;
            }
            let words = "Authentication failed: wrong user or password";
            SaslAuthenticateResponse::default()
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_static_str(words)))
        }
    };
    let frame = call.encode(&response);
    Ok(Box::pin(async { Some(frame) }))
}
