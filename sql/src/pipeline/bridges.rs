//! CREATE and DROP of bridges: what they are between is there, and has the columns that the topics say.

use storage::Commit;

use super::define::{Failure, Worked};
use super::owner::Owner;
use crate::bridge::{Bridge, Broker, Way};
use crate::catalog::{Catalog, is_hidden};
use crate::ddl;
use crate::error::SqlError;

/// A bridge to make.
#[derive(Clone, Debug)]
pub struct NewBridge {
    pub name: String,
    pub if_not_exists: bool,
    pub broker: Broker,
    pub way: Way,
}

/// A bridge to drop.
#[derive(Clone, Debug)]
pub struct BridgeRemoval {
    pub name: String,
    pub if_exists: bool,
    /// "source" or "sink", as the statement says.
    pub kind: &'static str,
}

impl Owner {
    pub(super) fn create_bridge(&mut self, new: NewBridge) -> Result<Option<Worked>, Failure> {
        let mut catalog = self.catalog.clone();
        if let Some(there) = catalog.bridges().get(&new.name) {
            return match new.if_not_exists {
                true => Ok(None),
                false => {
                    Err(SqlError::new("42710", format!("{} \"{}\" exists already", there.kind(), new.name)).into())
                }
            };
        }
        let NewBridge { name, broker, way, .. } = new;
        if let Some(other) = catalog.bridges().values().find(|other| other.broker.is_client_of(&broker)) {
            let words = format!("{} \"{}\" has this client id at {}", other.kind(), other.name, broker.address);
            return Err(SqlError::new("42710", words).hint("A broker ends one of two clients of a name.").into());
        }
        let bridge = Bridge { number: catalog.allocate().0, name, broker, way };
        fits(&catalog, &bridge)?;
        let commit = Commit { catalog: catalog.put_bridge(bridge), ..self.commit() };
        Ok(Some(Worked { catalog, commit, removed: vec![] }))
    }

    pub(super) fn drop_bridge(&mut self, removal: &BridgeRemoval) -> Result<Option<Worked>, Failure> {
        let BridgeRemoval { name, if_exists, kind } = removal;
        let mut catalog = self.catalog.clone();
        match catalog.bridges().get(name) {
            None if *if_exists => return Ok(None),
            None => return Err(SqlError::new("42704", format!("{kind} \"{name}\" does not exist")).into()),
            Some(bridge) if bridge.kind() != *kind => {
                let (is, verb) = (bridge.kind(), bridge.kind().to_uppercase());
                let words = format!("\"{name}\" is a {is}, not a {kind}");
                return Err(SqlError::new("42809", words).hint(format!("Use DROP {verb} {name}.")).into());
            }
            Some(_) => {}
        }
        let commit = Commit { catalog: catalog.remove_bridge(name), ..self.commit() };
        Ok(Some(Worked { catalog, commit, removed: vec![] }))
    }
}

/// Refuses a bridge of which the relation cannot be an end.
fn fits(catalog: &Catalog, bridge: &Bridge) -> Result<(), SqlError> {
    let entry = catalog.expect(bridge.relation())?;
    let wrong = |words: String| SqlError::new("42809", words);
    let (name, kind) = (entry.name(), entry.kind());
    let relation = entry.relation.as_ref().filter(|_| entry.index().is_none());
    if entry.is_stream() {
        return Err(wrong(format!("\"{name}\" is a stream, whose rows are not kept")).hint(
            "What brokers say twice is known again by a table with a primary key; a view over a stream can be sent on.",
        ));
    }
    match &bridge.way {
        Way::Source { topics, .. } => {
            if entry.table().is_none() {
                return Err(wrong(format!("\"{name}\" is a {kind}: a source feeds a table")));
            }
            ddl::said_by_topics(topics, relation.expect("a table has rows").schema.columns.fields())
        }
        Way::Sink { topics, .. } => {
            let is_kept = entry.table().is_some() || entry.materialized().is_some();
            let Some(relation) = relation.filter(|_| is_kept) else {
                return Err(wrong(format!("\"{name}\" is a {kind}: a sink tells a table or a materialized view")));
            };
            let fields = relation.schema.columns.fields();
            ddl::said_by_topics(topics, fields)?;
            let mut key = relation.schema.key.iter().map(|at| &fields[*at]);
            if relation.schema.counted || relation.schema.key.iter().any(|at| is_hidden(&fields[*at])) {
                let words = format!("{kind} \"{name}\" has no key: its rows cannot be told apart");
                return Err(SqlError::new("42P16", words).hint("Group it, or select the key of what it reads."));
            }
            match key.find(|field| !topics.names().any(|name| name == field.name())) {
                None => Ok(()),
                Some(field) => {
                    let words =
                        format!("the topic does not say \"{}\", which is in the key of \"{name}\"", field.name());
                    Err(SqlError::new("42P16", words).hint("Each row has a topic of its own: name all of the key."))
                }
            }
        }
    }
}
