//! The database's own pieces over a BTreeMap and a log in memory: thousands of histories in seconds.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::Schema;
use bytes::Bytes;
use dataflow::{
    Changes, Construction, Engine, Epoch, Install, MemoryState, PlannedView, RelationId, RelationSchema, RowCodec, Step,
};
use datafusion::sql::sqlparser::ast::Statement;
use futures::executor::block_on;
use sql::catalog::{Catalog, Definition, Entry, Materialized, is_hidden};
use sql::pipeline::checks::Checks;
use sql::pipeline::input::{Input, TableReader};
use sql::pipeline::{Interests, NewTable, forget};
use sql::query::{Planned, Queries, names_read, parse};
use sql::{Relation, RelationKind, SqlError, ddl};
use storage::{Fetched, Record, TopicPartition};

use super::case::{Case, Event};
use super::expected::SOURCE;
use super::history::Node;

/// Rows in a piece of a fill.
const PIECE_ROWS: usize = 5;

/// A database without disk, threads and clock.
pub struct Simulation {
    state: Rc<MemoryState>,
    engine: Engine,
    catalog: Catalog,
    readers: BTreeMap<RelationId, Arc<TableReader>>,
    /// Rows of bounded tables.
    rows: BTreeMap<RelationId, i64>,
    /// What streams have given, few rows at a time.
    streamed: BTreeMap<RelationId, Vec<Changes>>,
    /// The next offset of each topic.
    ends: BTreeMap<Arc<str>, u64>,
    epoch: Epoch,
    /// What `now()` was in the last epoch.
    now_ms: i64,
    /// Views that are being filled, by name.
    begun: BTreeMap<String, Begun>,
}

/// A view that is filled by an engine of its own while epochs run.
struct Begun {
    planned: PlannedView,
    definition: Entry,
    /// As of the epoch in which it was begun, then of later ones.
    state: Rc<Construction>,
    engine: Engine,
    /// Pieces of its sources' rows that it has yet to take.
    pieces: VecDeque<(RelationId, Changes)>,
    /// Each epoch since then: its number and time, its changes, and the state after it.
    since: VecDeque<(Epoch, i64, Vec<(RelationId, Changes)>, MemoryState)>,
}

impl Default for Simulation {
    fn default() -> Simulation {
        let state = Rc::new(MemoryState::default());
        Simulation {
            engine: Engine::new(state.clone(), 0),
            state,
            catalog: Catalog::empty(),
            readers: BTreeMap::new(),
            rows: BTreeMap::new(),
            streamed: BTreeMap::new(),
            ends: BTreeMap::new(),
            epoch: Epoch::default(),
            now_ms: 0,
            begun: BTreeMap::new(),
        }
    }
}

