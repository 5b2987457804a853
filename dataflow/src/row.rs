//! How a row becomes bytes: an order-preserving key and a compact value, in flat blocks.
//!
//! Both formats are persisted. Their bytes are pinned by golden tests and change only with a new format byte.

mod added;
mod block;
mod builder;
mod changelog;
mod codec;
mod column;
mod key;
mod list;
mod native;
mod order;
mod value;
pub mod varint;

pub(crate) use added::first_columns;
pub use added::{added, is_added};
pub use block::Block;
pub use changelog::FORMAT as CHANGELOG_FORMAT;
pub use codec::{CorruptRow, Decoded, RowCodec};
pub use column::{canonical, supported};
pub use key::{KeyDecoder, KeyEncoder};
pub use native::canonical_f64;
pub use order::sorted_order;
pub use value::{FORMAT, Value, ValueWriter};
