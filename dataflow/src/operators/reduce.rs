//! Reduce: one row a group, with counts, sums, averages, variances, extremes and percentiles.
//!
//! State: group -> how many rows, and for each distinct thing counted, summed or compared its count, exact sum, extreme or
//! percentile ([`tail`]). Where the Reduce is the root of its view, that is the tail of the view's own row. A group ends when its last
//! row goes; the one group without columns never ends.
//!
//! An epoch costs one look-up and one put per changed group, and per change its share of the hashing and adding. A retracted
//! extreme costs a look at the group besides ([`rescan`], [`index`](super::index)), unless the same epoch replaces it by a
//! further one. What needs to know the group's values ([`different`], [`percentiles`], [`sequences`]) costs a look-up and a put in
//! an index for each value that changes.

mod accumulators;
mod different;
mod extremes;
mod output;
mod percentiles;
mod rescan;
mod sequences;
mod tail;
mod values;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;

use self::accumulators::{Accumulators, Slots, Source};
use self::output::{Output, Side};
use super::groups::Groups;
use super::map::Map;
use super::rows::concat;
use crate::changes::Changes;
use crate::engine::EngineError;
use crate::engine::report::Reporter;
use crate::plan::Plan;
use crate::relation::{RelationId, RelationSchema};
use crate::row::{Block, KeyDecoder, KeyEncoder, RowCodec};
use crate::state::{Found, State, StateWrite};

/// The view whose own rows carry the state.
pub(crate) struct OwnRows {
    pub(crate) schema: RelationSchema,
    /// The Map between the Reduce and the view's rows.
    pub(crate) above: Option<Map>,
}

/// A Reduce and what it remembers between epochs: nothing but where its state is.
pub(crate) struct Reduce {
    reporter: Reporter,
    state: RelationId,
    /// Columns of the input that make the key of the state, in key order.
    key: Vec<usize>,
    keys: KeyEncoder,
    key_columns: KeyDecoder,
    /// Columns of the input that are used at all, and the schema of those.
    used: Vec<usize>,
    slots: Slots,
    output: Output,
    /// How the view's own rows are encoded, where they carry the state.
    own: Option<RowCodec>,
    global: bool,
}

impl Reduce {
    /// The operator of a [`Plan::Reduce`]. `own`: the view that it is the root of.
    pub(crate) fn new(plan: &Plan, operator: u32, own: Option<OwnRows>, reporter: Reporter) -> Reduce {
        let Plan::Reduce { input, group, aggregates, schema, state } = plan else {
            panic!("a Reduce is made from a Reduce, not {plan:?}");
        };
        let mut used = group.clone();
        used.extend(aggregates.iter().filter_map(|aggregate| aggregate.input));
        used.extend(aggregates.iter().flat_map(|aggregate| aggregate.function.columns()));
        used.sort_unstable();
        used.dedup();
        let input_schema = input.schema();
        let place = |column: &usize| used.binary_search(column).expect("used columns have a place");

        let (codec, above, key) = match own {
            Some(own) => {
                let key = own_key(group, &own);
                (Some(RowCodec::new(&own.schema)), own.above, key)
            }
            None => (None, None, group.clone()),
        };
        let types: Vec<DataType> = key.iter().map(|&column| input_schema.field(column).data_type().clone()).collect();
        let (keys, key_columns) = (KeyEncoder::new(&types), KeyDecoder::new(&types));
        let slots = Slots::new(aggregates, &Source { input, group, key: &key, used: &used });
        let group_places = group.iter().map(place).collect();
        let placed: Vec<_> = aggregates.iter().map(|it| (it.clone(), it.input.as_ref().map(place))).collect();
        Reduce {
            state: *state,
            key: key.iter().map(place).collect(),
            keys,
            key_columns,
            output: Output::new(operator, group_places, &placed, &slots, schema.clone(), above),
            slots,
            used,
            own: codec,
            global: group.is_empty(),
            reporter,
        }
    }

