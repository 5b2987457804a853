//! The energy pack: its views equal their queries whatever happened, its totals are those of a plain count, and its alerts come
//! and go as they should.

#[path = "energy/alerts.rs"]
mod alerts;
#[path = "energy/histories.rs"]
mod histories;
#[path = "energy/pack.rs"]
mod pack;
