//! A plan of the engine's on the way up, with what is known of its columns.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use dataflow::{Plan, Scalar};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::origin::{Derived, Origin};
use crate::error::SqlError;
use crate::scalar::{SqlScalar, moved, physical, sql};
use crate::types;

/// A plan, and where the columns of DataFusion's node are in it. Projections of plain columns only change `columns`;
/// [`Lowered::settled`] makes them a Map where the engine must see them.
pub struct Lowered {
    pub plan: Plan,
    /// Column `i` of DataFusion's node is column `columns[i]` of the plan.
    pub columns: Vec<usize>,
    /// Columns of DataFusion's node whose values no two rows share; `None` where there are none such.
    pub key: Option<Vec<usize>>,
    /// Pairs of columns of DataFusion's node that are equal in every row, as a join leaves them.
    pub equal: Vec<(usize, usize)>,
    /// What the plan's columns are, where all rows come from one relation.
    pub origin: Option<Origin>,
}

/// An expression over a plan's columns.
pub struct Term {
    pub expr: Arc<dyn PhysicalExpr>,
    pub sql: String,
}

impl Term {
    /// The plan's column that it only passes on.
    pub fn column(&self) -> Option<usize> {
        self.expr.downcast_ref::<Column>().map(Column::index)
    }

    /// The engine's form of it over rows of `input`.
    pub fn scalar(self, input: &SchemaRef) -> Result<SqlScalar, SqlError> {
        SqlScalar::new(self.expr, input, self.sql)
    }
}

impl Lowered {
    /// `plan` as it is.
    pub fn new(plan: Plan, key: Option<Vec<usize>>, origin: Option<Origin>) -> Lowered {
        let columns = (0..plan.schema().fields().len()).collect();
        Lowered { plan, columns, key, equal: Vec::new(), origin }
    }

    /// An expression over DataFusion's node, `schema`, as one over the plan.
    pub fn term(&self, expr: &Expr, schema: &DFSchema) -> Result<Term, SqlError> {
        let plan = self.plan.schema();
        Ok(Term { expr: moved(physical(expr, schema)?, &self.columns, &plan)?, sql: sql(expr) })
    }

    /// Keeps the rows for which the predicate is true.
    pub fn filtered(mut self, predicate: Term) -> Result<Lowered, SqlError> {
        let predicate = predicate.scalar(&self.plan.schema())?;
        self.plan = Plan::Filter { input: Box::new(self.plan), predicate: Arc::new(predicate) };
        Ok(self)
    }

    /// A Map with the columns given, named. Fails on a type that no column can have.
    pub fn mapped(self, terms: Vec<(Term, String)>) -> Result<Lowered, SqlError> {
        let input = self.plan.schema();
        let mut fields = Vec::with_capacity(terms.len());
        let mut scalars: Vec<Arc<dyn Scalar>> = Vec::with_capacity(terms.len());
        let mut passed = Vec::with_capacity(terms.len());
        let mut exprs = Vec::with_capacity(terms.len());
        for (term, name) in terms {
            let (column, expr) = (term.column(), term.expr.clone());
            let scalar = term.scalar(&input)?;
            supported(scalar.data_type(), &name)?;
            fields.push(Field::new(name, scalar.data_type().clone(), true));
            passed.push(column);
            exprs.push(expr);
            scalars.push(Arc::new(scalar));
        }
        let survivors = self.survivors(&passed);
        let origin = self.origin.as_ref().map(|origin| origin.mapped(&exprs));
        let (key, equal) = (self.key_in(&survivors), self.equal_in(&survivors));
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let plan = Plan::Map { input: Box::new(self.plan), columns: scalars, schema };
        Ok(Lowered { key, equal, ..Lowered::new(plan, None, origin) })
    }

    /// A projection: a Map only where it computes something.
    pub fn projected(self, terms: Vec<(Term, String)>) -> Result<Lowered, SqlError> {
        let passed: Vec<Option<usize>> = terms.iter().map(|(term, _)| term.column()).collect();
        let Some(columns) = passed.iter().copied().collect::<Option<Vec<usize>>>() else { return self.mapped(terms) };
        let survivors = self.survivors(&passed);
        let (key, equal) = (self.key_in(&survivors), self.equal_in(&survivors));
        Ok(Lowered { columns, key, equal, ..self })
    }

