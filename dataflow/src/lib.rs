//! The engine: an epoch's changes go in, the changes of every view come out.
//!
//! It is deterministic: no clock, no threads, no I/O but [`State`], and timely's types never leave it. Read it in the order
//! data flows: [`relation`] names what is kept, [`row`] says how a row becomes bytes, [`changes`] is what moves between
//! operators, [`plan`] is a view ready to run, [`engine`] runs it, [`state`] is where its memory lives.

pub mod changes;
pub mod engine;
pub mod exact;
pub mod limits;
pub mod operators;
pub mod plan;
pub mod relation;
pub mod row;
pub mod scalar;
pub mod state;

pub use changes::Changes;
pub use engine::meter::{Clock, Figures, ViewFigures};
pub use engine::{Engine, EngineError, ErrorChange, Install, Outcome, Step};
pub use plan::{
    Aggregate, AggregateFunction, Bound, Extremes, JoinKind, Matches, Neighbour, Order, Plan, PlannedView, Ranking,
    Rescan, Root, Sequence, SetOperation, Side, Taken, Within,
};
pub use relation::{Epoch, RelationId, RelationSchema};
pub use row::{Block, RowCodec};
pub use scalar::{EvalError, Scalar};
pub use state::{Construction, Direction, Found, KeyRange, MemoryState, State, StateError, StateWrite};
