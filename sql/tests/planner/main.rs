//! What the planner promises: plans, expressions, sums.

mod planned;
mod plans;
mod scalars;
mod sums;
