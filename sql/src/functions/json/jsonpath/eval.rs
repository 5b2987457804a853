//! What a path finds in a document.

use std::borrow::Cow;
use std::cell::Cell;

use super::number::{self, Number};
use super::{Arithmetic, Comparison, Expr, Method, Path, Step};
use crate::error::SqlError;
use crate::json::{self, Kind};
use crate::limits::JSONPATH_ITEMS_MAX;

/// Why a path finds nothing: what is in the document, or the path itself, which is always told.
pub(super) enum Fault {
    OfData(SqlError),
    OfPath(SqlError),
}

/// A part of the document or of the path, or what was computed.
type Item<'d> = Cow<'d, str>;

/// Where a path is evaluated: the item that `@` is, and the last place of the innermost array.
#[derive(Clone, Copy)]
struct At<'i, 'd> {
    current: &'i Item<'d>,
    last: Option<usize>,
}

struct Walk<'d> {
    root: Item<'d>,
    variables: Option<&'d str>,
    lax: bool,
    /// Whether what is not there is no error: always in lax mode, below `**` in strict mode too.
    lenient: Cell<bool>,
    /// Items and pairs of items that it may still look at.
    left: Cell<u32>,
}

impl Path {
    /// All that it finds.
    pub(super) fn items(&self, document: &str, variables: Option<&str>) -> Result<Vec<String>, Fault> {
        let (root, mut found) = (Cow::Borrowed(document), Vec::new());
        self.over(&root, variables).items(&self.expr, At { current: &root, last: None }, &mut found)?;
        Ok(found.into_iter().map(Cow::into_owned).collect())
    }

    /// In lax mode an error behind the first item is not seen.
    pub(super) fn exists(&self, document: &str, variables: Option<&str>) -> Result<bool, Fault> {
        let root = Cow::Borrowed(document);
        self.over(&root, variables).exists(&self.expr, At { current: &root, last: None })
    }

    fn over<'d>(&self, root: &Item<'d>, variables: Option<&'d str>) -> Walk<'d> {
        let (lenient, left) = (Cell::new(self.lax), Cell::new(JSONPATH_ITEMS_MAX));
        Walk { root: root.clone(), variables, lax: self.lax, lenient, left }
    }
}

fn of_data(code: &'static str, words: impl Into<String>) -> Fault {
    Fault::OfData(SqlError::new(code, words.into()))
}

/// The parts of an array or an object, in their order.
fn parts<'d>(item: &Item<'d>) -> Vec<Item<'d>> {
    fn of(document: &str) -> Vec<&str> {
        match json::kind(document) {
            Kind::Array => json::items(document).collect(),
            Kind::Object => json::members(document).map(|(_, value)| value).collect(),
            _ => Vec::new(),
        }
    }
    match item {
        Cow::Borrowed(document) => of(document).into_iter().map(Cow::Borrowed).collect(),
        Cow::Owned(document) => of(document).into_iter().map(|part| Cow::Owned(part.to_owned())).collect(),
    }
}

