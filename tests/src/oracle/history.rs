//! A node lives through a case, and is compared with what must be after every epoch.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

use arrow::array::RecordBatch;

use super::bag::{Bag, pretty};
use super::case::{Case, Event};
use super::expected::Expected;
use super::shrink::shrink;

/// Something that keeps tables and views.
pub trait Node {
    /// Makes a table; the statement is CREATE TABLE.
    fn create_table(&mut self, statement: &str);

    /// Begins to make a materialised view, while epochs go on.
    fn begin_view(&mut self, name: &str, query: &str);

    /// Makes a materialised view, or ends its making: it has all that is there. A restart since it was begun may have
    /// undone that.
    fn create_view(&mut self, name: &str, query: &str) -> Result<(), String>;

    /// Takes events while the clock says `clock_ms`; they are visible when it returns.
    fn feed(&mut self, case: &Case, clock_ms: i64, events: &[Event]);

    /// Ends and starts again from what is kept.
    fn restart(&mut self);

    /// All rows of a table (hidden columns left out) or a view; a bag's rows as often as they occur.
    fn rows(&mut self, relation: &str) -> Vec<RecordBatch>;
}

/// Lives through the case; `Err` says where the node went wrong.
pub fn live(case: &Case, node: &mut dyn Node) -> Result<(), String> {
    let mut expected = Expected::new(case);
    for table in &case.tables {
        node.create_table(&table.ddl());
    }
    let mut views = case.views.iter().peekable();
    for epoch in 0..=case.epochs.len() {
        while let Some(view) = views.next_if(|view| view.created_after <= epoch) {
            node.create_view(&view.name, &view.query)
                .map_err(|error| format!("{}: {}\n{error}", view.name, view.query))?;
            expected.add_view(view)?;
        }
        compare(&expected, node).map_err(|difference| format!("before epoch {epoch}: {difference}"))?;
        let Some(events) = case.epochs.get(epoch) else { break };
        for view in case.views.iter().filter(|view| view.begun_after == epoch && view.created_after > epoch) {
            node.begin_view(&view.name, &view.query);
        }
        node.feed(case, case.times_ms[epoch], events);
        expected.apply(case.times_ms[epoch], events);
        if case.restarts[epoch] {
            node.restart();
        }
    }
    Ok(())
}

fn compare(expected: &Expected, node: &mut dyn Node) -> Result<(), String> {
    for (name, wanted) in expected.relations()? {
        let found = node.rows(&name);
        if Bag::of(&found) != Bag::of(&wanted) {
            return Err(format!("{name} holds\n{}\nand not\n{}", pretty(&found), pretty(&wanted)));
        }
    }
    Ok(())
}

/// Runs a case, which a seed has made, on nodes that `start` makes; panics with the smallest failing case.
pub fn minimal(seed: u64, case: Case, start: &dyn Fn() -> Box<dyn Node>) {
    let fails = |case: &Case| {
        let lived = panic::catch_unwind(AssertUnwindSafe(|| live(case, &mut *start())));
        lived.unwrap_or_else(|panicked| Err(words(&*panicked))).err()
    };
    if fails(&case).is_some() {
        let smallest = shrink(case, &|case| fails(case).is_some());
        let reason = fails(&smallest).expect("it still fails");
        panic!("seed {seed}: {reason}\nthe smallest history that fails:\n{smallest}");
    }
}

/// What a broken invariant said.
fn words(panicked: &(dyn Any + Send)) -> String {
    let text = panicked.downcast_ref::<String>().map(String::as_str).or(panicked.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without words"))
}
