//! What the engine promises, held against recomputation from scratch.

mod gaining;
mod naive;
mod plans;
mod reads;
mod scalar;
mod value;
mod views;
mod world;
