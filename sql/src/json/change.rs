//! Documents made of others.

use super::canonical::canonical;
use super::walk::{Kind, Step, elements, items, kind, members};

/// `left || right`: of two objects the members of both, the right one's where both have a name; else the items of both.
pub fn concatenated(left: &str, right: &str) -> String {
    if (kind(left), kind(right)) == (Kind::Object, Kind::Object) {
        let all = members(left).chain(members(right)).map(|(name, value)| format!("{name}: {value}"));
        let all = format!("{{{}}}", all.collect::<Vec<_>>().join(", "));
        return canonical(&all).expect("members of documents make one");
    }
    array(elements(left).chain(elements(right)))
}

/// `document - name`: an object without the member, an array without the strings that are it; `None` of anything else.
pub fn without_member(document: &str, name: &str) -> Option<String> {
    let step = Step::new(name);
    match kind(document) {
        Kind::Object => {
            let kept = members(document).filter(|(name, _)| !step.is(name));
            let kept: Vec<String> = kept.map(|(name, value)| format!("{name}: {value}")).collect();
            Some(format!("{{{}}}", kept.join(", ")))
        }
        Kind::Array => Some(array(items(document).filter(|item| !step.is(item)))),
        _ => None,
    }
}

/// `document - place`: an array without the item at this place, from 0, or from the end from -1; `None` of anything else.
pub fn without_item(document: &str, place: i64) -> Option<String> {
    if kind(document) != Kind::Array {
        return None;
    }
    let count = items(document).count() as i64;
    let gone = if place < 0 { count.saturating_add(place) } else { place };
    Some(array(items(document).enumerate().filter(|(at, _)| *at as i64 != gone).map(|(_, item)| item)))
}

fn array<'d>(items: impl Iterator<Item = &'d str>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A document without the members that are null, at any depth. Items that are null stay.
pub fn without_nulls(document: &str) -> String {
    match kind(document) {
        Kind::Object => {
            let kept = members(document).filter(|(_, value)| kind(value) != Kind::Null);
            let kept: Vec<String> = kept.map(|(name, value)| format!("{name}: {}", without_nulls(value))).collect();
            format!("{{{}}}", kept.join(", "))
        }
        Kind::Array => {
            let items: Vec<String> = items(document).map(without_nulls).collect();
            array(items.iter().map(String::as_str))
        }
        _ => document.to_owned(),
    }
}
