//! Statements under names: PREPARE, EXECUTE, DEALLOCATE and DISCARD, and what is prepared by the protocol, which has names of
//! the same kind.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    DataType as SqlType, DiscardObject, Expr, Ident, ObjectName, SelectItem, SetExpr, Statement, Value, VisitMut,
    VisitorMut, visit_expressions,
};
use futures::TryStreamExt;

use super::action::Action;
use super::prepare::Ground;
use super::{Cancel, Prepared, Response, Session};
use crate::ddl::column_name;
use crate::error::SqlError;
use crate::limits::PREPARED_MAX;
use crate::query::{self, parse};
use crate::types::{canonical, sql_name};

/// A statement that a session keeps.
pub struct Named {
    pub prepared: Arc<Prepared>,
    /// What the client sent, in which the statement may begin behind blanks.
    pub text: String,
    /// Object ids of the types that the client says it sends parameters as, as far as it does.
    pub oids: Vec<u32>,
    /// By PREPARE, not by the protocol.
    pub from_sql: bool,
    pub at_ms: i64,
}

/// What DISCARD throws away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    All,
    /// What there is no more of here than plans, which are made anew by themselves.
    Nothing(&'static str),
}

/// The arguments of EXECUTE.
pub struct Arguments {
    /// One row with a column each; `None` where there are none.
    plan: Option<Box<LogicalPlan>>,
}

impl Session {
    /// Refuses a name that is taken, and one more than a session may keep.
    pub fn free_name(&self, name: &str) -> Result<(), SqlError> {
        let statements = &self.state().statements;
        if statements.contains_key(name) {
            return Err(SqlError::new("42P05", format!("prepared statement \"{name}\" already exists")));
        }
        if statements.len() >= PREPARED_MAX {
            let message = format!("a session can have {PREPARED_MAX} prepared statements");
            return Err(SqlError::new("54000", message).hint("DEALLOCATE those that are not used."));
        }
        Ok(())
    }

    /// Keeps a statement that was prepared by the protocol.
    pub fn keep(&self, name: &str, prepared: Arc<Prepared>, text: &str, oids: &[u32]) -> Result<(), SqlError> {
        let (text, at_ms) = (text.to_owned(), self.shared.now_ms());
        self.keep_named(name, Named { prepared, text, oids: oids.to_vec(), from_sql: false, at_ms })
    }

    fn keep_named(&self, name: &str, named: Named) -> Result<(), SqlError> {
        self.free_name(name)?;
        self.state().statements.insert(name.to_owned(), Arc::new(named));
        Ok(())
    }

    /// The statement of a name.
    pub fn named(&self, name: &str) -> Result<Arc<Named>, SqlError> {
        self.state().statements.get(name).cloned().ok_or_else(|| missing(name))
    }

    /// Forgets a statement, if it is there.
    pub fn forget(&self, name: &str) -> bool {
        self.state().statements.remove(name).is_some()
    }

    pub(super) fn prepare_named(&self, name: &str, prepared: &Arc<Prepared>, text: &str) -> Result<Response, SqlError> {
        let (text, at_ms) = (text.to_owned(), self.shared.now_ms());
        let named = Named { prepared: prepared.clone(), text, oids: Vec::new(), from_sql: true, at_ms };
        self.keep_named(name, named)?;
        Ok(Response::Done { tag: "PREPARE".to_owned() })
    }

    pub(super) fn deallocate(&self, name: Option<&str>) -> Result<Response, SqlError> {
        let tag = match name {
            None => {
                self.state().statements.clear();
                "DEALLOCATE ALL"
            }
            Some(name) if self.forget(name) => "DEALLOCATE",
            Some(name) => return Err(missing(name)),
        };
        Ok(Response::Done { tag: tag.to_owned() })
    }

