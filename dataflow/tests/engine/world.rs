//! An engine over state in memory, beside the oracle that it is held against.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use arrow::datatypes::DataType;
use dataflow::{
    Block, Changes, Direction, Engine, Epoch, ErrorChange, Found, Install, KeyRange, MemoryState, Outcome, PlannedView,
    RelationId, RelationSchema, RowCodec, State, StateError, StateWrite, Step,
};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::naive::{Bag, Errors, Naive, add};
use crate::plans::{DEVICES, READINGS, Source, devices, readings};
use crate::value::{Row, Value, batch, rows};

/// State in memory that counts what is asked of it.
#[derive(Default)]
pub struct CountingState {
    pub memory: MemoryState,
    /// Keys looked up.
    pub gets: Cell<usize>,
    /// Entries handed over by scans.
    pub scanned: Cell<usize>,
}

impl State for CountingState {
    fn get_many(&self, relation: RelationId, keys: &Block) -> Result<Found, StateError> {
        self.gets.set(self.gets.get() + keys.len());
        self.memory.get_many(relation, keys)
    }

    fn scan(
        &self,
        relation: RelationId,
        range: &KeyRange,
        direction: Direction,
        each: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        self.memory.scan(relation, range, direction, &mut |key, value| {
            self.scanned.set(self.scanned.get() + 1);
            each(key, value)
        })
    }
}

/// An engine, its state and what both should be.
pub struct World {
    pub state: Rc<CountingState>,
    pub engine: Engine,
    pub epoch: u64,
    /// What `now()` was in the last epoch.
    pub now_ms: i64,
    pub tables: Vec<Source>,
    pub views: Vec<PlannedView>,
    /// What every table and view holds, recomputed.
    pub relations: BTreeMap<RelationId, Bag>,
    /// What the changes of each view add up to.
    followed: BTreeMap<RelationId, Bag>,
    /// What the error changes of each view add up to.
    errors: BTreeMap<(RelationId, u32, String, String), i64>,
}

impl World {
    pub fn new() -> World {
        let state = Rc::new(CountingState::default());
        World {
            engine: Engine::new(state.clone(), 0),
            state,
            epoch: 0,
            now_ms: 0,
            tables: vec![readings(), devices()],
            views: Vec::new(),
            relations: BTreeMap::new(),
            followed: BTreeMap::new(),
            errors: BTreeMap::new(),
        }
    }

    /// Tables and views.
    pub fn sources(&self) -> Vec<Source> {
        let views = self.views.iter().map(|view| Source { relation: view.relation, schema: view.schema.clone() });
        self.tables.iter().cloned().chain(views).collect()
    }

    /// Installs a view now and fills it in chunks of random size.
    pub fn install(&mut self, view: PlannedView, random: &mut ChaCha8Rng) {
        let relation = view.relation;
        self.engine.install(Epoch(self.epoch), view.clone(), Install::Fresh).unwrap();
        let mut present: Vec<(RelationId, Row, i64)> = Vec::new();
        for source in self.engine.fill_sources(relation) {
            let bag = self.relations.get(&source).cloned().unwrap_or_default();
            present.extend(bag.into_iter().map(|(row, count)| (source, row, count)));
        }
        present.shuffle(random);
        self.views.push(view);
        self.followed.insert(relation, Bag::new());
        let sources = self.sources();
        loop {
            let chunk = present.split_off(present.len() - random.random_range(0..=present.len().min(20)));
            let mut by_source: BTreeMap<RelationId, Vec<(Row, i64)>> = BTreeMap::new();
            chunk.into_iter().for_each(|(source, row, count)| by_source.entry(source).or_default().push((row, count)));
            let rows = by_source.into_iter().map(|(source, rows)| {
                let schema = &sources.iter().find(|known| known.relation == source).unwrap().schema;
                (source, changes(schema, rows))
            });
            let outcome = self.engine.fill(relation, rows.collect()).unwrap();
            self.take(outcome, Vec::new());
            if present.is_empty() {
                break;
            }
        }
        self.check();
    }

    /// Builds the engine again from what was written.
    pub fn restart(&mut self) {
        self.engine = Engine::new(self.state.clone(), self.now_ms);
        for view in &self.views {
            self.engine.install(Epoch(self.epoch), view.clone(), Install::Resumed).unwrap();
        }
    }

