//! CREATE SOURCE, CREATE SINK and their DROP.

use std::hash::{BuildHasher, Hasher, RandomState};

use datafusion::sql::sqlparser::ast::CreateTableOptions;

use super::options::Options;
use super::{checked_name, column_name};
use crate::bridge::{Broker, Password, Way};
use crate::error::SqlError;
use crate::feed::Pattern;
use crate::pipeline::{BridgeRemoval, NewBridge};
use crate::query::{BridgeStatement, relation_name};

const CONNECTOR: &str = "mqtt";

/// What a statement about bridges changes.
pub enum BridgeChange {
    Create(NewBridge),
    Drop(BridgeRemoval),
}

/// What a statement says.
pub fn bridge_change(statement: BridgeStatement) -> Result<BridgeChange, SqlError> {
    match statement {
        BridgeStatement::Create { kind, name, if_not_exists, relation, options } => {
            let name = column_name(&name);
            checked_name(&name)?;
            let options = Options::of(&CreateTableOptions::With(options))?;
            let (broker, way) = parts(kind, &name, relation_name(&relation)?, options)?;
            Ok(BridgeChange::Create(NewBridge { name, if_not_exists, broker, way }))
        }
        BridgeStatement::Drop { kind, name, if_exists } => {
            Ok(BridgeChange::Drop(BridgeRemoval { name: column_name(&name), if_exists, kind }))
        }
    }
}

fn parts(kind: &str, name: &str, relation: String, mut options: Options) -> Result<(Broker, Way), SqlError> {
    let needed = |option: &str| SqlError::new("22023", format!("option {option} is missing"));
    let refused = |option: &str, why: &str| SqlError::new("22023", format!("option {option}: {why}"));
    match options.text("connector") {
        Some(connector) if connector == CONNECTOR => {}
        Some(other) => return Err(SqlError::unsupported(format!("connector {other}")).hint("There is mqtt.")),
        None => return Err(needed("connector").hint("Write connector = 'mqtt'.")),
    }
    let address = options.text("url").ok_or_else(|| needed("url"))?;
    let address: crate::bridge::Address = address.parse().map_err(|why| refused("url", why))?;
    let topics = options.text("topic").ok_or_else(|| needed("topic"))?;
    let topics = Pattern::parse(&topics).map_err(|why| refused("topic", &why))?;
    let user = match (options.text("username"), options.text("password")) {
        (Some(user), Some(password)) => Some((user, Password(password))),
        (None, None) => None,
        _ => return Err(SqlError::new("22023", "the options username and password go together")),
    };
    let authorities = options.text("ca");
    if authorities.as_ref().is_some_and(|pem| !address.encrypted || !pem.contains("BEGIN CERTIFICATE")) {
        return Err(refused("ca", "it is certificates in PEM, and goes with a url mqtts://"));
    }
    // A broker knows a client that comes back by it.
    let client_id = options.text("client_id").unwrap_or_else(|| format!("caudal-{name}-{:08x}", random() as u32));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if client_id.is_empty() || client_id.len() > 64 || !client_id.chars().all(is_plain) {
        return Err(refused("client_id", "it has 1 to 64 letters of ASCII, digits, '-', '_' and '.'"));
    }
    if let Some(qos) = options.text("qos").filter(|qos| qos != "1") {
        return Err(SqlError::unsupported(format!("qos {qos}")).hint("It is 1: at least once."));
    }
    let broker = Broker { address, user, client_id, authorities };
    if kind == "source" {
        options
            .finish("The options of a source are connector, url, topic, username, password, ca, client_id and qos.")?;
        return Ok((broker, Way::Source { table: relation, topics }));
    }
    let retain = match options.text("retain").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(refused("retain", "it is true or false")),
    };
    let deleted = options.text("deleted");
    options.finish(
        "The options of a sink are connector, url, topic, retain, deleted, username, password, ca, client_id and qos.",
    )?;
    if topics.has_any() {
        return Err(refused("topic", "a sink publishes to one topic for each row, and not to +"));
    }
    Ok((broker, Way::Sink { relation, topics, retain, deleted }))
}

/// A number that no other client id has by chance.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::bridge;

    fn made(sql: &str) -> Result<NewBridge, SqlError> {
        match bridge_change(bridge(sql)?.expect("it is about bridges"))? {
            BridgeChange::Create(new) => Ok(new),
            BridgeChange::Drop(_) => panic!("{sql}"),
        }
    }

    #[test]
    fn a_bridge_has_what_its_statement_says() {
        let source = made(
            "CREATE SOURCE Casa INTO readings WITH (connector = 'mqtt', url = 'mqtt://broker', topic = 'casa/{customer}/+',
             username = 'ana', password = 's3cret')",
        );
        let source = source.unwrap();
        assert_eq!(source.name, "casa");
        assert!(source.broker.client_id.starts_with("caudal-casa-"), "{source:?}");
        assert_eq!(source.broker.user, Some(("ana".to_owned(), Password("s3cret".to_owned()))));
        let topics = Pattern::parse("casa/{customer}/+").unwrap();
        assert_eq!(source.way, Way::Source { table: "readings".to_owned(), topics });
        let sink = made(
            "CREATE SINK s FROM v WITH (connector = mqtt, url = 'mqtts://broker', topic = 'v/{a}', retain = true, qos = 1,
             client_id = 'c', deleted = 'gone')",
        );
        let topics = Pattern::parse("v/{a}").unwrap();
        let way = Way::Sink { relation: "v".to_owned(), topics, retain: true, deleted: Some("gone".to_owned()) };
        assert_eq!(sink.unwrap().way, way);
    }

    #[test]
    fn what_a_bridge_cannot_be_is_said_and_no_password_with_it() {
        let with = |more: &str| {
            let password = "username = 'u', password = 's3cret'";
            format!(
                "CREATE SINK s FROM v WITH (connector = 'mqtt', url = 'mqtt://b', topic = 'a/{{b}}', {password}, {more})"
            )
        };
        for (sql, sqlstate, words) in [
            ("CREATE SOURCE s INTO t WITH (url = 'mqtt://b')".to_owned(), "22023", "connector is missing"),
            ("CREATE SOURCE s INTO t WITH (connector = 'kafka')".to_owned(), "0A000", "connector kafka"),
            ("CREATE SOURCE s INTO t WITH (connector = 'mqtt', url = 'http://b')".to_owned(), "22023", "mqtts://"),
            (with("qos = 2"), "0A000", "qos 2"),
            (with("retain = 'perhaps'"), "22023", "true or false"),
            (with("ca = 'x'"), "22023", "PEM"),
            (with("client_id = 'a b'"), "22023", "client_id"),
            (with("colour = 'red'"), "0A000", "colour"),
            (with("password = 'other'"), "42601", "twice"),
            (with("topic = 'x'").replace("topic = 'a/{b}', ", "").replace("'x'", "'a/+'"), "22023", "one topic"),
        ] {
            let error = made(&sql).unwrap_err();
            assert!(error.sqlstate == sqlstate && error.message.contains(words), "{sql}: {error:?}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
