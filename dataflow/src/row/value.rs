//! The value codec: format byte, flags, null bitmap, fixed-width columns, variable ones, the operator's state tail.

/// The format byte of values written today.
pub const FORMAT: u8 = 1;

/// A stored value taken apart: its row, if it has one, and its state tail.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// Whether readers see a row here. An operator's state can outlive its row, a tombstone never has one.
    pub visible: bool,
    /// What the operator keeps with the row.
    pub tail: &'a [u8],
}
