//! Functions that tell a client where it is.

use std::sync::Arc;

use datafusion::execution::registry::FunctionRegistry;
use datafusion::execution::session_state::SessionState;

use crate::functions::catalog;
use crate::system::Facts;

/// Adds the functions of one statement to its context.
pub fn register(state: &mut SessionState, facts: &Arc<Facts>) {
    for function in catalog::functions(facts) {
        state.register_udf(Arc::new(function)).expect("a statement's own context takes functions");
    }
}
