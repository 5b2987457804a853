//! The beginning of a connection: encryption refused, who is it, and is that true.

use pgwire::api::auth::sasl::SCRAM_SHA_256_METHOD;
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use pgwire::error::PgWireError;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::SslResponse;
use pgwire::messages::startup::{Authentication, NegotiateProtocolVersion, Startup};
use sql::SqlError;
use tokio::sync::OwnedSemaphorePermit;

use super::error::{Fault, protocol_violation};
use super::frontend::{self, Message, Opening};
use super::stream::{Reader, Writer};
use super::{DATABASE, Door};
use crate::credentials::Verifier;
use crate::metrics;

/// What a connection turned out to be.
pub(super) enum Begun {
    /// A cancel request; it is done.
    Cancelled,
    Session {
        user: String,
        application: String,
        permit: OwnedSemaphorePermit,
    },
}

/// Answers until it is known who the client is.
pub(super) async fn begin(door: &Door, reader: &mut Reader, writer: &mut Writer) -> Result<Begun, Fault> {
    let (minor, parameters) = loop {
        match reader.opening().await? {
            Opening::Encryption => {
                writer.put(PgWireBackendMessage::SslResponse(SslResponse::Refuse))?;
                writer.flush().await?;
            }
            Opening::Cancel { process, key } => {
                door.cancels.cancel(process, key);
                return Ok(Begun::Cancelled);
            }
            Opening::Startup { minor, parameters } => break (minor, parameters),
        }
    };
    let unknown: Vec<&str> =
        parameters.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("_pq_.")).collect();
    if minor > 0 || !unknown.is_empty() {
        let unknown = unknown.into_iter().map(str::to_owned).collect();
        let offer = NegotiateProtocolVersion::new(Startup::PROTOCOL_VERSION_3_0, unknown);
        writer.put(PgWireBackendMessage::NegotiateProtocolVersion(offer))?;
    }
    let wanted = Wanted::read(&parameters).map_err(Fault::Fatal)?;
    let permit = door.sessions.clone().try_acquire_owned().map_err(|_| {
        metrics::doors().postgres_refused.inc();
        let hint = "close sessions that are not used, or use a connection pool";
        Fault::Fatal(SqlError::new("53300", "sorry, too many clients already").hint(hint))
    })?;
    authenticate(&door.verifier, &wanted.user, reader, writer).await.inspect_err(|_| {
        metrics::doors().postgres_refused.inc();
    })?;
    if wanted.database != DATABASE {
        metrics::doors().postgres_refused.inc();
        let message = format!("database \"{}\" does not exist", wanted.database);
        let hint = format!("the database is called {DATABASE}");
        return Err(Fault::Fatal(SqlError::new("3D000", message).hint(hint)));
    }
    reader.trust();
    Ok(Begun::Session { user: wanted.user, application: wanted.application, permit })
}

/// What the client asks for.
struct Wanted {
    user: String,
    database: String,
    application: String,
}

impl Wanted {
    fn read(parameters: &[(String, String)]) -> Result<Wanted, SqlError> {
        let of = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let user = of("user").filter(|user| !user.is_empty());
        let user = user.ok_or_else(|| SqlError::new("28000", "no PostgreSQL user name specified in startup packet"))?;
        if of("replication").is_some_and(|value| !matches!(value.as_str(), "false" | "off" | "no" | "0")) {
            return Err(SqlError::unsupported("replication"));
        }
        if let Some(encoding) = of("client_encoding")
            && !is_utf8(&encoding)
        {
            return Err(
                SqlError::unsupported(format!("client_encoding {encoding}")).hint("set client_encoding to UTF8")
            );
        }
        let database = of("database").unwrap_or_else(|| user.clone());
        Ok(Wanted { user, database, application: of("application_name").unwrap_or_default() })
    }
}

/// Whether an encoding is UTF-8 by one of the names that clients use.
fn is_utf8(encoding: &str) -> bool {
    let letters: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(letters.to_ascii_lowercase().as_str(), "utf8" | "unicode")
}

/// SCRAM-SHA-256: the client proves that it knows the password without saying it.
async fn authenticate(verifier: &Verifier, user: &str, reader: &mut Reader, writer: &mut Writer) -> Result<(), Fault> {
    let ask = |step| PgWireBackendMessage::Authentication(step);
    writer.put(ask(Authentication::SASL(vec![SCRAM_SHA_256_METHOD.to_owned()])))?;
    writer.flush().await?;
    let (mechanism, first) = frontend::sasl_initial(step(reader).await?).map_err(Fault::Fatal)?;
    if mechanism != SCRAM_SHA_256_METHOD {
        return Err(Fault::Fatal(protocol_violation("client selected an invalid SASL authentication mechanism")));
    }
    let scram = ScramServerAuth::new();
    let (challenge, proving) = scram.on_client_first_message_with_secret(&first, verifier.secret(user))?;
    writer.put(ask(Authentication::SASLContinue(challenge.into())))?;
    writer.flush().await?;
    match proving.on_client_final_message(&step(reader).await?) {
        Ok(signature) => writer.put(ask(Authentication::SASLFinal(signature.into()))),
        Err(PgWireError::InvalidPassword(_)) => {
            let message = format!("password authentication failed for user \"{user}\"");
            Err(Fault::Fatal(SqlError::new("28P01", message)))
        }
        Err(other) => Err(other.into()),
    }
}

/// The client's next step of authentication.
async fn step(reader: &mut Reader) -> Result<bytes::Bytes, Fault> {
    match reader.small_message().await? {
        Message::Authentication(data) => Ok(data),
        Message::Terminate => Err(Fault::Gone),
        _ => Err(Fault::Fatal(protocol_violation("expected SASL response"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(parameters: &[(&str, &str)]) -> Result<Wanted, SqlError> {
        let owned: Vec<_> = parameters.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Wanted::read(&owned)
    }

    #[test]
    fn the_database_is_the_users_unless_named() {
        assert_eq!(wanted(&[("user", "caudal")]).unwrap().database, "caudal");
        assert_eq!(wanted(&[("user", "ana"), ("database", "caudal")]).unwrap().database, "caudal");
        assert_eq!(wanted(&[]).err().unwrap().sqlstate, "28000");
    }

    #[test]
    fn only_utf8_is_spoken() {
        for name in ["UTF8", "utf-8", "'utf8'", "UNICODE"] {
            assert!(wanted(&[("user", "a"), ("client_encoding", name)]).is_ok(), "{name}");
        }
        let refused = wanted(&[("user", "a"), ("client_encoding", "LATIN1")]).err().unwrap();
        assert_eq!((refused.sqlstate, refused.hint.as_deref()), ("0A000", Some("set client_encoding to UTF8")));
    }
}
