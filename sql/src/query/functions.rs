//! Functions that tell a client where it is.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, exec_err};
use datafusion::execution::registry::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use crate::catalog::PUBLIC;
use crate::planner::CATALOG;
use crate::session::Whoami;

/// What clients parse: PostgreSQL's version first.
pub fn version() -> String {
    format!("PostgreSQL {} (Caudal {})", crate::session::SERVER_VERSION, env!("CARGO_PKG_VERSION"))
}

/// Adds the functions of one session to the context of a statement.
pub fn register(state: &mut SessionState, who: &Whoami) {
    let constants = [
        ("version", version()),
        ("current_database", CATALOG.to_owned()),
        ("current_catalog", CATALOG.to_owned()),
        ("current_schema", PUBLIC.to_owned()),
        ("current_user", who.user.clone()),
        ("session_user", who.user.clone()),
        ("user", who.user.clone()),
    ];
    let mut functions: Vec<ScalarUDF> = constants.into_iter().map(|(name, value)| constant(name, value)).collect();
    functions.push(current_setting(who));
    for function in functions {
        state.register_udf(Arc::new(function)).expect("a statement's own context takes functions");
    }
}

fn constant(name: &str, value: String) -> ScalarUDF {
    let answer = ColumnarValue::Scalar(ScalarValue::Utf8(Some(value)));
    create_udf(name, vec![], DataType::Utf8, Volatility::Stable, Arc::new(move |_| Ok(answer.clone())))
}

fn current_setting(who: &Whoami) -> ScalarUDF {
    let settings = who.settings.clone();
    let look_up = move |arguments: &[ColumnarValue]| {
        let [ColumnarValue::Scalar(ScalarValue::Utf8(Some(name)))] = arguments else {
            return exec_err!("current_setting takes the name of one setting");
        };
        match settings.get(name.as_str()) {
            Some(value) => Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(value.to_owned())))),
            None => exec_err!("setting {name} is not known"),
        }
    };
    create_udf("current_setting", vec![DataType::Utf8], DataType::Utf8, Volatility::Stable, Arc::new(look_up))
}
