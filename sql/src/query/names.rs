//! Names of relations in statements.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{ObjectName, ObjectNamePart, Query, Visit, Visitor};

use crate::catalog::PUBLIC;
use crate::error::SqlError;
use crate::planner::CATALOG;

/// The catalogue's name of a relation: without the database, without `public`, folded to lower case unless quoted.
pub fn relation_name(name: &ObjectName) -> Result<String, SqlError> {
    let mut parts = Vec::with_capacity(name.0.len());
    for part in &name.0 {
        let ObjectNamePart::Identifier(ident) = part else {
            return Err(SqlError::new("42602", format!("{name} is not a name of a relation")));
        };
        parts.push(if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() });
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts[..] {
        [table] | [PUBLIC, table] | [CATALOG, PUBLIC, table] => Ok(table.to_owned()),
        [schema, table] | [CATALOG, schema, table] => Ok(format!("{schema}.{table}")),
        [other, _, _] => Err(SqlError::new("0A000", format!("database {other} is not this one"))),
        _ => Err(SqlError::new("42602", format!("{name} is not a name of a relation"))),
    }
}

/// The name as SQL that means it and nothing else.
pub fn quoted_name(name: &str) -> String {
    let quoted = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

/// The relations that a query names, those of its WITH left out.
pub fn names_read(query: &Query) -> Result<BTreeSet<String>, SqlError> {
    let mut names = Names::default();
    if let ControlFlow::Break(error) = query.visit(&mut names) {
        return Err(error);
    }
    Ok(names.read.into_iter().filter(|name| !names.with.contains(name)).collect())
}

#[derive(Default)]
struct Names {
    read: BTreeSet<String>,
    with: BTreeSet<String>,
}

impl Visitor for Names {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            match relation_name(&ObjectName::from(vec![table.alias.name.clone()])) {
                Ok(name) => drop(self.with.insert(name)),
                Err(error) => return ControlFlow::Break(error),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<SqlError> {
        match relation_name(relation) {
            Ok(name) => {
                self.read.insert(name);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;

    use super::*;
    use crate::query::parse;

    #[test]
    fn a_name_may_have_its_schema_and_database() {
        let names = |sql: &str| match parse(sql).unwrap() {
            Statement::Query(query) => names_read(&query).map(|names| names.into_iter().collect::<Vec<_>>()),
            other => panic!("{other}"),
        };
        let sql = "WITH w AS (SELECT * FROM public.A) SELECT * FROM w JOIN caudal.errors e ON true, \"B\" WHERE x IN (SELECT y FROM caudal.public.c)";
        assert_eq!(names(sql).unwrap(), ["B", "a", "c", "caudal.errors"]);
        assert!(names("SELECT * FROM x.y.z").is_err());
    }
}