    /// The same with expressions over DataFusion's node, `schema`, as columns of the plan, and where each is: as they are where
    /// all are columns, else behind the visible ones.
    pub fn with_columns<'a>(
        self,
        exprs: impl Iterator<Item = &'a Expr>,
        schema: &DFSchema,
    ) -> Result<(Lowered, Vec<usize>), SqlError> {
        let terms = exprs.map(|expr| self.term(expr, schema)).collect::<Result<Vec<_>, _>>()?;
        if let Some(columns) = terms.iter().map(Term::column).collect::<Option<Vec<_>>>() {
            return Ok((self, columns));
        }
        let names = self.plan.schema();
        let visible = schema.columns().into_iter().zip(&self.columns);
        let visible = visible
            .map(|(column, &place)| Ok((self.term(&Expr::Column(column), schema)?, names.field(place).name().clone())));
        let mut all = visible.collect::<Result<Vec<_>, SqlError>>()?;
        let width = all.len();
        let mut places = Vec::with_capacity(terms.len());
        for term in terms {
            let known = all.iter().position(|(known, _)| known.expr.as_ref() == term.expr.as_ref());
            places.push(known.unwrap_or(all.len()));
            if known.is_none() {
                let name = term.sql.clone();
                all.push((term, name));
            }
        }
        let mapped = self.mapped(all)?;
        let columns = (0..width).collect();
        Ok((Lowered { columns, ..mapped }, places))
    }

    /// The same with `columns` the plan's own, in order.
    pub fn settled(self) -> Lowered {
        let schema = self.plan.schema();
        if self.columns.iter().copied().eq(0..schema.fields().len()) {
            return self;
        }
        let fields: Vec<_> = self.columns.iter().map(|&column| schema.fields()[column].clone()).collect();
        let scalars =
            self.columns.iter().map(|&column| Arc::new(SqlScalar::passing(column, &schema)) as Arc<dyn Scalar>);
        let columns: Vec<Arc<dyn Scalar>> = scalars.collect();
        let origin = self.origin.as_ref().map(|origin| origin.picked(&self.columns));
        let plan = Plan::Map { input: Box::new(self.plan), columns, schema: Arc::new(Schema::new(fields)) };
        Lowered { key: self.key, equal: self.equal, ..Lowered::new(plan, None, origin) }
    }

    /// The same, settled and with an origin, with the key of the relation that it comes from among the plan's columns, and
    /// where: what is missing stands behind all others.
    pub fn with_key_of_origin(self) -> (Lowered, Vec<usize>) {
        let mut origin = self.origin.expect("rows that come from one relation");
        let (mut plan, mut columns, mut key) = (self.plan, self.columns, Vec::new());
        for &column in &origin.relation.schema.key {
            let at;
            (plan, at) = passing(plan, column);
            key.push(at);
            if at == columns.len() {
                columns.push(at);
                origin.columns.push(Derived::Column(column));
            }
        }
        (Lowered { plan, columns, origin: Some(origin), ..self }, key)
    }

    /// For each of this node's columns, where it is in an output that passes these columns of the plan on.
    fn survivors(&self, passed: &[Option<usize>]) -> Vec<Option<usize>> {
        self.columns.iter().map(|&column| passed.iter().position(|&passed| passed == Some(column))).collect()
    }

    fn key_in(&self, survivors: &[Option<usize>]) -> Option<Vec<usize>> {
        let twin = |column: usize| {
            self.equal.iter().find_map(|&(left, right)| match column {
                _ if left == column => survivors[right],
                _ if right == column => survivors[left],
                _ => None,
            })
        };
        let mut key = Vec::new();
        for &column in self.key.as_ref()? {
            let survivor = survivors[column].or_else(|| twin(column))?;
            if !key.contains(&survivor) {
                key.push(survivor);
            }
        }
        Some(key)
    }

    fn equal_in(&self, survivors: &[Option<usize>]) -> Vec<(usize, usize)> {
        self.equal.iter().filter_map(|&(left, right)| Some((survivors[left]?, survivors[right]?))).collect()
    }
}

/// Maps and Filters over a Get, with a column of the Get's passed on to the top, and where it is there.
fn passing(plan: Plan, column: usize) -> (Plan, usize) {
    match plan {
        Plan::Filter { input, predicate } => {
            let (input, at) = passing(*input, column);
            (Plan::Filter { input: Box::new(input), predicate }, at)
        }
        Plan::Map { input, mut columns, schema } => {
            let (input, below) = passing(*input, column);
            if let Some(at) = columns.iter().position(|known| known.column() == Some(below)) {
                return (Plan::Map { input: Box::new(input), columns, schema }, at);
            }
            let passed = SqlScalar::passing(below, &input.schema());
            let field = Field::new(passed.sql(), passed.data_type().clone(), true);
            let fields = schema.fields().iter().cloned().chain([Arc::new(field)]);
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            columns.push(Arc::new(passed));
            let at = columns.len() - 1;
            (Plan::Map { input: Box::new(input), columns, schema }, at)
        }
        get => (get, column),
    }
}

/// Refuses a column of a type that cannot be kept.
pub fn supported(data_type: &arrow::datatypes::DataType, name: &str) -> Result<(), SqlError> {
    if data_type.is_null() {
        return Err(SqlError::new("42P18", format!("the type of column \"{name}\" is not known"))
            .hint("Say which type is meant: CAST(NULL AS text)."));
    }
    if types::canonical(data_type).as_ref() == Some(data_type) {
        return Ok(());
    }
    Err(SqlError::unsupported(format!(
        "column \"{name}\" of type {} in a materialized view",
        types::sql_name(data_type)
    ))
    .hint("Cast it to one that is: boolean, integer, bigint, double precision, numeric, text, bytea, date, timestamp, or an array of one of these."))
}
