//! Expressions and statements are answered as a real PostgreSQL answers them: random values and patterns, from a seed that is
//! printed (`CAUDAL_SEED=n` for another, `CAUDAL_FULL=1` for any).

#[path = "as_postgresql/arrays.rs"]
mod arrays;
#[path = "as_postgresql/catalogue.rs"]
mod catalogue;
#[path = "as_postgresql/documents.rs"]
mod documents;
#[path = "as_postgresql/harness.rs"]
mod harness;
#[path = "as_postgresql/membership.rs"]
mod membership;
#[path = "as_postgresql/moments.rs"]
mod moments;
#[path = "as_postgresql/numbers.rs"]
mod numbers;
#[path = "as_postgresql/paths.rs"]
mod paths;
#[path = "as_postgresql/patterns.rs"]
mod patterns;
#[path = "as_postgresql/rows.rs"]
mod rows;
#[path = "as_postgresql/rows_as_documents.rs"]
mod rows_as_documents;
#[path = "as_postgresql/sessions.rs"]
mod sessions;
#[path = "as_postgresql/words.rs"]
mod words;
