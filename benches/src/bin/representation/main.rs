//! Arrow batches between operators against plain byte rows everywhere: the same rollup on one timely worker.
//!
//! The job: readings of 1,000 circuits, those below zero filtered out, the minute computed, and count, sum, min and max kept
//! by circuit and minute. Map and filter are one operator, the groups another, as the engine renders them. What is timed is
//! the worker's thread, in processor time: from an epoch's batches, in the side's own representation, to the changed groups, in the same.

mod arrow_batches;
mod byte_rows;
mod job;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use arrow::array::RecordBatch;
use benches::cpu;
use benches::report::{Report, median};
use clap::Parser;
use dataflow::limits::CHANGES_ROWS_MAX;
use serde_json::json;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::container::NoopBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Input, Operator, Probe};
use timely::worker::Worker;
use timely::{Accountable, WorkerConfig};

use job::{Group, Groups, readings};

#[derive(Parser)]
struct Arguments {
    /// Readings per run of epochs of 100 and 10,000; a hundredth of it for epochs of one.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Runs of each side; the median counts.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
}

/// How rows are between operators, and what the two operators do to them.
trait Representation {
    const NAME: &'static str;
    type Batch: Accountable + Clone + Default + 'static;

    fn batch(readings: &RecordBatch) -> Self::Batch;
    /// Filters and computes the minute: (circuit, minute, value) come out.
    fn map_filter(batch: Self::Batch) -> Self::Batch;
    /// Adds an epoch to its groups: the groups that changed come out.
    fn reduce(batches: Vec<Self::Batch>, groups: &mut Groups) -> Self::Batch;
}

/// What a run left and took.
struct Run {
    groups: BTreeMap<Box<[u8]>, Group>,
    /// Groups that came out changed, over all epochs.
    changed: i64,
    seconds: f64,
}

fn run<R: Representation>(epochs: &[RecordBatch]) -> Run {
    let mut batches: Vec<Vec<R::Batch>> = epochs.iter().map(pieces::<R>).collect();
    let mut worker = Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), None);
    let groups = Rc::new(RefCell::new(Groups::default()));
    let changed = Rc::new(RefCell::new(0));
    let mut input = InputHandle::<u64, NoopBuilder<R::Batch>>::new_with_builder();
    let probe = worker.dataflow(|scope| {
        let readings = scope.input_from(&mut input);
        let mapped = readings.unary::<NoopBuilder<R::Batch>, _, _, _>(Pipeline, "MapFilter", |_, _| {
            |input, output| {
                input.for_each(|time, batch| {
                    let mut mapped = R::map_filter(std::mem::take(batch));
                    output.session_with_builder(&time).give_container(&mut mapped);
                })
            }
        });
        let groups = groups.clone();
        let reduced = mapped.unary_frontier::<NoopBuilder<R::Batch>, _, _, _>(Pipeline, "Reduce", move |_, _| {
            let (mut capability, mut pending) = (None, Vec::new());
            move |(input, frontier), output| {
                input.for_each(|time, batch| {
                    capability.get_or_insert_with(|| time.retain(0));
                    pending.push(std::mem::take(batch));
                });
                if let Some(complete) = capability.take_if(|at| !frontier.less_equal(at.time())) {
                    let mut changed = R::reduce(std::mem::take(&mut pending), &mut groups.borrow_mut());
                    output.session_with_builder(&complete).give_container(&mut changed);
                }
            }
        });
        let changed = changed.clone();
        let collected = reduced.unary::<NoopBuilder<R::Batch>, _, _, _>(Pipeline, "Root", move |_, _| {
            move |input, _| input.for_each(|_, batch| *changed.borrow_mut() += batch.record_count())
        });
        collected.probe().0
    });

    let started = cpu::thread_seconds();
    for (epoch, batches) in batches.iter_mut().enumerate() {
        batches.iter_mut().for_each(|batch| input.send_batch(batch));
        input.advance_to(epoch as u64 + 1);
        while probe.less_than(input.time()) {
            worker.step();
        }
    }
    let seconds = cpu::thread_seconds() - started;
    let groups = groups.take().into_iter().collect();
    Run { groups, changed: changed.take(), seconds }
}

/// An epoch's batches, within the bound that the engine keeps.
fn pieces<R: Representation>(epoch: &RecordBatch) -> Vec<R::Batch> {
    let starts = (0..epoch.num_rows()).step_by(CHANGES_ROWS_MAX);
    starts.map(|start| R::batch(&epoch.slice(start, CHANGES_ROWS_MAX.min(epoch.num_rows() - start)))).collect()
}

/// One side: its name, and how to run it.
type Side = (&'static str, fn(&[RecordBatch]) -> Run);

fn side<R: Representation>() -> Side {
    (R::NAME, run::<R>)
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let sides = [side::<byte_rows::Evaluated>(), side::<arrow_batches::ArrowBatches>(), side::<byte_rows::HandTyped>()];
    let mut report =
        Report::new("representation", &["epoch rows", "side", "cpu us/epoch", "rows/cpu s", "x byte rows"]);
    for epoch_rows in [1, 100, 10_000] {
        let rows = if epoch_rows == 1 { arguments.rows / 100 } else { arguments.rows };
        let epochs = readings(rows, epoch_rows);
        let expected = sides[0].1(&epochs);
        for (name, run) in &sides[1..] {
            let found = run(&epochs);
            anyhow::ensure!(found.groups == expected.groups, "{name} has other groups than byte rows");
            anyhow::ensure!(found.changed == expected.changed, "{name} changed groups more or less often");
        }
        let mut seconds = vec![Vec::new(); sides.len()];
        for _ in 0..arguments.repeats {
            sides.iter().zip(&mut seconds).for_each(|((_, run), seconds)| seconds.push(run(&epochs).seconds));
        }
        let baseline = median(&seconds[0]);
        for ((name, _), seconds) in sides.iter().zip(&seconds) {
            let seconds = median(seconds);
            let us_per_epoch = seconds * 1e6 / epochs.len() as f64;
            let rate = rows as f64 / seconds;
            report.row(vec![
                json!(epoch_rows),
                json!(name),
                json!(us_per_epoch),
                json!(rate.round() as u64),
                json!(baseline / seconds),
            ]);
        }
    }
    report.note(format!("Groups compared before timing; medians of {} runs, the sides in turn.", arguments.repeats));
    report.note(
        "Hand-typed byte rows know their columns at compile time: a bound for scale, not something SQL can have.",
    );
    report.finish()?;
    Ok(())
}
