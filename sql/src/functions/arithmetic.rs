//! `+ - * / %` and negation that fail where DataFusion's wrap or give infinity.
//!
//! Integers and decimals that do not fit are an error (22003), so is division by zero for floats too (22012). Float results
//! are canonical: no -0.0, one NaN. The operators become these functions in [`crate::rules`], before anything is folded, so
//! maintained views, ad hoc queries and constants all compute alike.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum, Float32Array, Float64Array};
use arrow::compute::kernels::numeric;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use crate::error::SqlError;
use crate::types;

/// The most digits a decimal has; only there can a result be too wide for its type.
const DECIMAL_DIGITS_MAX: u8 = 38;

/// Whether an operator between these types is ours: arithmetic on numbers.
pub fn covers(operator: &Operator, left: &DataType, right: &DataType) -> bool {
    matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo)
        && left.is_numeric()
        && right.is_numeric()
}

/// A checked operator between two numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Checked {
    operator: Operator,
    signature: Signature,
}

impl Checked {
    /// The checked form of `operator`, which must be one that [`covers`] knows.
    pub fn new(operator: Operator) -> Checked {
        Checked { operator, signature: Signature::any(2, Volatility::Immutable) }
    }

    /// The operator as written.
    pub fn operator(&self) -> Operator {
        self.operator
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operator {
            Operator::Plus => "checked_add",
            Operator::Minus => "checked_subtract",
            Operator::Multiply => "checked_multiply",
            Operator::Divide => "checked_divide",
            _ => "checked_modulo",
        }
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [left, right] = args else { return internal_err!("{} takes two arguments", self.name()) };
        Ok(format!("{} {} {}", left.schema_name(), self.operator, right.schema_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else { return internal_err!("{} takes two arguments", self.name()) };
        BinaryTypeCoercer::new(left, &self.operator, right).get_result_type()
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        field(self, args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return internal_err!("{} takes two arguments", self.name()) };
        let wanted = args.return_field.data_type();
        let compute = |left: &dyn Datum, right: &dyn Datum| self.compute(left, right, wanted);
        apply(left, right, compute).map_err(|error| told(error, wanted))
    }
}

impl Checked {
    fn compute(&self, left: &dyn Datum, right: &dyn Datum, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
        let divides = matches!(self.operator, Operator::Divide | Operator::Modulo);
        if divides && wanted.is_floating() {
            refuse_zero(left, right)?;
        }
        let result = match self.operator {
            Operator::Plus => numeric::add(left, right),
            Operator::Minus => numeric::sub(left, right),
            Operator::Multiply => numeric::mul(left, right),
            Operator::Divide => numeric::div(left, right),
            _ => numeric::rem(left, right),
        }?;
        canonical(fitting(result)?, wanted)
    }
}

/// A checked minus sign before a number.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Negate {
    signature: Signature,
}

impl Default for Negate {
    fn default() -> Negate {
        Negate { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Negate {
    fn name(&self) -> &str {
        "checked_negate"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(format!("(- {})", args[0].schema_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        field(self, args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let wanted = args.return_field.data_type();
        let compute = |array: &dyn Array| canonical(numeric::neg(array)?, wanted);
        match &args.args[0] {
            ColumnarValue::Array(array) => {
                Ok(ColumnarValue::Array(compute(array).map_err(|error| told(error.into(), wanted))?))
            }
            ColumnarValue::Scalar(scalar) => {
                let array = compute(&scalar.to_array()?).map_err(|error| told(error.into(), wanted))?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
        }
    }
}

fn field(function: &dyn ScalarUDFImpl, args: ReturnFieldArgs) -> Result<FieldRef> {
    let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
    let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
    Ok(Arc::new(Field::new(function.name(), function.return_type(&types)?, nullable)))
}

/// Floats divide by zero to infinity; a person who divides by zero is told so.
fn refuse_zero(left: &dyn Datum, right: &dyn Datum) -> Result<(), ArrowError> {
    let ((left, left_scalar), (right, right_scalar)) = (left.get(), right.get());
    let zero = |index: usize| {
        right.is_valid(index)
            && match right.data_type() {
                DataType::Float64 => right.as_primitive::<Float64Type>().value(index) == 0.0,
                DataType::Float32 => right.as_primitive::<Float32Type>().value(index) == 0.0,
                _ => false,
            }
    };
    let rows = if left_scalar { right.len() } else { left.len() };
    let at = |index: usize, scalar: bool| if scalar { 0 } else { index };
    let found = (0..rows).any(|row| zero(at(row, right_scalar)) && left.is_valid(at(row, left_scalar)));
    if found { Err(ArrowError::DivideByZero) } else { Ok(()) }
}

/// Arrow's decimals stay within 128 bits but may have more digits than their type: that does not fit.
fn fitting(array: ArrayRef) -> Result<ArrayRef, ArrowError> {
    if let DataType::Decimal128(DECIMAL_DIGITS_MAX, _) = array.data_type() {
        array.as_primitive::<Decimal128Type>().validate_decimal_precision(DECIMAL_DIGITS_MAX)?;
    }
    Ok(array)
}

/// One zero and one NaN. Floats only; anything else must already be of the type wanted.
pub fn canonical(array: ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    let array = match array.data_type() {
        DataType::Float64 => {
            let floats: Float64Array =
                array.as_primitive::<Float64Type>().unary(|x| if x.is_nan() { f64::NAN } else { x + 0.0 });
            Arc::new(floats) as ArrayRef
        }
        DataType::Float32 => {
            let floats: Float32Array =
                array.as_primitive::<Float32Type>().unary(|x| if x.is_nan() { f32::NAN } else { x + 0.0 });
            Arc::new(floats) as ArrayRef
        }
        _ => array,
    };
    if array.data_type() == wanted {
        return Ok(array);
    }
    cast_with_options(&array, wanted, &CastOptions { safe: false, ..Default::default() })
}

/// The error as PostgreSQL says it.
fn told(error: DataFusionError, wanted: &DataType) -> DataFusionError {
    let told = SqlError::from(error);
    match told.sqlstate {
        "22003" => SqlError::new("22003", format!("{} out of range", types::sql_name(wanted))).into(),
        _ => told.into(),
    }
}
