//! An epoch's input: what was fetched from the log, decoded table by table.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use dataflow::{RelationId, State};
use storage::{Fetched, Position, Record, TopicPartition};

use super::checks::Checks;
use super::interest::Interests;
use super::quarantine::Quarantined;
use super::stream;
use super::table::{Applied, Ask, Asked, CurrentRows, TableError, Verdict};
use crate::catalog::{Catalog, Entry, default_cell, is_hidden};
use crate::decode::json::payload_text;
use crate::decode::{Cell, Column, Envelope, Reason, RowDecoder, RowsBuilder};
use crate::limits::QUARANTINE_PAYLOAD_BYTES_MAX;

/// Reads the events of one table.
pub struct TableReader {
    pub entry: Arc<Entry>,
    rules: Rules,
    pub checks: Checks,
    rows: RowDecoder,
    key: RowDecoder,
    key_schema: Arc<Schema>,
    key_columns: Vec<usize>,
    keyed_by_event: bool,
}

/// What becomes of a row.
enum Rules {
    Kept(CurrentRows),
    /// It is not kept.
    Stream,
}

/// One epoch's events of a table.
pub struct TableInput {
    pub asked: Asked,
    /// Where each ask came from: the fetched partition and the record in it.
    pub places: Vec<(u32, u32)>,
}

/// One epoch's input.
pub struct Input {
    pub fetched: Vec<Fetched>,
    pub tables: BTreeMap<RelationId, TableInput>,
    pub quarantined: Vec<Quarantined>,
    /// What became of events that somebody waits for: known already for those that are no rows.
    pub verdicts: Vec<(TopicPartition, u64, Verdict)>,
    /// Fetched partitions that somebody waits for.
    pub awaited: Vec<bool>,
}

impl TableReader {
    pub fn new(entry: Arc<Entry>, checks: Checks) -> TableReader {
        let relation = entry.relation.clone().expect("a table has rows");
        let table = entry.table().expect("it is a table");
        let fields = relation.schema.columns.fields();
        let column = |at: usize| {
            let field = &fields[at];
            // Without a value the key or the version could not be compared, nor would it be known when a row is forgotten.
            let forgotten_by = table.retention.map(|retention| retention.column);
            let required = relation.schema.key.contains(&at) || [table.version, forgotten_by].contains(&Some(at));
            Column {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                nullable: field.is_nullable() && !required,
                default: default_cell(field),
            }
        };
        let visible = (0..fields.len()).filter(|&at| !is_hidden(&fields[at])).map(column).collect();
        let key_columns: Vec<usize> = relation.schema.key.clone();
        let key_schema = relation.schema.columns.project(&key_columns).expect("key columns exist");
        TableReader {
            rules: match table.stream {
                true => Rules::Stream,
                false => Rules::Kept(CurrentRows::new(relation.clone(), table)),
            },
            checks,
            rows: RowDecoder::new(visible),
            // A key is said whole.
            key: RowDecoder::new(key_columns.iter().map(|&at| Column { default: None, ..column(at) }).collect()),
            key_columns,
            key_schema: Arc::new(key_schema),
            keyed_by_event: entry.keyed_by_event(),
            entry,
        }
    }

    /// Applies an epoch's events, in which it is `now_ms`, to the rows in `state`, of which there are `rows`.
    pub fn apply(&self, state: &dyn State, asked: &Asked, rows: u64, now_ms: i64) -> Result<Applied, TableError> {
        match &self.rules {
            Rules::Kept(rules) => rules.apply(state, asked, rows, now_ms),
            Rules::Stream => Ok(stream::apply(self.entry.id(), asked)),
        }
    }

    /// The rows that records are: what is none was quarantined when it came. Its checks do not ask for the time.
    pub fn rows(&self, fetched: &Fetched) -> RecordBatch {
        let mut builders = Builders::new(self);
        for record in &fetched.records {
            // What it asks for is in the builders; why it is no row was told before.
            let _ = self.read(&fetched.partition, record, &mut builders);
        }
        let rows = builders.upserts.finish();
        let refused = self.checks.refused(&rows, 0);
        if refused.is_empty() {
            return rows;
        }
        let met: BooleanArray = (0..rows.num_rows()).map(|row| Some(!refused.contains_key(&row))).collect();
        filter_record_batch(&rows, &met).expect("a value for each row")
    }

    /// The row or the key that an event has, appended to the builders.
    fn read(&self, partition: &TopicPartition, record: &Record, input: &mut Builders) -> Result<Ask, Reason> {
        let envelope = Envelope::of(record)?;
        match &record.value {
            Some(payload) => {
                let mut cells = self.rows.row(payload)?;
                if self.keyed_by_event {
                    let at = self.key_columns[0];
                    let key = match self.rules {
                        Rules::Kept(_) => {
                            let (source, id) = envelope.identity(partition, record.offset);
                            [Cell::Text(source.into()), Cell::Text(id)]
                        }
                        Rules::Stream => [partition.partition.into(), record.offset as i64].map(Cell::Int),
                    };
                    cells.splice(at..at, key);
                }
                input.upserts.push(&cells);
                Ok(Ask::Upsert(input.upserts.len() as u32 - 1))
            }
            None if self.keyed_by_event => {
                Err(Reason("a null value deletes by key, and the table has no primary key".to_owned()))
            }
            None => {
                let key = record.key.as_ref();
                let key =
                    key.ok_or_else(|| Reason("a null value deletes by key, and there is no record key".to_owned()))?;
                input.deletes.push(&self.key.key(key)?);
                Ok(Ask::Delete(input.deletes.len() as u32 - 1))
            }
        }
    }
}