    pub(super) fn discard(&self, what: Discard) -> Result<Response, SqlError> {
        let tag = match what {
            Discard::Nothing(tag) => tag,
            Discard::All => {
                let mut state = self.state();
                if state.transaction.is_some() {
                    return Err(SqlError::new("25001", "DISCARD ALL cannot run inside a transaction block"));
                }
                state.cursors.clear();
                state.statements.clear();
                state.reset();
                "DISCARD ALL"
            }
        };
        Ok(Response::Done { tag: tag.to_owned() })
    }
}

impl Ground<'_> {
    /// PREPARE: the statement within is planned as if it stood alone.
    pub(super) async fn prepare_within(
        &self,
        name: &Ident,
        types: &[SqlType],
        statement: &Statement,
    ) -> Result<Action, SqlError> {
        match statement {
            Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {}
            other => {
                let word = other.to_string().split_whitespace().next().unwrap_or_default().to_uppercase();
                return Err(SqlError::new("42601", format!("{word} cannot be prepared")).hint(
                    "PREPARE takes SELECT, INSERT, UPDATE, DELETE or VALUES; other statements are run as they are.",
                ));
            }
        }
        let types = self.types(types).await?;
        let (text, offset) = query::prepared_text(self.sql)?;
        let prepared = Box::pin(self.session.prepare_statement(text, &types)).await.map_err(|mut error| {
            error.position = error.position.map(|position| position + offset);
            error
        })?;
        Ok(Action::Prepare { name: column_name(name), prepared: Arc::new(prepared) })
    }

    /// What types by their names are, as in a cast; `None` of `unknown`, which leaves it to the statement.
    async fn types(&self, types: &[SqlType]) -> Result<Vec<Option<DataType>>, SqlError> {
        let mut found = Vec::new();
        for of in types {
            let name = of.to_string();
            found.push(match name.eq_ignore_ascii_case("unknown") {
                true => None,
                false => {
                    let missing = |_| SqlError::new("42704", format!("type \"{name}\" does not exist"));
                    let plan = self.plan(parse(&format!("SELECT CAST(NULL AS {name})"))?).await.map_err(missing)?;
                    let of = plan.schema().field(0).data_type().clone();
                    Some(canonical(&of).unwrap_or(of))
                }
            });
        }
        Ok(found)
    }

    /// EXECUTE: as many arguments as the statement has parameters.
    pub(super) async fn execute_named(&self, name: &ObjectName, arguments: &[Expr]) -> Result<Action, SqlError> {
        let name = statement_name(name)?;
        let named = self.session.named(&name)?;
        let arguments = self.arguments(&name, &named.prepared, arguments).await?;
        Ok(Action::Execute { name, planned: named.prepared.clone(), arguments })
    }

    async fn arguments(&self, name: &str, prepared: &Prepared, given: &[Expr]) -> Result<Arguments, SqlError> {
        let wanted = prepared.parameters.len();
        if given.len() != wanted {
            let words = format!("wrong number of parameters for prepared statement \"{name}\"");
            let mut error = SqlError::new("42601", words);
            error.detail = Some(format!("Expected {wanted} parameters but got {}.", given.len()));
            return Err(error);
        }
        if given.is_empty() {
            return Ok(Arguments { plan: None });
        }
        if given.iter().any(asks) {
            return Err(SqlError::new("0A000", "cannot use subquery in EXECUTE parameter"));
        }
        let cells: Vec<String> = given.iter().zip(&prepared.parameters).map(|(expr, of)| cast(expr, of)).collect();
        let plan = self.plan(parse(&format!("SELECT {}", cells.join(", ")))?).await.map_err(SqlError::nowhere)?;
        Ok(Arguments { plan: Some(Box::new(plan)) })
    }

    /// The statement of EXPLAIN EXECUTE: the one that was prepared, with its arguments.
    pub(super) async fn executed(&self, statement: Statement) -> Result<Statement, SqlError> {
        let Statement::Execute { name: Some(name), parameters, .. } = &statement else { return Ok(statement) };
        let name = statement_name(name)?;
        let named = self.session.named(&name)?;
        // What is no argument, such as a column's name, is refused here.
        self.arguments(&name, &named.prepared, parameters).await?;
        let values = parameters.iter().zip(&named.prepared.parameters).map(|(expr, of)| cast(expr, of));
        let values: Vec<Expr> = values.map(|written| expression(&written)).collect::<Result<_, _>>()?;
        let mut written = query::spoken(&named.prepared.sql)?.statement;
        let _ = VisitMut::visit(&mut written, &mut Filled { values });
        Ok(written)
    }
}

