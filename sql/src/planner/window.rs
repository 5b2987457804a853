//! Window functions: which operator computes them.

use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Window};

use super::lower::Lowering;
use super::lowered::Lowered;
use crate::error::SqlError;
use crate::functions::numbering;

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
        let [expr] = &window.window_expr[..] else {
            return Err(SqlError::unsupported("several window functions in a materialized view"));
        };
        let function = function(expr)?;
        match numbering::ranking(function.fun.name()) {
            Some(ranking) => self.numbered(window, function, ranking, above),
            None => Err(SqlError::unsupported(format!(
                "the window function {} in a materialized view",
                function.fun.name()
            ))),
        }
    }
}

fn function(expr: &Expr) -> Result<&WindowFunction, SqlError> {
    match expr {
        Expr::Alias(alias) => function(&alias.expr),
        Expr::WindowFunction(function) => Ok(function),
        other => Err(SqlError::unsupported(format!("{other} as a window in a materialized view"))),
    }
}
