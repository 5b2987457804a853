//! Documents changed at a path: `jsonb_set`, `jsonb_insert`, `#-`.

use super::canonical::canonical;
use super::walk::{Kind, Step, items, kind, members};
use crate::error::SqlError;

/// What is done where the path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'d> {
    /// Another value in place of what is there; `create`: also where nothing is.
    Set {
        value: &'d str,
        create: bool,
    },
    /// A new item before or behind the one that is there, or a new member.
    Insert {
        value: &'d str,
        after: bool,
    },
    Delete,
}

impl<'d> Change<'d> {
    /// The value that comes where nothing is.
    fn addition(&self) -> Option<&'d str> {
        match *self {
            Change::Set { value, create: true } | Change::Insert { value, .. } => Some(value),
            Change::Set { .. } | Change::Delete => None,
        }
    }
}

/// The document with a change at a path of names and places, as PostgreSQL has it: a part that is not there is made for the last
/// step only. Costs the document's length.
pub fn changed(document: &str, path: &[Option<String>], change: Change) -> Result<String, SqlError> {
    let empty = match kind(document) {
        Kind::Object => members(document).next().is_none(),
        Kind::Array => items(document).next().is_none(),
        _ => {
            let what = if change == Change::Delete { "delete" } else { "set" };
            return Err(SqlError::new("22023", format!("cannot {what} path in scalar")));
        }
    };
    if path.is_empty() || empty && change.addition().is_none() {
        return Ok(document.to_owned());
    }
    let changed = within(document, path, 0, change)?;
    Ok(canonical(&changed).expect("parts of documents make one"))
}

fn within(document: &str, path: &[Option<String>], level: usize, change: Change) -> Result<String, SqlError> {
    let null = || SqlError::new("22004", format!("path element at position {} is null", level + 1));
    let step = path[level].as_ref().ok_or_else(null)?;
    match kind(document) {
        Kind::Object => of_object(document, step, path, level, change),
        Kind::Array => of_array(document, step, path, level, change),
        _ => Ok(document.to_owned()),
    }
}

fn of_object(
    document: &str,
    name: &str,
    path: &[Option<String>],
    level: usize,
    change: Change,
) -> Result<String, SqlError> {
    let (step, last) = (Step::new(name), level + 1 == path.len());
    let (mut kept, mut found) = (Vec::new(), false);
    for (name, value) in members(document) {
        if !step.is(name) {
            kept.push(format!("{name}: {value}"));
            continue;
        }
        found = true;
        match change {
            _ if !last => kept.push(format!("{name}: {}", within(value, path, level + 1, change)?)),
            Change::Delete => {}
            Change::Set { value, .. } => kept.push(format!("{name}: {value}")),
            Change::Insert { .. } => {
                return Err(SqlError::new("22023", "cannot replace existing key")
                    .hint("Try using the function jsonb_set to replace key value."));
            }
        }
    }
    if let (false, true, Some(value)) = (found, last, change.addition()) {
        let mut member = String::new();
        super::write_text(name, &mut member);
        kept.push(format!("{member}: {value}"));
    }
    Ok(format!("{{{}}}", kept.join(", ")))
}

fn of_array(
    document: &str,
    place: &str,
    path: &[Option<String>],
    level: usize,
    change: Change,
) -> Result<String, SqlError> {
    let refused =
        || SqlError::new("22P02", format!("path element at position {} is not an integer: \"{place}\"", level + 1));
    let place: i32 = place.trim_start().parse().map_err(|_| refused())?;
    let (count, last) = (items(document).count(), level + 1 == path.len());
    // Before the first item, behind the last one.
    let at = if place < 0 { count as i64 + i64::from(place) } else { i64::from(place).min(count as i64) };
    let mut kept: Vec<String> = Vec::with_capacity(count + 1);
    let first = change.addition().filter(|_| last && (at < 0 || count == 0));
    kept.extend(first.map(str::to_owned));
    for (number, item) in items(document).enumerate() {
        if number as i64 != at {
            kept.push(item.to_owned());
            continue;
        }
        match change {
            _ if !last => kept.push(within(item, path, level + 1, change)?),
            Change::Delete => {}
            Change::Set { value, .. } => kept.push(value.to_owned()),
            Change::Insert { value, after: false } => kept.extend([value.to_owned(), item.to_owned()]),
            Change::Insert { value, after: true } => kept.extend([item.to_owned(), value.to_owned()]),
        }
    }
    if at == count as i64 && count > 0 {
        kept.extend(change.addition().filter(|_| last).map(str::to_owned));
    }
    Ok(format!("[{}]", kept.join(", ")))
}

/// A document over lines, each container's parts four blanks further in.
pub fn pretty(document: &str) -> String {
    let mut out = String::with_capacity(document.len() * 2);
    lay_out(document, 1, &mut out);
    out
}

fn lay_out(document: &str, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", depth));
    };
    match kind(document) {
        Kind::Object => {
            out.push('{');
            for (at, (name, value)) in members(document).enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                line(depth, out);
                out.push_str(name);
                out.push_str(": ");
                lay_out(value, depth + 1, out);
            }
            line(depth - 1, out);
            out.push('}');
        }
        Kind::Array => {
            out.push('[');
            for (at, item) in items(document).enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                line(depth, out);
                lay_out(item, depth + 1, out);
            }
            line(depth - 1, out);
            out.push(']');
        }
        _ => out.push_str(document),
    }
}
