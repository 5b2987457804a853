//! What PostgreSQL's clients write and DataFusion's planner does not read, in words that it does: names with `pg_catalog`
//! before them, casts to `regclass` and its like, `ARRAY(SELECT ..)`, `= ANY (..)`, `OPERATOR(pg_catalog.~)`, `COLLATE`.

mod expressions;
mod named;
mod types;
mod unnest;
mod whole_rows;

pub use named::{named, shown_name};

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, Ident, Join, JoinOperator, LimitClause, ObjectName, ObjectNamePart, Query,
    Select, SelectItem, SetExpr, Statement, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
    visit_expressions,
};

use super::names::relation_name;
use crate::catalog::Catalog;
use crate::error::SqlError;
use crate::system::pg_catalog;
use crate::types::Spoken;

/// The parameters of a statement as it is written, `$1` first: what a cast says that a client knows one as.
pub fn parameters(statement: &Statement) -> Vec<Option<Spoken>> {
    let mut found = Vec::new();
    let _: ControlFlow<()> = visit_expressions(statement, |expr| {
        let (inner, spoken) = match expr {
            Expr::Cast { expr, data_type, .. } => (&**expr, types::known_as(data_type)),
            other => (other, None),
        };
        if let Expr::Value(value) = inner
            && let Value::Placeholder(name) = &value.value
            && let Some(at) =
                name.trim_start_matches('$').parse::<usize>().ok().and_then(|number| number.checked_sub(1))
        {
            found.resize(found.len().max(at + 1), None);
            found[at] = found[at].or(spoken);
        }
        ControlFlow::Continue(())
    });
    found
}

/// The statement in the planner's words.
pub fn spoken(statement: Statement, catalog: &Catalog) -> Result<Statement, SqlError> {
    said(statement, catalog, false)
}

/// The same where a SELECT of the statement has no rows since it reads a relation of PostgreSQL's catalogue that never has
/// any here: without what that SELECT says, which the planner may have no words for.
pub fn spoken_of_nothing(statement: &Statement, catalog: &Catalog) -> Option<Result<Statement, SqlError>> {
    let mut empty = Empty;
    let found = matches!(statement, Statement::Query(_)) && Visit::visit(statement, &mut empty).is_break();
    found.then(|| said(statement.clone(), catalog, true))
}

struct Empty;

impl Visitor for Empty {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if answers_nothing(select) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn said(mut statement: Statement, catalog: &Catalog, empties: bool) -> Result<Statement, SqlError> {
    if let Statement::Query(query) = &mut statement {
        types::name_outermost(&mut query.body);
    }
    match VisitMut::visit(&mut statement, &mut Speaker { catalog, empties }) {
        ControlFlow::Continue(()) => Ok(statement),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Speaker<'a> {
    catalog: &'a Catalog,
    /// Whether what has no rows is not even asked.
    empties: bool,
}

impl VisitorMut for Speaker<'_> {
    type Break = SqlError;

    /// Names without a schema are looked for in `pg_catalog` too.
    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<SqlError> {
        if let [ObjectNamePart::Identifier(name)] = &relation.0[..] {
            let own = pg_catalog::names().any(|known| known == name.value.to_lowercase());
            if own && relation_name(relation).is_ok_and(|name| self.catalog.get(&name).is_none()) {
                let schema = ObjectNamePart::Identifier(Ident::new(pg_catalog::SCHEMA));
                relation.0.insert(0, schema);
            }
        }
        ControlFlow::Continue(())
    }

    /// Without rows there is no order, and nothing left to order by. A parameter of LIMIT is a number.
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        if let Err(error) = limited(query) {
            return ControlFlow::Break(error);
        }
        if self.empties && matches!(&*query.body, SetExpr::Select(select) if answers_nothing(select)) {
            query.order_by = None;
        }
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
            let counts = limit.iter_mut().chain(offset.iter_mut().map(|offset| &mut offset.value));
            counts.for_each(types::counted);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        if self.empties && answers_nothing(select) {
            leave_nothing(select, expressions::null);
        }
        whole_rows::spoken(select, self.catalog);
        ControlFlow::Continue(())
    }

