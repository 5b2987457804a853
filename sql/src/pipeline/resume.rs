//! Start: the pipeline goes on from the last commit.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use dataflow::{Engine, Install, RelationId, RowCodec};
use storage::{LogError, TopicPartition};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Shared;
use super::minutes::Minutes;
use super::new_view::NewView;
use super::owner::{Owner, engine_failed, nanos, unreadable};
use super::publisher::Publication;
use crate::catalog::{Catalog, Definition, Entry};
use crate::error::SqlError;
use crate::limits::PARTITIONS_MAX;
use crate::query::{Making, Planned};
use crate::system;

impl Owner {
    /// An owner with all views installed and its place in the log found.
    pub(super) fn resume(
        shared: Arc<Shared>,
        runtime: Handle,
        publications: SyncSender<Publication>,
    ) -> Result<Owner, SqlError> {
        let catalog = Catalog::clone(&shared.catalog());
        let owned = catalog.owned();
        shared.store.sweep(&|relation| owned.contains(&relation))?;
        let clock = catalog.by_id(system::CLOCK).and_then(|entry| entry.relation.as_ref()).expect("the node's own");
        let minutes = Minutes::resume(RowCodec::new(&clock.schema), &shared.store).map_err(unreadable)?;
        let mut owner = Owner::new(shared, runtime, publications, catalog, minutes)?;
        owner.check_positions()?;
        owner.find_partitions()?;
        owner.reinstall()?;
        if owner.engine.reads(system::CLOCK) {
            owner.minutes.start();
        }
        // From here on the log's retention spares what the tables have not read.
        owner.shared.log.consumed(&owner.read_positions());
        Ok(owner)
    }

    /// Positions beyond the log's end mean that the log is not the one that the store was made from.
    fn check_positions(&self) -> Result<(), SqlError> {
        for (partition, &offset) in &self.positions {
            if self.catalog.table_of_topic(&partition.topic).is_none() {
                continue;
            }
            let (start, end) = self.runtime.block_on(self.shared.log.bounds(partition))?;
            let place = format!("topic {} partition {}", partition.topic, partition.partition);
            if offset > end {
                let words = format!("{place}: the tables have events up to {offset}, and the log ends at {end}");
                return Err(SqlError::new("XX001", words)
                    .hint("Put the log back that belongs to these tables, or start with an empty data directory."));
            }
            if offset < start {
                let words = format!("{place}: the log begins at {start}, and events from {offset} on were never read");
                return Err(SqlError::new("XX001", words)
                    .hint("Put the log back that belongs to these tables, or start with an empty data directory."));
            }
        }
        Ok(())
    }

    /// Partitions that topics have been given since, as they may be in a cluster: they are read from where they begin.
    fn find_partitions(&mut self) -> Result<(), SqlError> {
        let log = self.shared.log.clone();
        let topics: BTreeSet<Arc<str>> = self.read_positions().into_iter().map(|read| read.partition.topic).collect();
        for topic in topics {
            for number in 0..PARTITIONS_MAX {
                let partition = TopicPartition { topic: topic.clone(), partition: number };
                if self.positions.contains_key(&partition) {
                    continue;
                }
                match self.runtime.block_on(log.bounds(&partition)) {
                    Ok((start, _)) => drop(self.positions.insert(partition, start)),
                    Err(LogError::UnknownPartition(_)) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// A new engine with the views of the last commit. A view whose plan comes out differently, and what reads it, is not
    /// among them: it is built anew beside the others, and is not served before.
    pub(super) fn reinstall(&mut self) -> Result<(), SqlError> {
        let mut stale: BTreeSet<RelationId> = BTreeSet::new();
        self.engine = Engine::timed(Rc::new(self.shared.store.clone()), self.now_ms, nanos);
        for entry in self.catalog.materialized() {
            let view = entry.materialized().expect("it is a materialized view");
            if reads(&self.catalog, &entry, &|read| stale.contains(&read.id())) {
                stale.insert(entry.id());
                continue;
            }
            let mut states = view.states.iter().copied();
            // A plan that needs more than was recorded is another plan: these numbers then end with its fingerprint.
            let mut beyond = self.catalog.clone();
            let mut next = || states.next().unwrap_or_else(|| beyond.allocate());
            let index = entry.index_columns();
            let making = Making { query: &view.query, index: index.as_deref(), as_of: view.as_of };
            match self.plan_view(entry.name(), making, entry.id(), &mut next) {
                Ok(planned) if planned.fingerprint == view.fingerprint => {
                    self.engine.install(self.epoch, planned.view, Install::Resumed).map_err(engine_failed)?;
                }
                _ => drop(stale.insert(entry.id())),
            }
        }
        self.shared.queries.fills.withhold(stale.clone());
        let views: Vec<Arc<Entry>> = self.catalog.materialized();
        views.iter().filter(|view| stale.contains(&view.id())).for_each(|view| self.rebuild(view));
        self.next_view()
    }

    /// Has a view filled again under new numbers, when its turn comes; the old ones go with the same commit.
    fn rebuild(&mut self, entry: &Entry) {
        let name = entry.name().to_owned();
        tracing::info!(view = name, "its plan has changed: it is built again");
        if reads(&self.catalog, entry, &Entry::is_stream) {
            tracing::warn!(view = name, "it reads a stream: it counts what the log still has");
        }
        let view = entry.materialized().expect("it is a materialized view");
        let new = NewView {
            name: entry.name().to_owned(),
            if_not_exists: false,
            or_replace: true,
            sql: entry.sql.clone(),
            query: view.query.clone(),
            reads: self.without_indexes(&view.reads),
            as_of: Some(view.as_of),
            index: entry.index_columns(),
            alert: view.alert.clone(),
        };
        let (reply, answer) = oneshot::channel();
        self.wait_for_turn(new, reply);
        self.runtime.spawn(async move {
            if let Ok(Err(error)) = answer.await {
                tracing::error!(view = name, "it is not served, as it could not be built again: {error}");
            }
        });
    }

    /// What a view reads itself: which indexes it finds rows by is decided when it is planned.
    fn without_indexes(&self, reads: &BTreeSet<String>) -> BTreeSet<String> {
        let is_index = |name: &&String| self.catalog.get(name).is_some_and(|read| read.index().is_some());
        reads.iter().filter(|name| !is_index(name)).cloned().collect()
    }

    /// Plans a view over the catalogue of the last commit.
    pub(super) fn plan_view(
        &self,
        name: &str,
        making: Making,
        id: RelationId,
        next: &mut (dyn FnMut() -> RelationId + Send),
    ) -> Result<Planned, SqlError> {
        let catalog = Arc::new(self.catalog.clone());
        self.runtime.block_on(self.shared.queries.planned(&catalog, making, name, id, next))
    }
}

/// Whether a view reads one of those that `which` says, itself or through plain views.
fn reads(catalog: &Catalog, entry: &Entry, which: &dyn Fn(&Entry) -> bool) -> bool {
    let read = entry.reads().iter().filter_map(|name| catalog.get(name));
    read.into_iter()
        .any(|read| which(read) || (matches!(read.definition, Definition::View(_)) && reads(catalog, read, which)))
}
