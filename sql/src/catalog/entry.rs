//! A relation as the catalogue knows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::Field;
use dataflow::RelationId;

use crate::feed::Pattern;
use crate::relation::{Relation, RelationKind};

/// Key of a field's metadata that marks a column as not part of `SELECT *`.
const HIDDEN: &str = "caudal.hidden";

/// A table or a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: RelationId,
    /// Qualified by its schema where that is not `public`.
    pub name: String,
    /// The statement that made it; empty for the node's own.
    pub sql: String,
    /// What is stored of it; `None` for a plain view, which is only its query.
    pub relation: Option<Arc<Relation>>,
    pub definition: Definition,
}

/// What kind of relation it is, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    Table(Table),
    View(View),
    MaterializedView(Materialized),
    System,
}

/// Where a table's rows come from and when one replaces another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub topic: Arc<str>,
    pub partitions: i32,
    /// The column whose higher value wins.
    pub version: Option<usize>,
    pub rows_max: Option<u64>,
    /// When its last columns were added, one a column, ascending; [`View::as_of`] is in the same count.
    pub added: Vec<u32>,
    pub retention: Option<Retention>,
    /// The topics of MQTT that feed it.
    pub mqtt: Option<Pattern>,
    /// The table that GEMs feed, where this one has their channels.
    pub gem: Option<String>,
    /// What each row must be, in the order of the statement.
    pub checks: Vec<Check>,
    /// Whether its rows go on to views without being kept.
    pub stream: bool,
}

/// A condition that no row of a table may make false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    /// The condition as SQL.
    pub sql: String,
}

/// How long the rows of a table are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The column with the time that a row's age counts from.
    pub column: usize,
    pub ms: i64,
}

/// A query by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The SELECT alone, as it is inlined.
    pub query: String,
    /// Names of what it reads directly.
    pub reads: BTreeSet<String>,
    /// What the query's names mean was decided then: it sees no columns that were added later. Numbers of relations and of
    /// moments are one count.
    pub as_of: u32,
}

/// A view whose rows are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Materialized {
    /// The SELECT alone.
    pub query: String,
    /// Names of what it reads directly.
    pub reads: BTreeSet<String>,
    /// State tables of its operators, in the order in which the planner asked for them.
    pub states: Vec<RelationId>,
    /// Of the canonical plan: another one means that the stored state is not this plan's.
    pub fingerprint: u128,
    /// A number that grows with every view made: what a view reads has a lower one.
    pub order: u32,
    /// As [`View::as_of`].
    pub as_of: u32,
    /// Rows of an earlier time were forgotten when it was made, in milliseconds since 1970.
    pub covers_from_ms: Option<i64>,
    /// Of an index: the columns, by position, that come before the key of what it reads. Its rows are those of what it reads,
    /// under another key.
    pub index: Option<Vec<usize>>,
    /// Where its rows are what is wrong now: how bad that is, as a level or as the column that says it.
    pub alert: Option<String>,
}

impl Table {
    /// What it is for plans.
    pub fn kind(&self) -> RelationKind {
        match self.stream {
            true => RelationKind::Stream,
            false => RelationKind::Table {
                rows_max: self.rows_max,
                forgets_by: self.retention.map(|retention| retention.column),
            },
        }
    }
}

impl Retention {
    const DAY_MS: i64 = 86_400_000;

    /// Rows of an earlier time are forgotten, in microseconds since 1970.
    pub fn forgotten_before_us(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.ms).saturating_mul(1_000)
    }

    /// Rows of an earlier time are neither taken nor corrected: so none changes that is about to be forgotten, nor one whose
    /// neighbours within a day are forgotten.
    pub fn closed_before_us(&self, now_ms: i64) -> i64 {
        self.forgotten_before_us(now_ms.saturating_add(Retention::DAY_MS))
    }

    /// In words: `90 days`.
    pub fn words(&self) -> String {
        match self.ms % Retention::DAY_MS {
            0 => format!("{} days", self.ms / Retention::DAY_MS),
            _ => format!("{} hours", self.ms as f64 / 3_600_000.0),
        }
    }
}

impl Entry {
    pub fn id(&self) -> RelationId {
        self.id
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn table(&self) -> Option<&Table> {
        match &self.definition {
            Definition::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Whether it is a table whose rows are not kept.
    pub fn is_stream(&self) -> bool {
        self.table().is_some_and(|table| table.stream)
    }

    pub fn materialized(&self) -> Option<&Materialized> {
        match &self.definition {
            Definition::MaterializedView(view) => Some(view),
            _ => None,
        }
    }

    /// The columns of an index.
    pub fn index(&self) -> Option<&[usize]> {
        self.materialized()?.index.as_deref()
    }

    /// Their names.
    pub fn index_columns(&self) -> Option<Vec<String>> {
        let fields = self.relation.as_ref()?.schema.columns.fields();
        Some(self.index()?.iter().map(|&column| fields[column].name().clone()).collect())
    }

    /// What an index is on, by name.
    pub fn indexed(&self) -> Option<&str> {
        self.index().and_then(|_| self.reads().first().map(String::as_str))
    }

    pub(super) fn order(&self) -> u32 {
        self.materialized().map_or(0, |view| view.order)
    }

    /// The name of a column by its number, from 1; `None` for what is not stored.
    pub(super) fn column(&self, number: u32) -> Option<&str> {
        let fields = self.relation.as_ref()?.schema.columns.fields();
        fields.get(usize::try_from(number).ok()?.checked_sub(1)?).map(|field| field.name().as_str())
    }

    /// What it is called in messages.
    pub fn kind(&self) -> &'static str {
        match self.definition {
            Definition::Table(_) => "table",
            Definition::View(_) => "view",
            Definition::MaterializedView(Materialized { index: Some(_), .. }) => "index",
            Definition::MaterializedView(_) => "materialized view",
            Definition::System => "system table",
        }
    }

    /// Names of the relations that it reads directly.
    pub fn reads(&self) -> &BTreeSet<String> {
        static NOTHING: BTreeSet<String> = BTreeSet::new();
        match &self.definition {
            Definition::View(view) => &view.reads,
            Definition::MaterializedView(view) => &view.reads,
            Definition::Table(_) | Definition::System => &NOTHING,
        }
    }

    /// Relation numbers that are this entry's own in the store.
    pub fn owned(&self) -> Vec<RelationId> {
        let states = self.materialized().map_or(&[][..], |view| &view.states);
        std::iter::once(self.id).chain(states.iter().copied()).collect()
    }

    /// Whether the rows have no key of their own and are told apart by their event.
    pub fn keyed_by_event(&self) -> bool {
        self.relation
            .as_ref()
            .is_some_and(|relation| relation.schema.columns.fields().iter().any(|field| is_hidden(field)))
    }
}

/// Whether a column is not part of `SELECT *`.
pub fn is_hidden(field: &Field) -> bool {
    field.metadata().contains_key(HIDDEN)
}

/// The same column, not part of `SELECT *`.
pub fn hidden(field: Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(HIDDEN.to_owned(), "true".to_owned());
    field.with_metadata(metadata)
}
