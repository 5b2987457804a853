//! The extended protocol: prepared statements, and portals that bind parameters to them and hand out rows in parts.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::EmptyQueryResponse;
use sql::{Prepared, Response, Session, SqlError};

use super::conversation::Conversation;
use super::copy;
use super::encode::RowEncoder;
use super::error::Fault;
use super::frontend::{Bind, Target};
use super::parameters::{self, Parameter};
use super::portal::{Progress, Rows};
use super::statement::{Text, interruptible, interruption, place};
use super::types::Type;
use crate::limits::PORTALS_MAX;
use crate::metrics;

/// A session's portals by name, and its statement that has none. The session itself keeps those with a name, since PREPARE
/// and DEALLOCATE know the same.
#[derive(Default)]
pub(super) struct Extended {
    unnamed: Option<Arc<Statement>>,
    portals: HashMap<String, Portal>,
}

struct Statement {
    text: Text,
    prepared: Arc<Prepared>,
    parameters: Vec<Parameter>,
}

impl Statement {
    /// `oids`: the types that the client says it sends parameters as.
    fn new(text: Text, prepared: Arc<Prepared>, oids: &[u32]) -> Result<Statement, SqlError> {
        let named = oids.iter().map(|&oid| Type::named(oid)).collect::<Result<Vec<_>, _>>()?;
        let parameters = Parameter::of(&prepared.parameters, &prepared.known_as, &named)?;
        Ok(Statement { text, prepared, parameters })
    }
}

struct Portal {
    statement: Arc<Statement>,
    formats: Vec<i16>,
    state: State,
}

/// How far a portal got.
enum State {
    Bound(Vec<ScalarValue>),
    Running(Rows),
    Done,
}

impl Extended {
    pub(super) fn close_portals(&mut self) {
        self.portals.clear();
    }

    /// What a simple query does away with.
    pub(super) fn close_unnamed(&mut self) {
        self.unnamed = None;
        self.portals.remove("");
    }

    fn statement(&self, session: &Session, name: &str) -> Result<Arc<Statement>, SqlError> {
        if name.is_empty() {
            let missing = || SqlError::new("26000", "unnamed prepared statement does not exist");
            return self.unnamed.clone().ok_or_else(missing);
        }
        let named = session.named(name)?;
        let text = match named.from_sql {
            true => Text::whole(named.prepared.sql()),
            false => Text::within(&named.text, named.prepared.sql()),
        };
        Statement::new(text, named.prepared.clone(), &named.oids).map(Arc::new)
    }

    fn portal(&mut self, name: &str) -> Result<&mut Portal, SqlError> {
        let missing = || SqlError::new("34000", format!("portal \"{name}\" does not exist"));
        self.portals.get_mut(name).ok_or_else(missing)
    }
}

