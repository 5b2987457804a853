//! What the planner promises: plans, expressions, local time, sums.

mod local;
mod planned;
mod plans;
mod scalars;
mod sums;
