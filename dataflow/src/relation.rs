//! What is kept: relations (tables, views, operator state) and the epochs they change in.

use std::fmt;

use arrow::datatypes::SchemaRef;

/// A table, a view or a state table. All three share one number space and a number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationId(pub u32);

/// The time of one commit. Epochs are totally ordered; 0 is the state before the first commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch that follows this one.
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// The columns of a stored relation and how its rows are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationSchema {
    /// Columns in the order of their ids. Supported types are those of [`crate::row::supported`].
    pub columns: SchemaRef,
    /// Positions of the key columns, in key order. Empty means that there is at most one row (a global aggregate).
    pub key: Vec<usize>,
    /// A bag: the key is every column, in column order, and the value's tail says how often the row occurs.
    pub counted: bool,
}
