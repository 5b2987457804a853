//! Random histories of tables and views, and what they must come to.
//!
//! A [`Case`] is generated from a seed: tables, views over them and epochs of events. [`Model`] says what the tables then hold,
//! in plain Rust that shares no code with the database; [`Expected`] says what each view holds, run in batch by DataFusion on
//! its sources. A [`Node`] lives through the history: [`Simulation`] is the engine over a BTreeMap and a log in memory,
//! [`Stored`] the whole database over RocksDB and the log on disk. A case that is [`Case::shared`] is one that PostgreSQL can be asked
//! too. [`shrink`] makes a failing case small before it is printed.

mod bag;
mod case;
mod cell;
mod expected;
mod history;
mod model;
mod query;
mod shrink;
mod simulation;
mod stored;

pub use bag::Bag;
pub use case::{Case, Column, Event, Table, View};
pub use cell::{Cell, CellType};
pub use expected::Expected;
pub use history::{Node, live, minimal};
pub use model::Model;
pub use shrink::shrink;
pub use simulation::{Simulation, message};
pub use stored::Stored;
