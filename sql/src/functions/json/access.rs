//! `->`, `#>`, `jsonb_extract_path`: the parts of documents.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, LargeBinaryBuilder, StringBuilder};
use arrow::compute;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::spoken;
use crate::error::SqlError;
use crate::functions::rowwise::texts;
use crate::json::{self, Kind, Step};
use crate::types::{self, JSON};

/// Which steps lead to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Steps {
    /// One, a name or a place.
    One,
    /// An array of them.
    Listed,
    /// An argument each.
    Each,
}

/// `->`, `#>`, `jsonb_extract_path`, and what gives the part as text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Access {
    name: &'static str,
    steps: Steps,
    text: bool,
    signature: Signature,
}

impl Access {
    pub(super) fn all(text: bool) -> impl Iterator<Item = Access> {
        let each = match text {
            false => [
                ("_pg_json_get", Steps::One),
                ("_pg_json_path", Steps::Listed),
                ("jsonb_extract_path", Steps::Each),
                ("json_extract_path", Steps::Each),
            ],
            true => [
                ("_pg_json_get_text", Steps::One),
                ("_pg_json_path_text", Steps::Listed),
                ("jsonb_extract_path_text", Steps::Each),
                ("json_extract_path_text", Steps::Each),
            ],
        };
        let signature = Signature::variadic_any(Volatility::Immutable);
        each.into_iter().map(move |(name, steps)| Access { name, steps, text, signature: signature.clone() })
    }

    /// The part of one row's document.
    fn part<'d>(&self, document: &'d str, step: &ArrayRef, row: usize) -> Option<&'d str> {
        match step.data_type() {
            DataType::Int64 => json::element(document, step.as_primitive::<Int64Type>().value(row)),
            DataType::Utf8 if json::kind(document) == Kind::Array => None,
            DataType::Utf8 => json::member(document, &Step::new(step.as_string::<i32>().value(row))),
            _ => {
                let steps = step.as_list::<i32>().value(row);
                let steps: Option<Vec<Step>> =
                    steps.as_string::<i32>().iter().map(|name| name.map(Step::new)).collect();
                json::path(document, &steps?)
            }
        }
    }
}

impl ScalarUDFImpl for Access {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if !matches!(types.first(), Some(&JSON | DataType::Null)) || types.len() < 2 && self.steps != Steps::Each {
            let types: Vec<String> = types.iter().map(types::sql_name).collect();
            let words = format!("function {}({}) does not exist", self.name, types.join(", "));
            return Err(SqlError::new("42883", words)
                .hint("Its first argument is a jsonb: cast it, as in value::jsonb.")
                .into());
        }
        Ok(if self.text { DataType::Utf8 } else { JSON })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let documents = compute::cast(&args.args[0].to_array(args.number_rows)?, &JSON)?;
        let documents: &LargeBinaryArray = documents.as_binary::<i64>();
        // A step that is the same for all rows is read once.
        let constant = match &args.args[1..] {
            [ColumnarValue::Scalar(ScalarValue::Utf8(Some(name)))] if self.steps == Steps::One => Some(Step::new(name)),
            _ => None,
        };
        let mut steps = Vec::with_capacity(args.args.len() - 1);
        for step in &args.args[1..] {
            let step = step.to_array(args.number_rows)?;
            let kept = match (self.steps, step.data_type()) {
                (Steps::Listed, _) => texts(),
                (Steps::One, of) if of.is_integer() => DataType::Int64,
                _ => DataType::Utf8,
            };
            steps.push(if step.data_type() == &kept { step } else { compute::cast(&step, &kept)? });
        }
        let part = |row: usize| {
            if documents.is_null(row) || steps.iter().any(|step| step.is_null(row)) {
                return None;
            }
            let document = spoken(documents.value(row));
            match (&constant, self.steps) {
                (Some(_), _) if json::kind(document) == Kind::Array => None,
                (Some(step), _) => json::member(document, step),
                (None, Steps::Each) => {
                    let names = steps.iter().map(|step| Step::new(step.as_string::<i32>().value(row)));
                    json::path(document, &names.collect::<Vec<_>>())
                }
                (None, _) => self.part(document, &steps[0], row),
            }
        };
        let rows = 0..args.number_rows;
        Ok(ColumnarValue::Array(match self.text {
            true => {
                let mut found = StringBuilder::new();
                rows.for_each(|row| found.append_option(part(row).and_then(json::text)));
                Arc::new(found.finish())
            }
            false => {
                let mut found = LargeBinaryBuilder::new();
                rows.for_each(|row| found.append_option(part(row)));
                Arc::new(found.finish())
            }
        }))
    }
}
