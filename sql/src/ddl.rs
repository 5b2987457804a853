//! CREATE, ALTER and DROP: from what is parsed to a change of the catalogue.

mod alter;
mod bridge;
mod checks;
mod index;
mod options;
mod removal;
mod role;
mod schema;
mod table;
mod view;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

pub use alter::{Alteration, NewColumn, alteration, refused as refused_alter, take_defaults};
pub use bridge::{BridgeChange, bridge_change};
pub use index::new_index;
pub use removal::removal;
pub use role::role_change;
pub use schema::{altered_schema, new_schema, schema_removal};
pub use table::{new_table, said_by_topics};
pub use view::new_view;

use crate::error::SqlError;
use crate::limits::NAME_CHARS_MAX;
use crate::query::relation_name;

/// The name of a column, folded to lower case unless quoted.
pub fn column_name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// A name for a new relation, with its schema where that is not `public`. Whether there is such a schema is for the
/// catalogue to say.
fn new_name(name: &ObjectName) -> Result<String, SqlError> {
    let text = relation_name(name)?;
    match text.split_once('.') {
        None => checked_name(&text)?,
        Some((schema, _)) if schema::is_own(schema) => {
            let words = format!("\"{text}\" cannot be made: schema {schema} has the node's own relations");
            return Err(SqlError::new("42501", words).hint("Leave the schema out, or CREATE SCHEMA one of your own."));
        }
        Some((_, plain)) if plain.contains('.') => {
            return Err(SqlError::new("42602", format!("\"{text}\" cannot be a name: a name has no dot in it")));
        }
        Some((schema, plain)) => [schema, plain].into_iter().try_for_each(checked_name)?,
    }
    Ok(text)
}

fn checked_name(name: &str) -> Result<(), SqlError> {
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        let words = format!("\"{name}\" cannot be a name: it has 1 to {NAME_CHARS_MAX} characters");
        return Err(SqlError::new("42622", words));
    }
    Ok(())
}
