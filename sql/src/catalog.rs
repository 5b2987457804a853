//! The catalogue: which tables and views there are, as of one commit.

pub mod bridges;
pub mod comments;
mod default;
pub mod entry;
pub mod persisted;
pub mod schema;
pub mod stored_roles;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use dataflow::RelationId;

pub use bridges::Bridges;
pub use comments::Comments;
pub use default::{added, as_json, default_cell, default_json, default_value, with_default};
pub use entry::{Check, Definition, Entry, Materialized, Retention, Table, View, hidden, is_hidden};
pub use schema::{PackVersion, Schema};

use crate::error::SqlError;
use crate::relation::{Relation, RelationKind, Relations};
use crate::roles::Role;
use crate::system;

/// The schema that a name without one is in.
pub const PUBLIC: &str = "public";

/// The schema of the node's own relations.
pub const SYSTEM: &str = "caudal";

/// The first number that a relation of the user gets; those below are the node's own.
const FIRST_RELATION: u32 = 64;

/// The catalogue entry that holds the next free relation number.
const ALLOCATOR: &str = "allocator";

/// All relations by name. A changed catalogue is a new one: whoever holds one sees one state.
#[derive(Clone, Debug)]
pub struct Catalog {
    by_name: BTreeMap<String, Arc<Entry>>,
    /// What COMMENT ON said, by the relation's name.
    comments: BTreeMap<String, Comments>,
    pub(crate) roles: BTreeMap<String, Arc<Role>>,
    /// Those that people made, by name.
    schemas: BTreeMap<String, Schema>,
    /// Connections to brokers of others.
    bridges: Bridges,
    next: u32,
    /// Grows with every change: a plan made for another generation is made again.
    pub(crate) generation: u64,
    /// Where this is the catalogue as of a moment, the one with all columns.
    whole: Option<Arc<Catalog>>,
}

impl Catalog {
    /// The node's own relations and nothing else.
    pub fn empty() -> Catalog {
        let own = system::stored().into_iter().map(|entry| (entry.name().to_owned(), Arc::new(entry)));
        Catalog {
            by_name: own.collect(),
            comments: BTreeMap::new(),
            roles: BTreeMap::new(),
            schemas: BTreeMap::new(),
            bridges: Bridges::new(),
            next: FIRST_RELATION,
            generation: 0,
            whole: None,
        }
    }

    /// The catalogue that a store's entries say.
    pub fn load(entries: &[(String, Bytes)]) -> Result<Catalog, persisted::Unreadable> {
        let mut catalog = Catalog::empty();
        for (name, value) in entries {
            if name == ALLOCATOR {
                catalog.next = persisted::read_allocator(value)?;
            } else if let Some(relation) = comments::relation_of(name) {
                catalog.comments.insert(relation.to_owned(), comments::read(name, value)?);
            } else if let Some(role) = stored_roles::role_of(name) {
                catalog.roles.insert(role.to_owned(), Arc::new(stored_roles::read(name, value)?));
            } else if let Some(schema) = schema::name_of(name) {
                catalog.schemas.insert(schema.to_owned(), schema::read(name, value)?);
            } else if let Some(bridge) = bridges::name_of(name) {
                catalog.bridges.insert(bridge.to_owned(), Arc::new(bridges::read(name, value)?));
            } else {
                let entry = persisted::read_entry(name, value)?;
                catalog.by_name.insert(entry.name().to_owned(), Arc::new(entry));
            }
        }
        let relations = catalog.entries().flat_map(|entry| entry.owned()).map(|id| id.0);
        let schemas = catalog.schemas.values().map(|schema| schema.number);
        let bridges = catalog.bridges.values().map(|bridge| bridge.number);
        let numbers = relations.chain(schemas).chain(bridges).chain(catalog.roles().map(|role| role.number));
        let beyond = numbers.max().map(|number| number + 1);
        assert!(catalog.next >= beyond.unwrap_or(0), "the allocator is behind the relations that there are");
        Ok(catalog)
    }

    /// The entry of a qualified name ("readings", "caudal.errors").
    pub fn get(&self, name: &str) -> Option<&Arc<Entry>> {
        self.by_name.get(name)
    }

    pub fn by_id(&self, id: RelationId) -> Option<&Arc<Entry>> {
        self.by_name.values().find(|entry| entry.id() == id)
    }

