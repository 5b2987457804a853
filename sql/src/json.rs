//! JSON documents as `jsonb` has them: one text stands for one value.
//!
//! The text is PostgreSQL's own of a `jsonb`: a blank behind each colon and comma, the members of an object by the length of
//! their names and then by their bytes, of members with the same name the last one, numbers without an exponent, strings
//! with as few escapes as there can be. So two documents are the same value if and only if they are the same bytes, but for
//! zeros at the end of a fraction, which PostgreSQL keeps too; and every part of a document is a piece of its text.

mod at_path;
mod canonical;
mod change;
mod compare;
mod walk;

pub use at_path::{Change, changed, pretty};
pub use canonical::{Malformed, canonical, write_text};
pub use change::{concatenated, without_item, without_member, without_nulls};
pub use compare::{contains, has};
pub use walk::{Kind, Step, element, items, kind, member, members, path, text, type_name};
