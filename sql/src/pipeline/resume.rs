//! Start: the pipeline goes on from the last commit.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use dataflow::{Engine, Install, RelationId};
use storage::{LogError, TopicPartition};
use tokio::runtime::Handle;

use super::Shared;
use super::define::NewView;
use super::fill::Filler;
use super::owner::{Owner, engine_failed};
use super::publisher::Publication;
use crate::catalog::{Catalog, Entry};
use crate::error::SqlError;
use crate::limits::PARTITIONS_MAX;
use crate::query::Planned;

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
        let mut owner = Owner::new(shared, runtime, publications, catalog);
        owner.check_positions()?;
        owner.find_partitions()?;
        owner.reinstall()?;
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

    /// A new engine with the views of the last commit. A view whose plan comes out differently is built anew.
    pub(super) fn reinstall(&mut self) -> Result<(), SqlError> {
        self.engine = Engine::new(Rc::new(self.shared.store.clone()), self.now_ms);
        for entry in self.catalog.materialized() {
            let view = entry.materialized().expect("it is a materialized view");
            let mut states = view.states.iter().copied();
            // A plan that needs more than was recorded is another plan: these numbers then end with its fingerprint.
            let mut beyond = self.catalog.clone();
            let mut next = || states.next().unwrap_or_else(|| beyond.allocate());
            let planned = self.plan_view(entry.name(), &view.query, view.as_of, entry.id(), &mut next)?;
            if planned.fingerprint == view.fingerprint {
                self.engine.install(self.epoch, planned.view, Install::Resumed).map_err(engine_failed)?;
            } else {
                self.rebuild(&entry)?;
            }
        }
        Ok(())
    }

    /// Fills a view again under new numbers; the old ones go with the same commit.
    fn rebuild(&mut self, entry: &Entry) -> Result<(), SqlError> {
        tracing::info!(view = entry.name(), "its plan has changed: it is built again");
        let view = entry.materialized().expect("it is a materialized view");
        let new = NewView {
            name: entry.name().to_owned(),
            if_not_exists: false,
            or_replace: true,
            sql: entry.sql.clone(),
            query: view.query.clone(),
            reads: view.reads.clone(),
            as_of: Some(view.as_of),
        };
        let numbered = self.number(new)?;
        let progress = self.shared.queries.fills.begin(entry.name(), self.shared.now_ms());
        let mut filler = Filler::new(self.task(&numbered, progress.clone())?)?;
        filler.fill()?;
        filler.catch_up()?;
        self.shared.queries.fills.end(entry.name(), &progress);
        let worked = self.introduce(numbered, filler.last()?)?;
        self.commit_definition(worked, None)
    }

    /// Plans a view's query over the catalogue of the last commit, as of a moment.
    pub(super) fn plan_view(
        &self,
        name: &str,
        query: &str,
        as_of: u32,
        id: RelationId,
        next: &mut dyn FnMut() -> RelationId,
    ) -> Result<Planned, SqlError> {
        let catalog = Arc::new(self.catalog.clone());
        let queries = &self.shared.queries;
        let logical = self.runtime.block_on(queries.logical(&catalog.as_of(as_of), query))?;
        queries.materialized(&catalog, &logical, name, id, next)
    }
}
