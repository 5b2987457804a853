//! Running a prepared statement.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use tokio::sync::oneshot;

use super::action::Action;
use super::kept::Kept;
use super::prepare::{Ground, aborted, show_all_schema, shown};
use super::running::{Query, with_snapshot};
use super::transaction::{Transaction, refuse_within};
use super::{Cancel, Prepared, Response, Session};
use crate::ddl::{self, BridgeChange};
use crate::error::SqlError;
use crate::pipeline::{Change, Command, Defined, NewView};

impl Session {
    pub(super) async fn run(
        &self,
        prepared: &Prepared,
        parameters: Vec<ScalarValue>,
        cancel: Cancel,
    ) -> Result<Response, SqlError> {
        let (open, failed) = {
            let state = self.state();
            (state.transaction.is_some(), state.transaction.as_ref().is_some_and(|transaction| transaction.failed))
        };
        if failed && !prepared.action.ends_failure() {
            return Err(aborted());
        }
        let mut renewed = prepared.renewed.load_full();
        loop {
            let current = renewed.as_deref().unwrap_or(prepared);
            let ground = self.ground(&prepared.sql);
            if ground.catalog.generation() == current.generation || !current.action.is_planned() {
                let settings = self.state().who.settings.revision();
                if let Action::Query { follow: None, tag, .. } = &current.action
                    && let Some(kept) = current.kept.at_hand(settings, &parameters)
                {
                    return ground.again(&kept, parameters, cancel, tag);
                }
                // A future is as large as all that it may wait for, and is moved whole: what a busy client asks stays small.
                return Box::pin(self.perform(current, ground, parameters, cancel, open)).await;
            }
            // The catalogue has changed since: what the plan reads may be gone or another.
            let again = Box::pin(self.prepare_statement(&prepared.sql, &prepared.types)).await?;
            let columns = |prepared: &Prepared| {
                let of = |field: &Arc<Field>| (field.name().clone(), field.data_type().clone());
                prepared.schema.as_ref().map(|schema| schema.fields().iter().map(of).collect::<Vec<_>>())
            };
            // The client has been told what columns come.
            if columns(&again) != columns(prepared) {
                return Err(changed_result());
            }
            let again = Arc::new(again);
            prepared.renewed.store(Some(again.clone()));
            renewed = Some(again);
        }
    }

