//! A random case: tables, views over them, and epochs of events.

use std::fmt;
use std::ops::RangeInclusive;

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cell::{Cell, CellType};
use super::query;
use super::simulation::message;

/// A column of a table, or of a view as far as later views may use it.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// `None`: a type that tables do not have (a sum's decimal); it may only be passed on, grouped and compared.
    pub cell_type: Option<CellType>,
}

/// A table of the case.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// Key columns in key order; empty for a table keyed by the event's id.
    pub key: Vec<usize>,
    pub version: Option<usize>,
    pub rows_max: Option<u64>,
    pub retention: Option<Retention>,
    /// Whether its rows are not kept; it has no key.
    pub stream: bool,
}

/// How long rows are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// The key column with the time that their age counts from.
    pub column: usize,
    pub days: i64,
}

/// A materialised view of the case.
#[derive(Clone, Debug)]
pub struct View {
    pub name: String,
    pub query: String,
    /// The tables and views that the query reads.
    pub sources: Vec<String>,
    /// Its expressions fail on some rows; it has one source and no other operators than WHERE and a projection.
    pub fallible: bool,
    /// How many epochs run before its creation begins, and how many before it is there.
    pub begun_after: usize,
    pub created_after: usize,
}

/// What happens to a table.
#[derive(Clone, Debug)]
pub enum Event {
    /// A row, one cell a column. `id` is the event's own where the table has no key.
    Row { table: usize, id: Option<String>, row: Vec<Cell> },
    /// A delete of the row with these key cells.
    Delete { table: usize, key: Vec<Cell> },
    /// A body that no table takes.
    Poison { table: usize, body: String },
}

/// A whole history.
#[derive(Clone, Debug)]
pub struct Case {
    pub tables: Vec<Table>,
    pub views: Vec<View>,
    pub epochs: Vec<Vec<Event>>,
    /// What the clock says in each of them, in milliseconds since 1970. It may be set back.
    pub times_ms: Vec<i64>,
    /// After which epochs the engine is thrown away and built again.
    pub restarts: Vec<bool>,
}

/// Half a day: between such steps are the times of rows that are forgotten.
const STEP_MICROS: i64 = 12 * 3_600_000_000;

const EPOCHS_MAX: usize = 10;
const EVENTS_PER_EPOCH_MAX: usize = 14;
const VIEWS_MAX: usize = 5;
/// Of a case that PostgreSQL has too.
const SHARED_VIEWS: usize = 12;

impl Case {
    /// The case of a seed: the same one in every process.
    pub fn random(seed: u64) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tables = tables(&mut rng);
        Case::over(tables, rng)
    }

    /// The case of a seed some of whose tables, the first always, are streams.
    pub fn streaming(seed: u64) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut tables = tables(&mut rng);
        for (at, table) in tables.iter_mut().enumerate().filter(|(_, table)| table.rows_max.is_none()) {
            if at == 0 || rng.random_bool(0.5) {
                (table.stream, table.key, table.version) = (true, Vec::new(), None);
            }
        }
        Case::over(tables, rng)
    }

    fn over(tables: Vec<Table>, mut rng: ChaCha8Rng) -> Case {
        let epochs: Vec<Vec<Event>> = (0..rng.random_range(1..=EPOCHS_MAX)).map(|_| epoch(&tables, &mut rng)).collect();
        let restarts = epochs.iter().map(|_| rng.random_bool(0.25)).collect();
        let views = views(&tables, epochs.len(), &mut rng);
        let times_ms = times_ms(epochs.len(), &mut rng);
        Case { tables, views, epochs, times_ms, restarts }
    }

    /// The case of a seed whose queries and values PostgreSQL has too, and whose sums are the same in whatever order.
    pub fn shared(seed: u64) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tables = tables(&mut rng);
        let mut epochs: Vec<Vec<Event>> =
            (0..rng.random_range(4..=EPOCHS_MAX)).map(|_| epoch(&tables, &mut rng)).collect();
        for event in epochs.iter_mut().flatten() {
            if let Event::Row { row: cells, .. } | Event::Delete { key: cells, .. } = event {
                cells.iter_mut().for_each(Cell::share);
            }
        }
        let views = views_by(&tables, epochs.len(), SHARED_VIEWS..=SHARED_VIEWS, query::shared, &mut rng);
        let (times_ms, restarts) = (vec![0; epochs.len()], vec![false; epochs.len()]);
        Case { tables, views, epochs, times_ms, restarts }
    }

    /// The case of a seed with a table that forgets, which all views are over, each over one source.
    pub fn forgetful(seed: u64) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let shared = *[CellType::Int, CellType::Text, CellType::TameInt].choose(&mut rng).unwrap();
        let times = [("at", CellType::Timestamp), ("k", shared)];
        let (first, column) = if rng.random_bool(0.5) { (times, 0) } else { ([times[1], times[0]], 1) };
        let mut table = table("events", &first, 2, &mut rng);
        table.retention = Some(Retention { column, days: 2 });
        let tables = vec![table];
        let mut now_ms = CellType::TIMESTAMP_START_MICROS / 1_000;
        let (mut epochs, mut times_ms) = (Vec::new(), Vec::new());
        for _ in 0..rng.random_range(2..=EPOCHS_MAX) {
            now_ms += rng.random_range(0..20) * 3_600_000;
            times_ms.push(now_ms);
            let mut events = epoch(&tables, &mut rng);
            for event in &mut events {
                // Some are new, some within the last day before they are forgotten, some before that.
                let steps = (now_ms * 1_000 - CellType::TIMESTAMP_START_MICROS) / STEP_MICROS - rng.random_range(0..6);
                match event {
                    Event::Row { row: cells, .. } | Event::Delete { key: cells, .. } => {
                        let Cell::Timestamp(micros) = &mut cells[column] else { panic!("a key has a time") };
                        let of_step = (*micros - CellType::TIMESTAMP_START_MICROS) % 3_000_000;
                        *micros = CellType::TIMESTAMP_START_MICROS + steps * STEP_MICROS + of_step;
                    }
                    Event::Poison { .. } => {}
                }
            }
            epochs.push(events);
        }
        let restarts = epochs.iter().map(|_| rng.random_bool(0.25)).collect();
        let mut views = views_by(&tables, epochs.len(), 1..=VIEWS_MAX, query::of_one, &mut rng);
        views.iter_mut().for_each(|view| view.begun_after = view.created_after);
        Case { tables, views, epochs, times_ms, restarts }
    }
}