impl Arguments {
    /// Their values, of the types that the statement was planned with.
    pub(super) async fn values(
        &self,
        ground: Ground<'_>,
        types: &[DataType],
        cancel: Cancel,
    ) -> Result<Vec<ScalarValue>, SqlError> {
        let Some(plan) = &self.plan else { return Ok(Vec::new()) };
        let sql = ground.sql;
        let failed = |error| SqlError::of(error, sql);
        let rows: Vec<RecordBatch> =
            ground.rows((**plan).clone(), cancel).await?.try_collect().await.map_err(failed)?;
        let row = rows.iter().find(|batch| batch.num_rows() > 0).expect("a SELECT without FROM has a row");
        let value = |(column, of): (&arrow::array::ArrayRef, &DataType)| {
            ScalarValue::try_from_array(column, 0).and_then(|value| value.cast_to(of))
        };
        row.columns().iter().zip(types).map(value).collect::<Result<_, _>>().map_err(failed)
    }
}

/// Whether there is a query within an expression.
fn asks(expr: &Expr) -> bool {
    visit_expressions(expr, |part| match part {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Puts values in the places of parameters.
struct Filled {
    values: Vec<Expr>,
}

impl VisitorMut for Filled {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
            && let Some(at) =
                name.trim_start_matches('$').parse::<usize>().ok().and_then(|number| number.checked_sub(1))
            && let Some(value) = self.values.get(at)
        {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}

/// An argument in the type of its parameter, where that has a name in SQL.
fn cast(argument: &Expr, of: &DataType) -> String {
    let named = canonical(of).is_some() || matches!(of, DataType::Interval(_) | DataType::Time64(_));
    match named {
        true => format!("CAST({argument} AS {})", sql_name(of)),
        false => argument.to_string(),
    }
}

/// One expression, as it is written.
fn expression(written: &str) -> Result<Expr, SqlError> {
    let Statement::Query(query) = parse(&format!("SELECT {written}"))? else { unreachable!("it is a query") };
    let SetExpr::Select(mut select) = *query.body else { unreachable!("it is a SELECT") };
    match select.projection.pop() {
        Some(SelectItem::UnnamedExpr(expr)) => Ok(expr),
        _ => Err(SqlError::new("42601", format!("{written} is no argument"))),
    }
}

fn statement_name(name: &ObjectName) -> Result<String, SqlError> {
    match &name.0[..] {
        [part] => part.as_ident().map(column_name).ok_or_else(|| missing(&name.to_string())),
        _ => Err(SqlError::new("42601", format!("{name} is no name of a prepared statement"))),
    }
}

/// DEALLOCATE: a name, or all.
pub(super) fn deallocated(name: &Ident) -> Action {
    let all = name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all");
    Action::Deallocate((!all).then(|| column_name(name)))
}

pub(super) fn discarded(what: &DiscardObject) -> Action {
    Action::Discard(match what {
        DiscardObject::ALL => Discard::All,
        DiscardObject::PLANS => Discard::Nothing("DISCARD PLANS"),
        DiscardObject::SEQUENCES => Discard::Nothing("DISCARD SEQUENCES"),
        DiscardObject::TEMP => Discard::Nothing("DISCARD TEMP"),
    })
}

fn missing(name: &str) -> SqlError {
    SqlError::new("26000", format!("prepared statement \"{name}\" does not exist"))
}
