//! A view, planned: what the engine renders.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};

use crate::exact::{Percentile, Spread};
use crate::relation::{RelationId, RelationSchema};
use crate::scalar::Scalar;

/// A node of a view's plan. Rows are bags unless a view's root makes them otherwise; columns are addressed by position.
#[derive(Clone, Debug)]
pub enum Plan {
    /// The changes of a table or of an earlier view.
    Get { relation: RelationId, schema: SchemaRef },
    /// Rows that were always there. They flow once, when the view is filled.
    Constant { rows: RecordBatch },
    /// One output column an expression. A row with a failing expression becomes an error row.
    Map { input: Box<Plan>, columns: Vec<Arc<dyn Scalar>>, schema: SchemaRef },
    /// The rows for which the predicate is true.
    Filter { input: Box<Plan>, predicate: Arc<dyn Scalar> },
    /// The rows for which the predicate is true now, in every epoch by the `now()` of that epoch.
    Temporal {
        input: Box<Plan>,
        /// Over the input's columns and, behind them, the time it is: [`Plan::now`].
        predicate: Arc<dyn Scalar>,
        /// Over the same: when, later than now, the predicate may have another value for the row; NULL for never. Int64,
        /// milliseconds since 1970. Between one of these times and the next the predicate has one value, or one error.
        turns: Vec<Arc<dyn Scalar>>,
        /// Columns of the input whose values no two rows share at a time; all columns, in order, where there are none such.
        key: Vec<usize>,
        /// Where key -> row, how often and what its timer is set to is kept, of the rows that have a turn before them.
        rows: RelationId,
        /// Where (time, key) is kept.
        timers: RelationId,
    },
    /// The rows of all inputs (UNION ALL), which have the schema given.
    Union { inputs: Vec<Plan>, schema: SchemaRef },
    /// A row for each place of the lists in these columns, which become the items there: NULL where one list is shorter than
    /// another. A row whose lists are all NULL or empty goes, or stays with NULLs where it is `outer`.
    Unnest { input: Box<Plan>, lists: Vec<usize>, outer: bool, schema: SchemaRef },
    /// One row a group: the group's columns, then the aggregates. With no group columns there is always one row.
    Reduce {
        input: Box<Plan>,
        /// Columns of the input that make the group.
        group: Vec<usize>,
        aggregates: Vec<Aggregate>,
        schema: SchemaRef,
        /// Where group -> counts and sums is kept; the view's own id where the view's root is [`Root::Reduced`].
        state: RelationId,
    },
    /// The first rows of each group in an order: the input's columns, then, where it is `numbered`, the row's number (Int64).
    Top {
        input: Box<Plan>,
        /// Columns of the input that make the group.
        group: Vec<usize>,
        /// What comes first; among rows that it does not tell apart, the other columns decide.
        order: Vec<Order>,
        ranking: Ranking,
        /// The rows whose number is more than `skip` and at most `skip` + `limit`.
        skip: u64,
        limit: u64,
        numbered: bool,
        /// Whether no row of the input is ever retracted: what is behind the first rows never comes forward, and is not kept.
        monotonic: bool,
        schema: SchemaRef,
        /// Where (group, order, row) -> how often is kept.
        state: RelationId,
    },
    /// Each row with values of the rows so many places from it in its group's order: the input's columns, then one a function.
    Neighbours {
        input: Box<Plan>,
        /// Columns of the input that make the group.
        group: Vec<usize>,
        /// As in [`Plan::Top`].
        order: Vec<Order>,
        functions: Vec<Neighbour>,
        schema: SchemaRef,
        /// Where (group, order, row) -> how often is kept.
        state: RelationId,
    },
    /// The pairs whose `on` columns are equal (NULL equals nothing) and for which the filter is true, or what `kind` makes
    /// of them. A pair is the left row's columns, then the right row's. A pair that the filter fails on is an error row, and
    /// no pair.
    Join {
        left: Box<Plan>,
        right: Box<Plan>,
        on: Vec<(usize, usize)>,
        filter: Option<Arc<dyn Scalar>>,
        kind: JoinKind,
        left_side: Side,
        right_side: Side,
        schema: SchemaRef,
    },
    /// The rows of both inputs compared as bags, NULL equal to NULL. Both have the types of the schema.
    Combine {
        left: Box<Plan>,
        right: Box<Plan>,
        operation: SetOperation,
        /// Where row -> how often it occurs on either side is kept.
        state: RelationId,
        schema: SchemaRef,
    },
}