impl<'d> Walk<'d> {
    /// Looks at one more: `$.**.**.**` of a small document finds more than anybody waits for.
    fn look(&self) -> Result<(), Fault> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| {
            let words = format!("the jsonpath looks at more than {JSONPATH_ITEMS_MAX} items of one document");
            Fault::OfPath(SqlError::new("54000", words))
        })?;
        self.left.set(left);
        Ok(())
    }

    /// Adds what an expression finds.
    fn items(&self, expr: &'d Expr, at: At<'_, 'd>, found: &mut Vec<Item<'d>>) -> Result<(), Fault> {
        match expr {
            Expr::Root => found.push(self.root.clone()),
            Expr::Current => found.push(at.current.clone()),
            Expr::Literal(literal) => found.push(Cow::Borrowed(literal)),
            Expr::Last => {
                let count = at.last.expect("it was read within a subscript");
                found.push(Cow::Owned((count as i64 - 1).to_string()));
            }
            Expr::Variable(name) => {
                let missing =
                    || Fault::OfPath(SqlError::new("42704", format!("could not find jsonpath variable \"{name}\"")));
                // Without any variables they are null.
                let value = match self.variables {
                    Some(variables) => json::member(variables, &json::Step::new(name)).ok_or_else(missing)?,
                    None => "null",
                };
                found.push(Cow::Borrowed(value));
            }
            Expr::Steps(of, steps) => {
                let mut from = Vec::new();
                self.items(of, at, &mut from)?;
                for item in from {
                    self.steps(steps, item, self.lax, at, found)?;
                }
            }
            Expr::Sign(operation, of) => {
                for item in self.operands(of, at)? {
                    let of_no_number = || {
                        of_data(
                            "2203B",
                            format!("operand of unary jsonpath operator {} is not a numeric value", operation.sign()),
                        )
                    };
                    let number = numeric(&item).ok_or_else(of_no_number)?;
                    found.push(match operation {
                        Arithmetic::Subtract => Cow::Owned(number.negative().to_string()),
                        _ => item,
                    });
                }
            }
            Expr::Arithmetic(operation, left, right) => {
                let (left, right) = (self.operands(left, at)?, self.operands(right, at)?);
                let (left, right) = (alone(&left, "left", *operation)?, alone(&right, "right", *operation)?);
                found.push(Cow::Owned(computed(*operation, left, right)?.to_string()));
            }
            predicate => found.push(Cow::Borrowed(match self.truth(predicate, at)? {
                Some(true) => "true",
                Some(false) => "false",
                None => "null",
            })),
        }
        Ok(())
    }

    /// What an operand finds; in lax mode the items of arrays.
    fn operands(&self, expr: &'d Expr, at: At<'_, 'd>) -> Result<Vec<Item<'d>>, Fault> {
        let mut found = Vec::new();
        self.items(expr, at, &mut found)?;
        if !self.lax {
            return Ok(found);
        }
        let apart = |item: Item<'d>| if json::kind(&item) == Kind::Array { parts(&item) } else { vec![item] };
        Ok(found.into_iter().flat_map(apart).collect())
    }

    /// Whether there is an item; in lax mode nobody asks what is behind the first one, nor the sign of what is no number.
    fn exists(&self, expr: &'d Expr, at: At<'_, 'd>) -> Result<bool, Fault> {
        if let (true, Expr::Sign(_, of)) = (self.lax, expr) {
            return Ok(self.operands(of, at)?.iter().any(|item| numeric(item).is_some()));
        }
        let mut found = Vec::new();
        match self.items(expr, at, &mut found) {
            Err(Fault::OfData(_)) if self.lax && !found.is_empty() => Ok(true),
            done => done.map(|()| !found.is_empty()),
        }
    }

    /// Follows steps from an item; `unwraps`: an array may be taken apart for the first of them.
    fn steps(
        &self,
        steps: &'d [Step],
        item: Item<'d>,
        unwraps: bool,
        at: At<'_, 'd>,
        found: &mut Vec<Item<'d>>,
    ) -> Result<(), Fault> {
        self.look()?;
        let Some((step, rest)) = steps.split_first() else {
            found.push(item);
            return Ok(());
        };
        let mut next = |item: Item<'d>| self.steps(rest, item, self.lax, at, found);
        let of = json::kind(&item);
        let takes_arrays = matches!(
            step,
            Step::Places(_) | Step::AnyItem | Step::Within(..) | Step::Method(Method::Type | Method::Size)
        );
        if of == Kind::Array && unwraps && !takes_arrays {
            return parts(&item).into_iter().try_for_each(|item| self.steps(steps, item, false, at, found));
        }
        let strict = !self.lenient.get();
        match step {
            Step::Member(name) => {
                let value = match &item {
                    _ if of != Kind::Object => None,
                    Cow::Borrowed(document) => json::member(document, &json::Step::new(name)).map(Cow::Borrowed),
                    Cow::Owned(document) => {
                        json::member(document, &json::Step::new(name)).map(|value| Cow::Owned(value.to_owned()))
                    }
                };
                match value {
                    Some(value) => next(value),
                    None if strict && of == Kind::Object => {
                        Err(of_data("2203A", format!("JSON object does not contain key \"{name}\"")))
                    }
                    None if strict => {
                        Err(of_data("2203A", "jsonpath member accessor can only be applied to an object"))
                    }
                    None => Ok(()),
                }
            }
            Step::AnyMember => match of {
                Kind::Object => parts(&item).into_iter().try_for_each(next),
                _ if strict => {
                    Err(of_data("2203C", "jsonpath wildcard member accessor can only be applied to an object"))
                }
                _ => Ok(()),
            },
            Step::AnyItem => match of {
                Kind::Array => parts(&item).into_iter().try_for_each(next),
                _ if self.lax => next(item),
                _ if strict => {
                    Err(of_data("22039", "jsonpath wildcard array accessor can only be applied to an array"))
                }
                _ => Ok(()),
            },
            Step::Places(places) => {
                let items = match of {
                    Kind::Array => parts(&item),
                    _ if self.lax => vec![item],
                    _ if strict => {
                        return Err(of_data("22039", "jsonpath array accessor can only be applied to an array"));
                    }
                    _ => return Ok(()),
                };
                for (from, to) in places {
                    let inside = At { last: Some(items.len()), ..at };
                    let from = self.place(from, inside)?;
                    let to = to.as_ref().map_or(Ok(from), |to| self.place(to, inside))?;
                    if strict && (from < 0 || from > to || to >= items.len() as i64) {
                        return Err(of_data("22033", "jsonpath array subscript is out of bounds"));
                    }
                    let (from, to) = (from.max(0), to.min(items.len() as i64 - 1));
                    (from..=to).try_for_each(|place| next(items[place as usize].clone()))?;
                }
                Ok(())
            }
            Step::Within(first, last) => {
                if *first == 0 {
                    self.leniently(|| next(item.clone()))?;
                }
                self.within(rest, &item, 1, (*first, *last), at, found)
            }
            Step::Filter(condition) => match self.truth(condition, At { current: &item, ..at })? {
                Some(true) => next(item),
                _ => Ok(()),
            },
            Step::Method(method) => next(self.method(*method, item)?),
        }
    }

    fn leniently<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.lenient.replace(true);
        let done = work();
        self.lenient.set(before);
        done
    }

    /// Follows steps from the parts of an item at some depths.
    fn within(
        &self,
        rest: &'d [Step],
        item: &Item<'d>,
        level: u32,
        (first, last): (u32, u32),
        at: At<'_, 'd>,
        found: &mut Vec<Item<'d>>,
    ) -> Result<(), Fault> {
        if level > last {
            return Ok(());
        }
        for part in parts(item) {
            self.look()?;
            let container = matches!(json::kind(&part), Kind::Array | Kind::Object);
            let leaves = first == u32::MAX && last == u32::MAX && !container;
            if level >= first || leaves {
                self.leniently(|| self.steps(rest, part.clone(), self.lax, at, found))?;
            }
            if level < last && container {
                self.within(rest, &part, level + 1, (first, last), at, found)?;
            }
        }
        Ok(())
    }

    fn place(&self, expr: &'d Expr, at: At<'_, 'd>) -> Result<i64, Fault> {
        let mut found = Vec::new();
        self.items(expr, at, &mut found)?;
        let refused = || of_data("22033", "jsonpath array subscript is not a single numeric value");
        let [item] = &found[..] else { return Err(refused()) };
        let place = numeric(item).ok_or_else(refused)?.truncated();
        let beyond = || of_data("22033", "jsonpath array subscript is out of integer range");
        i32::try_from(place).map(i64::from).map_err(|_| beyond())
    }

    fn method(&self, method: Method, item: Item<'d>) -> Result<Item<'d>, Fault> {
        let number = |name: &str| {
            let words = format!("jsonpath item method .{name}() can only be applied to a numeric value");
            numeric(&item).ok_or_else(|| of_data("22036", words))
        };
        Ok(Cow::Owned(match method {
            Method::Type => format!("\"{}\"", json::type_name(&item)),
            Method::Size => match json::kind(&item) {
                Kind::Array => json::items(&item).count().to_string(),
                _ if self.lax => "1".to_owned(),
                _ if !self.lenient.get() => {
                    return Err(of_data("22039", "jsonpath item method .size() can only be applied to an array"));
                }
                _ => "1".to_owned(),
            },
            Method::Ceiling => number("ceiling")?.whole(true).to_string(),
            Method::Floor => number("floor")?.whole(false).to_string(),
            Method::Abs => {
                let number = number("abs")?;
                if item.starts_with('-') { number.negative() } else { number }.to_string()
            }
            Method::Double => double(&item)?,
        }))
    }

    /// Whether a predicate holds; none where that is unknown.
    fn truth(&self, expr: &'d Expr, at: At<'_, 'd>) -> Result<Option<bool>, Fault> {
        Ok(match expr {
            Expr::And(left, right) => match self.truth(left, at)? {
                Some(false) => Some(false),
                first => match self.truth(right, at)? {
                    Some(true) => first,
                    second => second,
                },
            },
            Expr::Or(left, right) => match self.truth(left, at)? {
                Some(true) => Some(true),
                first => match self.truth(right, at)? {
                    Some(false) => first,
                    second => second,
                },
            },
            Expr::Not(of) => self.truth(of, at)?.map(|truth| !truth),
            Expr::IsUnknown(of) => Some(self.truth(of, at)?.is_none()),
            Expr::Exists(of) => match self.exists(of, at) {
                Err(Fault::OfData(_)) => None,
                exists => Some(exists?),
            },
            Expr::Compare(comparison, left, right) => {
                self.any_pair(left, Some(right), at, |left, right| compared(*comparison, left, right))?
            }
            Expr::StartsWith(of, start) => self.any_pair(of, Some(start), at, |of, start| {
                let texts = json::kind(of) == Kind::String && json::kind(start) == Kind::String;
                texts.then(|| json::text(of).zip(json::text(start)).is_some_and(|(of, start)| of.starts_with(&*start)))
            })?,
            Expr::LikeRegex(of, regex) => self.any_pair(of, None, at, |of, _| {
                (json::kind(of) == Kind::String).then(|| json::text(of).is_some_and(|text| regex.is_match(&text)))
            })?,
            other => {
                let mut found = Vec::new();
                self.items(other, at, &mut found)?;
                found.first().map(|item| &**item == "true")
            }
        })
    }

    /// Whether something holds for a pair of what two operands find; what cannot be asked of a pair makes it unknown.
    fn any_pair(
        &self,
        left: &'d Expr,
        right: Option<&'d Expr>,
        at: At<'_, 'd>,
        holds: impl Fn(&str, &str) -> Option<bool>,
    ) -> Result<Option<bool>, Fault> {
        let operands = |expr| match self.operands(expr, at) {
            Err(Fault::OfData(_)) => Ok(None),
            found => found.map(Some),
        };
        let Some(left) = operands(left)? else { return Ok(None) };
        let Some(right) = right.map_or(Ok(Some(vec![Cow::Borrowed("null")])), operands)? else { return Ok(None) };
        let (mut found, mut unknown) = (false, false);
        for (left, right) in left.iter().flat_map(|left| right.iter().map(move |right| (left, right))) {
            self.look()?;
            match holds(left, right) {
                None if !self.lax => return Ok(None),
                None => unknown = true,
                Some(true) if self.lax => return Ok(Some(true)),
                Some(true) => found = true,
                Some(false) => {}
            }
        }
        Ok(if found {
            Some(true)
        } else if unknown {
            None
        } else {
            Some(false)
        })
    }
}

