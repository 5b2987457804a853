//! Window functions: numbers ([`super::top`]), and values of neighbours.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use dataflow::{Neighbour, Plan};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Window};

use super::lower::Lowering;
use super::lowered::Lowered;
use super::top::{ordered, shorten};
use crate::error::SqlError;
use crate::functions::numbering;
use crate::limits::NEIGHBOUR_ROWS_MAX;

impl Lowering<'_> {
    /// A plan whose rows are read under a condition, which is for windows to know.
    pub(super) fn under(&mut self, plan: &LogicalPlan, above: &Expr) -> Result<Lowered, SqlError> {
        match plan {
            LogicalPlan::Window(window) => self.window(window, Some(above)),
            LogicalPlan::Projection(Projection { expr, input, schema, .. })
                if expr.iter().all(|expr| matches!(expr, Expr::Column(_))) =>
            {
                let lowered = self.under(input, above)?;
                self.projected(lowered, expr, input.schema(), schema)
            }
            plan => self.plan(plan),
        }
    }

    /// `above`: the condition that the window's rows are read under, if any.
    pub(super) fn window(&mut self, window: &Window, above: Option<&Expr>) -> Result<Lowered, SqlError> {
        let functions = window.window_expr.iter().map(function).collect::<Result<Vec<_>, _>>()?;
        let numbers = functions.iter().find_map(|function| numbering::ranking(function.fun.name()));
        match (&functions[..], numbers) {
            ([function], Some(ranking)) => self.numbered(window, function, ranking, above),
            (_, Some(_)) => {
                Err(SqlError::unsupported("a numbering beside another window function in a materialized view")
                    .hint("Make a view of the numbered rows, and the other function over that."))
            }
            (functions, None) => self.neighbours(window, functions),
        }
    }

    fn neighbours(&mut self, window: &Window, functions: &[&WindowFunction]) -> Result<Lowered, SqlError> {
        let over = window.input.schema();
        let offsets = functions.iter().map(|function| offset(function)).collect::<Result<Vec<_>, _>>()?;
        // All functions of a node have one partition and one order.
        let (partition, order) = (&functions[0].params.partition_by, &functions[0].params.order_by);
        let input = self.plan(&window.input)?.settled();
        let values = functions.iter().map(|function| &function.params.args[0]);
        let exprs = partition.iter().chain(order.iter().map(|by| &by.expr)).chain(values);
        let (input, places) = input.with_columns(exprs, over)?;
        let (group, rest) = places.split_at(partition.len());
        let (by, values) = rest.split_at(order.len());
        let mut order = ordered(by, order);
        let from = input.plan.schema();
        shorten(&mut order, group, from.fields().len());
        let mut fields: Vec<_> = from.fields().iter().cloned().collect();
        let mut columns = input.columns.clone();
        let mut neighbours = Vec::with_capacity(functions.len());
        for ((function, &column), offset) in functions.iter().zip(values).zip(offsets) {
            columns.push(fields.len());
            let of = from.field(column).data_type().clone();
            fields.push(Arc::new(Field::new(function.fun.name(), of, true)));
            neighbours.push(Neighbour { column, offset });
        }
        let plan = Plan::Neighbours {
            input: Box::new(input.plan),
            group: group.to_vec(),
            order,
            functions: neighbours,
            schema: Arc::new(Schema::new(fields)),
            state: (self.next_id)(),
        };
        Ok(Lowered { columns, key: input.key, equal: input.equal, ..Lowered::new(plan, None, None) })
    }
}

fn function(expr: &Expr) -> Result<&WindowFunction, SqlError> {
    match expr {
        Expr::Alias(alias) => function(&alias.expr),
        Expr::WindowFunction(function) => Ok(function),
        other => Err(SqlError::unsupported(format!("{other} as a window in a materialized view"))),
    }
}

/// How many places from a row the value is that `lag` or `lead` asks for.
fn offset(function: &WindowFunction) -> Result<i64, SqlError> {
    let (name, params) = (function.fun.name(), &function.params);
    let no = |words: String| Err(SqlError::unsupported(format!("{words} in a materialized view")));
    if !matches!(name, "lag" | "lead") {
        return no(format!("the window function {name}"));
    }
    if params.null_treatment.is_some() || params.filter.is_some() || params.distinct {
        return no(format!("{name} with IGNORE NULLS, FILTER or DISTINCT"));
    }
    let otherwise = params.args.get(2);
    if otherwise.is_some_and(|otherwise| !matches!(otherwise, Expr::Literal(value, _) if value.is_null())) {
        return no(format!("{name} with a default"));
    }
    let places = match params.args.get(1) {
        None => Some(1),
        Some(Expr::Literal(value, _)) => match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(places)) => places,
            _ => None,
        },
        Some(_) => None,
    };
    match places {
        Some(places) if places.unsigned_abs() <= NEIGHBOUR_ROWS_MAX => Ok(if name == "lag" { -places } else { places }),
        Some(places) => Err(SqlError::unsupported(format!("{name} over {places} rows in a materialized view"))
            .hint(format!("A change reads them all; at most {NEIGHBOUR_ROWS_MAX} are."))),
        None => no(format!("{name} over a number of rows that is no constant")),
    }
}