/// Adds the table of a CREATE TABLE to a catalogue.
pub fn define_table(catalog: &mut Catalog, statement: &str) {
    let parsed = parse(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    let Statement::CreateTable(create) = parsed else { panic!("{statement} makes no table") };
    let new = ddl::new_table(&create, statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    let NewTable { name, sql, columns, key, table, .. } = new;
    let id = catalog.allocate();
    let schema = RelationSchema { columns: Arc::new(Schema::new(columns)), key, counted: false };
    let kind = table.kind();
    let relation = Some(Arc::new(Relation { id, name: name.clone(), schema, kind }));
    catalog.put(Entry { id, name, sql, relation, definition: Definition::Table(table) });
}

/// Plans a view, adds it to a catalogue and says what to install.
pub fn define_view(catalog: &mut Catalog, name: &str, query: &str) -> Result<Planned, SqlError> {
    let (planned, entry) = entry(catalog, name, query)?;
    catalog.put(entry);
    Ok(planned)
}

/// Plans a view: what to install, and its entry in a catalogue.
fn entry(catalog: &mut Catalog, name: &str, query: &str) -> Result<(Planned, Entry), SqlError> {
    let id = catalog.allocate();
    let mut states = Vec::new();
    let planned = plan(catalog, name, query, id, &mut |catalog: &mut Catalog| {
        states.push(catalog.allocate());
        *states.last().unwrap()
    })?;
    let Statement::Query(parsed) = parse(query)? else { panic!("{query} is no query") };
    let order = catalog.materialized().len() as u32 + 1;
    let reads = names_read(&parsed)?;
    let definition = Materialized {
        query: query.into(),
        reads,
        states,
        fingerprint: planned.fingerprint,
        order,
        as_of: id.0,
        covers_from_ms: None,
        index: None,
        alert: None,
    };
    let kind = RelationKind::MaterializedView;
    let relation = Some(Arc::new(Relation { id, name: name.into(), schema: planned.view.schema.clone(), kind }));
    let definition = Definition::MaterializedView(definition);
    Ok((planned, Entry { id, name: name.into(), sql: String::new(), relation, definition }))
}

fn plan(
    catalog: &mut Catalog,
    name: &str,
    query: &str,
    id: RelationId,
    next: &mut dyn FnMut(&mut Catalog) -> RelationId,
) -> Result<Planned, SqlError> {
    let seen = Arc::new(catalog.clone());
    let queries = Queries::default();
    let logical = block_on(queries.logical(&seen, query))?;
    queries.materialized(&seen, &logical, name, id, &mut || next(catalog))
}

impl Node for Simulation {
    fn create_table(&mut self, statement: &str) {
        define_table(&mut self.catalog, statement);
        for entry in self.catalog.entries().filter(|entry| entry.table().is_some()) {
            self.readers
                .entry(entry.id())
                .or_insert_with(|| Arc::new(TableReader::new(entry.clone(), Checks::default())));
        }
    }

    fn begin_view(&mut self, name: &str, query: &str) {
        // What cannot be planned is told when it is created.
        let Ok((planned, definition)) = entry(&mut self.catalog, name, query) else { return };
        let planned = planned.view;
        let own = planned.state_tables().into_iter().chain([planned.relation]).collect();
        let sources = Rc::new(MemoryState::clone(&self.state));
        let state = Rc::new(Construction::new(own, self.state.clone(), sources));
        let mut engine = Engine::new(state.clone(), self.now_ms);
        engine.install(self.epoch, planned.clone(), Install::Fresh).unwrap();
        let sources = engine.fill_sources(planned.relation);
        let pieces = sources.into_iter().flat_map(|source| self.pieces(source)).collect();
        let mut begun = Begun { planned, definition, state, engine, pieces, since: VecDeque::new() };
        begun.fill(&self.state, vec![]);
        self.begun.insert(name.to_owned(), begun);
    }

    fn create_view(&mut self, name: &str, query: &str) -> Result<(), String> {
        if let Some(mut begun) = self.begun.remove(name) {
            while begun.work(&self.state) {}
            self.catalog.put(begun.definition);
            return self.engine.install(self.epoch, begun.planned, Install::Resumed).map_err(|error| error.to_string());
        }
        let planned = define_view(&mut self.catalog, name, query).map_err(|error| error.to_string())?;
        let view = planned.view.relation;
        self.engine.install(self.epoch, planned.view, Install::Fresh).map_err(|error| error.to_string())?;
        self.fill(view, vec![]);
        for source in self.engine.fill_sources(view) {
            self.pieces(source).into_iter().for_each(|piece| self.fill(view, vec![piece]));
        }
        Ok(())
    }

    fn feed(&mut self, case: &Case, clock_ms: i64, events: &[Event]) {
        let before_ms = self.now_ms;
        self.now_ms = before_ms.max(clock_ms);
        let now_ms = self.now_ms;
        let fetched = self.fetched(case, events);
        let mut input = Input::read(fetched, &self.catalog, &self.readers, &Interests::default());
        let (mut inputs, mut writes) = (Vec::new(), Vec::new());
        for (id, table) in std::mem::take(&mut input.tables) {
            let rows = self.rows.entry(id).or_default();
            let applied = self.readers[&id].apply(&*self.state, &table.asked, *rows as u64, now_ms).unwrap();
            *rows += applied.rows_added;
            if self.readers[&id].entry.table().unwrap().stream {
                self.streamed.entry(id).or_default().extend(applied.changes.iter().cloned());
            }
            inputs.extend(applied.changes.into_iter().map(|changes| (id, changes)));
            writes.push(applied.write);
        }
        self.epoch = self.epoch.next();
        let fed = inputs.clone();
        let timer_ms = self.engine.next_timer_ms().unwrap();
        assert!(
            timer_ms.is_none_or(|timer| timer > before_ms),
            "a timer at {timer_ms:?} did not go off by {before_ms}"
        );
        let quiet = inputs.is_empty() && timer_ms.is_none_or(|timer| timer > self.now_ms);
        let outcome = self.engine.step(Step { epoch: self.epoch, now_ms: self.now_ms, inputs }).unwrap();
        assert!(!quiet || outcome.state.is_empty(), "an epoch that nothing asked for changes something");
        writes.extend(outcome.state);
        self.state.apply(&writes);
        self.sweep();
        let views = outcome.views.into_iter().flat_map(|(view, all)| all.into_iter().map(move |some| (view, some)));
        let changes: Vec<_> = fed.into_iter().chain(views).collect();
        for begun in self.begun.values_mut() {
            begun.since.push_back((self.epoch, self.now_ms, changes.clone(), MemoryState::clone(&self.state)));
            // Some are ahead of the epochs and some behind them.
            for _ in 0..self.epoch.0 % 3 {
                begun.work(&self.state);
            }
        }
    }

    fn restart(&mut self) {
        self.begun.clear();
        self.engine = Engine::new(self.state.clone(), self.now_ms);
        for entry in self.catalog.materialized() {
            let view = entry.materialized().unwrap();
            let mut states = view.states.iter().copied();
            let planned =
                plan(&mut self.catalog.clone(), entry.name(), &view.query, entry.id(), &mut |_| states.next().unwrap());
            let planned = planned.unwrap();
            assert_eq!(planned.fingerprint, view.fingerprint, "the same query has the same plan");
            self.engine.install(self.epoch, planned.view, Install::Resumed).unwrap();
        }
    }

    fn rows(&mut self, relation: &str) -> Vec<RecordBatch> {
        let relation = self.catalog.get(relation).unwrap().relation.clone().unwrap();
        let visible: Vec<usize> = (0..relation.schema.columns.fields().len())
            .filter(|&at| !is_hidden(relation.schema.columns.field(at)))
            .collect();
        let entries = self.state.entries(relation.id);
        let pairs = entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let decoded = RowCodec::new(&relation.schema).decode(pairs, Some(&visible)).unwrap();
        let repeated = decoded.counts.iter().enumerate();
        let repeated = repeated.flat_map(|(at, count)| std::iter::repeat_n(at as u32, *count as usize));
        vec![take_record_batch(&decoded.rows, &UInt32Array::from_iter_values(repeated)).unwrap()]
    }
}

impl Begun {
    /// Takes a piece of what was there, or up to two epochs at once of what came since; false when it has caught up.
    fn work(&mut self, built: &MemoryState) -> bool {
        if let Some(piece) = self.pieces.pop_front() {
            self.fill(built, vec![piece]);
            return true;
        }
        let stretch: Vec<_> = self.since.drain(..self.since.len().min(2)).collect();
        let Some((epoch, now_ms, _, state)) = stretch.last() else { return false };
        let (epoch, now_ms, state) = (*epoch, *now_ms, Rc::new(MemoryState::clone(state)));
        let read = self.planned.plan.sources();
        let inputs = stretch.into_iter().flat_map(|(_, _, changes, _)| changes);
        let inputs = inputs.filter(|(relation, _)| read.contains(relation)).collect();
        let outcome = self.engine.step(Step { epoch, now_ms, inputs }).unwrap();
        built.apply(&outcome.state);
        self.state.advance(state);
        true
    }

    fn fill(&mut self, built: &MemoryState, rows: Vec<(RelationId, Changes)>) {
        let outcome = self.engine.fill(self.planned.relation, rows).unwrap();
        built.apply(&outcome.state);
    }
}

impl Simulation {
    /// Forgets what is older than its table's retention.
    fn sweep(&mut self) {
        for reader in self.readers.values() {
            let relation = reader.entry.relation.as_ref().unwrap();
            let Some(retention) = reader.entry.table().unwrap().retention else { continue };
            let (cutoff_us, mut next) = (retention.forgotten_before_us(self.now_ms), Some(Vec::new()));
            while let Some(from) = next {
                let piece = forget::piece(&*self.state, relation, retention, cutoff_us, &from).unwrap();
                self.state.apply(&[piece.write]);
                let diffs = vec![-1; piece.rows.num_rows()];
                self.engine.forget(relation.id, Changes::new(piece.rows, diffs));
                next = piece.next;
            }
        }
    }

    /// The rows of a relation, few at a time, so that a fill has several pieces.
    fn pieces(&self, source: RelationId) -> Vec<(RelationId, Changes)> {
        if let Some(streamed) = self.streamed.get(&source) {
            return streamed.iter().map(|changes| (source, changes.clone())).collect();
        }
        let entry = self.catalog.by_id(source).unwrap().clone();
        let schema = &entry.relation.as_ref().unwrap().schema;
        let entries = self.state.entries(source);
        let piece = |piece: &[(Vec<u8>, Vec<u8>)]| {
            let pairs = piece.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
            let decoded = RowCodec::new(schema).decode(pairs, None).unwrap();
            (source, Changes::new(decoded.rows, decoded.counts))
        };
        entries.chunks(PIECE_ROWS).map(piece).collect()
    }

    fn fill(&mut self, view: RelationId, rows: Vec<(RelationId, Changes)>) {
        let outcome = self.engine.fill(view, rows).unwrap();
        self.state.apply(&outcome.state);
    }

    /// The events as the log hands them out.
    fn fetched(&mut self, case: &Case, events: &[Event]) -> Vec<Fetched> {
        let mut topics: BTreeMap<Arc<str>, Vec<Record>> = BTreeMap::new();
        for event in events {
            let (table, headers, key, value) = message(case, event);
            let topic = self.catalog.get(&case.tables[table].name).unwrap().table().unwrap().topic.clone();
            let end = self.ends.entry(topic.clone()).or_default();
            let headers = headers.into_iter().map(|(name, value)| (name, Some(value))).collect();
            topics.entry(topic).or_default().push(Record { offset: *end, key, value, headers, timestamp_ms: 0 });
            *end += 1;
        }
        let fetched = topics.into_iter().map(|(topic, records)| {
            let end = self.ends[&topic];
            Fetched { partition: TopicPartition { topic, partition: 0 }, records, next: end, end }
        });
        fetched.collect()
    }
}

/// An event as a message: its table, headers, key and value.
pub fn message(case: &Case, event: &Event) -> (usize, Vec<(String, Bytes)>, Option<Bytes>, Option<Bytes>) {
    let object = |columns: &[usize], cells: &[super::Cell], table: usize| {
        let name = |at: usize| &case.tables[table].columns[at].name;
        let pairs = columns.iter().zip(cells).map(|(&at, cell)| format!("\"{}\": {}", name(at), cell.json()));
        Bytes::from(format!("{{{}}}", pairs.collect::<Vec<_>>().join(", ")))
    };
    match event {
        Event::Row { table, id, row } => {
            let columns: Vec<usize> = (0..row.len()).collect();
            let mut headers = Vec::new();
            if let Some(id) = id {
                headers.push(("ce_id".to_owned(), Bytes::from(id.clone())));
                headers.push(("ce_source".to_owned(), Bytes::from(SOURCE)));
            }
            (*table, headers, None, Some(object(&columns, row, *table)))
        }
        Event::Delete { table, key } => (*table, vec![], Some(object(&case.tables[*table].key, key, *table)), None),
        Event::Poison { table, body } => (*table, vec![], None, Some(Bytes::from(body.clone()))),
    }
}
