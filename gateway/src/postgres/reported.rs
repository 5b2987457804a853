//! Settings that clients are told of when a session begins and whenever they change.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::startup::ParameterStatus;
use sql::Session;

use super::error::Fault;
use super::stream::Writer;

/// Settings that PostgreSQL reports by itself, as far as the session knows them.
const NAMES: [&str; 13] = [
    "server_version",
    "server_encoding",
    "client_encoding",
    "application_name",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
    "is_superuser",
    "search_path",
    "default_transaction_read_only",
    "in_hot_standby",
];

/// What the client was told last.
pub(super) struct Reported {
    user: Option<String>,
    values: [Option<String>; NAMES.len()],
}

impl Reported {
    /// Nothing yet, of a session of `user`.
    pub(super) fn new(user: String) -> Reported {
        Reported { user: Some(user), values: Default::default() }
    }

    /// Tells the client what it does not know.
    pub(super) fn update(&mut self, session: &Session, writer: &mut Writer) -> Result<(), Fault> {
        if let Some(user) = self.user.take() {
            tell(writer, "session_authorization", user)?;
        }
        for (name, last) in NAMES.into_iter().zip(&mut self.values) {
            let value = session.setting(name);
            if value == *last {
                continue;
            }
            let mut shown = value.clone().unwrap_or_default();
            if name == "server_version" {
                // Clients read the number of the PostgreSQL that we may be taken for; people read on.
                shown += concat!(" (Caudal ", env!("CARGO_PKG_VERSION"), ")");
            }
            tell(writer, name, shown)?;
            *last = value;
        }
        Ok(())
    }
}

fn tell(writer: &mut Writer, name: &str, value: String) -> Result<(), Fault> {
    let value = value.replace('\0', "\u{fffd}");
    writer.put(PgWireBackendMessage::ParameterStatus(ParameterStatus::new(name.to_owned(), value)))
}
