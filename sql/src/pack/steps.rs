//! What to do for a pack to be there: worked out from what is.

use std::collections::{BTreeMap, BTreeSet};

use super::{Made, Pack, PackError};
use crate::catalog::PackVersion;
use crate::query::quoted_name;

/// What a node has.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// Schemas with the packs in them.
    pub schemas: BTreeMap<String, Option<PackVersion>>,
    pub relations: BTreeMap<String, PresentRelation>,
}

/// A relation that there is.
#[derive(Clone, Debug, Default)]
pub struct PresentRelation {
    pub sql: String,
    /// What it reads directly.
    pub reads: BTreeSet<String>,
    /// Its columns with what is said of them.
    pub columns: BTreeMap<String, Option<String>>,
    pub comment: Option<String>,
}

/// Views of the pack that are there and are to be others.
struct Stale<'a> {
    names: BTreeSet<&'a str>,
    /// Those of them that others read: they go and come again.
    read: BTreeSet<&'a str>,
}

impl Pack {
    /// The statements that make the pack what it should be, in order; none where it is.
    pub fn steps(&self, present: &Present) -> Result<Vec<String>, PackError> {
        let schema = &self.manifest.schema;
        let version = PackVersion { name: self.manifest.name.clone(), version: self.manifest.version.clone() };
        let mut steps = Vec::new();
        match present.schemas.get(schema) {
            None => steps.push(format!("CREATE SCHEMA {}", quoted_name(schema))),
            Some(Some(other)) if other.name != version.name => {
                return Err(PackError(format!("schema {schema} has pack {} in it", other.name)));
            }
            Some(_) => {}
        }
        let stale = self.stale(present)?;
        steps.extend(self.drops(&stale));
        for statement in &self.statements {
            match &statement.made {
                Made::Table { name, columns } => match present.relations.get(name) {
                    None => steps.push(statement.sql.clone()),
                    Some(table) => {
                        let missing = columns.iter().filter(|column| !table.columns.contains_key(&column.name));
                        let add = |sql: &str| format!("ALTER TABLE {} ADD COLUMN {sql}", quoted_name(name));
                        steps.extend(missing.map(|column| add(&column.sql)));
                    }
                },
                Made::View { name, .. } => match present.relations.contains_key(name) {
                    true if !stale.names.contains(name.as_str()) => {}
                    true if !stale.read.contains(name.as_str()) => steps.push(replacing(&statement.sql)),
                    _ => steps.push(statement.sql.clone()),
                },
                Made::Comment { relation, column, text } => {
                    // What comes again has no comments.
                    let there = present.relations.get(relation).filter(|_| !stale.read.contains(relation.as_str()));
                    let said = there.and_then(|there| match column {
                        None => there.comment.as_ref(),
                        Some(column) => there.columns.get(column)?.as_ref(),
                    });
                    if said != Some(text) {
                        steps.push(statement.sql.clone());
                    }
                }
            }
        }
        if !steps.is_empty() || present.schemas.get(schema) != Some(&Some(version.clone())) {
            let text = |text: &str| text.replace('\'', "''");
            steps.push(format!(
                "ALTER SCHEMA {} SET OPTIONS (pack = '{}', version = '{}')",
                quoted_name(schema),
                text(&version.name),
                text(&version.version)
            ));
        }
        Ok(steps)
    }

    /// The views whose statement is another than the one that made them, and those that read them.
    fn stale<'a>(&'a self, present: &Present) -> Result<Stale<'a>, PackError> {
        let mut stale = Stale { names: BTreeSet::new(), read: BTreeSet::new() };
        for statement in &self.statements {
            let Made::View { name, .. } = &statement.made else { continue };
            let Some(there) = present.relations.get(name) else { continue };
            let before: Vec<&str> =
                there.reads.iter().map(String::as_str).filter(|read| stale.names.contains(read)).collect();
            if !before.is_empty() || plain(&there.sql) != plain(&statement.sql) {
                let read: Vec<&'a str> = stale.names.iter().copied().filter(|name| before.contains(name)).collect();
                stale.read.extend(read);
                stale.names.insert(name);
            }
        }
        // A view of people's own is theirs to drop.
        let ours: BTreeSet<&str> = self.statements.iter().filter_map(|statement| statement.made.relation()).collect();
        for (name, relation) in present.relations.iter().filter(|(name, _)| !ours.contains(name.as_str())) {
            if let Some(read) = relation.reads.iter().find(|read| stale.names.contains(read.as_str())) {
                let words =
                    format!("view {name} reads {read}, which is to be another: drop it, and create it again after");
                return Err(PackError(words));
            }
        }
        // One that reads a view which goes must go before it, and comes again.
        let reads_gone =
            |name: &&str| present.relations[*name].reads.iter().any(|read| stale.read.contains(read.as_str()));
        let gone: Vec<&'a str> = stale.names.iter().copied().filter(|name| reads_gone(name)).collect();
        stale.read.extend(gone);
        Ok(stale)
    }

    fn drops(&self, stale: &Stale) -> Vec<String> {
        let mut drops = Vec::new();
        for statement in self.statements.iter().rev() {
            if let Made::View { name, materialized, .. } = &statement.made
                && stale.read.contains(name.as_str())
            {
                let kind = if *materialized { "MATERIALIZED VIEW" } else { "VIEW" };
                drops.push(format!("DROP {kind} {}", quoted_name(name)));
            }
        }
        drops
    }
}

/// A CREATE of a view as it is compared: whether it was to replace another is no matter.
fn plain(sql: &str) -> String {
    sql.trim().trim_end_matches(';').replacen("CREATE OR REPLACE ", "CREATE ", 1)
}

fn replacing(sql: &str) -> String {
    sql.replacen("CREATE ", "CREATE OR REPLACE ", 1)
}