    /// Removes the last view, which nothing reads.
    pub fn remove_last(&mut self) {
        if let Some(view) = self.views.pop() {
            self.engine.remove(view.relation);
            self.relations.remove(&view.relation);
            self.followed.remove(&view.relation);
            self.errors.retain(|(of, ..), _| *of != view.relation);
        }
    }

    /// Runs an epoch of changes of tables: each a row with how often it comes or goes, in order.
    pub fn step(&mut self, inputs: Vec<(RelationId, Vec<(Row, i64)>)>) -> Outcome {
        self.epoch += 1;
        let mut writes = Vec::new();
        let mut fed = Vec::new();
        for (relation, rows) in inputs {
            let table = self.tables.iter().find(|table| table.relation == relation).unwrap();
            let bag = self.relations.entry(relation).or_default();
            rows.iter().for_each(|(row, count)| add(bag, row.clone(), *count));
            writes.push(table_write(table, &rows, bag));
            rows.chunks(3).for_each(|piece| fed.push((relation, changes(&table.schema, piece.to_vec()))));
        }
        let step = Step { epoch: Epoch(self.epoch), now_ms: self.now_ms, inputs: fed };
        let outcome = self.engine.step(step).unwrap();
        self.take(
            Outcome { views: outcome.views.clone(), errors: outcome.errors.clone(), state: outcome.state.clone() },
            writes,
        );
        self.check();
        outcome
    }

    /// Follows an outcome and makes its state readable.
    fn take(&mut self, outcome: Outcome, writes: Vec<StateWrite>) {
        for (view, changes) in outcome.views {
            let followed = self.followed.get_mut(&view).unwrap();
            let mut seen = Bag::new();
            for changes in changes {
                for (row, diff) in rows(&changes.rows).into_iter().zip(changes.diffs) {
                    assert!(
                        seen.insert(row.clone(), diff).is_none(),
                        "changes of {view} are not consolidated: {row:?}"
                    );
                    add(followed, row, diff);
                }
            }
        }
        for ErrorChange { view, operator, row, message, diff } in outcome.errors {
            let key = (view, operator, row, message);
            *self.errors.entry(key.clone()).or_default() += diff;
            self.errors.retain(|_, count| *count != 0);
        }
        self.state.memory.apply(&writes);
        for write in &outcome.state {
            let keys: Vec<&[u8]> = write.iter().map(|(key, _)| key).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "keys of {} are written in order", write.relation);
        }
        self.state.memory.apply(&outcome.state);
    }

    /// Lets time go on. Nothing has changed by itself before the next timer goes off.
    pub fn pass(&mut self, to_ms: i64) {
        let next = self.engine.next_timer_ms().unwrap();
        assert!(next.is_none_or(|next| next > self.now_ms), "a timer at {next:?} did not go off by {}", self.now_ms);
        let quiet = next.map_or(to_ms, |next| to_ms.min(next - 1));
        let before = self.relations.clone();
        self.now_ms = quiet;
        self.check();
        assert_eq!(self.relations, before, "something changed by {quiet}, before the timer at {next:?}");
        self.now_ms = to_ms;
    }

    /// Holds every view, its changes and its errors against a recomputation.
    pub fn check(&mut self) {
        for view in &self.views {
            let mut naive = Naive::new(&self.relations, self.now_ms);
            let expected = naive.plan(&view.plan);
            let expected_errors = naive.errors;
            assert_eq!(stored(&self.state.memory, view.relation, &view.schema), expected, "rows stored: {view:#?}");
            assert_eq!(self.followed[&view.relation], expected, "rows followed: {view:#?}");
            let mut errors = Errors::new();
            for ((of, operator, row, message), count) in &self.errors {
                assert!(*count > 0, "an error of {of} that was not there is retracted: {operator} {row} {message}");
                if *of == view.relation {
                    *errors.entry((*operator, message.clone())).or_default() += count;
                }
            }
            assert_eq!(errors, expected_errors, "errors: {view:#?}");
            self.relations.insert(view.relation, expected);
        }
    }
}

