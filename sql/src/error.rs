//! What a person is told when a statement cannot be done.

mod mapping;

use crate::decode::cell::quoted;

/// An error with PostgreSQL's code for it, where in the statement it is, and what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// Five characters, as PostgreSQL defines them ("42P01").
    pub sqlstate: &'static str,
    pub message: String,
    /// Character of the statement that it is about, from 1.
    pub position: Option<usize>,
    /// What to do.
    pub hint: Option<String>,
    pub detail: Option<String>,
}

impl SqlError {
    /// An error without position, hint or detail.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> SqlError {
        SqlError { sqlstate, message: message.into(), position: None, hint: None, detail: None }
    }

    /// The construct is not supported (0A000).
    pub fn unsupported(construct: impl std::fmt::Display) -> SqlError {
        SqlError::new("0A000", format!("{construct} is not supported"))
    }

    /// The text does not stand for a value of the type (22P02).
    pub fn syntax(type_name: &str, text: &str) -> SqlError {
        SqlError::new("22P02", format!("invalid input syntax for type {type_name}: \"{}\"", quoted(text)))
    }

    /// The same error with advice.
    pub fn hint(mut self, hint: impl Into<String>) -> SqlError {
        self.hint = Some(hint.into());
        self
    }

    /// The same error without its place, which is in a text that the client has not sent now.
    pub fn nowhere(mut self) -> SqlError {
        self.position = None;
        self
    }

    /// The same error, about the character at `position` (from 1).
    pub fn at(mut self, position: usize) -> SqlError {
        self.position = Some(position);
        self
    }
}
