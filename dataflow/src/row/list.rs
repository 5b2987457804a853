//! Lists of values of one type as bytes: each value in the key codec, end to end.
//!
//! So lists are in the order of their first values that differ, and one that another begins with comes before that.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::FieldRef;

use super::codec::CorruptRow;
use super::column::{ByteValues, canonical};
use super::{KeyDecoder, KeyEncoder};

/// The bytes of every list.
pub(super) fn encode(lists: &ListArray) -> ByteValues {
    let ends = lists.value_offsets();
    let (first, last) = (ends[0] as usize, ends[lists.len()] as usize);
    let items = lists.values().slice(first, last - first);
    let items = KeyEncoder::new(&[lists.value_type()]).encode_arrays(&[items], last - first);
    let mut offsets = Vec::with_capacity(lists.len() + 1);
    let mut bytes = Vec::with_capacity(items.byte_len());
    offsets.push(0);
    for end in &ends[1..] {
        let from = offsets.len() - 1;
        (ends[from]..*end).for_each(|item| bytes.extend_from_slice(items.get(item as usize - first)));
        offsets.push(i32::try_from(bytes.len()).expect("less than 2 GiB of lists in one batch"));
    }
    ByteValues { offsets: OffsetBuffer::new(offsets.into()), bytes: Buffer::from_vec(bytes) }
}

/// The lists that these bytes are, one after the other.
pub(super) fn decode(
    offsets: &[i32],
    bytes: &[u8],
    item: &FieldRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, CorruptRow> {
    let decoder = KeyDecoder::new(std::slice::from_ref(item.data_type()));
    let mut items = Vec::new();
    let mut lengths = Vec::with_capacity(offsets.len());
    for ends in offsets.windows(2) {
        let mut list = &bytes[ends[0] as usize..ends[1] as usize];
        let before = items.len();
        while !list.is_empty() {
            let (one, rest) = list.split_at(decoder.prefix_len(list, 1)?);
            items.push(one);
            list = rest;
        }
        lengths.push(items.len() - before);
    }
    let values = decoder.decode(items.into_iter())?.remove(0);
    Ok(Arc::new(ListArray::new(item.clone(), OffsetBuffer::from_lengths(lengths), values, nulls)))
}

/// The same lists with canonical values.
pub(super) fn canonical_lists(lists: &ListArray) -> Option<ArrayRef> {
    let values = canonical(lists.values());
    if Arc::ptr_eq(&values, lists.values()) {
        return None;
    }
    let arrow::datatypes::DataType::List(item) = lists.data_type() else { unreachable!("it is a list") };
    Some(Arc::new(ListArray::new(item.clone(), lists.offsets().clone(), values, lists.nulls().cloned())))
}
