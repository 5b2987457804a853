//! The database: SQL in, rows out, and the pipeline that keeps views fresh. Everything works here with no door open.

pub mod limits;