    async fn perform(
        &self,
        prepared: &Prepared,
        ground: Ground<'_>,
        parameters: Vec<ScalarValue>,
        cancel: Cancel,
        open: bool,
    ) -> Result<Response, SqlError> {
        let done = |tag: &str| Ok(Response::Done { tag: tag.to_owned() });
        if let Some(what) = prepared.action.writes().filter(|_| self.reads_only()) {
            return Err(SqlError::new("25006", format!("cannot execute {what} in a read-only transaction")));
        }
        match &prepared.action {
            Action::Empty => Ok(Response::Empty),
            Action::Query { plan, follow, tag } => {
                if follow.is_none()
                    && let Some(kept) = ground.kept(prepared, plan, &parameters).await
                {
                    return ground.again(&kept, parameters, cancel, tag);
                }
                let plan = with_parameters(plan, parameters, &prepared.sql)?;
                let rows = ground.answer(plan, *follow, cancel).await?;
                Ok(Response::Rows { schema: shown(&rows.schema()), rows, tag })
            }
            Action::CopyOut { plan, follow, format } => {
                let plan = with_parameters(plan, parameters, &prepared.sql)?;
                let rows = ground.answer(plan, *follow, cancel).await?;
                Ok(Response::CopyOut { schema: shown(&rows.schema()), rows, format: format.clone() })
            }
            Action::Declare { opening, plan, follow } => {
                let plan = with_parameters(plan, parameters, &prepared.sql)?;
                self.open_cursor(ground, opening, plan, *follow).await
            }
            Action::Prepare { name, prepared: within } => self.prepare_named(name, within, &prepared.sql),
            Action::Execute { name, planned, arguments } => {
                let named = self.named(name)?;
                if named.prepared.schema != planned.schema {
                    return Err(changed_result());
                }
                let run = async {
                    let values = arguments.values(ground, &named.prepared.parameters, cancel.clone()).await?;
                    Box::pin(self.run(&named.prepared, values, cancel)).await
                };
                // Its places are those of another text.
                run.await.map_err(SqlError::nowhere)
            }
            Action::Deallocate(name) => self.deallocate(name.as_deref()),
            Action::Discard(what) => self.discard(*what),
            Action::Fetch { name, count, wait } => self.fetch(name, *count, *wait, cancel),
            Action::CloseCursor(name) => self.close_cursor(name.as_deref()),
            Action::Analyze { plan, json } => {
                let plan = with_parameters(plan, parameters, &prepared.sql)?;
                Ok(texts(prepared, ground.analyzed(plan, *json, cancel).await?, "EXPLAIN"))
            }
            Action::AnalyzeView { name } => Ok(texts(prepared, ground.analyzed_view(name).await?, "EXPLAIN")),
            Action::Explain { lines } => Ok(texts(prepared, lines.clone(), "EXPLAIN")),
            Action::Show { name } => {
                let value = self.setting(name);
                let unknown = || SqlError::new("42704", format!("unrecognized configuration parameter \"{name}\""));
                Ok(texts(prepared, vec![value.ok_or_else(unknown)?], "SHOW"))
            }
            Action::ShowAll => Ok(self.show_all()),
            Action::Set { values, local } => {
                let mut state = self.state();
                values.iter().try_for_each(|(name, value)| state.set(name, value.as_deref(), *local))?;
                done("SET")
            }
            Action::Reset => {
                self.state().reset();
                done("RESET")
            }
            Action::Nothing { tag } => done(tag),
            Action::Begin(read_only) => self.begin(*read_only),
            Action::Characteristics { read_only, session } => {
                let mut state = self.state();
                match &mut state.transaction {
                    Some(transaction) if !session => transaction.read_only = *read_only,
                    // Outside a transaction it is of the statement alone, as PostgreSQL warns.
                    None if !session => {}
                    _ => {
                        let value = if *read_only { "on" } else { "off" };
                        state.set("default_transaction_read_only", Some(value), false)?;
                    }
                }
                done("SET")
            }
            Action::Savepoint(name) => {
                let settings = self.state().who.settings.clone();
                self.with_transaction("SAVEPOINT", |open| open.save(name.clone(), settings))
            }
            Action::Release(name) => self.with_transaction("RELEASE", |open| open.release(name)),
            Action::RollbackTo(name) => {
                let mut then = None;
                let done = self.with_transaction("ROLLBACK", |open| {
                    then = Some(open.roll_back_to(name)?);
                    Ok(())
                })?;
                let (settings, declared) = then.expect("it was rolled back");
                let mut state = self.state();
                state.who.settings.restore(settings);
                state.close_declared_after(declared);
                Ok(done)
            }
            Action::Commit => self.commit().await,
            Action::Rollback => {
                self.state().rolled_back();
                done("ROLLBACK")
            }
            Action::Insert { table, plan } => {
                self.insert_rows(ground, table, plan, parameters, cancel, "INSERT 0").await
            }
            Action::Update { table, plan } => self.insert_rows(ground, table, plan, parameters, cancel, "UPDATE").await,
            Action::Delete { table, plan } => self.delete_rows(ground, table, plan, parameters, cancel).await,
            Action::CopyIn { .. } | Action::CopyRefused { .. } if open => Err(refuse_within("COPY .. FROM STDIN")),
            Action::CopyIn { table, columns, format } => {
                self.shared.writable()?;
                let copy = super::CopyIn::new(self.shared.clone(), table.clone(), columns, format.clone());
                Ok(Response::CopyIn(copy.in_zone(self.zone())))
            }
            Action::CopyRefused { table, format } => {
                self.shared.writable()?;
                Ok(Response::CopyIn(super::CopyIn::refused(self.shared.clone(), table.clone(), format.clone())))
            }
            action if open && action.defines().is_some() => Err(refuse_within("a change of the catalogue")),
            Action::CreateTable { create, defaults } => {
                let new = ground.with_defaults(ddl::new_table(create, &prepared.sql)?, defaults).await?;
                self.define(Change::CreateTable(new)).await?;
                done("CREATE TABLE")
            }
            Action::AlterTable(alter) => {
                self.define(Change::AddColumns(ground.new_columns(alter).await?)).await?;
                done("ALTER TABLE")
            }
            Action::CreateView(create) => {
                let new = ddl::new_view(create, &prepared.sql)?;
                if create.materialized {
                    self.define(Change::CreateMaterializedView(new)).await?;
                    return done("CREATE MATERIALIZED VIEW");
                }
                self.define(Change::CreateView(new)).await?;
                done("CREATE VIEW")
            }
            Action::CreateIndex(new) => {
                self.define(Change::CreateMaterializedView(NewView::clone(new))).await?;
                done("CREATE INDEX")
            }
            Action::Comment(remark) => {
                self.define(Change::Comment(remark.clone())).await?;
                done("COMMENT")
            }
            Action::Roles(change, tag) => {
                self.define(Change::Roles(change.clone())).await?;
                done(tag)
            }
            Action::CreateSchema(new) => {
                self.define(Change::CreateSchema(new.clone())).await?;
                done("CREATE SCHEMA")
            }
            Action::PackSchema(packed) => {
                self.define(Change::PackSchema(packed.clone())).await?;
                done("ALTER SCHEMA")
            }
            Action::Bridge(statement) => {
                let change = match ddl::bridge_change(statement.clone())? {
                    BridgeChange::Create(new) => Change::CreateBridge(new),
                    BridgeChange::Drop(removal) => Change::DropBridge(removal),
                };
                self.define(change).await?;
                done(statement.tag())
            }
            Action::Drop(statement) => {
                if let Some(removal) = ddl::schema_removal(statement)? {
                    self.define(Change::DropSchemas(removal)).await?;
                    return done("DROP SCHEMA");
                }
                let removal = ddl::removal(statement)?;
                let tag = format!("DROP {}", removal.kind.to_uppercase());
                self.define(Change::Drop(removal)).await?;
                done(&tag)
            }
        }
    }

