//! Predicates on key columns as ranges of keys.
//!
//! Equalities and IN lists on the first key columns make prefixes, comparisons on the next one make their bounds. Encoded
//! keys compare as rows do and NULL sorts last, so a range says exactly what the comparisons say. Floats are left out: SQL's
//! comparisons and the order of keys need not agree on NaN and zero.
//!
//! A parameter of the column's type counts as a value: which predicates ranges say does not depend on its value, where
//! they lie does.

use std::collections::BTreeSet;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::DataType;
use dataflow::row::KeyEncoder;
use dataflow::state::after_prefix;
use dataflow::{KeyRange, RelationSchema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Expr, Operator};

use crate::limits::SCAN_RANGES_MAX;

/// Where to scan, and which predicates that says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Disjoint, ascending; none where no row can pass.
    pub ranges: Vec<KeyRange>,
    /// One a predicate.
    pub absorbed: Vec<bool>,
    /// Key columns that have the same value in all rows that pass.
    pub constant: Vec<usize>,
    /// Each range is of one key.
    pub whole_keys: bool,
}

/// A predicate on one column, with encoded values.
enum Test {
    /// One of these values.
    In(BTreeSet<Vec<u8>>),
    /// Encoded: from the first (included) to the second (excluded).
    Between(Vec<u8>, Vec<u8>),
}

/// What is said of a column by its range.
const COMPARISONS: [Operator; 5] = [Operator::Eq, Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq];

/// Turns predicates, all of which must hold, into key ranges.
pub fn push_down(schema: &RelationSchema, filters: &[&Expr]) -> Pushed {
    let tests: Vec<Option<(usize, Test)>> = filters.iter().map(|filter| test(schema, filter)).collect();
    let mut absorbed = vec![false; filters.len()];
    let mut prefixes: Vec<Vec<u8>> = vec![Vec::new()];
    let (mut constant, mut prefixes_max, mut columns) = (Vec::new(), 1, 0);
    for &column in &schema.key {
        let of_column: Vec<usize> =
            (0..tests.len()).filter(|&at| tests[at].as_ref().is_some_and(|(of, _)| *of == column)).collect();
        let on_column = || of_column.iter().filter_map(|&at| tests[at].as_ref().map(|(_, test)| test));
        if of_column.is_empty() {
            break;
        }
        let listed = on_column().find_map(|test| match test {
            Test::In(values) => Some(values),
            Test::Between(..) => None,
        });
        let Some(listed) = listed else {
            let bounds = bounds(on_column());
            of_column.iter().for_each(|&at| absorbed[at] = true);
            let ranges = prefixes.iter().filter_map(|prefix| range(prefix, &bounds)).collect();
            return Pushed { ranges, absorbed, constant, whole_keys: false };
        };
        // Counted before values are compared, which those of parameters are not yet when the scan is planned.
        prefixes_max *= listed.len();
        if prefixes_max > SCAN_RANGES_MAX {
            break;
        }
        constant.extend((listed.len() == 1).then_some(column));
        of_column.iter().for_each(|&at| absorbed[at] = true);
        let passing: Vec<&Vec<u8>> = listed.iter().filter(|value| on_column().all(|test| test.passes(value))).collect();
        let longer = |prefix: &Vec<u8>| passing.iter().map(|value| [&prefix[..], value].concat()).collect::<Vec<_>>();
        prefixes = prefixes.iter().flat_map(longer).collect();
        columns += 1;
    }
    let ranges = prefixes.iter().map(|prefix| KeyRange::prefix(prefix)).collect();
    Pushed { ranges, absorbed, constant, whole_keys: columns == schema.key.len() }
}

/// The predicates with values for `$1`, `$2`, ...
pub fn with_values(filters: &[Expr], values: &[ScalarValue]) -> Result<Vec<Expr>> {
    let value = |id: &str| id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1).and_then(|at| values.get(at));
    let given = |expr: Expr| match &expr {
        Expr::Placeholder(parameter) => match value(&parameter.id) {
            Some(value) => Ok(Transformed::yes(Expr::Literal(value.clone(), None))),
            None => internal_err!("parameter {} has no value", parameter.id),
        },
        _ => Ok(Transformed::no(expr)),
    };
    filters.iter().map(|filter| filter.clone().transform_up(given).map(|given| given.data)).collect()
}

impl Test {
    fn passes(&self, value: &Vec<u8>) -> bool {
        match self {
            Test::In(values) => values.contains(value),
            Test::Between(start, end) => start <= value && value < end,
        }
    }
}

