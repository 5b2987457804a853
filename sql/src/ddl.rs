//! CREATE, ALTER and DROP: from what is parsed to a change of the catalogue.

mod alter;
mod index;
mod options;
mod removal;
mod role;
mod table;
mod view;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

pub use alter::{Alteration, NewColumn, alteration, refused as refused_alter, take_defaults};
pub use index::new_index;
pub use removal::removal;
pub use role::role_change;
pub use table::new_table;
pub use view::new_view;

use crate::error::SqlError;
use crate::limits::NAME_CHARS_MAX;
use crate::query::relation_name;

/// The name of a column, folded to lower case unless quoted.
pub fn column_name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// A name for a new relation, in schema `public`.
fn new_name(name: &ObjectName) -> Result<String, SqlError> {
    let text = relation_name(name)?;
    if let Some((schema, _)) = text.split_once('.') {
        let words = format!("\"{text}\" cannot be made: relations of people are in schema public");
        return Err(SqlError::new(if schema == "caudal" { "42501" } else { "3F000" }, words)
            .hint("Leave the schema out; a name has no dot in it."));
    }
    if text.is_empty() || text.chars().count() > NAME_CHARS_MAX {
        let words = format!("\"{text}\" cannot be a name: it has 1 to {NAME_CHARS_MAX} characters");
        return Err(SqlError::new("42622", words));
    }
    Ok(text)
}
