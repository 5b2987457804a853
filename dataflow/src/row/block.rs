//! A flat run of byte strings: one allocation for the bytes, one for the offsets, none per entry.

/// Byte strings laid end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    bytes: Vec<u8>,
    /// `offsets[i]..offsets[i + 1]` is entry `i`.
    offsets: Vec<usize>,
}

impl Default for Block {
    fn default() -> Block {
        Block { bytes: Vec::new(), offsets: vec![0] }
    }
}

impl Block {
    /// An empty block with room for `entries` of `bytes` in all.
    pub fn with_capacity(entries: usize, bytes: usize) -> Block {
        let mut offsets = Vec::with_capacity(entries + 1);
        offsets.push(0);
        Block { bytes: Vec::with_capacity(bytes), offsets }
    }

    /// Makes room for so many more entries of so many bytes in all.
    pub fn reserve(&mut self, entries: usize, bytes: usize) {
        self.offsets.reserve(entries);
        self.bytes.reserve(bytes);
    }

    /// Entry `i` is `bytes[offsets[i]..offsets[i + 1]]`.
    pub(super) fn from_parts(bytes: Vec<u8>, offsets: Vec<usize>) -> Block {
        debug_assert!(offsets.first() == Some(&0) && offsets.last() == Some(&bytes.len()));
        Block { bytes, offsets }
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: &[u8]) {
        self.bytes.extend_from_slice(entry);
        self.offsets.push(self.bytes.len());
    }

    /// Appends the entry that `write` adds to the end of the bytes; it must not touch what is there already.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        debug_assert!(self.bytes.len() >= *self.offsets.last().unwrap());
        self.offsets.push(self.bytes.len());
    }

    /// Entry `index`; panics when there is none.
    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index]..self.offsets[index + 1]]
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all entries together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Forgets the entries, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.offsets.truncate(1);
    }
}
