//! `md5`, `sha256`, `sha384`, `sha512`, and `encode` and `decode`: bytes as text that says them.

use arrow::datatypes::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;
use md5::{Digest, Md5};
use ring::digest;

use super::rowwise::pure::strict;
use super::rowwise::text;
use crate::decode::binary;
use crate::error::SqlError;

/// Bytes of a line of base64, which are 76 letters.
const LINE: usize = 57;

pub fn functions() -> Vec<ScalarUDF> {
    let mut functions = vec![
        strict("md5", DataType::Utf8, |args| {
            let digest = Md5::digest(match &args[0] {
                ScalarValue::Binary(Some(bytes)) => bytes.clone(),
                other => text(other).unwrap_or_default().into_bytes(),
            });
            Ok(hexadecimal(&digest).into())
        }),
        strict("encode", DataType::Utf8, |args| {
            let bytes = bytes(&args[0])?;
            Ok(match Format::of(args.get(1))? {
                Format::Hexadecimal => hexadecimal(&bytes),
                Format::Base64 => base64(&bytes),
                Format::Escape => escaped(&bytes),
            }
            .into())
        }),
        strict("decode", DataType::Binary, |args| {
            let written = text(&args[0]).unwrap_or_default();
            let bytes = match Format::of(args.get(1))? {
                Format::Hexadecimal => of_hexadecimal(&written)?,
                Format::Base64 => of_base64(&written)?,
                Format::Escape => {
                    binary::escaped(written.as_bytes()).ok_or_else(|| SqlError::syntax("bytea", &written))?
                }
            };
            Ok(ScalarValue::Binary(Some(bytes)))
        }),
    ];
    for (name, of) in [("sha256", &digest::SHA256), ("sha384", &digest::SHA384), ("sha512", &digest::SHA512)] {
        functions.push(strict(name, DataType::Binary, |args| {
            Ok(ScalarValue::Binary(Some(digest::digest(of, &bytes(&args[0])?).as_ref().to_vec())))
        }));
    }
    functions
}

#[derive(Clone, Copy)]
enum Format {
    Hexadecimal,
    Base64,
    Escape,
}

impl Format {
    fn of(name: Option<&ScalarValue>) -> Result<Format, SqlError> {
        let name = name.and_then(text).unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "hex" => Ok(Format::Hexadecimal),
            "base64" => Ok(Format::Base64),
            "escape" => Ok(Format::Escape),
            _ => Err(SqlError::new("22023", format!("unrecognized encoding: \"{name}\""))),
        }
    }
}

/// A bytea, or a text that is read as one.
fn bytes(value: &ScalarValue) -> Result<Vec<u8>, SqlError> {
    if let ScalarValue::Binary(Some(bytes)) = value {
        return Ok(bytes.clone());
    }
    let written = text(value).unwrap_or_default();
    binary::from_postgresql(&written).ok_or_else(|| SqlError::syntax("bytea", &written))
}

fn hexadecimal(bytes: &[u8]) -> String {
    binary::printed(bytes)[2..].to_owned()
}

/// Base64 with an end of a line behind each that is full.
fn base64(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| STANDARD.encode(bytes) + if bytes.len() == LINE { "\n" } else { "" };
    bytes.chunks(LINE).map(line).collect()
}

fn escaped(bytes: &[u8]) -> String {
    let byte = |&byte: &u8| match byte {
        0 | 0x80.. => format!("\\{byte:03o}"),
        b'\\' => "\\\\".to_owned(),
        _ => char::from(byte).to_string(),
    };
    bytes.iter().map(byte).collect()
}

fn of_hexadecimal(written: &str) -> Result<Vec<u8>, SqlError> {
    let refused = |words: String| SqlError::new("22023", words);
    let (mut bytes, mut high) = (Vec::with_capacity(written.len() / 2), None);
    for letter in written.chars().filter(|letter| !matches!(letter, ' ' | '\t' | '\n' | '\r')) {
        let digit =
            letter.to_digit(16).ok_or_else(|| refused(format!("invalid hexadecimal digit: \"{letter}\"")))? as u8;
        high = match high.take() {
            None => Some(digit),
            Some(high) => {
                bytes.push(high << 4 | digit);
                None
            }
        };
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err(refused("invalid hexadecimal data: odd number of digits".to_owned())),
    }
}

fn of_base64(written: &str) -> Result<Vec<u8>, SqlError> {
    let plain: String = written.chars().filter(|letter| !matches!(letter, ' ' | '\t' | '\n' | '\r')).collect();
    STANDARD.decode(&plain).map_err(|error| SqlError::new("22023", format!("invalid base64 sequence: {error}")))
}
