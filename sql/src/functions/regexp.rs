//! `regexp_match`, `regexp_matches`, `regexp_replace` and their like, by PostgreSQL's patterns and flags.

mod pattern;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;
use regex::{Captures, Regex};

pub use self::pattern::{Flags, compiled};
use super::rowwise::pure::{called_on_null, strict};
use super::rowwise::{number, text, texts, to_text};
use crate::error::SqlError;

/// The matches of `regexp_matches`, and the parts of `regexp_split_to_table`, as the array whose items become rows.
pub const MATCHES: &str = "_pg_regexp_matches";
pub const SPLIT: &str = "regexp_split_to_array";

/// What `~`, `~*` and `SIMILAR TO` ask, and `substring(text FROM pattern)`.
pub const FOUND: &str = "_pg_regexp_found";
pub const SIMILAR: &str = "similar_to_escape";
pub const SUBSTRING: &str = "_pg_regexp_substring";

pub fn functions() -> Vec<ScalarUDF> {
    let lists = DataType::new_list(texts(), true);
    vec![
        strict("regexp_match", texts(), |args| {
            let (whole, regex) = once(args, "regexp_match", 2)?;
            regex.captures(&whole).map_or_else(|| ScalarValue::try_from(&texts()), |found| Ok(groups(&found)))
        }),
        strict(MATCHES, lists, |args| {
            let (whole, flags) = (subject(args)?, flags(args, 2)?);
            let regex = compiled(&argument(args, 1)?, flags)?;
            let mut found = Matches::new(&regex, &whole, 0);
            let most = if flags.global { usize::MAX } else { 1 };
            let rows: Vec<ScalarValue> =
                std::iter::from_fn(|| found.next()).take(most).map(|found| groups(&found)).collect();
            Ok(ScalarValue::List(ScalarValue::new_list(&rows, &texts(), true)))
        }),
        strict(SPLIT, texts(), |args| {
            let (whole, regex) = once(args, SPLIT, 2)?;
            Ok(list(split(&whole, &regex).into_iter().map(|part| Some(part.to_owned()))))
        }),
        strict("regexp_like", DataType::Boolean, |args| {
            let (whole, regex) = once(args, "regexp_like", 2)?;
            Ok(regex.is_match(&whole).into())
        }),
        strict("regexp_count", DataType::Int32, |args| {
            let start = start(args, 2)?;
            let (whole, regex) = once(args, "regexp_count", 3)?;
            let mut found = Matches::new(&regex, &whole, start);
            Ok(ScalarValue::Int32(i32::try_from(std::iter::from_fn(|| found.next()).count()).ok()))
        }),
        strict("regexp_instr", DataType::Int32, |args| {
            let (start, number) = (start(args, 2)?, ranged(args, 3, "n", 1, None, 1)?);
            let end = ranged(args, 4, "endoption", 0, Some(1), 0)?;
            let group = ranged(args, 6, "subexpr", 0, None, 0)? as usize;
            let (whole, regex) = once(args, "regexp_instr", 5)?;
            let found = Matches::new(&regex, &whole, start).nth(number);
            let place = found.as_ref().and_then(|found| part(found, group));
            let byte = place.map(|place| if end == 1 { place.end() } else { place.start() });
            Ok(ScalarValue::Int32(Some(byte.map_or(0, |byte| whole[..byte].chars().count() as i32 + 1))))
        }),
        strict("regexp_substr", DataType::Utf8, |args| {
            let (start, number) = (start(args, 2)?, ranged(args, 3, "n", 1, None, 1)?);
            let group = ranged(args, 5, "subexpr", 0, None, 0)? as usize;
            let (whole, regex) = once(args, "regexp_substr", 4)?;
            let found = Matches::new(&regex, &whole, start).nth(number);
            to_text(found.as_ref().and_then(|found| part(found, group)).map(|part| part.as_str().to_owned()))
        }),
        strict("regexp_replace", DataType::Utf8, replaced),
        strict(SUBSTRING, DataType::Utf8, |args| {
            let (whole, regex) = (subject(args)?, compiled(&argument(args, 1)?, Flags::default())?);
            let part = |found: Captures| found.get(usize::from(found.len() > 1)).map(|part| part.as_str().to_owned());
            to_text(regex.captures(&whole).and_then(part))
        }),
        strict(FOUND, DataType::Boolean, |args| {
            Ok(compiled(&argument(args, 1)?, flags(args, 2)?)?.is_match(&subject(args)?).into())
        }),
        // Without an escape character it is the backslash; with an empty one there is none.
        called_on_null(SIMILAR, DataType::Utf8, |args| {
            let escape = match args.get(1) {
                None => Some('\\'),
                Some(escape) if escape.is_null() => return to_text(None),
                Some(escape) => text(escape).and_then(|escape| escape.chars().next()),
            };
            to_text(args.first().and_then(text).map(|written| pattern::similar(&written, escape)).transpose()?)
        }),
    ]
}

/// A group of what was found; without groups the first one is all of it.
fn part<'t>(found: &Captures<'t>, group: usize) -> Option<regex::Match<'t>> {
    found.get(if found.len() == 1 && group == 1 { 0 } else { group })
}

fn argument(args: &[ScalarValue], at: usize) -> Result<String> {
    let missing = || SqlError::new("42883", "a function of regular expressions takes a text and a pattern");
    Ok(args.get(at).and_then(text).ok_or_else(missing)?)
}

fn subject(args: &[ScalarValue]) -> Result<String> {
    argument(args, 0)
}

fn flags(args: &[ScalarValue], at: usize) -> Result<Flags> {
    Ok(args.get(at).and_then(text).map_or(Ok(Flags::default()), |letters| Flags::read(&letters))?)
}

