//! Functions of text that PostgreSQL has and DataFusion has not: `string_to_array`, `format`, `quote_nullable`, `num_nulls`.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;

use super::OwnCast;
use super::rowwise::pure::{called_on_null, strict};
use super::rowwise::{number, text, texts, to_text};
use crate::error::SqlError;
use crate::system::pg_catalog;

pub fn functions() -> Vec<ScalarUDF> {
    vec![
        called_on_null("string_to_array", texts(), |args| {
            let (Some(whole), delimiter) = (text(&args[0]), args.get(1).and_then(text)) else {
                return ScalarValue::try_from(&texts());
            };
            let none = args.get(2).and_then(text);
            Ok(array(&parts(&whole, delimiter.as_deref()), none.as_deref()))
        }),
        called_on_null("format", DataType::Utf8, |args| match args.first().and_then(text) {
            Some(pattern) => to_text(Some(formatted(&pattern, &args[1..])?)),
            None => to_text(None),
        }),
        called_on_null("quote_nullable", DataType::Utf8, |args| {
            to_text(Some(shown(&args[0])?.map_or_else(|| "NULL".to_owned(), |text| quoted(&text))))
        }),
        strict("parse_ident", texts(), |args| {
            let name = text(&args[0]).unwrap_or_default();
            let parts = identifiers(&name)
                .ok_or_else(|| SqlError::new("22023", format!("string is not a valid identifier: \"{name}\"")))?;
            Ok(array(&parts.iter().map(String::as_str).collect::<Vec<_>>(), None))
        }),
        called_on_null("num_nulls", DataType::Int32, |args| {
            Ok(ScalarValue::Int32(Some(args.iter().filter(|value| value.is_null()).count() as i32)))
        }),
        called_on_null("num_nonnulls", DataType::Int32, |args| {
            Ok(ScalarValue::Int32(Some(args.iter().filter(|value| !value.is_null()).count() as i32)))
        }),
    ]
}

/// The parts of a qualified name: folded to lower case but for what is quoted.
fn identifiers(name: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = name.trim();
    loop {
        let (part, behind) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut part = String::new();
                let mut letters = quoted.char_indices().peekable();
                let end = loop {
                    match letters.next()? {
                        (_, '"') if letters.next_if(|(_, next)| *next == '"').is_some() => part.push('"'),
                        (at, '"') => break at + 1,
                        (_, letter) => part.push(letter),
                    }
                };
                (part, &quoted[end..])
            }
            None => {
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                let (part, behind) = rest.split_at(end);
                if part.starts_with(|c: char| c.is_ascii_digit() || c == '$') {
                    return None;
                }
                (part.to_lowercase(), behind)
            }
        };
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        let behind = behind.trim_start();
        match behind.strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None => return behind.is_empty().then_some(parts),
        }
    }
}

/// The parts between delimiters: the letters where there is none, the whole where it is empty.
fn parts<'t>(whole: &'t str, delimiter: Option<&str>) -> Vec<&'t str> {
    match delimiter {
        _ if whole.is_empty() => vec![],
        None => whole.char_indices().map(|(at, letter)| &whole[at..at + letter.len_utf8()]).collect(),
        Some("") => vec![whole],
        Some(delimiter) => whole.split(delimiter).collect(),
    }
}

/// An array of text; parts that are `none` are NULL.
fn array(parts: &[&str], none: Option<&str>) -> ScalarValue {
    let items: Vec<ScalarValue> =
        parts.iter().map(|part| ScalarValue::Utf8((Some(*part) != none).then(|| (*part).to_owned()))).collect();
    ScalarValue::List(ScalarValue::new_list(&items, &DataType::Utf8, true))
}

/// A value as text, as a cast writes it.
fn shown(value: &ScalarValue) -> Result<Option<String>> {
    if value.is_null() {
        return Ok(None);
    }
    let written = match OwnCast::between(&value.data_type(), &DataType::Utf8, false) {
        Some(own) => ScalarValue::try_from_array(&own.cast(&value.to_array()?)?, 0)?,
        None => value.cast_to(&DataType::Utf8)?,
    };
    Ok(match (value, text(&written)) {
        // As people are shown it, and not as a cast writes it.
        (ScalarValue::Boolean(Some(yes)), _) => Some(if *yes { "t" } else { "f" }.to_owned()),
        (_, written) => written,
    })
}

fn quoted(text: &str) -> String {
    let marks = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", marks.replace('\\', "\\\\")) } else { format!("'{marks}'") }
}

/// `format(pattern, ..)`: `%s`, `%I`, `%L`, `%%`, with `n$` before, `-` and a width.
fn formatted(pattern: &str, values: &[ScalarValue]) -> Result<String> {
    let refused = |words: String| SqlError::new("22023", words);
    let too_few = || refused("too few arguments for format()".to_owned());
    let (mut out, mut letters, mut next) = (String::new(), pattern.chars().peekable(), 0);
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let ended = || refused("unterminated format() type specifier".to_owned());
        let digits = |letters: &mut std::iter::Peekable<std::str::Chars>| {
            let mut digits = String::new();
            while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits
        };
        if letters.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut width = digits(&mut letters);
        if !width.is_empty() && letters.next_if_eq(&'$').is_some() {
            let place: usize = width.parse().map_err(|_| refused("number is out of range".to_owned()))?;
            if place == 0 {
                return Err(refused("format specifies argument 0, but arguments are numbered from 1".to_owned()).into());
            }
            (next, width) = (place - 1, String::new());
        }
        let mut left = false;
        if width.is_empty() {
            left = letters.next_if_eq(&'-').is_some();
            while letters.next_if_eq(&'-').is_some() {}
            width = digits(&mut letters);
        }
        let mut width: i64 = if width.is_empty() { 0 } else { width.parse().unwrap_or(0) };
        if letters.next_if_eq(&'*').is_some() {
            let given = values.get(next).ok_or_else(too_few)?;
            let refused = || SqlError::syntax("integer", &text(given).unwrap_or_default());
            let whole = given.data_type().is_integer() || given.data_type().is_string() || given.is_null();
            width = if given.is_null() { 0 } else { number(given).filter(|_| whole).ok_or_else(refused)? };
            next += 1;
        }
        let kind = letters.next().ok_or_else(ended)?;
        if !"sIL".contains(kind) {
            let words = format!("unrecognized format() type specifier \"{kind}\"");
            return Err(refused(words).hint("For a single \"%\" use \"%%\".").into());
        }
        let value = shown(values.get(next).ok_or_else(too_few)?)?;
        next += 1;
        let text = match (kind, value) {
            ('s', value) => value.unwrap_or_default(),
            ('I', Some(value)) => pg_catalog::shown(&value),
            ('I', None) => {
                let words = "null values cannot be formatted as an SQL identifier";
                return Err(SqlError::new("22004", words).into());
            }
            (_, value) => value.map_or_else(|| "NULL".to_owned(), |value| quoted(&value)),
        };
        let pad = (width.unsigned_abs() as usize).saturating_sub(text.chars().count());
        let pad = " ".repeat(pad.min(10_000));
        out += &if left || width < 0 { format!("{text}{pad}") } else { format!("{pad}{text}") };
    }
    Ok(out)
}
