//! What every relation must hold: the model's tables, and each view run in batch over its sources.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{Field, Schema};
use datafusion::logical_expr::LogicalPlan;
use sql::catalog::Catalog;
use sql::planner;
use sql::query::Queries;
use tokio::runtime::{Builder, Runtime};

use super::case::{Case, Event, Table, View};
use super::cell::Cell;
use super::model::Model;
use super::simulation::define_table;

/// The source that every event of a history says it comes from.
pub const SOURCE: &str = "history";

/// What the relations of a case hold by now.
pub struct Expected {
    tables: Vec<Table>,
    model: Model,
    /// What `now()` is: the clock, which the database does not follow back.
    now_ms: i64,
    /// Names and types for planning; nothing is stored under it.
    catalog: Catalog,
    /// Views in the order of their making, with the plan that the database maintains, and the tables as they count them: what
    /// there was when they were made and has come since, whatever is forgotten.
    views: Vec<(String, LogicalPlan, Model)>,
    /// DataFusion spawns.
    runtime: Runtime,
}

impl Expected {
    pub fn new(case: &Case) -> Expected {
        let mut catalog = Catalog::empty();
        case.tables.iter().for_each(|table| define_table(&mut catalog, &table.ddl()));
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let (tables, model) = (case.tables.clone(), Model::new(&case.tables));
        Expected { tables, model, now_ms: 0, catalog, views: Vec::new(), runtime }
    }

    pub fn add_view(&mut self, view: &View) -> Result<(), String> {
        let words = |error: sql::SqlError| format!("{}: {error}", view.query);
        let catalog = Arc::new(self.catalog.clone());
        let logical = self.runtime.block_on(Queries::default().logical(&catalog, &view.query)).map_err(words)?;
        let rewritten = planner::rewrite(&logical).map_err(words)?;
        super::simulation::define_view(&mut self.catalog, &view.name, &view.query).map_err(words)?;
        self.views.push((view.name.clone(), rewritten, self.model.clone()));
        Ok(())
    }

    pub fn apply(&mut self, clock_ms: i64, events: &[Event]) {
        self.now_ms = self.now_ms.max(clock_ms);
        let now_ms = self.now_ms;
        for model in self.views.iter_mut().map(|(.., model)| model).chain([&mut self.model]) {
            for event in events {
                model.apply(event, now_ms);
            }
        }
        self.model.forget(now_ms);
    }

    /// Every relation whose rows are kept with its rows; hidden columns of tables left out.
    pub fn relations(&self) -> Result<Vec<(String, Vec<RecordBatch>)>, String> {
        let mut sources: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
        let mut relations = Vec::new();
        for (index, table) in self.tables.iter().enumerate().filter(|(_, table)| !table.stream) {
            relations.push((table.name.clone(), vec![visible(table, &self.model.rows(index))]));
        }
        for (name, plan, model) in &self.views {
            for (index, table) in self.tables.iter().enumerate() {
                sources.insert(table.name.clone(), vec![whole(table, &model.rows(index))]);
            }
            let rows = self
                .runtime
                .block_on(planner::batch(plan, &sources, self.now_ms))
                .map_err(|error| format!("{name} in batch: {error}"))?;
            relations.push((name.clone(), rows.clone()));
            sources.insert(name.clone(), rows);
        }
        Ok(relations)
    }
}

fn visible(table: &Table, rows: &[&(Option<String>, Vec<Cell>)]) -> RecordBatch {
    let columns = table.columns.iter().enumerate().map(|(at, column)| {
        let cell_type = column.cell_type.expect("tables have the types of cells");
        let array = cell_type.array(rows.iter().map(|(_, row)| &row[at]));
        (Field::new(&column.name, cell_type.arrow(), true), array)
    });
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).unwrap()
}

/// With the hidden columns, as views read the table.
fn whole(table: &Table, rows: &[&(Option<String>, Vec<Cell>)]) -> RecordBatch {
    let batch = visible(table, rows);
    if !table.key.is_empty() {
        return batch;
    }
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut columns = batch.columns().to_vec();
    let ids = rows.iter().map(|(id, _)| id.as_deref().unwrap());
    let hidden: [(&str, ArrayRef); 2] = if table.stream {
        let offsets = ids.map(|id| id.parse::<i64>().unwrap());
        let partitions = Int32Array::from(vec![0; rows.len()]);
        [("_partition", Arc::new(partitions)), ("_offset", Arc::new(Int64Array::from_iter_values(offsets)))]
    } else {
        let sources = StringArray::from(vec![SOURCE; rows.len()]);
        [("_source", Arc::new(sources)), ("_id", Arc::new(StringArray::from_iter_values(ids)))]
    };
    for (name, column) in hidden {
        fields.push(Field::new(name, column.data_type().clone(), false));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}