    /// Sends the pipeline a command.
    pub(super) async fn ask(&self, command: Command) -> Result<(), SqlError> {
        self.shared.writable()?;
        self.commands.send(command).await.map_err(|_| self.ended())
    }

    fn ended(&self) -> SqlError {
        self.shared.writable().err().unwrap_or_else(|| SqlError::new("57P01", "the database is closing"))
    }

    /// Has the pipeline make a change; it is published on return.
    async fn define(&self, change: Change) -> Result<Defined, SqlError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Define { change, reply }).await?;
        answer.await.map_err(|_| self.ended())?
    }

    /// Whether writes are refused: by the open transaction, else by the session's default.
    fn reads_only(&self) -> bool {
        let state = self.state();
        match &state.transaction {
            Some(transaction) => transaction.read_only,
            None => state.who.settings.is_on("default_transaction_read_only"),
        }
    }

    /// Does something to the open transaction.
    fn with_transaction(
        &self,
        tag: &str,
        work: impl FnOnce(&mut Transaction) -> Result<(), SqlError>,
    ) -> Result<Response, SqlError> {
        match &mut self.state().transaction {
            Some(transaction) => work(transaction).map(|()| Response::Done { tag: tag.to_owned() }),
            None => Err(SqlError::new("25P01", format!("{tag} can only be used in transaction blocks"))),
        }
    }

    fn begin(&self, read_only: Option<bool>) -> Result<Response, SqlError> {
        let mut state = self.state();
        let read_only = read_only.unwrap_or_else(|| state.who.settings.is_on("default_transaction_read_only"));
        if state.transaction.is_none() {
            let (catalog, snapshot) = self.shared.seen();
            state.transaction = Some(Transaction {
                began_ms: self.shared.now_ms(),
                snapshot,
                catalog,
                pending: None,
                failed: false,
                read_only,
                declared: 0,
                savepoints: Vec::new(),
                undo: None,
            });
        }
        Ok(Response::Done { tag: "BEGIN".to_owned() })
    }

    async fn commit(&self) -> Result<Response, SqlError> {
        let (pending, undo) = {
            let mut state = self.state();
            if state.transaction.as_ref().is_some_and(|transaction| transaction.failed) {
                state.rolled_back();
                return Ok(Response::Done { tag: "ROLLBACK".to_owned() });
            }
            let Some(transaction) = state.transaction.take() else {
                return Ok(Response::Done { tag: "COMMIT".to_owned() });
            };
            (transaction.pending, transaction.undo)
        };
        let appended = match pending {
            Some((table, events)) => super::write::append_rows(&self.shared, &table, events).await.map(drop),
            None => Ok(()),
        };
        let mut state = self.state();
        state.end_cursors(appended.is_ok());
        if let Some(undo) = undo {
            let settings = if appended.is_ok() { undo.kept } else { undo.before };
            state.who.settings.restore(settings);
        }
        appended.map(|()| Response::Done { tag: "COMMIT".to_owned() })
    }

    fn show_all(&self) -> Response {
        let state = self.state();
        let (names, values): (Vec<&str>, Vec<&str>) = state.who.settings.all().unzip();
        let columns: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(StringArray::from(names)), Arc::new(StringArray::from(values))];
        let rows = RecordBatch::try_new(show_all_schema(), columns).expect("two columns of text");
        one_batch(rows, "SHOW")
    }
}

