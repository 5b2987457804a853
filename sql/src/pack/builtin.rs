//! The packs that come with the binary.

/// A pack's files: path and text.
type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($pack:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../packs/", $pack, "/", $path)))),*]
    };
}

/// All of them, by name.
pub const PACKS: &[(&str, Files)] = &[(
    "energy",
    files!("energy":
        "pack.toml",
        "spec.toml",
        "tables.sql",
        "views/step.sql",
        "views/minute.sql",
        "views/gap.sql",
        "views/quarter.sql",
        "views/hour.sql",
        "views/day.sql",
        "views/month.sql",
        "views/customer.sql",
        "views/habit.sql",
        "alerts.sql",
        "views/home_assistant.sql",
    ),
)];