/// The rows of one table while they are read.
struct Builders {
    upserts: RowsBuilder,
    deletes: RowsBuilder,
    asks: Vec<Ask>,
    places: Vec<(u32, u32)>,
}

impl Builders {
    fn new(reader: &TableReader) -> Builders {
        let relation = reader.entry.relation.as_ref().expect("a table has rows");
        Builders {
            upserts: RowsBuilder::new(relation.schema.columns.clone()),
            deletes: RowsBuilder::new(reader.key_schema.clone()),
            asks: Vec::new(),
            places: Vec::new(),
        }
    }
}

impl Input {
    /// Decodes what was fetched. `readers`: of each table that the catalogue has.
    pub fn read(
        fetched: Vec<Fetched>,
        catalog: &Catalog,
        readers: &BTreeMap<RelationId, Arc<TableReader>>,
        interests: &Interests,
    ) -> Input {
        let mut building: BTreeMap<RelationId, Builders> = BTreeMap::new();
        let mut quarantined = Vec::new();
        let mut verdicts = Vec::new();
        let mut awaited = Vec::with_capacity(fetched.len());
        for (at, fetched) in fetched.iter().enumerate() {
            let partition = &fetched.partition;
            awaited.push(interests.any(&partition.topic));
            let Some(entry) = catalog.table_of_topic(&partition.topic) else { continue };
            let reader = &readers[&entry.id()];
            let input = building.entry(entry.id()).or_insert_with(|| Builders::new(reader));
            for (row, record) in fetched.records.iter().enumerate() {
                match reader.read(partition, record, input) {
                    Ok(ask) => {
                        input.asks.push(ask);
                        input.places.push((at as u32, row as u32));
                    }
                    Err(reason) => {
                        if awaited[at] {
                            verdicts.push((partition.clone(), record.offset, Verdict::Quarantined(reason.clone())));
                        }
                        quarantined.push(quarantine(entry, partition, record, reason));
                    }
                }
            }
        }
        let finish = |builders: Builders| TableInput {
            asked: Asked {
                upserts: builders.upserts.finish(),
                deletes: builders.deletes.finish(),
                asks: builders.asks,
            },
            places: builders.places,
        };
        let tables = building.into_iter().map(|(id, builders)| (id, finish(builders))).collect();
        Input { fetched, tables, quarantined, verdicts, awaited }
    }

    /// Takes out the rows that the table's checks refuse, in an epoch in which it is `now_ms`.
    pub fn check(&mut self, reader: &TableReader, table: &mut TableInput, now_ms: i64) {
        let mut refused = reader.checks.refused(&table.asked.upserts, now_ms);
        if refused.is_empty() {
            return;
        }
        let asks = std::mem::take(&mut table.asked.asks).into_iter().zip(std::mem::take(&mut table.places));
        let (mut places, mut verdicts) = (Vec::new(), Vec::new());
        for (ask, place) in asks {
            let reason = match ask {
                Ask::Upsert(row) => refused.remove(&(row as usize)),
                Ask::Delete(_) => None,
            };
            match reason {
                Some(reason) => {
                    places.push(place);
                    verdicts.push(Verdict::Quarantined(reason));
                }
                None => {
                    table.asked.asks.push(ask);
                    table.places.push(place);
                }
            }
        }
        self.judge(&reader.entry, &places, verdicts);
    }

    /// Files what became of a table's events: quarantined ones to be kept, all where somebody waits.
    pub fn judge(&mut self, entry: &Entry, places: &[(u32, u32)], verdicts: Vec<Verdict>) {
        for (&(at, row), verdict) in places.iter().zip(verdicts) {
            let fetched = &self.fetched[at as usize];
            let record = &fetched.records[row as usize];
            if let Verdict::Quarantined(reason) = &verdict {
                self.quarantined.push(quarantine(entry, &fetched.partition, record, reason.clone()));
            }
            if self.awaited[at as usize] {
                self.verdicts.push((fetched.partition.clone(), record.offset, verdict));
            }
        }
    }

    /// Where to read on.
    pub fn positions(&self) -> Vec<Position> {
        let position = |fetched: &Fetched| Position { partition: fetched.partition.clone(), offset: fetched.next };
        self.fetched.iter().map(position).collect()
    }

    pub fn records(&self) -> u64 {
        self.fetched.iter().map(|fetched| fetched.records.len() as u64).sum()
    }
}

fn quarantine(entry: &Entry, partition: &TopicPartition, record: &Record, reason: Reason) -> Quarantined {
    let payload = record.value.as_ref().or(record.key.as_ref());
    let time_us = Envelope::of(record).map_or(record.timestamp_ms.saturating_mul(1_000), |envelope| envelope.time_us);
    Quarantined {
        partition: partition.clone(),
        offset: record.offset,
        table: entry.name().to_owned(),
        payload: payload.map(|payload| payload_text(payload, QUARANTINE_PAYLOAD_BYTES_MAX)),
        reason,
        time_us,
        subject: Envelope::subject(record).map(str::to_owned),
    }
}
