//! What a server answers, to compare with what another answers to the same: the rows in any order, numbers by their value.

use std::collections::HashMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

type Row = Vec<Option<String>>;

/// Rows in the server's text.
#[derive(Debug)]
pub struct Answer {
    columns: Vec<Type>,
    rows: Vec<Row>,
}

/// How cells of a column are compared.
#[derive(Clone, Copy)]
enum Kind {
    /// By their text.
    Text,
    /// By their value.
    Exact,
    /// Floats, which depend on the order in which they were summed.
    Float,
}

/// How far two floats may be from each other, in parts of the larger one, or of 1.
const FLOAT_TOLERANCE: f64 = 1e-9;

/// With more decimal places than this a number is a quotient, which each server ends at another place; but no server before
/// the least.
const PLACES_EXACT: usize = 6;
const PLACES_LEAST: usize = 4;

impl Answer {
    /// Asks; an error is its SQLSTATE and its words.
    pub async fn of(client: &Client, sql: &str) -> Result<Answer, (String, String)> {
        let words = |error: tokio_postgres::Error| match error.as_db_error() {
            Some(error) => (error.code().code().to_owned(), error.message().to_owned()),
            None => (String::new(), error.to_string()),
        };
        let columns = client.prepare(sql).await.map_err(words)?;
        let columns = columns.columns().iter().map(|column| column.type_().clone()).collect();
        let messages = client.simple_query(sql).await.map_err(words)?;
        let cells = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        };
        Ok(Answer { columns, rows: messages.iter().filter_map(cells).collect() })
    }

    /// Whether some cell of it is there: an aggregate over nothing is a row too.
    pub fn says_something(&self) -> bool {
        self.rows.iter().flatten().any(Option::is_some)
    }

    /// In words where the other answer has other rows.
    pub fn differs(&self, other: &Answer) -> Option<String> {
        if self.columns.len() != other.columns.len() {
            return Some(format!("columns {:?} and not {:?}", self.columns, other.columns));
        }
        let kinds: Vec<Kind> = self.columns.iter().zip(&other.columns).map(|(l, r)| Kind::of(l, r)).collect();
        let (mut extra, mut missing) = without_equals(&kinds, &self.rows, &other.rows);
        // What is equal only nearly is found by looking at each.
        extra.retain(|row| {
            let same =
                |other: &&Row| kinds.iter().zip(row.iter().zip(other.iter())).all(|(kind, (l, r))| kind.same(l, r));
            let found = missing.iter().position(same);
            found.map(|at| missing.swap_remove(at)).is_none()
        });
        let (extras, misses) = (extra.len(), missing.len());
        let first = |rows: &[&Row]| rows.iter().take(3).map(|row| format!("\n  {row:?}")).collect::<String>();
        (extras + misses > 0).then(|| format!("{extras} extra:{}\n{misses} missing:{}", first(&extra), first(&missing)))
    }
}

/// The rows of each side that the other has not got.
fn without_equals<'a>(kinds: &[Kind], left: &'a [Row], right: &'a [Row]) -> (Vec<&'a Row>, Vec<&'a Row>) {
    let canonical = |row: &Row| -> Row { kinds.iter().zip(row).map(|(kind, cell)| kind.canonical(cell)).collect() };
    let mut waiting: HashMap<Row, Vec<&Row>> = HashMap::new();
    for row in right {
        waiting.entry(canonical(row)).or_default().push(row);
    }
    let extra = left.iter().filter(|row| waiting.get_mut(&canonical(row)).and_then(Vec::pop).is_none()).collect();
    (extra, waiting.into_values().flatten().collect())
}

impl Kind {
    /// Of a column that has these types.
    fn of(left: &Type, right: &Type) -> Kind {
        let float = |of: &Type| [Type::FLOAT4, Type::FLOAT8].contains(of);
        let number = |of: &Type| float(of) || [Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC].contains(of);
        match number(left) && number(right) {
            true if float(left) || float(right) => Kind::Float,
            true => Kind::Exact,
            false => Kind::Text,
        }
    }

