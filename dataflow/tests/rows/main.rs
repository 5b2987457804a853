//! Rows as bytes: the formats are what they were, the order of keys is the order of rows, and everything comes back.

mod cell;
mod formats;
mod properties;
