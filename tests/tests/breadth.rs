//! Queries that nobody wrote for Caudal, each answered three ways: in batch, by a view that is filled from what is there, and
//! by a view that was there first and saw every row come. The three must agree.

#[path = "breadth/answers.rs"]
mod answers;
#[path = "breadth/nexmark.rs"]
mod nexmark;
#[path = "breadth/slt.rs"]
mod slt;
#[path = "breadth/tpch.rs"]
mod tpch;
