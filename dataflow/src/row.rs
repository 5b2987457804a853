//! How a row becomes bytes: an order-preserving key and a compact value, in flat blocks.
//!
//! Both formats are persisted. Their bytes are pinned by golden tests and change only with a new format byte.

mod block;
mod codec;
mod key;
mod value;

pub use block::Block;
pub use codec::{CorruptRow, Decoded, RowCodec};
pub use key::{KeyEncoder, supported};
pub use value::{FORMAT, Value};
