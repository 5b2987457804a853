//! A differential arrangement of encoded rows by encoded join columns.
//!
//! State: all rows of its side, in memory, which the planner bounds. A change costs its share of the merges.

use std::rc::Rc;

use arrow::datatypes::{DataType, SchemaRef};
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::merge_batcher::{MergeBatcher, vec::VecMerger};
use differential_dataflow::trace::implementations::ord_neu::{OrdValBatch, OrdValBuilder};
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::implementations::{ContainerChunker, OffsetList};
use differential_dataflow::trace::rc_blanket_impls::RcBuilder;
use differential_dataflow::trace::{Cursor, TraceReader};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::progress::Antichain;
use timely::worker::Worker;

use super::flat::FlatRows;
use crate::changes::Changes;
use crate::operators::batch::Tick;
use crate::operators::rows::non_null;
use crate::operators::small::Row;
use crate::relation::RelationSchema;
use crate::row::{Block, CorruptRow, KeyEncoder, RowCodec};

type Updates = Vec<((Row, Row), Tick, i64)>;
type Layout = (FlatRows, FlatRows, Vec<Tick>, Vec<i64>, OffsetList);
type Trace = Spine<Rc<OrdValBatch<Layout>>>;
type Batcher = MergeBatcher<VecMerger<(Row, Row), Tick, i64>>;
type Builder = RcBuilder<OrdValBuilder<Layout, Updates>>;

/// An arrangement and the dataflow that maintains it.
pub(crate) struct Arrangement {
    on: Vec<usize>,
    keys: KeyEncoder,
    rows: RowCodec,
    dataflow: usize,
    input: InputHandle<Tick, CapacityContainerBuilder<Updates>>,
    probe: ProbeHandle<Tick>,
    trace: TraceAgent<Trace>,
}

impl Arrangement {
    /// An empty arrangement of rows of this schema by the columns `on`.
    pub(crate) fn new(worker: &mut Worker, tick: Tick, schema: &SchemaRef, on: Vec<usize>) -> Arrangement {
        let types: Vec<DataType> = on.iter().map(|&column| schema.field(column).data_type().clone()).collect();
        let whole_row = RelationSchema { columns: schema.clone(), key: Vec::new(), counted: false };
        let dataflow = worker.next_dataflow_index();
        let (mut input, probe, trace) = worker.dataflow_named::<Tick, _, _>("Resident", |scope| {
            let (input, updates) = scope.new_input::<Updates>();
            let arranged =
                arrange_core::<_, _, ContainerChunker<Updates>, Batcher, Builder, Trace>(updates, Pipeline, "Arrange");
            let (probe, _) = arranged.stream.probe();
            (input, probe, arranged.trace)
        });
        input.advance_to(tick);
        Arrangement {
            on,
            keys: KeyEncoder::new(&types),
            rows: RowCodec::new(&whole_row),
            dataflow,
            input,
            probe,
            trace,
        }
    }

    /// The worker's number of its dataflow.
    pub(crate) fn dataflow(&self) -> usize {
        self.dataflow
    }

    /// Adds changes, which are seen once sealed. Rows with a NULL among the join columns join nothing and are not kept.
    pub(crate) fn push(&mut self, changes: &Changes) {
        let changes = non_null(changes.clone(), &self.on);
        let keys = self.keys.encode(&changes.rows, &self.on);
        let rows = self.rows.values(&changes.rows);
        let tick = *self.input.time();
        for ((key, row), diff) in keys.iter().zip(rows.iter()).zip(&changes.diffs) {
            self.input.send(((Row::new(key), Row::new(row)), tick, *diff));
        }
    }

    /// Makes what was pushed visible, and forgets when it came.
    pub(crate) fn seal(&mut self, worker: &mut Worker, tick: Tick) {
        self.input.advance_to(tick + 1);
        while self.probe.less_than(&(tick + 1)) {
            worker.step();
        }
        let sealed = Antichain::from_elem(tick);
        self.trace.set_logical_compaction(sealed.borrow());
        self.trace.set_physical_compaction(sealed.borrow());
    }

    /// The rows under each of these ascending keys, which are those of [`Arrangement::encode`].
    pub(crate) fn look_up(&mut self, keys: &Block, mut each: impl FnMut(&[u8], i64)) {
        let (mut cursor, batches) = self.trace.cursor();
        for key in keys.iter() {
            cursor.seek_key(&batches, key);
            if cursor.get_key(&batches) != Some(key) {
                continue;
            }
            while let Some(row) = cursor.get_val(&batches) {
                let mut count = 0;
                cursor.map_times(&batches, |_, diff| count += diff);
                if count != 0 {
                    each(row, count);
                }
                cursor.step_val(&batches);
            }
        }
    }

    /// The keys under which rows with these columns are found.
    pub(crate) fn encode(&self, changes: &Changes, on: &[usize]) -> Block {
        self.keys.encode(&changes.rows, on)
    }

    /// Rows found, with how often each occurs.
    pub(crate) fn decode(&self, rows: &Block, counts: Vec<i64>) -> Result<Changes, CorruptRow> {
        let decoded = self.rows.decode(rows.iter().map(|row| (&[][..], row)), None)?;
        Ok(Changes::new(decoded.rows, counts))
    }
}
