//! From a statement's text to its action.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::DateTime;
use dataflow::Epoch;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    CloseCursor, ContextModifier, Expr as Written, Ident, Insert, ObjectName, ObjectType, Reset, ResetStatement, Set,
    Statement, TransactionAccessMode, TransactionMode, Value,
};
use storage::Snapshot;

use super::action::{Action, Follow};
use super::kept::Keeping;
use super::subscribe::subscribed_schema;
use super::{Prepared, Session, cursor, named, settings};
use crate::catalog::Catalog;
use crate::ddl::{self, column_name};
use crate::error::SqlError;
use crate::query::{self, Spoken, Subscribe};

/// What a statement is planned over.
pub struct Ground<'a> {
    pub session: &'a Session,
    pub catalog: Arc<Catalog>,
    /// Has the rows of everything in the catalogue.
    pub snapshot: Snapshot,
    /// When the open transaction began.
    began_ms: Option<i64>,
    context: OnceLock<SessionState>,
    /// The statement as written, for positions.
    pub sql: &'a str,
}

impl Session {
    pub(super) async fn prepare_statement(&self, sql: &str, types: &[Option<DataType>]) -> Result<Prepared, SqlError> {
        let ground = self.ground(sql);
        let (action, known_as) = match is_empty(sql)? {
            true => (Action::Empty, Vec::new()),
            false if let Some(statement) = query::bridge(sql)? => (Action::Bridge(statement), Vec::new()),
            false => {
                let spoken = query::spoken(sql)?;
                let subscribed = spoken.subscribe.as_ref().map(|subscribe| query::parameters(&subscribe.query));
                let mut known_as = query::parameters(&spoken.statement);
                known_as.extend(subscribed.into_iter().flatten().skip(known_as.len()));
                (ground.spoken(spoken).await?, known_as)
            }
        };
        ground.permitted(&action)?;
        let failed = self.state().transaction.as_ref().is_some_and(|transaction| transaction.failed);
        if failed && !action.ends_failure() {
            return Err(aborted());
        }
        Ok(Prepared {
            parameters: parameters(&action, types, known_as.len(), sql)?,
            known_as,
            schema: ground.schema(&action),
            sql: sql.to_owned(),
            types: types.to_vec(),
            action,
            generation: ground.catalog.generation(),
            kept: Keeping::default(),
            renewed: ArcSwapOption::empty(),
        })
    }

    /// The catalogue and the snapshot of the open transaction, else the present ones, and the context of a statement.
    pub(super) fn ground<'a>(&'a self, sql: &'a str) -> Ground<'a> {
        let state = self.state();
        let open = state.transaction.as_ref().map(|open| (open.catalog.clone(), open.snapshot.clone()));
        let (catalog, snapshot) = open.unwrap_or_else(|| self.shared.seen());
        let began_ms = state.transaction.as_ref().map(|open| open.began_ms);
        drop(state);
        Ground { session: self, catalog, snapshot, began_ms, context: OnceLock::new(), sql }
    }
}

