//! Expressions in DataFusion's own plans that keep one row's error from being another's.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use super::rows::evaluate;

/// What an [`Isolated`] expression gives where the one within fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnError {
    /// The error, but only of a row that fails evaluated alone.
    Fail,
    /// False: a condition that leaves such rows out.
    False,
    /// Whether there was none: true or false, never the value.
    Told,
}

/// An expression evaluated with errors row by row.
#[derive(Debug, Eq)]
pub struct Isolated {
    inner: Arc<dyn PhysicalExpr>,
    on_error: OnError,
}

impl Isolated {
    pub fn new(inner: Arc<dyn PhysicalExpr>, on_error: OnError) -> Isolated {
        Isolated { inner, on_error }
    }
}

impl PartialEq for Isolated {
    fn eq(&self, other: &Isolated) -> bool {
        self.inner.as_ref() == other.inner.as_ref() && self.on_error == other.on_error
    }
}

impl Hash for Isolated {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
        self.on_error.hash(state);
    }
}

impl fmt::Display for Isolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.on_error {
            OnError::Fail | OnError::False => self.inner.fmt(f),
            OnError::Told => write!(f, "succeeds({})", self.inner),
        }
    }
}

impl PhysicalExpr for Isolated {
    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        match self.on_error {
            OnError::Told => Ok(Arc::new(Field::new("succeeds", DataType::Boolean, false))),
            OnError::Fail | OnError::False => self.inner.return_field(schema),
        }
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.on_error == OnError::Fail
            && let Ok(value) = self.inner.evaluate(batch)
        {
            return Ok(value);
        }
        let of = self.inner.data_type(batch.schema_ref())?;
        let (array, errors) = evaluate(self.inner.as_ref(), batch, &of);
        let failed = |errors: &[(usize, _)]| {
            let mut failed = vec![false; batch.num_rows()];
            errors.iter().for_each(|(row, _)| failed[*row] = true);
            failed
        };
        match self.on_error {
            OnError::Fail => match errors.into_iter().next() {
                Some((_, error)) => Err(error),
                None => Ok(ColumnarValue::Array(array)),
            },
            OnError::False => {
                let failed = failed(&errors);
                let value = |row: usize| match failed[row] {
                    true => Some(false),
                    false => array.is_valid(row).then(|| array.as_boolean().value(row)),
                };
                Ok(ColumnarValue::Array(Arc::new((0..batch.num_rows()).map(value).collect::<BooleanArray>())))
            }
            OnError::Told => {
                let told = failed(&errors).into_iter().map(|failed| Some(!failed)).collect::<BooleanArray>();
                Ok(ColumnarValue::Array(Arc::new(told)))
            }
        }
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match children.into_iter().next() {
            Some(inner) => Ok(Arc::new(Isolated { inner, on_error: self.on_error })),
            None => internal_err!("an isolated expression has one child"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
