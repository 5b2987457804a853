//! Random views of every shape that the engine runs.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use dataflow::exact::{Percentile, Spread};
use dataflow::{
    Aggregate, AggregateFunction, Bound, Extremes, JoinKind, Matches, Neighbour, Order, Plan, PlannedView, Ranking,
    RelationId, RelationSchema, Rescan, Root, Scalar, Sequence, SetOperation, Side, Taken, Within,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::scalar::{Expr, TestScalar};
use crate::value::{Value, batch};

mod joins;
mod known;

pub use known::{above_limit, expiring, global, joined, named, rolled_up, tags};

/// The window that times are rounded down to, in microseconds.
pub const WINDOW: i64 = 60;

/// A relation that a plan can read.
#[derive(Clone)]
pub struct Source {
    pub relation: RelationId,
    pub schema: RelationSchema,
}

pub const READINGS: RelationId = RelationId(1);
pub const DEVICES: RelationId = RelationId(2);

pub fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(
        fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect::<Vec<_>>(),
    ))
}

pub fn readings() -> Source {
    let columns = schema(&[
        ("device", DataType::Int64),
        ("at", time()),
        ("value", DataType::Int64),
        ("temp", DataType::Float64),
        ("price", DataType::Decimal128(10, 2)),
        ("tag", DataType::Utf8),
    ]);
    Source { relation: READINGS, schema: RelationSchema { columns, key: vec![0, 1], counted: false } }
}

pub fn devices() -> Source {
    let columns = schema(&[
        ("device", DataType::Int64),
        ("name", DataType::Utf8),
        ("room", DataType::Int64),
        ("limit", DataType::Int64),
    ]);
    Source { relation: DEVICES, schema: RelationSchema { columns, key: vec![0], counted: false } }
}

/// The expression behind a scalar of these tests.
pub fn expr_of(scalar: &dyn Scalar) -> Expr {
    // Scalars of these tests say what they are in words, from which the expression cannot be read back; a registry can.
    crate::scalar::registered(scalar.fingerprint())
}

fn scalar(expr: Expr, data_type: DataType) -> Arc<dyn Scalar> {
    Arc::new(TestScalar::new(expr, data_type))
}

fn column(schema: &SchemaRef, index: usize) -> Arc<dyn Scalar> {
    scalar(Expr::Column(index), schema.field(index).data_type().clone())
}

/// Makes random views, each with relation ids of its own.
pub struct Generator<'a> {
    pub random: &'a mut ChaCha8Rng,
    pub next_id: u32,
}