/// What a join makes of its pairs.
#[derive(Clone, Debug)]
pub enum JoinKind {
    /// The pairs.
    Inner,
    /// The pairs, and the left rows without one, their right columns NULL.
    Left { left: Matches },
    /// The pairs, and the rows of both sides without one, the other side's columns NULL.
    Full { left: Matches, right: Matches },
    /// The left rows that are in a pair.
    Semi { left: Matches },
    /// The left rows that are in no pair.
    Anti { left: Matches },
    /// The left rows, and behind their columns whether they are in a pair.
    Mark { left: Matches },
}

/// Where a join keeps how often each row of a side occurs and in how many pairs.
#[derive(Clone, Debug)]
pub struct Matches {
    pub state: RelationId,
    /// Columns of the side whose values no two of its rows share at a time; all columns where there are none such.
    pub key: Vec<usize>,
}

/// How often a row comes out that occurs l times on the left and r times on the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperation {
    /// Once where l and r are both more than 0.
    Intersect,
    /// min(l, r).
    IntersectAll,
    /// Once where l is more than 0 and r is 0.
    Except,
    /// max(l - r, 0).
    ExceptAll,
}

/// One column of an order. Values are in the order of their keys: NaN is the greatest number, text compares by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    pub column: usize,
    pub descending: bool,
    pub nulls_first: bool,
}

/// The value of a column in the row `offset` places after a row, before it where that is negative; NULL where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Neighbour {
    pub column: usize,
    pub offset: i64,
}

/// How the rows of an ordered group are numbered, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ranking {
    /// One after the other.
    RowNumber,
    /// Rows of the same order alike: by how many rows come before them.
    Rank,
    /// Rows of the same order alike: by how many different orders come before them.
    DenseRank,
}

/// One aggregate of a [`Plan::Reduce`].
#[derive(Clone, Debug)]
pub struct Aggregate {
    pub function: AggregateFunction,
    /// The input column; `None` only for `count(*)`.
    pub input: Option<usize>,
}

/// NULL inputs are skipped; over no inputs count is 0 and the others are NULL.
#[derive(Clone, Debug)]
pub enum AggregateFunction {
    /// `count(*)` and `count(x)`, Int64.
    Count,
    /// Exact. Integers give Int64 and decimals Decimal128(38, s), where not fitting is an error row; floats give Float64.
    Sum,
    /// Exact sum divided once by the count: Float64 for integers and floats, Decimal128(min(38, p + 4), min(38, s + 4)) for decimals.
    Avg,
    /// Whether all booleans are true, or any is.
    BoolAnd,
    BoolOr,
    /// Of the values that differ, each taken once; (group, value) -> how often is in a state table of this id.
    CountDistinct(RelationId),
    SumDistinct(RelationId),
    AvgDistinct(RelationId),
    /// Float64, exact and rounded once; of fewer values than [`Spread::least`] NULL.
    Variance(Spread),
    /// The square root of the rounded variance.
    Deviation(Spread),
    /// Of any supported type.
    Min(Extremes),
    /// Of any supported type.
    Max(Extremes),
    /// Exact; a continuous one is of Float64, any other of any supported type. (group, value) -> how often is in a state
    /// table of this id.
    Percentile(Percentile, RelationId),
    /// Of the values in an order. The others skip NULLs; it is said of these.
    Sequence(Sequence),
}

/// A group's values in an order, and what is made of them; NULL where there are none.
#[derive(Clone, Debug)]
pub struct Sequence {
    pub taken: Taken,
    /// What comes first; among values that it does not tell apart, the value decides.
    pub order: Vec<Order>,
    /// Whether NULL is a value like others; else it is skipped.
    pub nulls: bool,
    /// A column of booleans: only rows for which it is true have a value.
    pub among: Option<usize>,
    /// Where (group, order, value) -> how often is kept. Sequences of one column with the same order, NULLs and rows may
    /// share it.
    pub index: RelationId,
}

/// What is taken of a sequence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Taken {
    /// Its first value.
    First,
    /// Its last value.
    Last,
    /// All values, of text, with a separator between them. An error row where there are more than [`crate::limits`] says.
    Text { separator: String, distinct: bool },
    /// All values, as a list of as many at most.
    List { distinct: bool },
}

impl AggregateFunction {
    /// The state table of the group's values, where the function has one. Functions of one column may share it.
    pub fn index(&self) -> Option<RelationId> {
        match self {
            AggregateFunction::Min(Extremes::Index(index))
            | AggregateFunction::Max(Extremes::Index(index))
            | AggregateFunction::CountDistinct(index)
            | AggregateFunction::SumDistinct(index)
            | AggregateFunction::AvgDistinct(index)
            | AggregateFunction::Percentile(_, index) => Some(*index),
            AggregateFunction::Sequence(sequence) => Some(sequence.index),
            _ => None,
        }
    }

