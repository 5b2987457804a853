//! CREATE SCHEMA, DROP SCHEMA, and ALTER SCHEMA .. SET OPTIONS, which says whose a schema is.

use datafusion::sql::sqlparser::ast::{
    AlterSchema, AlterSchemaOperation, CreateTableOptions, ObjectName, ObjectType, SchemaName, Statement,
};

use super::options::Options;
use super::{checked_name, column_name};
use crate::catalog::{PUBLIC, PackVersion, SYSTEM};
use crate::error::SqlError;
use crate::pipeline::{NewSchema, PackedSchema, SchemaRemoval};
use crate::system::{information_schema, pg_catalog};

/// Whether a schema is the node's own, where people make nothing.
pub fn is_own(schema: &str) -> bool {
    [SYSTEM, pg_catalog::SCHEMA, information_schema::SCHEMA].contains(&schema)
}

/// The schema that a statement makes.
pub fn new_schema(statement: &Statement) -> Result<NewSchema, SqlError> {
    let Statement::CreateSchema { schema_name, if_not_exists, .. } = statement else {
        unreachable!("the caller has a CREATE SCHEMA statement");
    };
    let SchemaName::Simple(name) = schema_name else {
        return Err(SqlError::unsupported("AUTHORIZATION in CREATE SCHEMA"));
    };
    let plain = Statement::CreateSchema {
        schema_name: schema_name.clone(),
        if_not_exists: *if_not_exists,
        with: None,
        options: None,
        default_collate_spec: None,
        clone: None,
    };
    if plain.to_string() != statement.to_string() {
        return Err(SqlError::unsupported(format!("this form of CREATE SCHEMA: {statement}"))
            .hint("Write CREATE SCHEMA [IF NOT EXISTS] name."));
    }
    let name = schema_name_of(name)?;
    checked_name(&name)?;
    if is_own(&name) || name.starts_with("pg_") {
        return Err(SqlError::new("42939", format!("schema name \"{name}\" is the node's own")));
    }
    Ok(NewSchema { name, if_not_exists: *if_not_exists })
}

/// The schemas that a DROP drops; `None` for a DROP of relations.
pub fn schema_removal(statement: &Statement) -> Result<Option<SchemaRemoval>, SqlError> {
    let Statement::Drop { object_type: ObjectType::Schema, if_exists, names, cascade, .. } = statement else {
        return Ok(None);
    };
    if *cascade {
        return Err(SqlError::unsupported("DROP SCHEMA .. CASCADE").hint("Drop what is in it first."));
    }
    let names = names.iter().map(schema_name_of).collect::<Result<Vec<_>, _>>()?;
    if let Some(kept) = names.iter().find(|name| is_own(name) || **name == PUBLIC) {
        return Err(SqlError::new("42501", format!("schema \"{kept}\" is the node's own")));
    }
    Ok(Some(SchemaRemoval { names, if_exists: *if_exists }))
}

/// What ALTER SCHEMA says: that all of a pack is in a schema.
pub fn altered_schema(alter: &AlterSchema) -> Result<PackedSchema, SqlError> {
    let [AlterSchemaOperation::SetOptionsParens { options }] = &alter.operations[..] else {
        let words: Vec<String> = alter.to_string().split_whitespace().take(5).map(str::to_owned).collect();
        return Err(SqlError::unsupported(words.join(" "))
            .hint("ALTER SCHEMA name SET OPTIONS (pack = .., version = ..) is what can be altered of a schema."));
    };
    let mut options = Options::of(&CreateTableOptions::With(options.clone()))?;
    let pack = match (options.text("pack"), options.text("version")) {
        (Some(name), Some(version)) => PackVersion { name, version },
        _ => return Err(SqlError::new("22023", "the options pack and version of a schema go together")),
    };
    options.finish("The options of a schema are pack and version.")?;
    Ok(PackedSchema { name: schema_name_of(&alter.name)?, pack })
}

fn schema_name_of(name: &ObjectName) -> Result<String, SqlError> {
    match &name.0[..] {
        [part] if let Some(ident) = part.as_ident() => Ok(column_name(ident)),
        _ => Err(SqlError::new("42602", format!("{name} is not a name of a schema"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse;

    #[test]
    fn a_schema_has_a_name_and_no_more() {
        let made = |sql: &str| new_schema(&parse(sql).unwrap());
        let NewSchema { name, if_not_exists } = made("CREATE SCHEMA IF NOT EXISTS Energy").unwrap();
        assert_eq!((name.as_str(), if_not_exists), ("energy", true));
        for (sql, sqlstate) in [
            ("CREATE SCHEMA caudal", "42939"),
            ("CREATE SCHEMA pg_mine", "42939"),
            ("CREATE SCHEMA a.b", "42602"),
            ("CREATE SCHEMA AUTHORIZATION ana", "0A000"),
            ("CREATE SCHEMA a WITH (b = 1)", "0A000"),
        ] {
            assert_eq!(made(sql).unwrap_err().sqlstate, sqlstate, "{sql}");
        }
    }

    #[test]
    fn a_pack_is_named_with_its_version() {
        let altered = |sql: &str| match parse(sql).unwrap() {
            Statement::AlterSchema(alter) => altered_schema(&alter),
            other => panic!("{other}"),
        };
        let packed = altered("ALTER SCHEMA energy SET OPTIONS (pack = 'energy', version = '1')").unwrap();
        assert_eq!((packed.name.as_str(), packed.pack.version.as_str()), ("energy", "1"));
        assert_eq!(altered("ALTER SCHEMA energy SET OPTIONS (pack = 'energy')").unwrap_err().sqlstate, "22023");
        assert_eq!(altered("ALTER SCHEMA energy RENAME TO power").unwrap_err().sqlstate, "0A000");
    }
}
