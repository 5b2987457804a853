//! A session's messages, answered one after the other until either side ends it.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse, ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::{Authentication, BackendKeyData, SecretKey};
use sql::{Cancel, Response, Session, SqlError};
use tokio_util::sync::CancellationToken;

use super::cancel::Registration;
use super::copy;
use super::encode::RowEncoder;
use super::error::{self, Fault, protocol_violation, shutting_down};
use super::extended::Extended;
use super::frontend::{Message, Oversized};
use super::portal::{Progress, Rows};
use super::reported::Reported;
use super::statement::{Text, interruptible, interruption, place};
use super::stream::{Reader, Writer};
use super::timer::{self, Timer};
use super::types::Format;
use crate::metrics::{self, Sqlstate};

/// An open session.
pub(super) struct Conversation<'a> {
    pub(super) session: Session,
    pub(super) reader: &'a mut Reader,
    pub(super) writer: &'a mut Writer,
    pub(super) registration: Registration,
    pub(super) shutdown: CancellationToken,
    pub(super) extended: Extended,
    reported: Reported,
    /// Of the statement that runs, where it has a limit.
    timer: Option<Timer>,
    /// The open transaction has failed.
    failed: bool,
    /// Messages are left out up to the next Sync, because one of them failed.
    skipping: bool,
}

