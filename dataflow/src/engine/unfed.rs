//! Errors of the join sides that are not fed while a view is filled.
//!
//! Their rows are read from state by key, silently, because in every later epoch their errors were reported when they
//! came. Those that are there before the view are reported here, once.

use std::rc::Rc;

use super::EngineError;
use super::report::{Reporter, Shared};
use crate::operators::chain::Chain;
use crate::operators::join::stored::Reader;
use crate::plan::{Plan, PlannedView, Side};
use crate::row::RowCodec;
use crate::state::KeyRange;

/// Reports the present rows of unfed sides on which an expression of the side fails.
pub(crate) fn report_unfed_sides(view: &PlannedView, shared: &Rc<Shared>) -> Result<(), EngineError> {
    let reporter = Reporter { shared: shared.clone(), view: view.relation };
    unfed_sides(&view.plan, 0, &mut |plan, side, operator| {
        let (Side::Stored { relation, schema, .. } | Side::Resident { relation, schema }) = side else {
            unreachable!("a side that is not in the store is fed");
        };
        let (chain, _) = Chain::over_stored(plan, operator);
        if chain.only_passes_on() {
            return Ok(());
        }
        let codec = RowCodec::new(schema);
        let mut report = |rows| {
            chain.apply(rows, Some(&reporter));
            Ok(())
        };
        let mut reader = Reader::new(&*shared.state, *relation, &codec, &mut report);
        reader.scan(&KeyRange::all())?;
        reader.finish()
    })
}

type Visit<'a> = dyn FnMut(&Plan, &Side, u32) -> Result<(), EngineError> + 'a;

/// Visits the unfed sides of every join with the number of their first operator.
fn unfed_sides(plan: &Plan, operator: u32, each: &mut Visit) -> Result<(), EngineError> {
    let mut next = operator + 1;
    for (position, input) in plan.inputs().into_iter().enumerate() {
        match plan {
            Plan::Join { kind, left_side, right_side, .. } if !kind.fed(left_side, right_side)[position] => {
                each(input, [left_side, right_side][position], next)?;
            }
            _ => unfed_sides(input, next, each)?,
        }
        next += operators(input);
    }
    Ok(())
}

/// How many operators a plan has.
fn operators(plan: &Plan) -> u32 {
    1 + plan.inputs().into_iter().map(operators).sum::<u32>()
}
