//! The PostgreSQL door keeps what PostgreSQL's protocol promises to clients.

#[path = "postgres_door/copying.rs"]
mod copying;
#[path = "postgres_door/ending.rs"]
mod ending;
#[path = "postgres_door/entering.rs"]
mod entering;
#[path = "postgres_door/files.rs"]
mod files;
#[path = "postgres_door/limits.rs"]
mod limits;
#[path = "postgres_door/psql.rs"]
mod psql;
#[path = "postgres_door/querying.rs"]
mod querying;
#[path = "postgres_door/raw.rs"]
mod raw;