impl Table {
    /// The statement that makes the table.
    pub fn ddl(&self) -> String {
        let mut items: Vec<String> =
            self.columns.iter().map(|c| format!("{} {}", c.name, c.cell_type.unwrap().sql())).collect();
        if !self.key.is_empty() {
            let key: Vec<&str> = self.key.iter().map(|&k| self.columns[k].name.as_str()).collect();
            items.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        let mut options: Vec<String> = Vec::new();
        options.extend(self.version.map(|v| format!("version = '{}'", self.columns[v].name)));
        options.extend(self.rows_max.map(|n| format!("max_rows = {n}")));
        options.extend(self.retention.map(|retention| format!("retention = '{} days'", retention.days)));
        options.extend(self.stream.then(|| "stream = true".to_owned()));
        let with = if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) };
        format!("CREATE TABLE {} ({}){with}", self.name, items.join(", "))
    }
}

/// Three or four tables whose keys begin with a column of one type, so that they can be joined:
/// `events` by two columns, `things` by one, `rules` bounded, and sometimes `notes` without a key.
fn tables(rng: &mut impl Rng) -> Vec<Table> {
    let shared =
        *[CellType::Int, CellType::Text, CellType::Timestamp, CellType::Float, CellType::Decimal].choose(rng).unwrap();
    let second = *[CellType::Timestamp, CellType::Timestamp, CellType::Int, CellType::Text].choose(rng).unwrap();
    let mut tables = vec![
        table("events", &[("k", shared), ("s", second)], 2, rng),
        table("things", &[("k", shared)], 1, rng),
        table("rules", &[("r", CellType::Int), ("k", shared)], 1, rng),
    ];
    tables[2].rows_max = Some(1000);
    if rng.random_bool(0.5) {
        tables.push(table("notes", &[("k", shared)], 0, rng));
    }
    tables
}

fn table(name: &str, first: &[(&str, CellType)], key: usize, rng: &mut impl Rng) -> Table {
    let mut columns: Vec<Column> =
        first.iter().map(|&(name, cell_type)| Column { name: name.into(), cell_type: Some(cell_type) }).collect();
    for i in 0..rng.random_range(1..5) {
        columns.push(Column { name: format!("c{i}"), cell_type: Some(*CellType::ALL.choose(rng).unwrap()) });
    }
    let mut version = None;
    if key > 0 && rng.random_bool(0.4) {
        version = Some(columns.len());
        columns.push(Column { name: "v".into(), cell_type: Some(CellType::TameInt) });
    }
    Table {
        name: name.into(),
        columns,
        key: (0..key).collect(),
        version,
        rows_max: None,
        retention: None,
        stream: false,
    }
}

fn epoch(tables: &[Table], rng: &mut impl Rng) -> Vec<Event> {
    (0..rng.random_range(0..=EVENTS_PER_EPOCH_MAX)).map(|_| event(tables, rng)).collect()
}