/// The text and the pattern of a function that does not take the flag `g`.
fn once(args: &[ScalarValue], function: &str, at: usize) -> Result<(String, std::rc::Rc<Regex>)> {
    let flags = flags(args, at)?;
    if flags.global {
        let words = format!("{function}() does not support the \"global\" option");
        return Err(SqlError::new("22023", words).into());
    }
    Ok((subject(args)?, compiled(&argument(args, 1)?, flags)?))
}

/// A whole number of an argument, within bounds.
fn ranged(args: &[ScalarValue], at: usize, name: &str, least: i64, most: Option<i64>, default: i64) -> Result<i64> {
    let Some(value) = args.get(at) else { return Ok(default) };
    let refused = || SqlError::new("22023", format!("invalid value for parameter \"{name}\": {value}"));
    let within = |number: &i64| *number >= least && most.is_none_or(|most| *number <= most);
    Ok(number(value).filter(within).ok_or_else(refused)?)
}

/// At which character a search begins, the first one being none before it.
fn start(args: &[ScalarValue], at: usize) -> Result<usize> {
    Ok(ranged(args, at, "start", 1, None, 1)? as usize - 1)
}

/// The matches one after the other, as PostgreSQL finds them: an empty one may follow one that is not.
struct Matches<'r, 't> {
    regex: &'r Regex,
    whole: &'t str,
    /// Where the next search begins, in bytes; beyond the end there are no more.
    from: usize,
}

impl<'r, 't> Matches<'r, 't> {
    /// Those behind so many characters.
    fn new(regex: &'r Regex, whole: &'t str, start: usize) -> Matches<'r, 't> {
        let mut ends = whole.char_indices().map(|(byte, _)| byte).chain([whole.len()]);
        Matches { regex, whole, from: ends.nth(start).unwrap_or(whole.len() + 1) }
    }

    /// The first one is number 1.
    fn nth(mut self, number: i64) -> Option<Captures<'t>> {
        std::iter::from_fn(|| self.next()).nth(number as usize - 1)
    }

    fn next(&mut self) -> Option<Captures<'t>> {
        let found = (self.from <= self.whole.len()).then(|| self.regex.captures_at(self.whole, self.from)).flatten()?;
        let place = found.get(0).expect("a match is somewhere");
        let step = |from: usize| self.whole[from..].chars().next().map_or(1, char::len_utf8);
        self.from = if place.is_empty() { place.end() + step(place.end()) } else { place.end() };
        Some(found)
    }
}

/// The groups of a match, the whole of it where the pattern has none.
fn groups(found: &Captures) -> ScalarValue {
    let of = if found.len() > 1 { 1..found.len() } else { 0..1 };
    list(of.map(|group| found.get(group).map(|part| part.as_str().to_owned())))
}

fn list(parts: impl Iterator<Item = Option<String>>) -> ScalarValue {
    let parts: Vec<ScalarValue> = parts.map(ScalarValue::Utf8).collect();
    ScalarValue::List(ScalarValue::new_list(&parts, &DataType::Utf8, true))
}

/// The parts between matches, but for empty ones at an end or behind another.
fn split<'t>(whole: &'t str, regex: &Regex) -> Vec<&'t str> {
    let (mut found, mut end, mut parts) = (Matches::new(regex, whole, 0), 0, Vec::new());
    while let Some(match_) = found.next() {
        let place = match_.get(0).expect("a match is somewhere");
        if place.start() < whole.len() && place.end() > end {
            parts.push(&whole[end..place.start()]);
            end = place.end();
        }
    }
    parts.push(&whole[end..]);
    parts
}

/// `regexp_replace(text, pattern, replacement [, flags])`, or with a start, which match, and flags.
fn replaced(args: &[ScalarValue]) -> Result<ScalarValue> {
    let (whole, replacement) = (subject(args)?, argument(args, 2)?);
    let placed = args.get(3).is_some_and(|fourth| fourth.data_type().is_integer());
    if !placed && args.get(3).and_then(text).is_some_and(|flags| flags.starts_with(|c: char| c.is_ascii_digit())) {
        let words = format!("invalid regular expression option: \"{}\"", argument(args, 3)?);
        let hint = "If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer.";
        return Err(SqlError::new("22023", words).hint(hint).into());
    }
    let flags = flags(args, if placed { 5 } else { 3 })?;
    let all = if flags.global { 0 } else { 1 };
    let only = ranged(args, 4, "n", 0, None, all)? as usize;
    let from = if placed { start(args, 3)? } else { 0 };
    let regex = compiled(&argument(args, 1)?, flags)?;
    let (mut found, mut out, mut copied, mut number) = (Matches::new(&regex, &whole, from), String::new(), 0, 0);
    while let Some(match_) = found.next() {
        number += 1;
        if only == 0 || number == only {
            let place = match_.get(0).expect("a match is somewhere");
            out += &whole[copied..place.start()];
            put(&replacement, &match_, &mut out);
            copied = place.end();
        }
        if number == only {
            break;
        }
    }
    to_text(Some(out + &whole[copied..]))
}

/// Appends what stands for a match: `\1` is a group of it, `\&` the whole.
fn put(replacement: &str, found: &Captures, out: &mut String) {
    let mut letters = replacement.chars().peekable();
    while let Some(letter) = letters.next() {
        let group = match (letter, letters.peek()) {
            ('\\', Some('&')) => Some(0),
            ('\\', Some(digit @ '1'..='9')) => digit.to_digit(10),
            ('\\', Some('\\')) => {
                letters.next();
                None
            }
            _ => None,
        };
        match group {
            Some(group) => {
                letters.next();
                out.push_str(found.get(group as usize).map_or("", |part| part.as_str()));
            }
            None => out.push(letter),
        }
    }
}