fn changes(schema: &RelationSchema, rows: Vec<(Row, i64)>) -> Changes {
    let (rows, diffs): (Vec<Row>, Vec<i64>) = rows.into_iter().unzip();
    Changes::new(batch(&schema.columns, &rows), diffs)
}

/// The rows that a relation's state decodes to.
pub fn stored(memory: &MemoryState, relation: RelationId, schema: &RelationSchema) -> Bag {
    let entries = memory.entries(relation);
    let entries = entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    let decoded = RowCodec::new(schema).decode(entries, None).unwrap();
    let mut bag = Bag::new();
    rows(&decoded.rows).into_iter().zip(decoded.counts).for_each(|(row, count)| add(&mut bag, row, count));
    bag
}

/// What a table writes for changes after which it holds `bag`.
fn table_write(table: &Source, changed: &[(Row, i64)], bag: &Bag) -> StateWrite {
    let codec = RowCodec::new(&table.schema);
    let mut entries: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
    for (row, _) in changed {
        let key_of = |row: &Row| table.schema.key.iter().map(|&column| row[column].clone()).collect::<Row>();
        let present = bag.keys().find(|known| key_of(known) == key_of(row));
        let one = |row: &Row| batch(&table.schema.columns, std::slice::from_ref(row));
        let key = codec.keys(&one(row)).get(0).to_vec();
        entries.insert(key, present.map(|row| codec.values(&one(row)).get(0).to_vec()));
    }
    let mut write = StateWrite::new(table.relation);
    for (key, value) in entries {
        match value {
            Some(value) => write.put(&key, &value),
            None => write.delete(&key),
        }
    }
    write
}

/// Random upserts and deletions of both tables, more than one of a key at times.
pub fn random_changes(
    random: &mut ChaCha8Rng,
    relations: &BTreeMap<RelationId, Bag>,
) -> Vec<(RelationId, Vec<(Row, i64)>)> {
    let mut inputs = Vec::new();
    for table in [readings(), devices()] {
        let count = match table.relation {
            READINGS => random.random_range(0..12),
            DEVICES if random.random_range(0..3) == 0 => random.random_range(0..4),
            _ => 0,
        };
        let mut bag = relations.get(&table.relation).cloned().unwrap_or_default();
        let mut changed = Vec::new();
        for _ in 0..count {
            let row = random_row(random, &table.schema);
            let key_len = table.schema.key.len();
            let present = bag.keys().find(|known| known[..key_len] == row[..key_len]).cloned();
            let deletes = present.is_some() && random.random_range(0..3) == 0;
            if let Some(present) = present {
                bag.remove(&present);
                changed.push((present, -1));
            }
            if !deletes {
                bag.insert(row.clone(), 1);
                changed.push((row, 1));
            }
        }
        if !changed.is_empty() {
            inputs.push((table.relation, changed));
        }
    }
    inputs
}

/// Values of a table's types; those of its key are few.
pub fn random_row(random: &mut ChaCha8Rng, schema: &RelationSchema) -> Row {
    let fields = schema.columns.fields().iter().enumerate();
    fields.map(|(index, field)| random_value(random, field.data_type(), schema.key.contains(&index))).collect()
}

fn random_value(random: &mut ChaCha8Rng, data_type: &DataType, key: bool) -> Value {
    if !key && random.random_range(0..6) == 0 {
        return Value::Null;
    }
    match data_type {
        DataType::Int64 if key => Value::Int(random.random_range(0..4)),
        DataType::Int64 => match random.random_range(0..40) {
            0 => Value::Int(i64::MAX),
            1 => Value::Int(i64::MIN),
            _ => Value::Int(random.random_range(-3..4)),
        },
        DataType::Float64 => match random.random_range(0..20) {
            0 => Value::Float(f64::NAN),
            _ => Value::Float(f64::from(random.random_range(-8..8)) / 4.0),
        },
        DataType::Decimal128(..) => Value::Decimal(random.random_range(-500..500)),
        DataType::Utf8 => {
            Value::Text(["", "a", "b", "a longer text than fits in place"][random.random_range(0..4)].into())
        }
        DataType::Timestamp(..) => Value::Time(random.random_range(0..8) * 20),
        other => panic!("{other} is not among the tested types"),
    }
}