    /// Runs one epoch on all its changes. `start`: the view is filled for the first time, so that a group without columns
    /// begins even if there are no rows.
    pub(crate) fn run(&self, changes: Vec<Changes>, start: bool) -> Result<Vec<Changes>, EngineError> {
        let used = |changes: Changes| {
            Changes::new(changes.rows.project(&self.used).expect("columns of the input"), changes.diffs)
        };
        let input = concat(changes.into_iter().map(used).collect());
        let input = input.unwrap_or_else(|| Changes::inserts(RecordBatch::new_empty(self.slots.schema.clone())));
        let mut groups = Groups::of(&self.keys.encode(&input.rows, &self.key));
        if self.global && start && groups.len() == 0 {
            groups.keys.push(&[]);
        }
        if groups.len() == 0 {
            return Ok(Vec::new());
        }
        let found = self.reporter.shared.state.get_many(self.state, &groups.keys)?;
        let mut kept = self.read(&found)?;
        let mut sequences = self.slots.sequences(&self.reporter.shared, &input, &groups)?;
        let mut set = |kept: &mut Accumulators, time: usize| {
            sequences.iter_mut().for_each(|(slot, both)| std::mem::swap(&mut kept.slots[*slot], &mut both[time]));
        };
        set(&mut kept, 0);
        let group = self.output.group_columns(&input, &groups);
        let old = self.output.side(&group, &kept, &found.present);
        set(&mut kept, 1);
        kept.add(&self.slots, &input, &groups);
        self.slots.settle_values(&self.reporter.shared, &input, &groups, &mut kept)?;
        let present: Vec<bool> = kept.rows.iter().map(|&rows| rows > 0 || self.global).collect();
        let new = self.output.side(&group, &kept, &present);

        self.output.report(&self.reporter, &old, &new);
        self.write(&groups, &found, &kept, &new, &present);
        Ok(self.output.changes(&old, &new, groups.len()))
    }

    /// The rows of some groups as the last epoch left them: of those whose key columns are, in some of `rows` rows, these.
    /// The Reduce is not the root of its view.
    pub(crate) fn rows_of(&self, state: &dyn State, key: &[ArrayRef], rows: usize) -> Result<Changes, EngineError> {
        let keys = Groups::of(&self.keys.encode_arrays(key, rows)).keys;
        let found = state.get_many(self.state, &keys)?;
        let group = self.key_columns.decode(keys.iter()).expect("keys are what was encoded");
        Ok(Changes::inserts(self.output.side(&group, &self.read(&found)?, &found.present).rows))
    }

    /// What is kept of each group, from its state.
    fn read(&self, found: &Found) -> Result<Accumulators, EngineError> {
        let mut accumulators = self.slots.none(found.present.len());
        let corrupt = |source| EngineError::Corrupt { relation: self.state, source };
        for group in (0..found.present.len()).filter(|&group| found.present[group]) {
            let value = found.values.get(group);
            let tail = match &self.own {
                Some(codec) => codec.value(value).map_err(corrupt)?.tail,
                None => value,
            };
            tail::read(&mut accumulators, group, tail).map_err(corrupt)?;
        }
        Ok(accumulators)
    }

    /// Writes the state of every group whose state is another than before.
    fn write(&self, groups: &Groups, found: &Found, after: &Accumulators, new: &Side, present: &[bool]) {
        let mut write = StateWrite::new(self.state);
        let values = self.own.as_ref().map_or(Block::default(), |codec| codec.values(&new.rows));
        let mut value = Vec::new();
        for (group, key) in groups.keys.iter().enumerate() {
            if !present[group] {
                if found.present[group] {
                    write.delete(key);
                }
                continue;
            }
            value.clear();
            if let Some(codec) = &self.own {
                match new.row_of(group) {
                    Some(row) => value.extend_from_slice(values.get(row)),
                    None => codec.write_hidden(&mut value),
                }
            }
            tail::write(after, group, &mut value);
            if found.get(group) != Some(&value) {
                write.put(key, &value);
            }
        }
        self.reporter.shared.write(write);
    }
}

/// The columns of the input that make the key of the view that a Reduce is the root of.
fn own_key(group: &[usize], own: &OwnRows) -> Vec<usize> {
    let key: Vec<usize> = own
        .schema
        .key
        .iter()
        .map(|&column| {
            let column = match &own.above {
                Some(map) => map.columns[column].column().expect("the Map above a Reduce passes the key on"),
                None => column,
            };
            *group.get(column).expect("the key of a view on a Reduce is its group")
        })
        .collect();
    assert!(group.iter().all(|column| key.contains(column)), "every group column is in the view's key");
    key
}
