//! The database: SQL in, rows out, and the pipeline that keeps views fresh. Everything works here with no door open.

pub mod bridge;
pub mod catalog;
pub mod database;
pub mod ddl;
pub mod decode;
pub mod encode;
pub mod error;
pub mod feed;
pub mod functions;
pub mod json;
pub mod limits;
pub mod metrics;
pub mod pack;
pub mod pipeline;
pub mod planner;
pub mod properties;
pub mod query;
pub mod relation;
pub mod roles;
mod room;
pub mod rules;
pub mod scalar;
pub mod scan;
pub mod session;
mod source;
pub mod system;
pub mod types;

pub use database::{Clock, Config, Database, Health, Login, runtime};
pub use error::SqlError;
pub use relation::{Relation, RelationKind, Relations};
pub use session::{Cancel, CopyFormat, CopyIn, CopyLines, Identity, Named, Outcomes, Prepared, Response, Session};