    /// The input columns that the function looks at besides its own.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        let sequence = match self {
            AggregateFunction::Sequence(sequence) => Some(sequence),
            _ => None,
        };
        sequence.into_iter().flat_map(|sequence| sequence.order.iter().map(|by| by.column).chain(sequence.among))
    }
}

/// Where the next extreme comes from when the present one is retracted.
#[derive(Clone, Debug)]
pub enum Extremes {
    /// The group is a range of a stored relation's key: scan it again.
    Rescan(Rescan),
    /// (group, value) -> how often, in a state table of this id; its first or last key is the answer.
    Index(RelationId),
    /// From nowhere: no row of the input is ever retracted, so that nothing else is kept of a group's values.
    Monotonic,
}

/// A group as a range of the key of the stored relation that the Reduce's input is made from.
///
/// The input must be Maps and Filters over one Get of `relation`; they are applied again to what the scan finds.
#[derive(Clone, Debug)]
pub struct Rescan {
    pub relation: RelationId,
    pub schema: RelationSchema,
    /// Positions in the group of the columns that equal the relation's first key columns, in key order.
    pub prefix: Vec<usize>,
    /// Then the relation's next key column lies in `[group column, group column + width)`: (position in the group, width in
    /// microseconds). The key column is a timestamp of the same type as the group column.
    pub window: Option<(usize, i64)>,
}

/// How a join finds the old rows of one of its sides by the join columns.
#[derive(Clone, Debug)]
pub enum Side {
    /// The side is Maps and Filters over one Get of a stored relation. That one, or an index on it, which has the same rows
    /// in the same commit, is read by its first key columns, which are among the join columns: `prefix[i]` is the position in
    /// `on` of the pair that gives the i-th key column.
    Stored { relation: RelationId, schema: RelationSchema, prefix: Vec<usize>, within: Option<Within> },
    /// The side is Maps and Filters over one Get of a bounded relation: an arrangement in memory by the join columns,
    /// shared by all joins with the same side and columns, refilled from the relation at start.
    Resident { relation: RelationId, schema: RelationSchema },
    /// The side is Maps and Filters over one Reduce whose rows can be told from the state of their groups
    /// ([`Plan::Reduce`] without sequences), and each column of the group is among the join columns: `prefix[i]` is the
    /// position in `on` of the pair that gives the i-th. The state of these groups is read.
    Reduced { prefix: Vec<usize> },
    /// The side is any plan: the join keeps its rows in a state table of its own, found by the join columns.
    Indexed {
        state: RelationId,
        /// The rows as the index has them.
        schema: RelationSchema,
        /// The index's column `i` is the side's column `columns[i]`: the join columns in the order of `on`, each once, then
        /// the one that `within` is about, then the others.
        columns: Vec<usize>,
        within: Option<Within>,
    },
}

/// What the join's filter says of the key column behind those that are given by the join columns, where that is a range:
/// only rows within are read. The filter is asked for them all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    pub lower: Option<Bound>,
    pub upper: Option<Bound>,
}

/// An end of a range: the value that a row of the other side has in a column of the same type. NULL bounds nothing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    pub column: usize,
    pub inclusive: bool,
}

impl JoinKind {
    /// The state of the match counts of the left and the right side.
    pub fn matches(&self) -> [Option<&Matches>; 2] {
        match self {
            JoinKind::Inner => [None, None],
            JoinKind::Left { left } | JoinKind::Semi { left } | JoinKind::Anti { left } | JoinKind::Mark { left } => {
                [Some(left), None]
            }
            JoinKind::Full { left, right } => [Some(left), Some(right)],
        }
    }

    /// Which sides must be fed when a fresh view is filled. The pairs are found from one side alone where the other is in
    /// the store: from the left where either will do.
    pub fn fed(&self, left: &Side, right: &Side) -> [bool; 2] {
        let counted = self.matches().map(|matches| matches.is_some());
        let drives = Side::drive(left, right);
        [drives[0] || counted[0], drives[1] || counted[1]]
    }
}

impl Side {
    /// Whether the store has the side's rows before a fresh view is filled.
    pub fn is_present(&self) -> bool {
        !matches!(self, Side::Reduced { .. } | Side::Indexed { .. })
    }

    /// From which of the sides, left and right, the pairs are found when a fresh view is filled.
    pub(crate) fn drive(left: &Side, right: &Side) -> [bool; 2] {
        [right.is_present() || !left.is_present(), !right.is_present()]
    }
}

/// How the rows of a view are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The plan's rows are unique by the view's key.
    Keyed,
    /// The plan is a Reduce, or a Map over one that passes every group column on as the view's key. The Reduce's state is
    /// the tail of the view's own values, and nothing is stored twice.
    Reduced,
    /// The plan's rows are a bag: the view keeps each with its count.
    Counted,
}