impl Action {
    /// Whether it holds a plan over the catalogue.
    fn is_planned(&self) -> bool {
        matches!(
            self,
            Action::Query { .. }
                | Action::Insert { .. }
                | Action::Delete { .. }
                | Action::CopyIn { .. }
                | Action::CopyRefused { .. }
                | Action::Update { .. }
                | Action::CopyOut { .. }
                | Action::Declare { .. }
                | Action::Analyze { .. }
        )
    }
}

impl Ground<'_> {
    /// The plan that is kept of a query, where one is. What stands in its way is said by planning with the values.
    async fn kept(&self, prepared: &Prepared, plan: &LogicalPlan, values: &[ScalarValue]) -> Option<Arc<Kept>> {
        let (settings, bytes) = {
            let settings = &self.session.state().who.settings;
            (settings.revision(), settings.query_bytes())
        };
        if prepared.kept.is_worth_trying(settings) {
            let kept = Kept::of(plan, &prepared.parameters, self.context(), bytes).await.ok().flatten();
            prepared.kept.tried(settings, kept.map(Arc::new));
        }
        prepared.kept.at_hand(settings, values)
    }

    /// Runs a plan that was kept.
    fn again(
        self,
        kept: &Kept,
        values: Vec<ScalarValue>,
        cancel: Cancel,
        tag: &'static str,
    ) -> Result<Response, SqlError> {
        let rows = kept.rows(values, self.snapshot, &self.session.shared, cancel);
        let rows = rows.map_err(|error| SqlError::of(error, self.sql))?;
        Ok(Response::Rows { schema: kept.columns.clone(), rows, tag })
    }

    /// Runs a plan.
    pub(super) async fn rows(self, plan: LogicalPlan, cancel: Cancel) -> Result<SendableRecordBatchStream, SqlError> {
        let sql = self.sql;
        self.over_snapshot(plan).rows(cancel).await.map_err(|error| SqlError::of(error, sql))
    }

    /// A plan over the snapshot.
    pub(super) fn over_snapshot(self, plan: LogicalPlan) -> Query {
        let bytes = self.session.state().who.settings.query_bytes();
        let (shared, snapshot) = (self.session.shared.clone(), self.snapshot.clone());
        let context = with_snapshot(self.context().clone(), snapshot.clone());
        Query { context, snapshot, plan, shared, bytes }
    }
}

/// The plan with values for `$1`, `$2`, ...
pub(super) fn with_parameters(
    plan: &LogicalPlan,
    parameters: Vec<ScalarValue>,
    sql: &str,
) -> Result<LogicalPlan, SqlError> {
    if parameters.is_empty() {
        return Ok(plan.clone());
    }
    plan.clone().with_param_values(ParamValues::from(parameters)).map_err(|error| SqlError::of(error, sql))
}

/// A statement that was prepared answers other columns by now.
fn changed_result() -> SqlError {
    SqlError::new("0A000", "cached plan must not change result type").hint("Prepare the statement again.")
}

/// One column of text, named as prepared.
fn texts(prepared: &Prepared, lines: Vec<String>, tag: &'static str) -> Response {
    let schema: SchemaRef = prepared.schema.clone().expect("it answers rows");
    let rows = RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(lines))]).expect("a column of text");
    one_batch(rows, tag)
}

fn one_batch(rows: RecordBatch, tag: &'static str) -> Response {
    let schema = rows.schema();
    let stream = RecordBatchStreamAdapter::new(schema.clone(), stream::iter([Ok(rows)]));
    Response::Rows { schema, rows: Box::pin(stream), tag }
}
