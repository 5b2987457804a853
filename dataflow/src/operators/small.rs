//! Encoded bytes that own themselves, in place where they are short.

/// Bytes that fit in place, so that holding and moving most rows and values allocates nothing.
const INLINE: usize = 24;

/// An encoded row, key or value.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl Row {
    pub(crate) fn new(bytes: &[u8]) -> Row {
        if bytes.len() > INLINE {
            return Row::Heap(bytes.into());
        }
        let mut inline = [0; INLINE];
        inline[..bytes.len()].copy_from_slice(bytes);
        Row::Inline { len: bytes.len() as u8, bytes: inline }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Row::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Row::Heap(bytes) => bytes,
        }
    }
}

impl Row {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Row {}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Row) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Row) -> std::cmp::Ordering {
        self.bytes().cmp(other.bytes())
    }
}