impl Ground<'_> {
    /// What the statement is planned in, once it has to be.
    pub(super) fn context(&self) -> &SessionState {
        self.context.get_or_init(|| {
            let shared = &self.session.shared;
            let now = DateTime::from_timestamp_millis(self.began_ms.unwrap_or_else(|| shared.now_ms()));
            shared.queries.context(&self.catalog, now, Some(&self.session.state().who))
        })
    }

    /// A statement with the subscription that a query stands for in it.
    async fn spoken(&self, spoken: query::Spoken) -> Result<Action, SqlError> {
        let Spoken { statement, subscribe, timeout, analyze } = spoken;
        if let (true, Statement::ExplainTable { table_name, .. }) = (analyze, &statement) {
            return Ok(Action::AnalyzeView { name: query::relation_name(table_name)? });
        }
        let wait = timeout.as_deref().map(settings::time).transpose()?;
        let action = match (self.action(statement).await?, subscribe) {
            (Action::Fetch { name, count, .. }, None) => Action::Fetch { name, count, wait },
            (action, None) => action,
            (action, Some(Subscribe { query, snapshot, progress, as_of })) => {
                let subscribed = Box::new(self.plan(query::named(query)).await?);
                let subscribe = Some(Follow { snapshot, progress, as_of: as_of.map(Epoch) });
                match action {
                    Action::CopyOut { format, .. } => Action::CopyOut { plan: subscribed, follow: subscribe, format },
                    Action::Declare { opening, .. } => opening.following(subscribed, subscribe)?,
                    _ => Action::Query { plan: subscribed, follow: subscribe, tag: "SUBSCRIBE" },
                }
            }
        };
        Ok(action)
    }

    async fn action(&self, statement: Statement) -> Result<Action, SqlError> {
        Ok(match statement {
            Statement::Query(_) => self.query(statement, "SELECT").await?,
            Statement::ShowTables { .. }
            | Statement::ShowViews { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowCreate { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowDatabases { .. } => self.show(&statement).await?,
            Statement::Explain { statement, analyze, options, .. } => {
                let asked = super::explain::asked(analyze, options.as_deref().unwrap_or_default())?;
                let statement = self.executed(*statement).await?;
                match asked.analyze {
                    true => self.analyze(statement, asked.json).await?,
                    false => Action::Explain { lines: self.explain(statement, asked.json).await? },
                }
            }
            Statement::Prepare { name, data_types, statement } => {
                self.prepare_within(&name, &data_types, &statement).await?
            }
            Statement::Execute {
                name: Some(name), parameters, immediate: false, into, using, output, default, ..
            } if into.is_empty() && using.is_empty() && !output && !default => {
                self.execute_named(&name, &parameters).await?
            }
            Statement::Deallocate { name, .. } => named::deallocated(&name),
            Statement::Declare { stmts } => self.declare(stmts).await?,
            Statement::Fetch { name, direction, into: None, .. } => {
                Action::Fetch { name: column_name(&name), count: cursor::count(&direction)?, wait: None }
            }
            Statement::Close { cursor: CloseCursor::All } => Action::CloseCursor(None),
            Statement::Close { cursor: CloseCursor::Specific { name } } => {
                Action::CloseCursor(Some(column_name(&name)))
            }
            Statement::ExplainTable { table_name, .. } => {
                Action::Explain { lines: self.explain_view(&table_name).await? }
            }
            Statement::CreateTable(mut create) => {
                let defaults = ddl::take_defaults(&mut create);
                Action::CreateTable { create: Box::new(create), defaults }
            }
            Statement::AlterTable(alter) => Action::AlterTable(Box::new(alter)),
            Statement::CreateSchema { .. } => Action::CreateSchema(ddl::new_schema(&statement)?),
            Statement::AlterSchema(alter) => Action::PackSchema(ddl::altered_schema(&alter)?),
            Statement::AlterView { .. } | Statement::AlterIndex { .. } => {
                return Err(ddl::refused_alter(&statement));
            }
            Statement::CreateView(create) => {
                // Planned here for errors with a place in the statement; the pipeline plans it again where it is made.
                self.plan(Statement::Query(create.query.clone())).await?;
                Action::CreateView(Box::new(create))
            }
            Statement::CreateIndex(create) => Action::CreateIndex(Box::new(ddl::new_index(&create, self.sql)?)),
            Statement::CreateRole(_)
            | Statement::AlterRole { .. }
            | Statement::Grant(_)
            | Statement::Revoke(_)
            | Statement::Drop { object_type: ObjectType::Role, .. } => {
                let (change, tag) = ddl::role_change(&statement)?.expect("it is about roles");
                Action::Roles(change, tag)
            }
            Statement::Drop { .. } => Action::Drop(Box::new(statement)),
            Statement::Comment { .. } => self.comment(statement).await?,
            Statement::Insert(insert) => self.insert(insert).await?,
            Statement::Update(update) => self.update(update).await?,
            Statement::Delete(delete) => self.delete(delete).await?,
            Statement::Copy { to: true, .. } => self.copy_out(statement).await?,
            Statement::Copy { .. } => self.copy_in(&statement)?,
            Statement::StartTransaction { modes, .. } => Action::Begin(read_only(&modes)),
            Statement::Commit { chain: false, .. } => Action::Commit,
            Statement::Rollback { chain: false, savepoint: None } => Action::Rollback,
            Statement::Rollback { chain: false, savepoint: Some(name) } => Action::RollbackTo(column_name(&name)),
            Statement::Savepoint { name } => Action::Savepoint(column_name(&name)),
            Statement::ReleaseSavepoint { name } => Action::Release(column_name(&name)),
            Statement::Set(set) => set_action(set)?,
            Statement::Reset(ResetStatement { reset: Reset::ALL }) => Action::Reset,
            Statement::Reset(ResetStatement { reset: Reset::ConfigurationParameter(name) }) => {
                Action::Set { values: vec![(name.to_string(), None)], local: false }
            }
            Statement::ShowVariable { variable } => show(&variable),
            Statement::Discard { object_type } => named::discarded(&object_type),
            // Nobody is listening: there is no NOTIFY.
            Statement::UNLISTEN { .. } => Action::Nothing { tag: "UNLISTEN" },
            other => return Err(unsupported(&other)),
        })
    }

    /// A statement that answers rows.
    pub(super) async fn query(&self, statement: Statement, tag: &'static str) -> Result<Action, SqlError> {
        Ok(Action::Query { plan: Box::new(self.plan(query::named(statement)).await?), follow: None, tag })
    }

    pub(super) async fn plan(&self, statement: Statement) -> Result<LogicalPlan, SqlError> {
        let queries = &self.session.shared.queries;
        let Statement::Insert(Insert { source, .. }) = &statement else {
            return queries.plan(self.context(), &self.catalog, statement, self.sql).await;
        };
        // Its source reads as the session's role may; the table itself is only written.
        let Some(as_owner) = self.as_owner() else {
            return queries.plan(self.context(), &self.catalog, statement, self.sql).await;
        };
        if let Some(source) = source {
            queries.plan(self.context(), &self.catalog, Statement::Query(source.clone()), self.sql).await?;
        }
        queries.plan(&as_owner, &self.catalog, statement, self.sql).await
    }

    /// Columns of the answer. Types are those after analysis, where parameters do not stand in its way.
    fn schema(&self, action: &Action) -> Option<SchemaRef> {
        let text = |name: &str| Some(Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, false)])));
        match action {
            Action::Query { plan, follow, .. } => {
                let options = self.context().config_options();
                let analyzed = self.context().analyzer().execute_and_check((**plan).clone(), options, |_, _| {});
                let planned =
                    analyzed.map_or_else(|_| plan.schema().inner().clone(), |plan| plan.schema().inner().clone());
                Some(match follow {
                    None => shown(&planned),
                    Some(follow) => subscribed_schema(&planned, follow.progress),
                })
            }
            Action::Explain { .. } | Action::Analyze { .. } | Action::AnalyzeView { .. } => text("QUERY PLAN"),
            Action::Fetch { name, .. } => self.session.cursor_schema(name),
            Action::Execute { planned, .. } => planned.schema.clone(),
            Action::Show { name } => text(self.session.state().who.settings.printed(name)),
            Action::ShowAll => Some(show_all_schema()),
            _ => None,
        }
    }
}

