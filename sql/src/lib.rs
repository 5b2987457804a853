//! The database: SQL in, rows out, and the pipeline that keeps views fresh. Everything works here with no door open.

pub mod database;
pub mod error;
pub mod functions;
pub mod limits;
pub mod planner;
pub mod relation;
pub mod rules;
pub mod scalar;
pub mod session;
pub mod types;

pub use database::{Clock, Config, Database, Health};
pub use error::SqlError;
pub use relation::{Relation, RelationKind, Relations};
pub use session::{Cancel, CopyFormat, CopyIn, Identity, Outcomes, Prepared, Response, Session};