fn event(tables: &[Table], rng: &mut impl Rng) -> Event {
    let index = rng.random_range(0..tables.len());
    let table = &tables[index];
    let choice = rng.random_range(0..100);
    if choice < 4 {
        let body = *["", "{", "[1]", "7", "{\"k\": {}}", "\u{feff}{}"].choose(rng).unwrap();
        return Event::Poison { table: index, body: body.into() };
    }
    let required = |column: usize| table.key.contains(&column) || table.version == Some(column);
    let mut row = Vec::with_capacity(table.columns.len());
    for (i, column) in table.columns.iter().enumerate() {
        let is_null = !required(i) && rng.random_bool(0.2);
        row.push(if is_null { Cell::Null } else { column.cell_type.unwrap().random(rng) });
    }
    if choice < 18 && !table.key.is_empty() {
        let key = table.key.iter().map(|&k| row[k].clone()).collect();
        return Event::Delete { table: index, key };
    }
    let id = table.key.is_empty().then(|| format!("id-{}", rng.random_range(0..30)));
    Event::Row { table: index, id, row }
}

/// The clock goes on among the times that rows have; at times it is set back, or far ahead.
fn times_ms(epochs: usize, rng: &mut impl Rng) -> Vec<i64> {
    let mut now_ms = CellType::TIMESTAMP_START_MICROS / 1_000 - 60_000;
    let mut next = || {
        now_ms += match rng.random_range(0..20) {
            0 => -rng.random_range(0..100_000),
            1 => rng.random_range(0..400 * 86_400_000),
            2..5 => 0,
            _ => rng.random_range(0..60_000),
        };
        now_ms
    };
    (0..epochs).map(|_| next()).collect()
}

fn views(tables: &[Table], epochs: usize, rng: &mut ChaCha8Rng) -> Vec<View> {
    views_by(tables, epochs, 1..=VIEWS_MAX, query::random, rng)
}

/// So many views whose queries `query` makes.
fn views_by(
    tables: &[Table],
    epochs: usize,
    count: RangeInclusive<usize>,
    query: fn(&[query::Source], &mut ChaCha8Rng) -> query::Query,
    rng: &mut ChaCha8Rng,
) -> Vec<View> {
    let mut sources: Vec<query::Source> = tables.iter().map(query::Source::of_table).collect();
    let mut views: Vec<View> = Vec::new();
    for i in 0..rng.random_range(count) {
        let name = format!("view{i}");
        let query = query(&sources, rng);
        let earliest =
            views.iter().filter(|v| query.sources.contains(&v.name)).map(|v| v.created_after).max().unwrap_or(0);
        let created_after = rng.random_range(earliest..=epochs.max(earliest));
        sources.push(query::Source { name: name.clone(), columns: query.columns });
        let (sql, fallible) = (query.sql, query.fallible);
        views.push(View { name, query: sql, sources: query.sources, fallible, begun_after: 0, created_after });
    }
    // A database creates them in order, so an earlier view is never created after a later one.
    for i in 1..views.len() {
        views[i].created_after = views[i].created_after.max(views[i - 1].created_after);
    }
    // Half of them are filled while epochs run.
    for i in 0..views.len() {
        let created_after =
            |source: &String| views.iter().find(|view| view.name == *source).map(|view| view.created_after);
        let earliest = views[i].sources.iter().filter_map(created_after).max().unwrap_or(0);
        let latest = views[i].created_after;
        views[i].begun_after = if rng.random_bool(0.5) { rng.random_range(earliest..=latest) } else { latest };
    }
    views
}

impl fmt::Display for Case {
    /// The case as statements and messages, in the order in which they happen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "{};", table.ddl())?;
        }
        for epoch in 0..=self.epochs.len() {
            let first = |view: &&View| view.created_after.min(self.epochs.len()) == epoch;
            for view in self.views.iter().filter(|view| view.begun_after == epoch && view.created_after > epoch) {
                writeln!(f, "-- {} is begun", view.name)?;
            }
            for view in self.views.iter().filter(first) {
                writeln!(f, "CREATE MATERIALIZED VIEW {} AS {};", view.name, view.query)?;
            }
            let Some(events) = self.epochs.get(epoch) else { break };
            writeln!(
                f,
                "-- epoch {epoch}, at {}",
                Cell::Timestamp(self.times_ms[epoch] * 1_000).literal(CellType::Timestamp)
            )?;
            for event in events {
                let (table, headers, key, value) = message(self, event);
                writeln!(f, "--   {} {headers:?} {key:?}: {value:?}", self.tables[table].name)?;
            }
            if self.restarts[epoch] {
                writeln!(f, "-- restart")?;
            }
        }
        Ok(())
    }
}
