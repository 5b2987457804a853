//! Scalar expressions of views: DataFusion's, evaluated row by row where they fail.

mod isolated;
mod rows;
mod shifted;
mod text;
mod turn;

use std::fmt::{self, Write};
use std::hash::Hasher;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use dataflow::{EvalError, Scalar};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal, TryCastExpr};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, create_physical_expr};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::error::SqlError;
use crate::functions::{self, arithmetic::canonical};
use crate::planner;

pub use isolated::{Isolated, OnError};
pub use text::sql;
pub use turn::{Halved, Passed};

/// The version of [`SqlScalar::fingerprint`]'s text; a new one makes every view another.
const FINGERPRINT: u8 = 1;

/// The physical form of an analysed expression over the columns of `schema`.
pub fn physical(expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, SqlError> {
    Ok(create_physical_expr(expr, schema, &planner::props(None), &PhysicalPlanningContext::default())?)
}

/// The same expression where column `i` of its input has become column `columns[i]` of `schema`.
pub fn moved(
    expr: Arc<dyn PhysicalExpr>,
    columns: &[usize],
    schema: &Schema,
) -> Result<Arc<dyn PhysicalExpr>, SqlError> {
    let rewritten = expr.transform_up(|node| {
        Ok(match node.downcast_ref::<Column>() {
            Some(column) => {
                let index = columns[column.index()];
                Transformed::yes(Arc::new(Column::new(schema.field(index).name(), index)) as Arc<dyn PhysicalExpr>)
            }
            None => Transformed::no(node),
        })
    })?;
    Ok(rewritten.data)
}

/// An expression over the columns of one operator's input.
pub struct SqlScalar {
    expr: Arc<dyn PhysicalExpr>,
    /// The same, as it is computed.
    computed: Arc<dyn PhysicalExpr>,
    of: DataType,
    sql: String,
    fingerprint: u128,
}

impl SqlScalar {
    /// `expr` over rows of `input`; `sql` is how the person wrote it.
    pub fn new(expr: Arc<dyn PhysicalExpr>, input: &SchemaRef, sql: String) -> Result<SqlScalar, SqlError> {
        let of = expr.data_type(input)?;
        let fingerprint = fingerprint(&expr, input)?;
        let computed = shifted::shifted(expr.clone(), input)?;
        Ok(SqlScalar { expr, computed, of, sql, fingerprint })
    }

    /// The input's column `index`, passed on.
    pub fn passing(index: usize, input: &SchemaRef) -> SqlScalar {
        let name = input.field(index).name();
        let expr: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, index));
        SqlScalar::new(expr, input, name.clone()).expect("a column of its own schema")
    }

    /// The type of its values.
    pub fn data_type(&self) -> &DataType {
        &self.of
    }

    /// DataFusion's form of it.
    pub fn physical(&self) -> &Arc<dyn PhysicalExpr> {
        &self.expr
    }
}

impl Scalar for SqlScalar {
    fn eval(&self, rows: &RecordBatch) -> (ArrayRef, Vec<(usize, EvalError)>) {
        if let Some(column) = self.column() {
            return (rows.column(column).clone(), Vec::new());
        }
        let (array, errors) = rows::evaluate(self.computed.as_ref(), rows, &self.of);
        let array = canonical(array, &self.of).expect("floats of one type");
        let errors = errors.into_iter().map(|(row, error)| (row, EvalError(SqlError::from(error).message)));
        (array, errors.collect())
    }

    fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    fn column(&self) -> Option<usize> {
        self.expr.downcast_ref::<Column>().map(Column::index)
    }

    fn sql(&self) -> String {
        self.sql.clone()
    }
}

impl fmt::Debug for SqlScalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sql)
    }
}

/// SipHash-1-3 (128 bits, zero key) of the expression's canonical text: its display, then for each node in pre-order its
/// type, and what the display does not tell: a literal's value with its type, a cast's strictness, a function's revision. It depends on nothing of
/// this process.
fn fingerprint(expr: &Arc<dyn PhysicalExpr>, input: &SchemaRef) -> Result<u128, SqlError> {
    let mut text = format!("{FINGERPRINT} {expr}");
    expr.apply(|node| {
        write!(text, "|{:?}", node.data_type(input)?).expect("writing to a string");
        if let Some(literal) = node.downcast_ref::<Literal>() {
            write!(text, "={:?}", literal.value()).expect("writing to a string");
        } else if node.downcast_ref::<CastExpr>().is_some() {
            text.push_str("=cast");
        } else if node.downcast_ref::<TryCastExpr>().is_some() {
            text.push_str("=try_cast");
        } else if let Some(called) = node.downcast_ref::<ScalarFunctionExpr>() {
            match functions::revision(called.name()) {
                0 => {}
                times => write!(text, "=revised {times}").expect("writing to a string"),
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut hasher = SipHasher13::new();
    hasher.write(text.as_bytes());
    Ok(hasher.finish128().as_u128())
}
