//! Streams: tables whose rows go on to views and are kept nowhere but in the log.
//!
//! Each event is a row, once: it is told from all others by its place in the topic. Nothing is looked up for it and nothing
//! written of it; what there is of it is what views make of it. A view that is made later is filled from the log
//! ([`super::past`]).

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;
use dataflow::{RelationId, StateWrite};

use super::table::{Applied, Ask, Asked, Verdict, in_pieces};

/// An epoch of a stream, whose events delete nothing.
pub fn apply(stream: RelationId, asked: &Asked) -> Applied {
    // What a check refused is not asked for any more.
    let rows = match asked.asks.len() == asked.upserts.num_rows() {
        true => asked.upserts.clone(),
        false => {
            let rows = asked.asks.iter().map(|ask| match *ask {
                Ask::Upsert(row) => row,
                Ask::Delete(_) => unreachable!("without a key nothing is deleted"),
            });
            let rows = UInt32Array::from_iter_values(rows);
            take_record_batch(&asked.upserts, &rows).expect("rows of the batch")
        }
    };
    Applied {
        write: StateWrite::seldom_read(stream),
        changes: in_pieces(&rows, 1),
        verdicts: vec![Verdict::Taken; asked.asks.len()],
        rows_added: 0,
    }
}
