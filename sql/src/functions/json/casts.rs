//! Casts from and to documents.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryBuilder, StringArray};
use arrow::compute;
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::{read, spoken};
use crate::decode::number;
use crate::error::SqlError;
use crate::functions::OwnCast;
use crate::json::{self, Kind};
use crate::types::{self, JSON};

/// Whether a cast between these types is ours.
pub fn covers(from: &DataType, to: &DataType) -> bool {
    let scalar = |of: &DataType| of.is_string() || of.is_numeric() || *of == DataType::Boolean;
    from.is_string() && *to == JSON || *from == JSON && scalar(to)
}

/// Text as documents, documents as text, scalars that are documents as what they are; `lenient`: NULL where there is none,
/// instead of an error.
pub fn cast(values: &ArrayRef, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    if *to == JSON {
        let texts = compute::cast(values, &DataType::Utf8)?;
        let mut documents = LargeBinaryBuilder::new();
        for text in texts.as_string::<i32>() {
            documents.append_option(match text.map(read).transpose() {
                Err(_) if lenient => None,
                document => document?,
            });
        }
        return Ok(Arc::new(documents.finish()));
    }
    let documents = values.as_binary::<i64>().iter().map(|document| document.map(spoken));
    if to.is_string() {
        return Ok(compute::cast(&documents.collect::<StringArray>(), to)?);
    }
    let mut scalars = Vec::with_capacity(values.len());
    for document in documents {
        scalars.push(match document.map(|document| scalar(document, to)).transpose() {
            Err(_) if lenient => None,
            scalar => scalar?,
        });
    }
    let scalars: ArrayRef = Arc::new(StringArray::from(scalars));
    Ok(match OwnCast::between(&DataType::Utf8, to, lenient) {
        Some(cast) => cast.cast(&scalars)?,
        None => {
            let options = compute::CastOptions { safe: lenient, ..Default::default() };
            compute::cast_with_options(&scalars, to, &options)?
        }
    })
}

/// The text of a scalar as the cast of its type reads it.
fn scalar(document: &str, to: &DataType) -> Result<String> {
    let kind = json::kind(document);
    let is_so = if *to == DataType::Boolean { kind == Kind::Boolean } else { kind == Kind::Number };
    if !is_so {
        let of = match kind {
            Kind::Array | Kind::Object => format!("array or object to type {}", types::sql_name(to)),
            _ => format!("jsonb {} to type {}", json::type_name(document), types::sql_name(to)),
        };
        let words =
            if of.starts_with("array") { format!("cannot cast jsonb {of}") } else { format!("cannot cast {of}") };
        return Err(SqlError::new("22023", words).into());
    }
    if !to.is_integer() {
        return Ok(document.to_owned());
    }
    // PostgreSQL rounds.
    let rounded = number::scaled(document, 0, false);
    let out_of_range = || SqlError::new("22003", format!("{} out of range", types::sql_name(to)));
    Ok(rounded.map_err(|_| out_of_range())?.to_string())
}
