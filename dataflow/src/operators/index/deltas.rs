//! An epoch's changes of items, such as the values of one column: for each group, which come and go.

use arrow::array::{Array, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, take};

use crate::changes::Changes;
use crate::operators::groups::Groups;
use crate::row::{Block, KeyEncoder};

/// How often an item comes (more than 0) or goes (less).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delta {
    pub(crate) group: u32,
    /// Position in [`Deltas::items`].
    pub(crate) item: u32,
    pub(crate) net: i64,
}

/// Which values of each group matter.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// The least value inserted into groups that only gain rows.
    pub(crate) least: bool,
    /// The greatest value inserted into groups that only gain rows.
    pub(crate) greatest: bool,
    /// All values of all groups.
    pub(crate) all: bool,
}

/// Changes of items, consolidated, ascending by group and item.
pub(crate) struct Deltas {
    pub(crate) items: Block,
    pub(crate) deltas: Vec<Delta>,
}

impl Deltas {
    /// The changes of the values in the column at `place`, NULLs left out. Of a group that only gains rows there are, unless
    /// all are wanted, only its extremes.
    pub(crate) fn of(input: &Changes, place: usize, groups: &Groups, wanted: Wanted) -> Deltas {
        let column = input.rows.column(place);
        let rows = if wanted.all {
            (0..input.len() as u32).filter(|&row| column.is_valid(row as usize)).collect()
        } else {
            candidates(input, column, groups, wanted)
        };
        let rows = UInt32Array::from(rows);
        let values = take(column, &rows, None).expect("positions within the rows");
        let encoder = KeyEncoder::new(&[column.data_type().clone()]);
        let values = encoder.encode_arrays(&[values], rows.len());
        Deltas::consolidated(input, groups, values, rows.values())
    }

    /// The changes of items, of which `items` has one for each of the `rows` of the input.
    pub(crate) fn consolidated(input: &Changes, groups: &Groups, items: Block, rows: &[u32]) -> Deltas {
        let mut deltas: Vec<Delta> = (rows.iter().enumerate())
            .map(|(item, &row)| Delta {
                group: groups.of_row[row as usize],
                item: item as u32,
                net: input.diffs[row as usize],
            })
            .collect();
        let bytes = |delta: &Delta| items.get(delta.item as usize);
        deltas.sort_unstable_by(|a, b| a.group.cmp(&b.group).then_with(|| bytes(a).cmp(bytes(b))));
        let same = |a: &Delta, b: &Delta| a.group == b.group && bytes(a) == bytes(b);
        let nets = deltas.chunk_by(same).map(|run| Delta { net: run.iter().map(|delta| delta.net).sum(), ..run[0] });
        let deltas = nets.filter(|delta| delta.net != 0).collect();
        Deltas { items, deltas }
    }

    /// The deltas of each group that has any, ascending.
    pub(crate) fn by_group(&self) -> impl Iterator<Item = &[Delta]> {
        self.deltas.chunk_by(|left, right| left.group == right.group)
    }

    /// The item that a delta is about.
    pub(crate) fn bytes(&self, delta: &Delta) -> &[u8] {
        self.items.get(delta.item as usize)
    }
}

/// The rows that can matter: all of the groups that lose a row, and of the others the extremes inserted.
fn candidates(input: &Changes, column: &dyn Array, groups: &Groups, wanted: Wanted) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let mut loses = vec![false; groups.len()];
    for (row, &group) in groups.of_row.iter().enumerate() {
        loses[group as usize] |= input.diffs[row] < 0;
    }
    let compare = make_comparator(column, column, SortOptions { descending: false, nulls_first: false })
        .expect("values of a supported type");
    let mut rows = Vec::with_capacity(2 * groups.len());
    let (mut least, mut greatest) = (vec![NONE; groups.len()], vec![NONE; groups.len()]);
    for (row, &group) in groups.of_row.iter().enumerate() {
        let group = group as usize;
        if column.is_null(row) {
            continue;
        }
        if loses[group] {
            rows.push(row as u32);
            continue;
        }
        if wanted.least && (least[group] == NONE || compare(row, least[group] as usize).is_lt()) {
            least[group] = row as u32;
        }
        if wanted.greatest && (greatest[group] == NONE || compare(row, greatest[group] as usize).is_gt()) {
            greatest[group] = row as u32;
        }
    }
    for (least, greatest) in least.into_iter().zip(greatest) {
        rows.extend((least != NONE).then_some(least));
        rows.extend((greatest != NONE && greatest != least).then_some(greatest));
    }
    rows
}
