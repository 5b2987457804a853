//! Whether a document has another within it.

use super::walk::{Kind, Step, elements, items, kind, member, members};

/// `document @> part`: every member of `part` is one of the document with a value that contains its own, every item of `part`
/// is contained in some item of the document; scalars are equal. An array contains a scalar that is one of its items.
pub fn contains(document: &str, part: &str) -> bool {
    match (kind(document), kind(part)) {
        (Kind::Array, Kind::Array) => items(part).all(|part| items(document).any(|item| within(item, part))),
        (Kind::Array, Kind::Object) => false,
        (Kind::Array, _) => items(document).any(|item| same(item, part)),
        _ => within(document, part),
    }
}

/// Below the top an array contains no scalar.
fn within(document: &str, part: &str) -> bool {
    match (kind(document), kind(part)) {
        (Kind::Object, Kind::Object) => members(part)
            .all(|(name, part)| members(document).any(|(known, value)| known == name && within(value, part))),
        (Kind::Array, Kind::Array) => items(part).all(|part| items(document).any(|item| within(item, part))),
        (Kind::Object | Kind::Array, _) | (_, Kind::Object | Kind::Array) => false,
        _ => same(document, part),
    }
}

/// Whether two scalars are equal: of numbers, zeros at the end of a fraction do not count.
fn same(left: &str, right: &str) -> bool {
    left == right
        || (kind(left), kind(right)) == (Kind::Number, Kind::Number) && significant(left) == significant(right)
}

fn significant(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

/// `document ? name`: it has a member of this name, or an item that is this string, or is it.
pub fn has(document: &str, name: &str) -> bool {
    let step = Step::new(name);
    match kind(document) {
        Kind::Object => member(document, &step).is_some(),
        _ => elements(document).any(|item| step.is(item)),
    }
}
