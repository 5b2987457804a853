//! What time it is: `now()` and its other names, `current_date`, `localtimestamp`.
//!
//! In a query it is the time at which the query, or its transaction, began, put in when the query is planned. In a view it is
//! the time of the epoch, which [`crate::planner`] makes of the calls that are left.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Cast, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::zone::Zone;
use crate::types::UTC;

const DAY_MICROS: i64 = 86_400_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    Moment,
    /// The date where the session is.
    Date,
    /// The time where the session is, without a zone.
    Local,
}

/// A function without arguments that tells the time.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Present {
    what: What,
    aliases: Vec<String>,
    signature: Signature,
}

impl Present {
    pub fn all() -> [Present; 3] {
        [
            Present::new(What::Moment, &["current_timestamp", "transaction_timestamp", "statement_timestamp"]),
            Present::new(What::Date, &["today"]),
            Present::new(What::Local, &[]),
        ]
    }

    fn new(what: What, aliases: &[&str]) -> Present {
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        Present { what, aliases, signature: Signature::nullary(Volatility::Stable) }
    }

    /// Whether an expression is a call of one.
    pub fn is_call(expr: &Expr) -> bool {
        Present::called(expr).is_some()
    }

    fn called(expr: &Expr) -> Option<&Present> {
        match expr {
            Expr::ScalarFunction(ScalarFunction { func, .. }) => func.inner().downcast_ref::<Present>(),
            _ => None,
        }
    }

    /// A call, or any other expression, where `now` is the time and nobody is anywhere but in UTC.
    pub fn at(expr: Expr, now: &Expr) -> Expr {
        let Some(present) = Present::called(&expr) else { return expr };
        match present.what {
            What::Moment => now.clone(),
            What::Date | What::Local => Expr::Cast(Cast::new(Box::new(now.clone()), present.of())),
        }
    }

    fn of(&self) -> DataType {
        match self.what {
            What::Moment => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            What::Date => DataType::Date32,
            What::Local => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }
}

impl ScalarUDFImpl for Present {
    fn name(&self) -> &str {
        match self.what {
            What::Moment => "now",
            What::Date => "current_date",
            What::Local => "localtimestamp",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.of())
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(start) = info.query_execution_start_time() else { return Ok(ExprSimplifyResult::Original(args)) };
        let micros = start.timestamp_micros();
        let zone = info.config_options().execution.time_zone.as_deref().unwrap_or(UTC);
        let value = match self.what {
            What::Moment => ScalarValue::TimestampMicrosecond(Some(micros), Some(UTC.into())),
            What::Date => {
                let local = Zone::of(zone)?.to_local(micros)?;
                ScalarValue::Date32(i32::try_from(local.div_euclid(DAY_MICROS)).ok())
            }
            What::Local => ScalarValue::TimestampMicrosecond(Some(Zone::of(zone)?.to_local(micros)?), None),
        };
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{}() is told when a statement is planned", self.name())
    }
}
