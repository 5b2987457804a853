//! How large relations are, as the store tells: what `pg_total_relation_size` and its like ask.

use std::fmt;
use std::sync::{Arc, Weak};

use dataflow::RelationId;

use crate::error::SqlError;
use crate::limits::RELATION_ROWS_COUNTED;
use crate::pipeline::Shared;
use crate::scan::DEFAULT_TENANT;

/// Keeps no store open: a statement may outlast it.
#[derive(Clone, Default)]
pub struct Sizes(Weak<Shared>);

impl Sizes {
    pub fn of(shared: &Arc<Shared>) -> Sizes {
        Sizes(Arc::downgrade(shared))
    }

    /// Bytes of relations, counted where they are small and estimated where they are large; none without a store.
    pub fn bytes(&self, relations: impl IntoIterator<Item = RelationId>) -> Result<Option<i64>, SqlError> {
        let Some(shared) = self.0.upgrade() else { return Ok(None) };
        let reader = shared.store.snapshot().scoped(DEFAULT_TENANT);
        let mut bytes = 0;
        for relation in relations {
            let extent = reader.extent(relation, RELATION_ROWS_COUNTED);
            bytes +=
                extent.map_err(|error| SqlError::new("XX001", format!("a relation cannot be read: {error}")))?.bytes;
        }
        Ok(i64::try_from(bytes).ok())
    }
}

impl fmt::Debug for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Sizes")
    }
}