/// The columns under the names that people are shown.
pub(super) fn shown(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| field.as_ref().clone().with_name(query::shown_name(field.name()));
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

pub(super) fn show_all_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("name", DataType::Utf8, false), Field::new("setting", DataType::Utf8, false)]))
}

/// A statement after an error in a transaction.
pub(super) fn aborted() -> SqlError {
    SqlError::new("25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

/// Whether there is nothing but blanks, comments and semicolons.
fn is_empty(sql: &str) -> Result<bool, SqlError> {
    Ok(crate::query::split(sql)?.is_empty())
}

/// Types of `$1`, `$2`, ...: what the client says, else what the statement needs, else text. `written`: how many there are.
fn parameters(
    action: &Action,
    types: &[Option<DataType>],
    written: usize,
    sql: &str,
) -> Result<Vec<DataType>, SqlError> {
    let (Action::Query { plan, .. }
    | Action::Insert { plan, .. }
    | Action::Update { plan, .. }
    | Action::Delete { plan, .. }
    | Action::Declare { plan, .. }
    | Action::CopyOut { plan, .. }
    | Action::Analyze { plan, .. }) = action
    else {
        return Ok(types.iter().map(|given| given.clone().unwrap_or(DataType::Utf8)).collect());
    };
    let of = |error| SqlError::of(error, sql);
    let mut inferred = plan.get_parameter_types().map_err(of)?;
    said(plan, &mut inferred).map_err(of)?;
    let numbers = inferred.keys().filter_map(|name| name.strip_prefix('$')?.parse::<usize>().ok());
    let count = numbers.max().unwrap_or(0).max(types.len()).max(written);
    let of = |at: usize| {
        let given = types.get(at).cloned().flatten();
        let needed =
            || inferred.get(&format!("${}", at + 1)).cloned().flatten().filter(|found| *found != DataType::Null);
        given.or_else(needed).unwrap_or(DataType::Utf8)
    };
    Ok((0..count).map(of).collect())
}

/// Adds the types of parameters that a cast says, or an array that a column is looked for in.
fn said(plan: &LogicalPlan, types: &mut HashMap<String, Option<DataType>>) -> Result<(), DataFusionError> {
    let mut note = |expr: &Expr, of: DataType| {
        if let Expr::Placeholder(placeholder) = expr {
            let known = types.entry(placeholder.id.clone()).or_default();
            *known = known.take().filter(|known| *known != DataType::Null).or(Some(of));
        }
    };
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::Cast(cast) => note(&cast.expr, cast.field.data_type().clone()),
                    // Of numbers; text is not what PostgreSQL takes it for.
                    Expr::ScalarFunction(called) if called.name() == "to_timestamp" && called.args.len() == 1 => {
                        note(&called.args[0], DataType::Float64);
                    }
                    Expr::ScalarFunction(called) if called.name() == "_pg_any" => {
                        let item = called.args[0].get_type(&schema).unwrap_or(DataType::Utf8);
                        note(&called.args[1], DataType::new_list(item, true));
                    }
                    Expr::ScalarFunction(called) if called.name() == "array_cat" => {
                        let array = called
                            .args
                            .iter()
                            .find_map(|arg| arg.get_type(&schema).ok().filter(|of| matches!(of, DataType::List(_))));
                        let array = array.unwrap_or_else(|| DataType::new_list(DataType::Utf8, true));
                        called.args.iter().for_each(|arg| note(arg, array.clone()));
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

fn show(variable: &[Ident]) -> Action {
    let words: Vec<String> = variable.iter().map(|ident| ident.value.to_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["all"] => Action::ShowAll,
        ["time", "zone"] => Action::Show { name: "TimeZone".to_owned() },
        ["transaction", "isolation", "level"] => Action::Show { name: "transaction_isolation".to_owned() },
        _ => Action::Show { name: words.join(".") },
    }
}

fn set_action(set: Set) -> Result<Action, SqlError> {
    let local = match &set {
        Set::SingleAssignment { scope, .. } => matches!(scope, Some(ContextModifier::Local)),
        Set::SetTimeZone { local, .. } => *local,
        _ => false,
    };
    let values = match set {
        Set::SingleAssignment { variable, values, .. } => vec![(variable.to_string(), assigned(&values)?)],
        Set::MultipleAssignments { assignments } => {
            let one = |assignment: datafusion::sql::sqlparser::ast::SetAssignment| {
                Ok((assignment.name.to_string(), assigned(&[assignment.value])?))
            };
            assignments.into_iter().map(one).collect::<Result<_, SqlError>>()?
        }
        Set::SetTimeZone { value, .. } => vec![("TimeZone".to_owned(), assigned(&[value])?)],
        Set::SetNames { charset_name, .. } => vec![("client_encoding".to_owned(), Some(charset_name.value))],
        Set::SetTransaction { modes, session, .. } => {
            return Ok(match read_only(&modes) {
                Some(read_only) => Action::Characteristics { read_only, session },
                None => Action::Nothing { tag: "SET" },
            });
        }
        other => return Err(SqlError::unsupported(other)),
    };
    Ok(Action::Set { values, local })
}

/// The value of a setting; `None` for DEFAULT.
fn assigned(values: &[Written]) -> Result<Option<String>, SqlError> {
    let one = |value: &Written| match value {
        Written::Value(value) => Ok(match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            other => other.to_string(),
        }),
        Written::Identifier(ident) => Ok(ident.value.clone()),
        Written::UnaryOp { .. } | Written::Interval(_) => Ok(value.to_string()),
        other => Err(SqlError::new("22023", format!("{other} cannot be the value of a setting"))),
    };
    let texts: Vec<String> = values.iter().map(one).collect::<Result<_, _>>()?;
    let text = texts.join(", ");
    Ok((!text.eq_ignore_ascii_case("default")).then_some(text))
}

/// Whether the modes say READ ONLY or READ WRITE. Of isolation there is one: every transaction reads one snapshot, and
/// writes when it commits.
fn read_only(modes: &[TransactionMode]) -> Option<bool> {
    modes.iter().rev().find_map(|mode| match mode {
        TransactionMode::AccessMode(access) => Some(*access == TransactionAccessMode::ReadOnly),
        TransactionMode::IsolationLevel(_) => None,
    })
}

/// What the parser knows and this database does not, by name.
pub(super) fn unsupported(statement: &Statement) -> SqlError {
    let text = statement.to_string();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    match statement {
        Statement::Truncate(_) => SqlError::unsupported("TRUNCATE").hint("DROP the table and CREATE it again."),
        Statement::Rollback { .. } | Statement::Commit { .. } => SqlError::unsupported("AND CHAIN"),
        _ => SqlError::unsupported(words.join(" ").to_uppercase()),
    }
}

/// The only relation that a statement is about, when it is a table.
impl Ground<'_> {
    pub(super) fn table(&self, name: &ObjectName) -> Result<Arc<crate::catalog::Entry>, SqlError> {
        let name = crate::query::relation_name(name)?;
        let entry = self.catalog.expect(&name)?;
        match entry.table() {
            Some(_) => Ok(entry.clone()),
            None => Err(SqlError::new("42809", format!("\"{name}\" is a {}, not a table", entry.kind()))
                .hint("Write to the tables that it is made from.")),
        }
    }
}