/// The narrowest bounds of a column's comparisons.
fn bounds<'a>(tests: impl Iterator<Item = &'a Test>) -> (Vec<u8>, Vec<u8>) {
    let mut narrowest: Option<(Vec<u8>, Vec<u8>)> = None;
    for test in tests {
        let Test::Between(start, end) = test else { continue };
        narrowest = Some(match narrowest {
            None => (start.clone(), end.clone()),
            Some((from, to)) => (from.max(start.clone()), to.min(end.clone())),
        });
    }
    narrowest.expect("a column with tests, none of which lists values, has comparisons")
}

fn range(prefix: &[u8], (start, end): &(Vec<u8>, Vec<u8>)) -> Option<KeyRange> {
    (start < end).then(|| KeyRange { start: [prefix, start].concat(), end: Some([prefix, end].concat()) })
}

/// The key column that a predicate is on, and what it says of it.
fn test(schema: &RelationSchema, filter: &Expr) -> Option<(usize, Test)> {
    let column = |expr: &Expr| {
        let Expr::Column(column) = expr else { return None };
        let at = schema.columns.index_of(&column.name).ok()?;
        let float = *schema.columns.field(at).data_type() == DataType::Float64;
        (schema.key.contains(&at) && !float).then_some(at)
    };
    match filter {
        Expr::BinaryExpr(binary) => {
            let (at, op, literal) = match column(&binary.left) {
                Some(at) => (at, binary.op, &binary.right),
                None => (column(&binary.right)?, binary.op.swap()?, &binary.left),
            };
            comparison(schema, at, op, literal).map(|test| (at, test))
        }
        Expr::Between(between) if !between.negated => {
            let at = column(&between.expr)?;
            let from = comparison(schema, at, Operator::GtEq, &between.low)?;
            let to = comparison(schema, at, Operator::LtEq, &between.high)?;
            let empty = [&from, &to].into_iter().any(|test| matches!(test, Test::In(_)));
            let (start, end) = if empty { Default::default() } else { bounds([from, to].iter()) };
            Some((at, Test::Between(start, end)))
        }
        Expr::InList(list) if !list.negated => {
            let at = column(&list.expr)?;
            let known = list.list.iter().filter(|value| !is_null(value));
            let values = known.map(|value| encoded(schema, at, value)).collect::<Option<_>>()?;
            Some((at, Test::In(values)))
        }
        _ => None,
    }
}

fn comparison(schema: &RelationSchema, at: usize, op: Operator, literal: &Expr) -> Option<Test> {
    if is_null(literal) {
        // Nothing passes a comparison with NULL.
        return COMPARISONS.contains(&op).then(|| Test::In(BTreeSet::new()));
    }
    let value = encoded(schema, at, literal)?;
    let after = || after_prefix(&value).expect("a value's first byte is not the last one");
    // NULL compares with nothing: ranges without an upper bound end where NULLs begin.
    let nulls = || encode(new_null_array(schema.columns.field(at).data_type(), 1));
    Some(match op {
        Operator::Eq => Test::In(BTreeSet::from([value])),
        Operator::Lt => Test::Between(Vec::new(), value),
        Operator::LtEq => Test::Between(Vec::new(), after()),
        Operator::Gt => Test::Between(after(), nulls()),
        Operator::GtEq => Test::Between(value, nulls()),
        _ => return None,
    })
}

fn is_null(value: &Expr) -> bool {
    matches!(value, Expr::Literal(value, _) if value.is_null())
}

/// A value of the column's own type, encoded; in the place of a parameter's its name, which is as good to count by.
fn encoded(schema: &RelationSchema, at: usize, value: &Expr) -> Option<Vec<u8>> {
    let column_type = schema.columns.field(at).data_type();
    let value = match value {
        Expr::Literal(value, _) => value,
        Expr::Placeholder(parameter) => {
            let of_type = parameter.field.as_ref().is_some_and(|field| field.data_type() == column_type);
            return of_type.then(|| parameter.id.clone().into_bytes());
        }
        _ => return None,
    };
    let of_type = match value {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => {
            ScalarValue::Utf8(text.clone())
        }
        other => other.clone(),
    };
    (of_type.data_type() == *column_type).then(|| of_type.to_array().ok().map(encode)).flatten()
}

fn encode(array: ArrayRef) -> Vec<u8> {
    KeyEncoder::new(&[array.data_type().clone()]).encode_arrays(&[array], 1).get(0).to_vec()
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
