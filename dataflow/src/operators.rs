//! The operators, one per file.
//!
//! Operators without state ([`map`], [`filter`], fused into a [`chain`], [`unnest`]) work on each batch as it comes. Operators with
//! state ([`reduce`], [`join`], [`combine`], [`top`], [`neighbours`], [`temporal`]) and the roots of views ([`keyed`], [`counted`]) run once per
//! epoch on all its changes.

pub(crate) mod batch;
pub(crate) mod chain;
pub(crate) mod combine;
pub(crate) mod counted;
pub(crate) mod filter;
pub(crate) mod groups;
pub(crate) mod index;
pub(crate) mod join;
pub(crate) mod keyed;
pub(crate) mod map;
pub(crate) mod neighbours;
pub(crate) mod ordered;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod sided;
pub(crate) mod small;
pub(crate) mod temporal;
pub(crate) mod top;
pub(crate) mod unnest;
