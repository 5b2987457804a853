//! Snapshots and iterators of RocksDB that keep their database open.
//!
//! The crate's own borrow from the database, which keeps them on one stack. A reader keeps a snapshot across threads, so
//! here each travels with an [`Arc`] of the database it came from.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rocksdb::{DBRawIterator, ReadOptions};

use super::rocks::Rocks;

/// Something that RocksDB made, and the database that it points into.
pub(super) struct Held<T> {
    /// Dropped first: fields are dropped in the order of their declaration.
    made: T,
    rocks: Arc<Rocks>,
}

/// A state of the database that does not change.
pub(super) type HeldSnapshot = Held<rocksdb::Snapshot<'static>>;
/// A walk through a column family.
pub(super) type HeldIterator = Held<DBRawIterator<'static>>;

impl<T> Held<T> {
    /// `make` must keep the reference in nothing but what it returns.
    fn new(rocks: Arc<Rocks>, make: impl FnOnce(&'static Rocks) -> T) -> Held<T> {
        // SAFETY: the reference lives as long as the allocation that the Arc shares, and `rocks` holds it until after `made`,
        // the only keeper of the reference, is dropped. Moving the Held moves the Arc's pointer, not what it points to, and
        // nothing has mutable access to a Rocks in an Arc. `new` is private: its two callers are below.
        let borrowed: &'static Rocks = unsafe { &*Arc::as_ptr(&rocks) };
        Held { made: make(borrowed), rocks }
    }

    /// The database that this keeps open.
    pub(super) fn rocks(&self) -> &Arc<Rocks> {
        &self.rocks
    }
}

impl HeldSnapshot {
    /// The state as written now.
    pub(super) fn take(rocks: &Arc<Rocks>) -> HeldSnapshot {
        Held::new(rocks.clone(), |rocks| rocks.db.snapshot())
    }

    /// Options to read this state with.
    pub(super) fn read_options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.made);
        options
    }
}

impl HeldIterator {
    /// A walk through the bounds that `options` have. A snapshot in `options` must outlive the walk's creation only: an
    /// iterator pins what it reads.
    pub(super) fn start(rocks: &Arc<Rocks>, family: &str, options: ReadOptions) -> HeldIterator {
        Held::new(rocks.clone(), |rocks| rocks.db.raw_iterator_cf_opt(rocks.family(family), options))
    }
}

impl Deref for HeldIterator {
    type Target = DBRawIterator<'static>;

    fn deref(&self) -> &Self::Target {
        &self.made
    }
}

impl DerefMut for HeldIterator {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.made
    }
}
