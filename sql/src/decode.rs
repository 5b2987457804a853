//! From events to rows: what a record says, checked against the columns of its table.

pub mod binary;
pub mod cell;
pub mod envelope;
pub mod float;
pub mod interval;
pub mod json;
pub mod number;
pub mod rows;
pub mod text;
pub mod time;

pub use cell::{Cell, Column, Reason};
pub use envelope::Envelope;
pub use json::RowDecoder;
pub use rows::RowsBuilder;