/// The one number that an operand is.
fn alone(found: &[Item], side: &str, operation: Arithmetic) -> Result<Number, Fault> {
    let refused = || {
        let words = format!("{side} operand of jsonpath operator {} is not a single numeric value", operation.sign());
        of_data("22038", words)
    };
    match found {
        [item] => numeric(item).ok_or_else(refused),
        _ => Err(refused()),
    }
}

fn numeric(item: &str) -> Option<Number> {
    if json::kind(item) == Kind::Number { Number::read(item) } else { None }
}

fn computed(operation: Arithmetic, left: Number, right: Number) -> Result<Number, Fault> {
    let beyond = || of_data("22003", "value overflows numeric format");
    if matches!(operation, Arithmetic::Divide | Arithmetic::Modulo) && right.is_zero() {
        return Err(of_data("22012", "division by zero"));
    }
    match operation {
        Arithmetic::Add => left.plus(right),
        Arithmetic::Subtract => left.plus(right.negative()),
        Arithmetic::Multiply => left.times(right),
        Arithmetic::Divide => left.over(right),
        Arithmetic::Modulo => left.modulo(right),
    }
    .ok_or_else(beyond)
}

/// None where two items have no order.
fn compared(comparison: Comparison, left: &str, right: &str) -> Option<bool> {
    match (json::kind(left), json::kind(right)) {
        (Kind::Null, Kind::Null) => Some(comparison.holds(std::cmp::Ordering::Equal)),
        (Kind::Null, _) | (_, Kind::Null) => Some(matches!(comparison, Comparison::NotEqual)),
        (Kind::Boolean, Kind::Boolean) => Some(comparison.holds((left == "true").cmp(&(right == "true")))),
        (Kind::Number, Kind::Number) => Some(comparison.holds(number::compare(left, right))),
        (Kind::String, Kind::String) => Some(comparison.holds(json::text(left).cmp(&json::text(right)))),
        _ => None,
    }
}

/// A number, or a text that is one, as a double prints it.
fn double(item: &str) -> Result<String, Fault> {
    let refused = || {
        let words = "jsonpath item method .double() can only be applied to a string or numeric value";
        of_data("22036", words)
    };
    let text = match json::kind(item) {
        Kind::Number | Kind::String => json::text(item).unwrap_or_default(),
        _ => return Err(refused()),
    };
    let value: f64 = text.trim().parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(refused)?;
    // As many digits as a numeric is made of.
    let written = format!("{value:.14e}");
    let (mantissa, exponent) = written.split_once('e').expect("it has an exponent");
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    json::canonical(&format!("{mantissa}e{exponent}")).map_err(|_| refused())
}