impl Generator<'_> {
    fn id(&mut self) -> RelationId {
        self.next_id += 1;
        RelationId(self.next_id)
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.random.random_range(0..choices.len())].clone()
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.random.random_range(0..one_in) == 0
    }

    fn columns_of(schema: &SchemaRef, wanted: impl Fn(&DataType) -> bool) -> Vec<usize> {
        (0..schema.fields().len()).filter(|&index| wanted(schema.field(index).data_type())).collect()
    }

    fn integer(&mut self, schema: &SchemaRef) -> Expr {
        let columns = Self::columns_of(schema, |data_type| *data_type == DataType::Int64);
        let left = Expr::Column(self.one_of(&columns));
        let literal = Expr::Literal(Value::Int(self.random.random_range(-3..4)));
        match self.random.random_range(0..3) {
            0 => Expr::Add(left.into(), Expr::Column(self.one_of(&columns)).into()),
            1 => Expr::Divide(literal.into(), left.into()),
            _ => Expr::Add(left.into(), literal.into()),
        }
    }

    fn filter(&mut self, input: Plan) -> Plan {
        let left = self.integer(&input.schema());
        let literal = Expr::Literal(Value::Int(self.random.random_range(-2..4)));
        let (left, right) = if self.chance(2) { (left, literal) } else { (literal, left) };
        let predicate = scalar(Expr::Less(left.into(), right.into()), DataType::Boolean);
        Plan::Filter { input: input.into(), predicate }
    }

    /// The time that the rows are asked at, and what else they are asked: of one of the integers or times, of two, or of
    /// something that fails while another condition does not hold.
    fn temporal(&mut self, input: Plan, key: Option<&[usize]>) -> Plan {
        let schema = input.schema();
        let width = schema.fields().len();
        let now_ms =
            || Expr::Divide(Expr::Micros(Expr::Column(width).into()).into(), Expr::Literal(Value::Int(1_000)).into());
        let turn = |generator: &mut Self| {
            let columns = Self::columns_of(&schema, |of| matches!(of, DataType::Int64 | DataType::Timestamp(..)));
            let column = generator.one_of(&columns);
            let value = match schema.field(column).data_type() {
                DataType::Int64 => Expr::Column(column),
                _ => Expr::Micros(Expr::Column(column).into()),
            };
            Expr::Add(value.into(), Expr::Literal(Value::Int(generator.random.random_range(-20..200))).into())
        };
        let (first, second) = (turn(self), turn(self));
        let until = |turn: &Expr| Expr::Less(now_ms().into(), turn.clone().into());
        // True from the millisecond of the turn on.
        let from = |turn: &Expr| {
            Expr::Less(turn.clone().into(), Expr::Add(now_ms().into(), Expr::Literal(Value::Int(1)).into()).into())
        };
        let predicate = match self.random.random_range(0..5) {
            0 => until(&first),
            1 => from(&first),
            2 => Expr::Or(until(&first).into(), from(&second).into()),
            3 => {
                let left = Expr::Literal(Value::Int(self.random.random_range(-2..4)));
                let fails = Expr::Less(left.into(), self.integer(&schema).into());
                Expr::Or(until(&first).into(), fails.into())
            }
            _ => Expr::Or(from(&first).into(), until(&second).into()),
        };
        let predicate = scalar(predicate, DataType::Boolean);
        let turns = [first, second].map(|turn| scalar(Expr::Above(turn.into(), now_ms().into()), DataType::Int64));
        let key = key.map_or_else(|| (0..width).collect(), <[usize]>::to_vec);
        let (rows, timers) = (self.id(), self.id());
        Plan::Temporal { input: input.into(), predicate, turns: turns.into(), key, rows, timers }
    }

    /// Passes every column on and adds one.
    fn extend(&mut self, input: Plan) -> Plan {
        let from = input.schema();
        let mut columns: Vec<_> = (0..from.fields().len()).map(|index| column(&from, index)).collect();
        let (more, data_type) = match self.integer(&from) {
            number if self.chance(4) => {
                let least = Expr::Literal(Value::Int(self.random.random_range(-2..3)));
                (Expr::Less(least.into(), number.into()), DataType::Boolean)
            }
            number => (number, DataType::Int64),
        };
        columns.push(scalar(more, data_type.clone()));
        let mut fields: Vec<Field> = from.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new(format!("c{}", fields.len()), data_type, true));
        Plan::Map { input: input.into(), columns, schema: Arc::new(Schema::new(fields)) }
    }

    /// A row for each item of the lists in the plan's columns, if there are any.
    fn unnest(&mut self, input: Plan) -> Plan {
        let from = input.schema();
        let lists = Self::columns_of(&from, DataType::is_nested);
        let fields = from.fields().iter().map(|field| match field.data_type() {
            DataType::List(item) => field.as_ref().clone().with_data_type(item.data_type().clone()),
            _ => field.as_ref().clone(),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        if lists.is_empty() {
            input
        } else {
            Plan::Unnest { input: input.into(), lists, outer: self.chance(2), schema }
        }
    }

    /// Maps and filters over a Get, with the source's columns where they were.
    fn chain(&mut self, source: &Source) -> Plan {
        let mut plan = Plan::Get { relation: source.relation, schema: source.schema.columns.clone() };
        for _ in 0..self.random.random_range(0..3) {
            plan = if self.chance(2) { self.filter(plan) } else { self.extend(plan) };
        }
        plan
    }

    fn aggregates(&mut self, input: &SchemaRef, rescan: Option<&Rescan>) -> Vec<Aggregate> {
        let numeric = |data_type: &DataType| {
            matches!(data_type, DataType::Int64 | DataType::Float64) || matches!(data_type, DataType::Decimal128(10, 2))
        };
        let numbers = Self::columns_of(input, numeric);
        let all = Self::columns_of(input, |_| true);
        let count = self.random.random_range(1..5);
        let index = self.id();
        let mut shared: Vec<(usize, RelationId)> = Vec::new();
        (0..count)
            .map(|_| {
                if self.chance(5) {
                    return self.sequence(input);
                }
                let kind = self.random.random_range(if numbers.is_empty() { 4..8 } else { 0..12 });
                let floats = Self::columns_of(input, |data_type| *data_type == DataType::Float64);
                let kind = if kind == 11 && floats.is_empty() { 7 } else { kind };
                let column = match kind {
                    2 | 3 | 8..=10 => self.one_of(&numbers),
                    11 => self.one_of(&floats),
                    _ => self.one_of(&all),
                };
                // One index serves everything that is asked of a column's values.
                let known = shared.iter().find(|(known, _)| *known == column).map(|(_, id)| *id);
                let id = known.unwrap_or_else(|| if shared.is_empty() { index } else { self.id() });
                if known.is_none() {
                    shared.push((column, id));
                }
                let extremes = match rescan {
                    Some(rescan) if self.chance(2) => Extremes::Rescan(rescan.clone()),
                    _ => Extremes::Index(id),
                };
                let fraction = *[0.0, 0.25, 0.5, 0.9, 1.0].get(self.random.random_range(0..5)).unwrap();
                let of = if self.chance(2) { Spread::Sample } else { Spread::Population };
                let function = match kind {
                    0 | 1 => AggregateFunction::Count,
                    2 => AggregateFunction::Sum,
                    3 => AggregateFunction::Avg,
                    4 => AggregateFunction::Min(extremes),
                    5 => AggregateFunction::Max(extremes),
                    6 => AggregateFunction::CountDistinct(id),
                    7 => AggregateFunction::Percentile(Percentile { continuous: false, fraction }, id),
                    8 => AggregateFunction::SumDistinct(id),
                    9 => AggregateFunction::AvgDistinct(id),
                    10 if self.chance(2) => AggregateFunction::Variance(of),
                    10 => AggregateFunction::Deviation(of),
                    _ => AggregateFunction::Percentile(Percentile { continuous: true, fraction }, id),
                };
                Aggregate { function, input: (kind > 0).then_some(column) }
            })
            .collect()
    }

    /// The first, the last or all values of a column in an order.
    fn sequence(&mut self, input: &SchemaRef) -> Aggregate {
        let texts = Self::columns_of(input, |data_type| *data_type == DataType::Utf8);
        let booleans = Self::columns_of(input, |data_type| *data_type == DataType::Boolean);
        let distinct = self.chance(3);
        let (column, taken) = match self.random.random_range(0..4) {
            3 => {
                let flat = Self::columns_of(input, |data_type| !data_type.is_nested());
                (self.one_of(&flat), Taken::List { distinct })
            }
            0 if !texts.is_empty() => {
                (self.one_of(&texts), Taken::Text { separator: self.one_of(&["", ", "]).into(), distinct })
            }
            0 | 1 => (self.random.random_range(0..input.fields().len()), Taken::First),
            _ => (self.random.random_range(0..input.fields().len()), Taken::Last),
        };
        let is_text = matches!(taken, Taken::Text { .. });
        let mut order = self.order(input);
        if matches!(taken, Taken::Text { .. } | Taken::List { .. }) && distinct {
            order.retain(|by| by.column == column);
        }
        let nulls = !is_text && self.chance(2);
        let among = if booleans.is_empty() { None } else { Some(self.one_of(&booleans)) };
        let sequence = Sequence { taken, order, nulls, among, index: self.id() };
        Aggregate { function: AggregateFunction::Sequence(sequence), input: Some(column) }
    }

    fn reduce(&mut self, input: Plan, group: Vec<usize>, rescan: Option<Rescan>, state: RelationId) -> Plan {
        let from = input.schema();
        let aggregates = self.aggregates(&from, rescan.as_ref());
        let mut fields: Vec<Field> = group.iter().map(|&column| from.field(column).clone()).collect();
        for (index, aggregate) in aggregates.iter().enumerate() {
            let input = aggregate.input.map(|column| from.field(column).data_type().clone());
            let data_type = match (&aggregate.function, input) {
                (AggregateFunction::Count | AggregateFunction::CountDistinct(_), _) => DataType::Int64,
                (AggregateFunction::Sum | AggregateFunction::SumDistinct(_), Some(DataType::Int64)) => DataType::Int64,
                (AggregateFunction::Sum | AggregateFunction::SumDistinct(_), Some(DataType::Decimal128(_, scale))) => {
                    DataType::Decimal128(38, scale)
                }
                (AggregateFunction::Avg | AggregateFunction::AvgDistinct(_), Some(DataType::Decimal128(p, s))) => {
                    DataType::Decimal128(p + 4, s + 4)
                }
                (
                    AggregateFunction::Sum
                    | AggregateFunction::SumDistinct(_)
                    | AggregateFunction::Avg
                    | AggregateFunction::AvgDistinct(_)
                    | AggregateFunction::Variance(_)
                    | AggregateFunction::Deviation(_),
                    _,
                ) => DataType::Float64,
                (AggregateFunction::Sequence(Sequence { taken: Taken::List { .. }, .. }), Some(item)) => {
                    DataType::new_list(item, true)
                }
                (_, input) => input.unwrap(),
            };
            fields.push(Field::new(format!("a{index}"), data_type, true));
        }
        let schema = Arc::new(Schema::new(fields));
        Plan::Reduce { input: input.into(), group, aggregates, schema, state }
    }

    fn group(&mut self, schema: &SchemaRef) -> Vec<usize> {
        let mut columns = Self::columns_of(schema, |data_type| *data_type != DataType::Float64);
        let count = self.random.random_range(0..=2.min(columns.len()));
        (0..count).map(|_| columns.remove(self.random.random_range(0..columns.len()))).collect()
    }

    fn order(&mut self, schema: &SchemaRef) -> Vec<Order> {
        let mut columns = Self::columns_of(schema, |_| true);
        let count = self.random.random_range(0..=2.min(columns.len()));
        (0..count)
            .map(|_| Order {
                column: columns.remove(self.random.random_range(0..columns.len())),
                descending: self.chance(2),
                nulls_first: self.chance(2),
            })
            .collect()
    }

    fn neighbours(&mut self, input: Plan) -> Plan {
        let from = input.schema();
        let (group, order) = (self.group(&from), self.order(&from));
        let functions: Vec<Neighbour> = (0..self.random.random_range(1..3))
            .map(|_| Neighbour {
                column: self.random.random_range(0..from.fields().len()),
                offset: self.random.random_range(-2..3),
            })
            .collect();
        let mut fields: Vec<Field> = from.fields().iter().map(|field| field.as_ref().clone()).collect();
        for (index, function) in functions.iter().enumerate() {
            fields.push(Field::new(format!("near{index}"), from.field(function.column).data_type().clone(), true));
        }
        let (schema, state) = (Arc::new(Schema::new(fields)), self.id());
        Plan::Neighbours { input: input.into(), group, order, functions, schema, state }
    }

    fn top(&mut self, input: Plan) -> Plan {
        if self.chance(2) {
            return self.neighbours(input);
        }
        let from = input.schema();
        let (group, order) = (self.group(&from), self.order(&from));
        let ranking = self.one_of(&[Ranking::RowNumber, Ranking::RowNumber, Ranking::Rank, Ranking::DenseRank]);
        let (skip, limit, numbered) = (self.random.random_range(0..3), self.random.random_range(0..4), self.chance(2));
        let mut fields: Vec<Field> = from.fields().iter().map(|field| field.as_ref().clone()).collect();
        if numbered {
            fields.push(Field::new("number", DataType::Int64, true));
        }
        let (schema, state) = (Arc::new(Schema::new(fields)), self.id());
        Plan::Top { input: input.into(), group, order, ranking, skip, limit, numbered, monotonic: false, schema, state }
    }

    /// A Reduce as the root of a view: its own rows, or mapped ones that pass the group on.
    fn reduced(&mut self, relation: RelationId, plan: Plan) -> PlannedView {
        let Plan::Reduce { group, .. } = &plan else { unreachable!() };
        let width = group.len();
        let mut key: Vec<usize> = (0..width).collect();
        let has_integer = !Self::columns_of(&plan.schema(), |data_type| *data_type == DataType::Int64).is_empty();
        let plan = if has_integer && self.chance(2) { self.extend(plan) } else { plan };
        if self.chance(2) {
            key.reverse();
        }
        self.view(relation, plan, Root::Reduced, key)
    }

    fn view(&mut self, relation: RelationId, plan: Plan, root: Root, key: Vec<usize>) -> PlannedView {
        let schema = RelationSchema { columns: plan.schema(), key, counted: root == Root::Counted };
        PlannedView { relation, name: format!("view_{}", relation.0), plan, schema, root }
    }

    /// A view in its own right or a bag, as its source is.
    fn mapped(&mut self, source: &Source) -> PlannedView {
        let relation = self.id();
        let plan = self.chain(source);
        let root = if source.schema.counted { Root::Counted } else { Root::Keyed };
        let key = source.schema.key.clone();
        self.view(relation, plan, root, key)
    }

    fn union(&mut self, sources: &[Source]) -> Plan {
        let to = schema(&[("number", DataType::Int64), ("label", DataType::Utf8)]);
        let mut inputs = Vec::new();
        for label in ["a", "b"] {
            let source = self.one_of(sources);
            let input = self.chain(&source);
            let number = scalar(self.integer(&input.schema()), DataType::Int64);
            let label = scalar(Expr::Literal(Value::Text(label.into())), DataType::Utf8);
            inputs.push(Plan::Map { input: input.into(), columns: vec![number, label], schema: to.clone() });
        }
        if self.chance(2) {
            let rows = [vec![Value::Int(1), Value::Null], vec![Value::Int(2), Value::Text("a".into())]];
            inputs.push(Plan::Constant { rows: batch(&to, &rows) });
        }
        Plan::Union { inputs, schema: to }
    }

    /// A set operation on numbers of two sources.
    fn combine(&mut self, sources: &[Source]) -> Plan {
        use SetOperation::{Except, ExceptAll, Intersect, IntersectAll};
        let to = schema(&[("number", DataType::Int64)]);
        let inputs = [(); 2].map(|()| {
            let source = self.one_of(sources);
            let input = self.chain(&source);
            let number = scalar(self.integer(&input.schema()), DataType::Int64);
            Box::new(Plan::Map { input: input.into(), columns: vec![number], schema: to.clone() })
        });
        let [left, right] = inputs;
        let operation = self.one_of(&[Intersect, IntersectAll, Except, ExceptAll]);
        Plan::Combine { left, right, operation, state: self.id(), schema: to }
    }

    /// Readings rolled up by device and window, whose extremes are scanned for again.
    fn rollup(&mut self) -> PlannedView {
        let readings = readings();
        let relation = self.id();
        let mut input = self.chain(&readings);
        let from = input.schema();
        let mut columns: Vec<_> = (0..from.fields().len()).map(|index| column(&from, index)).collect();
        columns[1] = scalar(Expr::Floor(Expr::Column(1).into(), WINDOW), time());
        input = Plan::Map { input: input.into(), columns, schema: from };
        let mut group = vec![0, 1];
        if self.chance(2) {
            group.push(5);
        }
        if self.chance(2) {
            group.swap(0, 1);
        }
        let device = group.iter().position(|&column| column == 0).unwrap();
        let window = group.iter().position(|&column| column == 1).unwrap();
        let rescan = Rescan {
            relation: READINGS,
            schema: readings.schema,
            prefix: vec![device],
            window: Some((window, WINDOW)),
        };
        let plan = self.reduce(input, group, Some(rescan), relation);
        self.reduced(relation, plan)
    }

    /// A random view over these sources.
    pub fn random_view(&mut self, sources: &[Source]) -> PlannedView {
        let has_integer = |source: &&Source| {
            !Self::columns_of(&source.schema.columns, |data_type| *data_type == DataType::Int64).is_empty()
        };
        let sources: Vec<Source> = sources.iter().filter(has_integer).cloned().collect();
        let sources = &sources[..];
        let source = self.one_of(sources);
        let other = self.one_of(sources);
        match self.random.random_range(0..17) {
            0 => self.mapped(&source),
            13 | 14 => {
                let relation = self.id();
                let input = self.chain(&source);
                let key = (!source.schema.counted).then(|| source.schema.key.clone());
                let by_key = key.clone().filter(|_| self.chance(2));
                let plan = self.temporal(input, by_key.as_deref());
                let root = if key.is_some() { Root::Keyed } else { Root::Counted };
                self.view(relation, plan, root, key.unwrap_or_default())
            }
            15 => {
                let (relation, state) = (self.id(), self.id());
                let input = self.chain(&source);
                let input = self.temporal(input, None);
                let group = self.group(&input.schema());
                let width = group.len();
                let mut plan = self.reduce(input, group, None, state);
                if !Self::columns_of(&plan.schema(), |data_type| *data_type == DataType::Int64).is_empty() {
                    let key: Vec<usize> = (0..width).collect();
                    plan = self.temporal(plan, Some(&key));
                }
                self.view(relation, plan, Root::Keyed, (0..width).collect())
            }
            16 => {
                let relation = self.id();
                let mut plan = self.join(&source, &other);
                if !Self::columns_of(&plan.schema(), |data_type| *data_type == DataType::Int64).is_empty() {
                    plan = self.temporal(plan, None);
                }
                let group = self.group(&plan.schema());
                let plan = self.reduce(plan, group, None, relation);
                self.reduced(relation, plan)
            }
            11 => {
                let relation = self.id();
                let input = if self.chance(2) { self.union(sources) } else { self.chain(&source) };
                let plan = self.top(input);
                self.view(relation, plan, Root::Counted, Vec::new())
            }
            12 if !source.schema.counted => {
                let relation = self.id();
                let input = self.chain(&source);
                let plan = self.top(input);
                let key = source.schema.key.clone();
                self.view(relation, plan, Root::Keyed, key)
            }
            1 => {
                let relation = self.id();
                let plan = self.union(sources);
                self.view(relation, plan, Root::Counted, Vec::new())
            }
            2 | 3 => self.rollup(),
            4 => {
                let relation = self.id();
                let plan = self.join(&source, &other);
                self.view(relation, plan, Root::Counted, Vec::new())
            }
            8 | 9 => {
                let relation = self.id();
                let third = self.one_of(sources);
                let plan = match self.random.random_range(0..3) {
                    0 => self.nested_join(&source, &other, &third),
                    1 => self.join_to_groups(&source, &other),
                    _ => self.join(&source, &other),
                };
                self.view(relation, plan, Root::Counted, Vec::new())
            }
            10 => {
                let relation = self.id();
                let plan = self.combine(sources);
                self.view(relation, plan, Root::Counted, Vec::new())
            }
            5 => {
                let (relation, state) = (self.id(), self.id());
                let input = self.chain(&source);
                let group = self.group(&input.schema());
                let width = group.len();
                let mut plan = self.reduce(input, group, None, state);
                if !Self::columns_of(&plan.schema(), |data_type| *data_type == DataType::Int64).is_empty() {
                    plan = self.filter(plan);
                }
                if Self::columns_of(&plan.schema(), DataType::is_nested).is_empty() || self.chance(2) {
                    return self.view(relation, plan, Root::Keyed, (0..width).collect());
                }
                let plan = self.unnest(plan);
                self.view(relation, plan, Root::Counted, Vec::new())
            }
            6 => {
                let (relation, state) = (self.id(), self.id());
                let input = self.chain(&source);
                let group = self.group(&input.schema());
                let inner = self.reduce(input, group, None, state);
                let group = self.group(&inner.schema());
                let plan = self.reduce(inner, group, None, relation);
                self.reduced(relation, plan)
            }
            _ => {
                let relation = self.id();
                let input = match self.random.random_range(0..3) {
                    0 => self.union(sources),
                    1 => self.join(&source, &other),
                    _ => self.chain(&source),
                };
                let group = self.group(&input.schema());
                let plan = self.reduce(input, group, None, relation);
                self.reduced(relation, plan)
            }
        }
    }
}
