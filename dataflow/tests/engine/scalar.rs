//! Simple expressions, evaluated a row at a time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use dataflow::{EvalError, Scalar};

use crate::value::{Row, Value, array, rows};

#[derive(Clone, Debug)]
pub enum Expr {
    Column(usize),
    Literal(Value),
    /// Overflow is an error.
    Add(Box<Expr>, Box<Expr>),
    /// Division by zero is an error.
    Divide(Box<Expr>, Box<Expr>),
    Less(Box<Expr>, Box<Expr>),
    /// Whether either is true; the second is not asked where the first is.
    Or(Box<Expr>, Box<Expr>),
    /// The microseconds of a time.
    Micros(Box<Expr>),
    /// The first, where it is more than the second.
    Above(Box<Expr>, Box<Expr>),
    /// A time rounded down to a multiple of microseconds.
    Floor(Box<Expr>, i64),
}

#[derive(Clone, Debug)]
pub struct TestScalar {
    pub expr: Expr,
    pub data_type: DataType,
}

impl Expr {
    pub fn eval(&self, row: &Row) -> Result<Value, String> {
        let both = |left: &Expr, right: &Expr| Ok::<_, String>((left.eval(row)?, right.eval(row)?));
        Ok(match self {
            Expr::Column(column) => row[*column].clone(),
            Expr::Literal(value) => value.clone(),
            Expr::Add(left, right) => match both(left, right)? {
                (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_add(b).ok_or("integer out of range")?),
                _ => Value::Null,
            },
            Expr::Divide(left, right) => match both(left, right)? {
                (Value::Int(_), Value::Int(0)) => return Err("division by zero".into()),
                (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_div(b).ok_or("integer out of range")?),
                _ => Value::Null,
            },
            Expr::Less(left, right) => match both(left, right)? {
                (Value::Null, _) | (_, Value::Null) => Value::Null,
                (left, right) => Value::Bool(left < right),
            },
            Expr::Or(left, right) => match left.eval(row)? {
                Value::Bool(true) => Value::Bool(true),
                left => match right.eval(row)? {
                    Value::Bool(true) => Value::Bool(true),
                    right => left.max(right),
                },
            },
            Expr::Micros(time) => match time.eval(row)? {
                Value::Time(time) => Value::Int(time),
                _ => Value::Null,
            },
            Expr::Above(value, least) => match both(value, least)? {
                (Value::Int(value), Value::Int(least)) if value > least => Value::Int(value),
                _ => Value::Null,
            },
            Expr::Floor(time, width) => match time.eval(row)? {
                Value::Time(time) => Value::Time(time.div_euclid(*width) * width),
                _ => Value::Null,
            },
        })
    }
}

impl Scalar for TestScalar {
    fn eval(&self, batch: &RecordBatch) -> (ArrayRef, Vec<(usize, EvalError)>) {
        let (mut values, mut failures) = (Vec::new(), Vec::new());
        for (index, row) in rows(batch).iter().enumerate() {
            values.push(self.expr.eval(row).unwrap_or_else(|message| {
                failures.push((index, EvalError(message)));
                Value::Null
            }));
        }
        (array(&self.data_type, &values), failures)
    }

    fn fingerprint(&self) -> u128 {
        let mut hasher = DefaultHasher::new();
        self.sql().hash(&mut hasher);
        hasher.finish().into()
    }

    fn column(&self) -> Option<usize> {
        match self.expr {
            Expr::Column(column) => Some(column),
            _ => None,
        }
    }

    fn sql(&self) -> String {
        format!("{:?}", self.expr)
    }
}

thread_local! {
    static EXPRESSIONS: RefCell<HashMap<u128, Expr>> = RefCell::default();
}

impl TestScalar {
    pub fn new(expr: Expr, data_type: DataType) -> TestScalar {
        let scalar = TestScalar { expr, data_type };
        EXPRESSIONS.with_borrow_mut(|known| known.insert(scalar.fingerprint(), scalar.expr.clone()));
        scalar
    }
}

/// The expression with this fingerprint.
pub fn registered(fingerprint: u128) -> Expr {
    EXPRESSIONS.with_borrow(|known| known[&fingerprint].clone())
}