    /// One text for one value, as far as there is one.
    fn canonical(self, cell: &Option<String>) -> Option<String> {
        let cell = cell.as_ref()?;
        match self {
            Kind::Exact if cell.contains('.') => Some(cell.trim_end_matches('0').trim_end_matches('.').to_owned()),
            _ => Some(cell.clone()),
        }
    }

    fn same(self, left: &Option<String>, right: &Option<String>) -> bool {
        let (Some(l), Some(r)) = (left, right) else { return left == right };
        match self {
            Kind::Text => l == r,
            Kind::Exact => self.canonical(left) == self.canonical(right) || is_one_quotient(l, r),
            Kind::Float => match (l.parse::<f64>(), r.parse::<f64>()) {
                (Ok(l), Ok(r)) if l.is_finite() && r.is_finite() => {
                    (l - r).abs() <= FLOAT_TOLERANCE * l.abs().max(r.abs()).max(1.0)
                }
                _ => l == r,
            },
        }
    }
}

/// Whether two quotients differ by no more than the last digit that both have.
fn is_one_quotient(left: &str, right: &str) -> bool {
    let (Some((l, l_places)), Some((r, r_places))) = (number(left), number(right)) else { return false };
    let (places, most) = (l_places.min(r_places), l_places.max(r_places));
    places >= PLACES_LEAST
        && most > PLACES_EXACT
        && (l - r).abs() <= BigRational::new(BigInt::one(), BigInt::from(10).pow(places as u32))
}

/// A decimal number, and how many places it has.
fn number(text: &str) -> Option<(BigRational, usize)> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits: BigInt = format!("{whole}{places}").parse().ok()?;
    Some((BigRational::new(digits, BigInt::from(10).pow(places.len() as u32)), places.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(columns: &[Type], rows: &[&[&str]]) -> Answer {
        let row = |row: &&[&str]| row.iter().map(|cell| (*cell != "NULL").then(|| (*cell).to_owned())).collect();
        Answer { columns: columns.to_vec(), rows: rows.iter().map(row).collect() }
    }

    #[test]
    fn rows_are_counted_in_any_order() {
        let of = |rows: &[&[&str]]| answer(&[Type::TEXT, Type::NUMERIC], rows);
        let left = of(&[&["a", "1.50"], &["b", "NULL"], &["a", "1.50"]]);
        assert_eq!(left.differs(&of(&[&["b", "NULL"], &["a", "1.5"], &["a", "1.500"]])), None);
        assert!(left.differs(&of(&[&["b", "NULL"], &["a", "1.5"]])).is_some());
        assert!(left.differs(&of(&[&["b", "NULL"], &["b", "NULL"], &["a", "1.5"]])).is_some());
        assert!(left.differs(&of(&[&["b", "0"], &["a", "1.5"], &["a", "1.5"]])).is_some());
    }

    #[test]
    fn only_floats_and_quotients_may_be_near() {
        let differ = |of: Type, l: &str, r: &str| {
            answer(std::slice::from_ref(&of), &[&[l]]).differs(&answer(&[of], &[&[r]])).is_some()
        };
        assert!(!differ(Type::NUMERIC, "0.333333", "0.33333333333333333333"));
        assert!(differ(Type::NUMERIC, "0.333333", "0.33333533333333333333"));
        assert!(differ(Type::NUMERIC, "0.333333", "0.333334"));
        assert!(differ(Type::NUMERIC, "100.01", "100.02"));
        assert!(differ(Type::TEXT, "1.0", "1"));
        assert!(!differ(Type::FLOAT8, "0.30000000000000004", "0.3"));
        assert!(differ(Type::FLOAT8, "0.3", "0.30001"));
        assert!(differ(Type::FLOAT8, "NaN", "1"));
    }
}
