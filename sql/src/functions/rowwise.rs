//! Functions that work on one row's values at a time: for what is asked of few rows, such as the catalogue's.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

/// What a function answers for one row.
type Work = Arc<dyn Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync>;

/// What type it answers for arguments of these types.
type Returns = Arc<dyn Fn(&[DataType]) -> Result<DataType> + Send + Sync>;

struct Rowwise {
    name: String,
    signature: Signature,
    returns: Returns,
    work: Work,
    /// NULL for any argument is NULL for the answer.
    strict: bool,
}

/// A function of any arguments; NULL where one of them is.
pub fn strict(
    name: &str,
    returns: DataType,
    work: impl Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync + 'static,
) -> ScalarUDF {
    make(name, Arc::new(move |_| Ok(returns.clone())), Arc::new(work), true)
}

/// A function of any arguments, NULLs too.
pub fn called_on_null(
    name: &str,
    returns: DataType,
    work: impl Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync + 'static,
) -> ScalarUDF {
    make(name, Arc::new(move |_| Ok(returns.clone())), Arc::new(work), false)
}

/// A function that does something, each time it is called; of any arguments, NULLs too.
pub fn volatile(
    name: &str,
    returns: DataType,
    work: impl Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync + 'static,
) -> ScalarUDF {
    of(name, Volatility::Volatile, Arc::new(move |_| Ok(returns.clone())), Arc::new(work), false)
}

/// A function whose type depends on its arguments'.
pub fn typed(
    name: &str,
    returns: impl Fn(&[DataType]) -> Result<DataType> + Send + Sync + 'static,
    work: impl Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync + 'static,
) -> ScalarUDF {
    make(name, Arc::new(returns), Arc::new(work), false)
}

/// The same of the arguments alone, not of what else there is: a view may call them.
pub mod pure {
    use super::*;

    pub fn strict(
        name: &str,
        returns: DataType,
        work: impl Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync + 'static,
    ) -> ScalarUDF {
        of(name, Volatility::Immutable, Arc::new(move |_| Ok(returns.clone())), Arc::new(work), true)
    }

    pub fn called_on_null(
        name: &str,
        returns: DataType,
        work: impl Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync + 'static,
    ) -> ScalarUDF {
        of(name, Volatility::Immutable, Arc::new(move |_| Ok(returns.clone())), Arc::new(work), false)
    }

    pub fn typed(
        name: &str,
        returns: impl Fn(&[DataType]) -> Result<DataType> + Send + Sync + 'static,
        work: impl Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync + 'static,
    ) -> ScalarUDF {
        of(name, Volatility::Immutable, Arc::new(returns), Arc::new(work), false)
    }
}

fn make(name: &str, returns: Returns, work: Work, strict: bool) -> ScalarUDF {
    of(name, Volatility::Stable, returns, work, strict)
}

fn of(name: &str, volatility: Volatility, returns: Returns, work: Work, strict: bool) -> ScalarUDF {
    let any = TypeSignature::OneOf(vec![TypeSignature::VariadicAny, TypeSignature::Nullary]);
    let signature = Signature::new(any, volatility);
    ScalarUDF::new_from_impl(Rowwise { name: name.to_owned(), signature, returns, work, strict })
}

/// A list of text.
pub fn texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// An argument as text.
pub fn text(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.clone(),
        ScalarValue::Null => None,
        value if value.is_null() => None,
        value => Some(value.to_string()),
    }
}

/// An argument as a whole number; text is read as one.
pub fn number(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => text.trim().parse().ok(),
        value => match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(number)) => number,
            _ => None,
        },
    }
}

pub fn to_text(text: Option<String>) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(text))
}

impl ScalarUDFImpl for Rowwise {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.returns)(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let null = ScalarValue::try_from(args.return_field.data_type())?;
        let answer = |values: &[ScalarValue]| match self.strict && values.iter().any(ScalarValue::is_null) {
            true => Ok(null.clone()),
            false => (self.work)(values),
        };
        if args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_))) {
            let values: Vec<ScalarValue> = args
                .args
                .into_iter()
                .map(|argument| match argument {
                    ColumnarValue::Scalar(value) => value,
                    ColumnarValue::Array(_) => unreachable!("all are scalars"),
                })
                .collect();
            return answer(&values).map(ColumnarValue::Scalar);
        }
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let row = |row: usize| {
            let values = arrays.iter().map(|array| ScalarValue::try_from_array(array, row));
            answer(&values.collect::<Result<Vec<_>>>()?)
        };
        let answers = (0..args.number_rows).map(row).collect::<Result<Vec<_>>>()?;
        match answers.is_empty() {
            true => Ok(ColumnarValue::Array(arrow::array::new_empty_array(args.return_field.data_type()))),
            false => Ok(ColumnarValue::Array(ScalarValue::iter_to_array(answers)?)),
        }
    }
}

impl fmt::Debug for Rowwise {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Rowwise {
    fn eq(&self, other: &Rowwise) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.work, &other.work)
    }
}

impl Eq for Rowwise {}

impl Hash for Rowwise {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