    /// Functions in FROM.
    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor
            && name.to_string() == "pg_catalog.generate_series"
        {
            name.0.remove(0);
        }
        match unnest::spoken(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    /// An array of what has no rows is empty, whatever it would be of.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if let Expr::Function(called) = expr
            && let FunctionArguments::Subquery(query) = &mut called.args
            && let SetExpr::Select(select) = &mut *query.body
            && answers_nothing(select)
        {
            leave_nothing(select, || types::cast(expressions::null(), datafusion::sql::sqlparser::ast::DataType::Text));
            query.order_by = None;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match expressions::spoken(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// `FETCH FIRST n ROWS ONLY` as `LIMIT n`.
fn limited(query: &mut Query) -> Result<(), SqlError> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    if fetch.with_ties || fetch.percent {
        return Err(SqlError::unsupported(fetch.to_string()).hint("It is FETCH FIRST n ROWS ONLY here."));
    }
    let one = || Expr::Value(Value::Number("1".into(), false).into());
    let count = Some(fetch.quantity.unwrap_or_else(one));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = count,
        Some(_) => return Err(SqlError::new("42601", "multiple LIMIT clauses not allowed")),
        none => *none = Some(LimitClause::LimitOffset { limit: count, offset: None, limit_by: vec![] }),
    }
    Ok(())
}

/// Whether a SELECT reads a relation of PostgreSQL's catalogue that never has rows here, so that it has none either. Its
/// expressions may be of kinds that there is no other need for.
fn answers_nothing(select: &Select) -> bool {
    let empty = |factor: &TableFactor| match factor {
        TableFactor::Table { name, args: None, .. } => match &name.0[..] {
            [schema, name] if schema.to_string() == pg_catalog::SCHEMA => {
                pg_catalog::is_always_empty(&name.to_string().to_lowercase())
            }
            [name] => pg_catalog::is_always_empty(&name.to_string().to_lowercase()),
            _ => false,
        },
        _ => false,
    };
    let unnamed = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    let inner = |join: &Join| {
        matches!(join.join_operator, JoinOperator::Inner(_) | JoinOperator::Join(_) | JoinOperator::CrossJoin(_))
    };
    let left = |join: &Join| matches!(join.join_operator, JoinOperator::Left(_) | JoinOperator::LeftOuter(_));
    let from_empty = select.from.iter().any(|from| {
        let first = empty(&from.relation) && from.joins.iter().all(|join| inner(join) || left(join));
        first || from.joins.iter().any(|join| inner(join) && empty(&join.relation))
    });
    let aggregates = select.projection.iter().any(expressions::aggregates);
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty());
    from_empty && select.projection.iter().all(unnamed) && !aggregates && !grouped
}

/// The same columns without rows.
fn leave_nothing(select: &mut Select, instead: impl Fn() -> Expr) {
    let mut names = named::Names::default();
    for item in &mut select.projection {
        let name = match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            SelectItem::UnnamedExpr(expr) => expressions::column_name(expr),
            _ => continue,
        };
        *item = SelectItem::ExprWithAlias { expr: instead(), alias: names.ident(&name) };
    }
    select.from.clear();
    select.selection = Some(Expr::Value(Value::Boolean(false).with_empty_span()));
}

/// Applies to the outermost SELECTs of a query.
fn each_outermost(body: &mut SetExpr, each: &mut impl FnMut(&mut Select)) {
    match body {
        SetExpr::Select(select) => each(select),
        SetExpr::Query(query) => each_outermost(&mut query.body, each),
        SetExpr::SetOperation { left, right, .. } => {
            each_outermost(left, each);
            each_outermost(right, each);
        }
        _ => {}
    }
}
