//! `SELECT *` without the columns that tell events apart where a table has no key, and without those that PostgreSQL keeps
//! for itself in its catalogue.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Ident, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind, Statement, TableFactor,
    VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::names::relation_name;
use crate::catalog::{Catalog, is_hidden};
use crate::system::pg_catalog;

/// The statement with hidden columns excluded wherever it says `*`.
pub fn without_hidden(mut statement: Statement, catalog: &Catalog) -> Statement {
    let _ = statement.visit(&mut Wildcards { catalog });
    statement
}

struct Wildcards<'a> {
    catalog: &'a Catalog,
}

impl Wildcards<'_> {
    /// The hidden columns of a table in FROM, and what the statement calls the table.
    fn hidden(&self, factor: &TableFactor) -> Option<(String, Vec<String>)> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
        let read = relation_name(name).ok()?;
        let schema = match read.split_once('.') {
            Some((pg_catalog::SCHEMA, of_catalog)) => pg_catalog::schema_of(of_catalog)?,
            _ => self.catalog.get(&read)?.relation.as_ref()?.schema.columns.clone(),
        };
        let fields = schema.fields();
        let hidden: Vec<String> =
            fields.iter().filter(|field| is_hidden(field)).map(|field| field.name().clone()).collect();
        let called =
            alias.as_ref().map_or_else(|| name.0.last().map(ToString::to_string), |alias| Some(alias.name.to_string()));
        (!hidden.is_empty()).then_some((called?, hidden))
    }
}

impl VisitorMut for Wildcards<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let factors = select
            .from
            .iter()
            .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
        let tables: Vec<(String, Vec<String>)> = factors.filter_map(|factor| self.hidden(factor)).collect();
        for item in &mut select.projection {
            match item {
                SelectItem::Wildcard(options) => {
                    exclude(options, tables.iter().flat_map(|(_, hidden)| hidden).cloned().collect());
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let named = tables.iter().filter(|(called, _)| *called == name.to_string());
                    exclude(options, named.flat_map(|(_, hidden)| hidden).cloned().collect());
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// Adds columns to what a wildcard leaves out.
fn exclude(options: &mut WildcardAdditionalOptions, names: BTreeSet<String>) {
    if names.is_empty() {
        return;
    }
    let mut all = match options.opt_exclude.take() {
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names,
        None => vec![],
    };
    all.extend(names.into_iter().map(|name| ObjectName::from(vec![Ident::with_quote('"', name)])));
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(all));
}
