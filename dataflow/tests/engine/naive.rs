//! The oracle: a plan recomputed from scratch over bags of rows.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use dataflow::exact::{Percentile, Spread};
use dataflow::limits::SEQUENCE_VALUES_MAX;
use dataflow::{
    Aggregate, AggregateFunction, JoinKind, Order, Plan, Ranking, RelationId, Sequence, SetOperation, Taken,
};
use num_rational::BigRational;
use num_traits::{FromPrimitive, ToPrimitive};

use crate::plans::expr_of;
use crate::value::{Row, Value, rows};

/// Rows with how often each occurs.
pub type Bag = BTreeMap<Row, i64>;

/// (operator, message) -> how many rows are errors for it.
pub type Errors = BTreeMap<(u32, String), i64>;

pub fn add(bag: &mut Bag, row: Row, count: i64) {
    let total = bag.entry(row.clone()).or_default();
    *total += count;
    if *total == 0 {
        bag.remove(&row);
    }
}

pub struct Naive<'a> {
    pub relations: &'a BTreeMap<RelationId, Bag>,
    pub errors: Errors,
    now_ms: i64,
    next_operator: u32,
}

impl<'a> Naive<'a> {
    pub fn new(relations: &'a BTreeMap<RelationId, Bag>, now_ms: i64) -> Naive<'a> {
        Naive { relations, errors: Errors::new(), now_ms, next_operator: 0 }
    }

    fn fail(&mut self, operator: u32, message: String, count: i64) {
        *self.errors.entry((operator, message)).or_default() += count;
    }

    /// The rows for which it is true; those for which it fails are errors.
    fn kept(&mut self, operator: u32, mut bag: Bag, is_true: impl Fn(&Row) -> Result<Value, String>) -> Bag {
        bag.retain(|row, count| match is_true(row) {
            Ok(value) => value == Value::Bool(true),
            Err(message) => {
                self.fail(operator, message, *count);
                false
            }
        });
        bag
    }

    pub fn plan(&mut self, plan: &Plan) -> Bag {
        let operator = self.next_operator;
        self.next_operator += 1;
        match plan {
            Plan::Get { relation, .. } => self.relations.get(relation).cloned().unwrap_or_default(),
            Plan::Constant { rows: constant } => {
                let mut bag = Bag::new();
                rows(constant).into_iter().for_each(|row| add(&mut bag, row, 1));
                bag
            }
            Plan::Map { input, columns, .. } => {
                let mut bag = Bag::new();
                for (row, count) in self.plan(input) {
                    let mapped: Result<Row, String> =
                        columns.iter().map(|scalar| expr_of(&**scalar).eval(&row)).collect();
                    match mapped {
                        Ok(row) => add(&mut bag, row, count),
                        Err(message) => self.fail(operator, message, count),
                    }
                }
                bag
            }
            Plan::Filter { input, predicate } => {
                let bag = self.plan(input);
                self.kept(operator, bag, |row| expr_of(&**predicate).eval(row))
            }
            Plan::Temporal { input, predicate, .. } => {
                let (bag, now) = (self.plan(input), Value::Time(self.now_ms * 1_000));
                self.kept(operator, bag, |row| {
                    expr_of(&**predicate).eval(&[&row[..], std::slice::from_ref(&now)].concat())
                })
            }
            Plan::Union { inputs, .. } => {
                let mut bag = Bag::new();
                for input in inputs {
                    self.plan(input).into_iter().for_each(|(row, count)| add(&mut bag, row, count));
                }
                bag
            }
            Plan::Unnest { input, lists, outer, .. } => {
                let mut bag = Bag::new();
                for (row, count) in self.plan(input) {
                    let items = |column: &usize| match &row[*column] {
                        Value::List(items) => &items[..],
                        _ => &[],
                    };
                    let places = lists.iter().map(|column| items(column).len()).max().unwrap_or(0);
                    for place in 0..places.max(usize::from(*outer)) {
                        let mut one = row.clone();
                        for column in lists {
                            one[*column] = items(column).get(place).cloned().unwrap_or(Value::Null);
                        }
                        add(&mut bag, one, count);
                    }
                }
                bag
            }
            Plan::Reduce { input, group, aggregates, .. } => {
                let input_schema = input.schema();
                let mut groups: BTreeMap<Row, Bag> = BTreeMap::new();
                if group.is_empty() {
                    groups.insert(Vec::new(), Bag::new());
                }
                for (row, count) in self.plan(input) {
                    let key = group.iter().map(|&column| row[column].clone()).collect();
                    add(groups.entry(key).or_default(), row, count);
                }
                let mut bag = Bag::new();
                for (key, rows) in groups {
                    let mut row = key;
                    let mut failure = None;
                    for aggregate in aggregates {
                        let input = aggregate.input.map(|column| input_schema.field(column).data_type().clone());
                        match aggregated(aggregate, input.as_ref(), &rows) {
                            Ok(value) => row.push(value),
                            Err(message) => failure = failure.or(Some(message)),
                        }
                    }
                    match failure {
                        None => add(&mut bag, row, 1),
                        Some(message) => self.fail(operator, message, 1),
                    }
                }
                bag
            }
            Plan::Top { input, group, order, ranking, skip, limit, numbered, .. } => {
                let mut groups: BTreeMap<Row, Vec<Row>> = BTreeMap::new();
                for (row, count) in self.plan(input) {
                    let key = group.iter().map(|&column| row[column].clone()).collect();
                    groups.entry(key).or_default().extend(std::iter::repeat_n(row, count as usize));
                }
                let mut bag = Bag::new();
                for (_, mut rows) in groups {
                    rows.sort_by(|left, right| compare(order, left, right).then_with(|| left.cmp(right)));
                    for (at, row) in rows.iter().enumerate() {
                        let before = |other: &&Row| compare(order, other, row).is_lt();
                        let number = match ranking {
                            Ranking::RowNumber => at,
                            Ranking::Rank => rows.iter().filter(before).count(),
                            Ranking::DenseRank => {
                                let orders = rows.chunk_by(|left, right| compare(order, left, right).is_eq());
                                orders.filter(|peers| compare(order, &peers[0], row).is_lt()).count()
                            }
                        };
                        if (*skip..skip + limit).contains(&(number as u64)) {
                            let mut row = row.clone();
                            row.extend(numbered.then_some(Value::Int(number as i64 + 1)));
                            add(&mut bag, row, 1);
                        }
                    }
                }
                bag
            }
            Plan::Neighbours { input, group, order, functions, .. } => {
                let mut groups: BTreeMap<Row, Vec<Row>> = BTreeMap::new();
                for (row, count) in self.plan(input) {
                    let key = group.iter().map(|&column| row[column].clone()).collect();
                    groups.entry(key).or_default().extend(std::iter::repeat_n(row, count as usize));
                }
                let mut bag = Bag::new();
                for (_, mut rows) in groups {
                    rows.sort_by(|left, right| compare(order, left, right).then_with(|| left.cmp(right)));
                    for at in 0..rows.len() {
                        let mut row = rows[at].clone();
                        row.extend(functions.iter().map(|function| {
                            let there = usize::try_from(at as i64 + function.offset).ok().and_then(|at| rows.get(at));
                            there.map_or(Value::Null, |row| row[function.column].clone())
                        }));
                        add(&mut bag, row, 1);
                    }
                }
                bag
            }
            Plan::Join { left, right, on, filter, kind, .. } => {
                let widths = [left.schema().fields().len(), right.schema().fields().len()];
                let (left, right) = (self.plan(left), self.plan(right));
                let (mut pairs, mut matched) = (Bag::new(), [BTreeSet::new(), BTreeSet::new()]);
                for (l, left_count) in &left {
                    for (r, right_count) in &right {
                        let equal = |&(at, with): &(usize, usize)| l[at] != Value::Null && l[at] == r[with];
                        if !on.iter().all(equal) {
                            continue;
                        }
                        let pair = [l.clone(), r.clone()].concat();
                        let count = left_count * right_count;
                        match filter.as_ref().map(|filter| expr_of(&**filter).eval(&pair)) {
                            None | Some(Ok(Value::Bool(true))) => {
                                matched[0].insert(l.clone());
                                matched[1].insert(r.clone());
                                add(&mut pairs, pair, count);
                            }
                            Some(Ok(_)) => {}
                            Some(Err(message)) => self.fail(operator, message, count),
                        }
                    }
                }
                let nulls = widths.map(|width| vec![Value::Null; width]);
                let mut bag = Bag::new();
                if let JoinKind::Inner | JoinKind::Left { .. } | JoinKind::Full { .. } = kind {
                    bag = pairs;
                }
                for (row, count) in left {
                    let has_pair = matched[0].contains(&row);
                    match kind {
                        JoinKind::Left { .. } | JoinKind::Full { .. } if !has_pair => {
                            add(&mut bag, [row, nulls[1].clone()].concat(), count);
                        }
                        JoinKind::Semi { .. } if has_pair => add(&mut bag, row, count),
                        JoinKind::Anti { .. } if !has_pair => add(&mut bag, row, count),
                        JoinKind::Mark { .. } => add(&mut bag, [row, vec![Value::Bool(has_pair)]].concat(), count),
                        _ => {}
                    }
                }
                if let JoinKind::Full { .. } = kind {
                    for (row, count) in right.into_iter().filter(|(row, _)| !matched[1].contains(row)) {
                        add(&mut bag, [nulls[0].clone(), row].concat(), count);
                    }
                }
                bag
            }
            Plan::Combine { left, right, operation, .. } => {
                let (left, right) = (self.plan(left), self.plan(right));
                let mut bag = Bag::new();
                for (row, l) in left {
                    let r = right.get(&row).copied().unwrap_or_default();
                    let times = match operation {
                        SetOperation::Intersect => l.min(r).min(1),
                        SetOperation::IntersectAll => l.min(r),
                        SetOperation::Except => i64::from(r == 0),
                        SetOperation::ExceptAll => (l - r).max(0),
                    };
                    if times > 0 {
                        add(&mut bag, row, times);
                    }
                }
                bag
            }
        }
    }
}

fn aggregated(aggregate: &Aggregate, input: Option<&DataType>, rows: &Bag) -> Result<Value, String> {
    let Some(column) = aggregate.input else {
        return Ok(Value::Int(rows.values().sum()));
    };
    if let AggregateFunction::Sequence(sequence) = &aggregate.function {
        return taken(sequence, column, rows);
    }
    let values: Vec<(&Value, i64)> =
        rows.iter().map(|(row, count)| (&row[column], *count)).filter(|(value, _)| **value != Value::Null).collect();
    let values: Vec<(&Value, i64)> = match aggregate.function {
        AggregateFunction::CountDistinct(_) | AggregateFunction::SumDistinct(_) | AggregateFunction::AvgDistinct(_) => {
            let different: BTreeSet<&Value> = values.iter().map(|(value, _)| *value).collect();
            different.into_iter().map(|value| (value, 1)).collect()
        }
        _ => values,
    };
    let count: i64 = values.iter().map(|(_, count)| count).sum();
    if let AggregateFunction::Count | AggregateFunction::CountDistinct(_) = aggregate.function {
        return Ok(Value::Int(count));
    }
    if count == 0 {
        return Ok(Value::Null);
    }
    let whole = || -> i128 {
        let number = |value: &Value| match value {
            Value::Int(value) => i128::from(*value),
            Value::Decimal(value) => *value,
            other => panic!("{other:?} is not summed"),
        };
        values.iter().map(|(value, count)| number(value) * i128::from(*count)).sum()
    };
    let mean = |divisor: i64| -> f64 {
        let number = |value: &Value| match value {
            Value::Float(value) => BigRational::from_float(*value),
            other => panic!("{other:?} is not summed as a float"),
        };
        let terms = values.iter().map(|(value, count)| Some(number(value)? * BigRational::from_i64(*count)?));
        let sum: Option<BigRational> = terms.sum();
        sum.map_or(f64::NAN, |sum| (sum / BigRational::from_i64(divisor).unwrap()).to_f64().unwrap())
    };
    let function = match aggregate.function {
        AggregateFunction::SumDistinct(_) => &AggregateFunction::Sum,
        AggregateFunction::AvgDistinct(_) => &AggregateFunction::Avg,
        AggregateFunction::Variance(of) | AggregateFunction::Deviation(of) => {
            let root = matches!(aggregate.function, AggregateFunction::Deviation(_));
            return Ok(variance(&values, count, of)
                .map_or(Value::Null, |variance| Value::Float(if root { variance.sqrt() } else { variance })));
        }
        AggregateFunction::Percentile(percentile, _) => return Ok(at(percentile, &values)),
        ref function => function,
    };
    Ok(match (function, input.unwrap()) {
        (AggregateFunction::Sum, DataType::Int64) => {
            Value::Int(whole().try_into().map_err(|_| "sum is out of range of BIGINT".to_string())?)
        }
        (AggregateFunction::Sum, DataType::Float64) => Value::Float(mean(1)),
        (AggregateFunction::Sum, _) => Value::Decimal(whole()),
        (AggregateFunction::Avg, DataType::Int64) => {
            Value::Float(BigRational::new(whole().into(), count.into()).to_f64().unwrap())
        }
        (AggregateFunction::Avg, DataType::Float64) => Value::Float(mean(count)),
        (AggregateFunction::Avg, _) => {
            let (sum, count) = (whole() * 10_000, i128::from(count));
            let away = if sum < 0 { -count / 2 } else { count / 2 };
            Value::Decimal((sum + away) / count)
        }
        (AggregateFunction::Min(_), _) => values.iter().map(|(value, _)| (*value).clone()).min().unwrap(),
        (AggregateFunction::Max(_), _) => values.iter().map(|(value, _)| (*value).clone()).max().unwrap(),
        (other, _) => unreachable!("{other:?} is computed above"),
    })
}

/// What is taken of a sequence of values.
fn taken(sequence: &Sequence, column: usize, rows: &Bag) -> Result<Value, String> {
    let has_value = |row: &Row| {
        (sequence.nulls || row[column] != Value::Null)
            && sequence.among.is_none_or(|among| row[among] == Value::Bool(true))
    };
    let repeated = rows.iter().flat_map(|(row, count)| std::iter::repeat_n(row, *count as usize));
    let mut rows: Vec<&Row> = repeated.filter(|row| has_value(row)).collect();
    rows.sort_by(|left, right| compare(&sequence.order, left, right).then_with(|| left[column].cmp(&right[column])));
    let mut values: Vec<Value> = rows.into_iter().map(|row| row[column].clone()).collect();
    Ok(match &sequence.taken {
        Taken::First => values.first().cloned().unwrap_or(Value::Null),
        Taken::Last => values.last().cloned().unwrap_or(Value::Null),
        Taken::List { distinct } => {
            if *distinct {
                values.dedup();
            }
            if values.is_empty() { Value::Null } else { Value::List(values) }
        }
        Taken::Text { separator, distinct } => {
            if *distinct {
                values.dedup();
            }
            if values.len() > SEQUENCE_VALUES_MAX {
                let words = "string_agg puts at most 10000 values of 1 MiB together, and there are more";
                return Err(words.to_string());
            }
            let text = |value: &Value| match value {
                Value::Text(text) => text.clone(),
                other => panic!("{other:?} is not text"),
            };
            let texts: Vec<String> = values.iter().map(text).collect();
            if texts.is_empty() { Value::Null } else { Value::Text(texts.join(separator)) }
        }
    })
}

/// Which row comes first.
fn compare(order: &[Order], left: &Row, right: &Row) -> Ordering {
    let one = |by: &Order| {
        let (left, right) = (&left[by.column], &right[by.column]);
        match (*left == Value::Null, *right == Value::Null) {
            (true, true) => Ordering::Equal,
            (true, false) => {
                if by.nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, true) => {
                if by.nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (false, false) if by.descending => right.cmp(left),
            (false, false) => left.cmp(right),
        }
    };
    order.iter().map(one).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The variance, exact up to one rounding.
fn variance(values: &[(&Value, i64)], count: i64, of: Spread) -> Option<f64> {
    if count < of.least() {
        return None;
    }
    let number = |value: &Value| match value {
        Value::Int(value) => Some(BigRational::from_i64(*value).unwrap()),
        Value::Decimal(value) => Some(BigRational::new((*value).into(), 100.into())),
        Value::Float(value) => BigRational::from_float(*value),
        other => panic!("{other:?} is not a number"),
    };
    let times = |count: i64| BigRational::from_i64(count).unwrap();
    let Some(numbers) = values.iter().map(|(value, count)| Some((number(value)?, *count))).collect::<Option<Vec<_>>>()
    else {
        return Some(f64::NAN);
    };
    let mean = numbers.iter().map(|(number, count)| number * times(*count)).sum::<BigRational>() / times(count);
    let from_mean = |number: &BigRational| (number - &mean) * (number - &mean);
    let squares = numbers.iter().map(|(number, count)| from_mean(number) * times(*count)).sum::<BigRational>();
    let divisor = if of == Spread::Sample { count - 1 } else { count };
    (squares / times(divisor)).to_f64()
}

/// The percentile of all values laid out in order.
fn at(percentile: Percentile, values: &[(&Value, i64)]) -> Value {
    let mut all: Vec<&Value> =
        values.iter().flat_map(|(value, count)| std::iter::repeat_n(*value, *count as usize)).collect();
    all.sort();
    if !percentile.continuous {
        let least = (1..=all.len()).find(|&part| part as f64 >= percentile.fraction * all.len() as f64);
        return all[least.unwrap() - 1].clone();
    }
    let place = percentile.fraction * (all.len() - 1) as f64;
    let (Value::Float(low), Value::Float(high)) = (all[place.floor() as usize], all[place.ceil() as usize]) else {
        panic!("only floats have values between them");
    };
    Value::Float(if low == high { *low } else { low + (high - low) * place.fract() })
}
