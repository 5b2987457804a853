//! What clients know a value as, said again where an expression does not pass it on.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::types::Spoken;

/// A value as it is, known by a type that its expression does not say.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct KnownAs {
    spoken: Spoken,
    signature: Signature,
}

impl KnownAs {
    pub fn call(spoken: Spoken, expr: Expr) -> Expr {
        let signature = Signature::any(1, Volatility::Immutable);
        ScalarUDF::new_from_impl(KnownAs { spoken, signature }).call(vec![expr])
    }
}

impl ScalarUDFImpl for KnownAs {
    fn name(&self) -> &str {
        "_pg_known_as"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = Field::new(self.name(), args.arg_fields[0].data_type().clone(), true);
        Ok(Arc::new(self.spoken.on(field)))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args.remove(0))
    }
}