impl Conversation<'_> {
    pub(super) async fn parse(&mut self, name: String, sql: &str, oids: &[u32]) -> Result<(), Fault> {
        match name.is_empty() {
            true => self.extended.unnamed = None,
            false => self.session.free_name(&name)?,
        }
        let mut texts = Text::split(&self.session, sql)?;
        if texts.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(SqlError::new("42601", message).into());
        }
        let text = texts.pop().unwrap_or_else(Text::empty);
        let named = oids.iter().map(|&oid| Type::named(oid)).collect::<Result<Vec<_>, _>>()?;
        let types: Vec<Option<DataType>> = named.iter().map(|named| named.and_then(Type::planned)).collect();
        let cancel = self.registration.statement();
        let preparing = self.session.prepare(text.admitted(self.failed())?, &types);
        let prepared = interruptible(preparing, interruption(self.reader, &self.shutdown), &cancel).await;
        let prepared = prepared.map_err(|error| text.place(error))?;
        let statement = Statement::new(text, prepared, oids)?;
        match name.is_empty() {
            true => self.extended.unnamed = Some(Arc::new(statement)),
            false => self.session.keep(&name, statement.prepared, sql, oids)?,
        }
        self.writer.put(PgWireBackendMessage::ParseComplete(ParseComplete::new()))
    }

    pub(super) fn bind(&mut self, bind: Bind) -> Result<(), Fault> {
        let statement = self.extended.statement(&self.session, &bind.statement)?;
        let portals = &self.extended.portals;
        if !bind.portal.is_empty() && portals.contains_key(&bind.portal) {
            return Err(SqlError::new("42P03", format!("portal \"{}\" already exists", bind.portal)).into());
        }
        if portals.len() >= PORTALS_MAX {
            return Err(SqlError::new("54000", format!("a session can have {PORTALS_MAX} portals")).into());
        }
        let values = parameters::decode(&bind, &statement.parameters, self.session.zone())?;
        let portal = Portal { statement, formats: bind.result_formats, state: State::Bound(values) };
        self.extended.portals.insert(bind.portal, portal);
        self.writer.put(PgWireBackendMessage::BindComplete(BindComplete::new()))
    }

    pub(super) fn describe(&mut self, target: &Target) -> Result<(), Fault> {
        let (statement, formats) = match target {
            Target::Statement(name) => {
                let statement = self.extended.statement(&self.session, name)?;
                let types = statement.parameters.iter().map(|parameter| parameter.wire.oid()).collect();
                self.writer.put(PgWireBackendMessage::ParameterDescription(ParameterDescription::new(types)))?;
                (statement, Vec::new())
            }
            Target::Portal(name) => match self.extended.portal(name) {
                Ok(portal) => (portal.statement.clone(), portal.formats.clone()),
                Err(missing) => {
                    // In PostgreSQL a cursor is a portal, which clients ask for its columns.
                    let schema = self.session.cursor_schema(name).ok_or(missing)?;
                    let description = RowEncoder::new(&schema, &[])?.description();
                    return self.writer.put(PgWireBackendMessage::RowDescription(description));
                }
            },
        };
        let answer = match &statement.prepared.schema {
            Some(schema) => PgWireBackendMessage::RowDescription(RowEncoder::new(schema, &formats)?.description()),
            None => PgWireBackendMessage::NoData(NoData::new()),
        };
        self.writer.put(answer)
    }

    /// `rows_max`: 0 is no limit.
    pub(super) async fn execute(&mut self, name: &str, rows_max: usize) -> Result<(), Fault> {
        let cancel = self.begin();
        let failed = self.failed();
        let portal = self.extended.portal(name)?;
        let statement = portal.statement.clone();
        let admitted = statement.text.admitted(failed)?;
        if let State::Bound(values) = &mut portal.state {
            let values = std::mem::take(values);
            portal.state = State::Done;
            let formats = portal.formats.clone();
            metrics::doors().postgres_statements.inc();
            let run = async {
                if failed {
                    let rollback = Box::pin(self.session.prepare(admitted, &[])).await?;
                    return self.session.execute(&rollback, Vec::new(), cancel.clone()).await;
                }
                self.session.execute(&statement.prepared, values, cancel.clone()).await
            };
            let response = interruptible(run, interruption(self.reader, &self.shutdown), &cancel).await;
            match response.map_err(|error| statement.text.place(error))? {
                Response::Rows { schema, rows, tag } => {
                    portal.state = State::Running(Rows::new(
                        rows,
                        RowEncoder::new(&schema, &formats)?.in_zone(self.session.zone()),
                        tag,
                    ));
                }
                Response::Done { tag } => return self.complete(tag),
                Response::CopyOut { schema, rows, format } => {
                    let encoder = RowEncoder::new(&schema, &[copy::out::code(&format)])?.in_zone(self.session.zone());
                    let rows = Rows::new(rows, encoder, "COPY");
                    let sending = Box::pin(copy::out::send(rows, &format, self.writer, &cancel));
                    let sent = interruptible(sending, interruption(self.reader, &self.shutdown), &cancel).await;
                    return self.complete(sent?);
                }
                Response::CopyIn(rows) => {
                    let receiving = Box::pin(copy::receive(rows, self.reader, self.writer, &cancel));
                    let tag = interruptible(receiving, self.shutdown.cancelled(), &cancel).await?;
                    return self.complete(tag);
                }
                Response::Empty => {
                    return self.writer.put(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()));
                }
            }
        }
        let State::Running(rows) = &mut portal.state else {
            return Err(SqlError::new("55000", format!("portal \"{name}\" cannot be run anymore")).into());
        };
        let sending = rows.send((rows_max > 0).then_some(rows_max), self.writer, &cancel);
        let sent = interruptible(sending, interruption(self.reader, &self.shutdown), &cancel).await;
        match sent.map_err(place(&statement.text))? {
            Progress::Complete(tag) => self.complete(tag),
            Progress::Suspended => self.writer.put(PgWireBackendMessage::PortalSuspended(PortalSuspended::new())),
        }
    }

    /// A name that is not there is closed already.
    pub(super) fn close(&mut self, target: &Target) -> Result<(), Fault> {
        match target {
            Target::Statement(name) if name.is_empty() => self.extended.unnamed = None,
            Target::Statement(name) => drop(self.session.forget(name)),
            Target::Portal(name) => drop(self.extended.portals.remove(name)),
        }
        self.writer.put(PgWireBackendMessage::CloseComplete(CloseComplete::new()))
    }
}