/// A view ready to install.
#[derive(Clone, Debug)]
pub struct PlannedView {
    pub relation: RelationId,
    /// As the user wrote it, for messages.
    pub name: String,
    pub plan: Plan,
    pub schema: RelationSchema,
    pub root: Root,
}

impl Plan {
    /// The type of the column that says what time it is.
    pub fn now() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
    }

    /// The columns of the rows that come out.
    pub fn schema(&self) -> SchemaRef {
        match self {
            Plan::Get { schema, .. }
            | Plan::Map { schema, .. }
            | Plan::Union { schema, .. }
            | Plan::Unnest { schema, .. }
            | Plan::Reduce { schema, .. }
            | Plan::Top { schema, .. }
            | Plan::Neighbours { schema, .. }
            | Plan::Join { schema, .. }
            | Plan::Combine { schema, .. } => schema.clone(),
            Plan::Constant { rows } => rows.schema(),
            Plan::Filter { input, .. } | Plan::Temporal { input, .. } => input.schema(),
        }
    }

    /// The plans below this one.
    pub fn inputs(&self) -> Vec<&Plan> {
        match self {
            Plan::Get { .. } | Plan::Constant { .. } => vec![],
            Plan::Map { input, .. }
            | Plan::Filter { input, .. }
            | Plan::Temporal { input, .. }
            | Plan::Unnest { input, .. }
            | Plan::Reduce { input, .. }
            | Plan::Top { input, .. }
            | Plan::Neighbours { input, .. } => vec![input],
            Plan::Union { inputs, .. } => inputs.iter().collect(),
            Plan::Join { left, right, .. } | Plan::Combine { left, right, .. } => vec![left, right],
        }
    }

    /// The relations that joins of the plan find rows in by key, each once, ascending.
    pub fn looked_up(&self) -> Vec<RelationId> {
        let mut relations: Vec<RelationId> = self.inputs().into_iter().flat_map(Plan::looked_up).collect();
        if let Plan::Join { left_side, right_side, .. } = self {
            relations.extend([left_side, right_side].into_iter().filter_map(|side| match side {
                Side::Stored { relation, .. } => Some(*relation),
                Side::Resident { .. } | Side::Reduced { .. } | Side::Indexed { .. } => None,
            }));
        }
        relations.sort_unstable();
        relations.dedup();
        relations
    }

    /// The relations whose changes the plan takes, each once, ascending.
    pub fn sources(&self) -> Vec<RelationId> {
        let mut sources = match self {
            Plan::Get { relation, .. } => vec![*relation],
            other => other.inputs().into_iter().flat_map(Plan::sources).collect(),
        };
        sources.sort_unstable();
        sources.dedup();
        sources
    }
}

impl PlannedView {
    /// The tables of operator state that the view keeps beside its own rows, ascending.
    pub fn state_tables(&self) -> Vec<RelationId> {
        let mut tables = self.plan.state_tables();
        tables.retain(|table| *table != self.relation);
        tables.sort_unstable();
        tables.dedup();
        tables
    }
}

impl Plan {
    fn state_tables(&self) -> Vec<RelationId> {
        let below = self.inputs().into_iter().flat_map(Plan::state_tables);
        below.chain(self.own_state_tables()).collect()
    }

    /// The tables of state that this operator keeps, without those below it; the view's own where its rows are its state.
    pub fn own_state_tables(&self) -> Vec<RelationId> {
        let mut tables = Vec::new();
        match self {
            Plan::Reduce { aggregates, state, .. } => {
                tables.push(*state);
                tables.extend(aggregates.iter().filter_map(|aggregate| aggregate.function.index()));
            }
            Plan::Top { state, .. } | Plan::Neighbours { state, .. } => tables.push(*state),
            Plan::Temporal { rows, timers, .. } => tables.extend([*rows, *timers]),
            Plan::Join { kind, left_side, right_side, .. } => {
                tables.extend(kind.matches().into_iter().flatten().map(|matches| matches.state));
                tables.extend([left_side, right_side].into_iter().filter_map(|side| match side {
                    Side::Indexed { state, .. } => Some(*state),
                    Side::Stored { .. } | Side::Resident { .. } | Side::Reduced { .. } => None,
                }));
            }
            Plan::Combine { state, .. } => tables.push(*state),
            Plan::Get { .. } | Plan::Constant { .. } | Plan::Map { .. } | Plan::Filter { .. } => {}
            Plan::Union { .. } | Plan::Unnest { .. } => {}
        }
        tables
    }
}
