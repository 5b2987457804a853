//! What the tables hold after some events: the semantics of tables, told once more in plain Rust.

use std::collections::BTreeMap;

use super::case::{Event, Table};
use super::cell::Cell;

/// The current rows of every table of a case.
#[derive(Clone, Debug)]
pub struct Model {
    tables: Vec<Table>,
    rows: Vec<BTreeMap<Vec<Cell>, Slot>>,
    /// How many events each table has had.
    events: Vec<i64>,
}

/// What is known of one key.
#[derive(Clone, Debug)]
struct Slot {
    /// With the id of the event where that is its key, of a stream its offset; `None`: deleted.
    row: Option<(Option<String>, Vec<Cell>)>,
    /// The highest version seen.
    version: Option<Cell>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Taken,
    Corrected,
    Unchanged,
    Deleted,
    Quarantined,
}

impl Model {
    pub fn new(tables: &[Table]) -> Model {
        let rows = tables.iter().map(|_| BTreeMap::new()).collect();
        Model { tables: tables.to_vec(), rows, events: vec![0; tables.len()] }
    }

    /// The table's rows, each once, with the event's id where that is the key, of a stream its offset.
    pub fn rows(&self, table: usize) -> Vec<&(Option<String>, Vec<Cell>)> {
        self.rows[table].values().filter_map(|slot| slot.row.as_ref()).collect()
    }

    /// Forgets what is older than its table's retention.
    pub fn forget(&mut self, now_ms: i64) {
        for (table, rows) in self.tables.iter().zip(&mut self.rows) {
            if let Some(place) = place_of_time(table) {
                rows.retain(|key, _| !is_before(&key[place], now_ms, table.retention.map_or(0, |r| r.days)));
            }
        }
    }

    /// Applies one event, while it is `now_ms`.
    pub fn apply(&mut self, event: &Event, now_ms: i64) -> Fate {
        let table = match event {
            Event::Row { table, .. } | Event::Delete { table, .. } | Event::Poison { table, .. } => *table,
        };
        self.events[table] += 1;
        if self.tables[table].stream {
            return self.passed(table, event);
        }
        let kept = self.rows[table].clone();
        let fate = self.applied(event);
        let changed = matches!(fate, Fate::Taken | Fate::Corrected | Fate::Deleted);
        let of = &self.tables[table];
        // The time is part of the key, so the row that goes and the one that comes are as old.
        let time = match (event, of.retention) {
            (Event::Row { row, .. }, Some(retention)) => Some(&row[retention.column]),
            (Event::Delete { key, .. }, Some(_)) => place_of_time(of).map(|place| &key[place]),
            _ => None,
        };
        // A day before it is forgotten.
        if changed && time.is_some_and(|time| is_before(time, now_ms, of.retention.map_or(0, |r| r.days - 1))) {
            self.rows[table] = kept;
            return Fate::Quarantined;
        }
        fate
    }

    /// One event of a stream: whatever it says that it is called, it is a row of its own.
    fn passed(&mut self, table: usize, event: &Event) -> Fate {
        let Event::Row { row, .. } = event else { return Fate::Quarantined };
        let offset = self.events[table] - 1;
        let slot = Slot { row: Some((Some(offset.to_string()), row.clone())), version: None };
        self.rows[table].insert(vec![Cell::Int(offset)], slot);
        Fate::Taken
    }

    fn applied(&mut self, event: &Event) -> Fate {
        match event {
            Event::Poison { .. } => Fate::Quarantined,
            Event::Row { table, id, row } => {
                let key = match id {
                    Some(id) => vec![Cell::Text(id.clone())],
                    None => self.tables[*table].key.iter().map(|&k| row[k].clone()).collect(),
                };
                self.put(*table, key, (id.clone(), row.clone()))
            }
            Event::Delete { table, key } => self.delete(*table, key),
        }
    }

    fn put(&mut self, table: usize, key: Vec<Cell>, row: (Option<String>, Vec<Cell>)) -> Fate {
        let version = self.tables[table].version.map(|v| row.1[v].clone());
        let new = Slot { row: Some(row), version: version.clone() };
        let Some(old) = self.rows[table].get_mut(&key) else {
            self.rows[table].insert(key, new);
            return Fate::Taken;
        };
        if version < old.version {
            return Fate::Unchanged;
        }
        if version.is_some() && version == old.version {
            return match &old.row {
                Some(row) if new.row.as_ref() != Some(row) => Fate::Quarantined,
                _ => Fate::Unchanged,
            };
        }
        let fate = match &old.row {
            None => Fate::Taken,
            Some(row) if new.row.as_ref() == Some(row) => Fate::Unchanged,
            Some(_) => Fate::Corrected,
        };
        *old = new;
        fate
    }

    fn delete(&mut self, table: usize, key: &[Cell]) -> Fate {
        let Some(slot) = self.rows[table].get_mut(key) else { return Fate::Unchanged };
        let fate = if slot.row.is_some() { Fate::Deleted } else { Fate::Unchanged };
        if slot.version.is_some() {
            slot.row = None;
        } else {
            self.rows[table].remove(key);
        }
        fate
    }
}

/// Where in the key of a table that forgets the time is.
fn place_of_time(table: &Table) -> Option<usize> {
    let retention = table.retention?;
    table.key.iter().position(|&column| column == retention.column)
}

/// Whether a time is more than so many days ago.
fn is_before(time: &Cell, now_ms: i64, days: i64) -> bool {
    matches!(time, Cell::Timestamp(micros) if *micros < (now_ms - days * 86_400_000) * 1_000)
}
