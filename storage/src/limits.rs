//! Every bound of this crate, by name.