    /// Every entry in name order.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_name.values()
    }

    /// Materialised views in the order of their making: what a view reads comes before it.
    pub fn materialized(&self) -> Vec<Arc<Entry>> {
        let mut views: Vec<Arc<Entry>> = self
            .entries()
            .filter(|entry| matches!(entry.definition, Definition::MaterializedView(_)))
            .cloned()
            .collect();
        views.sort_by_key(|entry| entry.order());
        views
    }

    /// Relation numbers with anything in the store.
    pub fn owned(&self) -> BTreeSet<RelationId> {
        let stored = system::state_ids().into_iter();
        stored.chain(self.entries().flat_map(|entry| entry.owned())).collect()
    }

    /// The names of what reads a relation directly.
    pub fn readers(&self, name: &str) -> Vec<&str> {
        self.entries().filter(|entry| entry.reads().contains(name)).map(|entry| entry.name()).collect()
    }

    /// The table fed by a topic.
    pub fn table_of_topic(&self, topic: &str) -> Option<&Arc<Entry>> {
        self.entries().find(|entry| entry.table().is_some_and(|table| &*table.topic == topic))
    }

    /// The schemas that people made, in name order.
    pub fn schemas(&self) -> &BTreeMap<String, Schema> {
        &self.schemas
    }

    /// Whether relations may be made in a schema.
    pub fn has_schema(&self, name: &str) -> bool {
        name == PUBLIC || self.schemas.contains_key(name)
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The catalogue as views see it that were made at a moment: without the columns that tables got since.
    pub fn as_of(self: &Arc<Catalog>, moment: u32) -> Arc<Catalog> {
        let whole = self.whole.as_ref().unwrap_or(self);
        let narrower: Vec<Entry> = whole.entries().filter_map(|entry| entry.as_of(moment)).collect();
        if narrower.is_empty() {
            return whole.clone();
        }
        let mut seen = Catalog { whole: Some(whole.clone()), ..Catalog::clone(whole) };
        seen.by_name.extend(narrower.into_iter().map(|entry| (entry.name().to_owned(), Arc::new(entry))));
        Arc::new(seen)
    }

    /// A number that no relation has or had.
    pub fn allocate(&mut self) -> RelationId {
        let id = RelationId(self.next);
        self.next = self.next.checked_add(1).expect("relation numbers are used up");
        id
    }

    /// What the store is told of the numbers given out.
    pub(crate) fn allocated(&self) -> (String, Option<Bytes>) {
        (ALLOCATOR.to_owned(), Some(persisted::write_allocator(self.next)))
    }

    /// Takes the numbers that a copy of this catalogue has given out.
    pub fn reserve(&mut self, copy: &Catalog) {
        self.next = self.next.max(copy.next);
    }

    /// Adds or replaces an entry, and says so to the store. What was said of the one replaced holds for it too, as far as
    /// its columns have the same names.
    pub fn put(&mut self, entry: Entry) -> Vec<(String, Option<Bytes>)> {
        let mut writes =
            vec![(persisted::entry_key(entry.id()), Some(persisted::write_entry(&entry))), self.allocated()];
        self.generation += 1;
        if let Some(old) = self.by_name.get(entry.name()).cloned() {
            writes.extend((old.id() != entry.id()).then(|| (persisted::entry_key(old.id()), None)));
            let said = self.comments.get(entry.name()).map_or(vec![], |said| said.columns.keys().copied().collect());
            let other = |column: &u32| old.column(*column).is_none() || old.column(*column) != entry.column(*column);
            for column in said.into_iter().filter(other).collect::<Vec<u32>>() {
                writes.retain(|(name, _)| *name != comments::key(entry.name()));
                writes.extend(self.comment(entry.name(), Some(column), None));
            }
        }
        self.by_name.insert(entry.name().to_owned(), Arc::new(entry));
        writes
    }

    /// Removes an entry, and says so to the store.
    pub fn remove(&mut self, name: &str) -> Vec<(String, Option<Bytes>)> {
        self.generation += 1;
        let removed = self.by_name.remove(name).map(|entry| (persisted::entry_key(entry.id()), None));
        let comments = self.comments.remove(name).map(|_| (comments::key(name), None));
        removed.into_iter().chain(comments).chain(self.revoke_all(name)).collect()
    }

    /// Adds a schema or replaces what is known of it, and says so to the store.
    pub fn put_schema(&mut self, name: &str, schema: Schema) -> Vec<(String, Option<Bytes>)> {
        self.generation += 1;
        let writes = vec![
            (schema::key(name), Some(schema::write(&schema))),
            (ALLOCATOR.to_owned(), Some(persisted::write_allocator(self.next))),
        ];
        self.schemas.insert(name.to_owned(), schema);
        writes
    }

    /// Removes a schema, and says so to the store.
    pub fn remove_schema(&mut self, name: &str) -> Vec<(String, Option<Bytes>)> {
        self.generation += 1;
        self.schemas.remove(name).map(|_| (schema::key(name), None)).into_iter().collect()
    }

    /// What was said about a relation.
    pub fn comments(&self, name: &str) -> Option<&Comments> {
        self.comments.get(name)
    }

    /// Says something about a relation or a column by its number, or takes it back; and says so to the store.
    pub fn comment(&mut self, name: &str, column: Option<u32>, text: Option<String>) -> Vec<(String, Option<Bytes>)> {
        self.generation += 1;
        let mut comments = self.comments.remove(name).unwrap_or_default();
        comments.set(column, text);
        let stored = (!comments.is_empty()).then(|| comments::write(&comments));
        if stored.is_some() {
            self.comments.insert(name.to_owned(), comments);
        }
        vec![(comments::key(name), stored)]
    }

    /// Whether a relation that can be read is a table, or 42P01.
    pub(crate) fn expect_readable(&self, name: &str) -> Result<bool, SqlError> {
        match system::computed_names().any(|computed| computed == name) {
            true => Ok(false),
            false => self.expect(name).map(|entry| entry.table().is_some()),
        }
    }

    /// The entry, or 42P01.
    pub fn expect(&self, name: &str) -> Result<&Arc<Entry>, SqlError> {
        self.get(name).ok_or_else(|| SqlError::new("42P01", format!("relation \"{name}\" does not exist")))
    }
}

impl Relations for Catalog {
    fn relation(&self, name: &str) -> Option<Arc<Relation>> {
        self.get(name).and_then(|entry| entry.relation.clone())
    }

    fn forgets(&self, name: &str) -> bool {
        let Some(entry) = self.get(name) else { return false };
        let kind = entry.relation.as_ref().map(|relation| &relation.kind);
        matches!(kind, Some(RelationKind::Table { forgets_by: Some(_), .. }))
            || entry.reads().iter().any(|read| self.forgets(read))
    }

    fn indexes(&self, name: &str) -> Vec<Arc<Relation>> {
        let on = |entry: &&Arc<Entry>| entry.indexed() == Some(name);
        let mut indexes: Vec<Arc<Relation>> =
            self.entries().filter(on).filter_map(|entry| entry.relation.clone()).collect();
        indexes.sort_by_key(|index| index.id);
        indexes
    }
}

#[cfg(test)]
#[path = "catalog/tests.rs"]
mod tests;
