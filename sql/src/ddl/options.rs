//! The options in WITH (...).

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{CreateTableOptions, Expr, SqlOption, Value};

use super::column_name;
use crate::error::SqlError;

/// Options by name, taken out one by one.
pub struct Options {
    values: BTreeMap<String, String>,
}

impl Options {
    pub fn of(options: &CreateTableOptions) -> Result<Options, SqlError> {
        let listed = match options {
            CreateTableOptions::None => &[][..],
            CreateTableOptions::With(listed) => listed,
            other => return Err(SqlError::unsupported(other).hint("Options are written WITH (name = value).")),
        };
        let mut values = BTreeMap::new();
        for option in listed {
            let SqlOption::KeyValue { key, value } = option else { return Err(SqlError::unsupported(option)) };
            let name = column_name(key);
            if values.insert(name.clone(), literal(&name, value)?).is_some() {
                return Err(SqlError::new("42601", format!("option {name} is given twice")));
            }
        }
        Ok(Options { values })
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// A whole number of at least 1.
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, SqlError> {
        let Some(value) = self.values.remove(name) else { return Ok(None) };
        match value.parse() {
            Ok(count) if count >= 1 => Ok(Some(count)),
            _ => Err(SqlError::new("22023", format!("option {name} is a whole number of at least 1, not {value}"))),
        }
    }

    /// Off where it is not given.
    pub fn flag(&mut self, name: &str) -> Result<bool, SqlError> {
        match self.values.remove(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(SqlError::new("22023", format!("option {name} is true or false, not {other}"))),
        }
    }

    /// Whether it is given.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Refuses, by name, what nobody has taken.
    pub fn finish(self, known: &str) -> Result<(), SqlError> {
        match self.values.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(SqlError::unsupported(format!("option {name}")).hint(known.to_owned())),
        }
    }
}

fn literal(name: &str, value: &Expr) -> Result<String, SqlError> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => return Ok(text.clone()),
            Value::Number(number, _) => return Ok(number.to_string()),
            Value::Boolean(value) => return Ok(value.to_string()),
            _ => {}
        },
        Expr::Identifier(ident) => return Ok(column_name(ident)),
        _ => {}
    }
    Err(SqlError::new("22023", format!("option {name} takes a number or a quoted text, not {value}")))
}