/// Whether there is more to come.
enum Flow {
    Next,
    End,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        session: Session,
        reported: Reported,
        reader: &'a mut Reader,
        writer: &'a mut Writer,
        registration: Registration,
        shutdown: CancellationToken,
    ) -> Conversation<'a> {
        let extended = Extended::default();
        let (failed, skipping) = (false, false);
        Conversation {
            session,
            reader,
            writer,
            registration,
            shutdown,
            extended,
            reported,
            timer: None,
            failed,
            skipping,
        }
    }

    /// Tells the client that it is in, and what the server is like. `application`: what the client calls itself.
    pub(super) async fn welcome(&mut self, application: &str) -> Result<(), Fault> {
        if !application.is_empty() {
            let set = format!("SET application_name = '{}'", application.replace('\'', "''"));
            let named = async {
                let set = self.session.prepare(&set, &[]).await?;
                self.session.execute(&set, Vec::new(), self.registration.statement()).await
            };
            named.await.map_err(Fault::Fatal)?;
        }
        self.writer.put(PgWireBackendMessage::Authentication(Authentication::Ok))?;
        self.reported.update(&self.session, self.writer)?;
        let key = SecretKey::I32(self.registration.key);
        self.writer.put(PgWireBackendMessage::BackendKeyData(BackendKeyData::new(self.registration.process, key)))?;
        self.ready().await
    }

    /// Answers until the client ends the session, or is gone, or the node shuts down.
    pub(super) async fn run(mut self) -> Result<(), Fault> {
        loop {
            let message = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Err(Fault::Fatal(shutting_down())),
                message = self.reader.message() => message?,
                idle = timer::idle(&self.session) => return Err(Fault::Fatal(idle)),
            };
            let simple = matches!(message, Message::Query(_) | Message::Oversized(Oversized { kind: b'Q', .. }));
            match self.answer(message).await {
                Ok(Flow::Next) => self.timer = None,
                Ok(Flow::End) => return Ok(()),
                Err(Fault::Statement(error)) => {
                    let error = self.timer.take().map_or(error.clone(), |timer| timer.said(error));
                    metrics::doors().postgres_errors.get_or_create(&Sqlstate { sqlstate: error.sqlstate }).inc();
                    self.writer.put(error::error(&error))?;
                    self.failed = self.session.in_transaction();
                    if simple {
                        self.ready().await?;
                    } else {
                        self.skipping = true;
                        self.writer.flush().await?;
                    }
                }
                Err(other) => return Err(other),
            }
        }
    }

    async fn answer(&mut self, message: Message) -> Result<Flow, Fault> {
        match message {
            Message::Terminate => return Ok(Flow::End),
            Message::Sync => self.sync().await?,
            _ if self.skipping => {}
            // The futures of what plans are large, and this one is moved for each message.
            Message::Query(text) => Box::pin(self.query(&text)).await?,
            Message::Parse { statement, sql, types } => Box::pin(self.parse(statement, &sql, &types)).await?,
            Message::Bind(bind) => self.bind(bind)?,
            Message::Describe(target) => self.describe(&target)?,
            Message::Execute { portal, rows_max } => self.execute(&portal, rows_max).await?,
            Message::Close(target) => self.close(&target)?,
            Message::Flush => self.writer.flush().await?,
            Message::Oversized(oversized) => return Err(oversized.refused().into()),
            // What a client still sends of a COPY that failed.
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => {}
            Message::Authentication(_) => {
                return Err(Fault::Fatal(protocol_violation("a password was sent, and nobody had asked")));
            }
        }
        Ok(Flow::Next)
    }

    async fn sync(&mut self) -> Result<(), Fault> {
        self.skipping = false;
        self.ready().await
    }

    /// Tells the client that the next statement may come. Portals live as long as their transaction.
    async fn ready(&mut self) -> Result<(), Fault> {
        let open = self.session.in_transaction();
        self.failed &= open;
        if !open {
            self.extended.close_portals();
        }
        let status = match (open, self.failed) {
            (false, _) => TransactionStatus::Idle,
            (true, false) => TransactionStatus::Transaction,
            (true, true) => TransactionStatus::Error,
        };
        self.writer.put(PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status)))?;
        self.writer.flush().await
    }

    /// A statement begins: what cancels it, in time too.
    pub(super) fn begin(&mut self) -> Cancel {
        let cancel = self.registration.statement();
        self.timer = self.session.limit("statement_timeout").map(|limit| Timer::start(limit, cancel.clone()));
        cancel
    }

    /// Whether only the end of the transaction can be run.
    pub(super) fn failed(&self) -> bool {
        self.failed && self.session.in_transaction()
    }

    /// The simple protocol: the statements of a text one after the other, up to the first that fails.
    async fn query(&mut self, text: &str) -> Result<(), Fault> {
        self.extended.close_unnamed();
        let statements = Text::split(&self.session, text)?;
        if statements.is_empty() {
            self.writer.put(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))?;
        }
        for statement in &statements {
            self.statement(statement).await.map_err(place(statement))?;
        }
        self.ready().await
    }

    async fn statement(&mut self, text: &Text) -> Result<(), Fault> {
        let cancel = self.begin();
        let sql = text.admitted(self.failed())?.to_owned();
        metrics::doors().postgres_statements.inc();
        let (binary, response) = {
            let run = async {
                let prepared = self.session.prepare(&sql, &[]).await?;
                let binary = self.session.fetches_binary(&prepared);
                Ok::<_, SqlError>((binary, self.session.execute(&prepared, Vec::new(), cancel.clone()).await?))
            };
            interruptible(run, interruption(self.reader, &self.shutdown), &cancel).await?
        };
        let tag = match response {
            Response::Rows { schema, rows, tag } => {
                let format = if binary { Format::Binary } else { Format::Text };
                let encoder = RowEncoder::new(&schema, &[format.code()])?.in_zone(self.session.zone());
                self.writer.put(PgWireBackendMessage::RowDescription(encoder.description()))?;
                let mut rows = Rows::new(rows, encoder, tag);
                let sending = rows.send(None, self.writer, &cancel);
                let sent = interruptible(sending, interruption(self.reader, &self.shutdown), &cancel).await?;
                let Progress::Complete(tag) = sent else { unreachable!("there is no limit to the rows") };
                tag
            }
            Response::Done { tag } => tag,
            Response::CopyOut { schema, rows, format } => {
                let encoder = RowEncoder::new(&schema, &[copy::out::code(&format)])?.in_zone(self.session.zone());
                let rows = Rows::new(rows, encoder, "COPY");
                let sending = copy::out::send(rows, &format, self.writer, &cancel);
                interruptible(sending, interruption(self.reader, &self.shutdown), &cancel).await?
            }
            Response::CopyIn(rows) => {
                let receiving = copy::receive(rows, self.reader, self.writer, &cancel);
                interruptible(receiving, self.shutdown.cancelled(), &cancel).await?
            }
            Response::Empty => {
                return self.writer.put(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()));
            }
        };
        self.complete(tag)
    }

    /// Tells the client that a statement is done, and what it changed of the settings.
    pub(super) fn complete(&mut self, tag: String) -> Result<(), Fault> {
        // Also where it was to a savepoint: the transaction goes on.
        self.failed &= tag != "ROLLBACK";
        if matches!(tag.as_str(), "SET" | "RESET" | "DISCARD ALL") {
            self.reported.update(&self.session, self.writer)?;
        }
        self.writer.put(PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)))
    }
}
