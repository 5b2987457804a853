//! Those who wait to hear what became of the events that they appended.
//!
//! An interest is registered before the append, so that no event can pass unseen between the two.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage::{Position, TopicPartition};
use tokio::sync::Notify;

use super::table::Verdict;
use crate::error::SqlError;
use crate::limits::OUTCOME_REASONS_MAX;
use crate::session::Outcomes;

/// Reasons beyond the bound are summed up under this one.
const OTHER_REASONS: &str = "other reasons";

/// All interests, by topic.
#[derive(Debug, Default)]
pub struct Interests {
    by_topic: Mutex<HashMap<Arc<str>, Vec<Arc<Shared>>>>,
}

/// One waiter. Dropping it ends the interest.
pub struct Interest {
    interests: Arc<Interests>,
    topic: Arc<str>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// What became of events while their positions are not known yet.
    early: Vec<(TopicPartition, u64, Verdict)>,
    /// Positions not heard of; `None` until the append has returned.
    open: Option<HashSet<(TopicPartition, u64)>>,
    outcomes: Outcomes,
    /// The pipeline has ended.
    failed: Option<SqlError>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Interests {
    /// Registers an interest in events that are about to be appended to a topic.
    pub fn register(self: &Arc<Self>, topic: &Arc<str>) -> Interest {
        let shared = Arc::new(Shared::default());
        lock(&self.by_topic).entry(topic.clone()).or_default().push(shared.clone());
        Interest { interests: self.clone(), topic: topic.clone(), shared }
    }

    /// Whether anybody waits for events of a topic.
    pub fn any(&self, topic: &str) -> bool {
        lock(&self.by_topic).contains_key(topic)
    }

    /// Tells what became of events that are published now.
    pub fn published(&self, verdicts: Vec<(TopicPartition, u64, Verdict)>) {
        let mut by_topic: BTreeMap<Arc<str>, Vec<(TopicPartition, u64, Verdict)>> = BTreeMap::new();
        for verdict in verdicts {
            by_topic.entry(verdict.0.topic.clone()).or_default().push(verdict);
        }
        for (topic, verdicts) in by_topic {
            let waiters = lock(&self.by_topic).get(&topic).cloned().unwrap_or_default();
            waiters.iter().for_each(|shared| shared.hear(&verdicts));
        }
    }

    /// Tells all who wait that nothing more will be published.
    pub fn fail(&self, error: &SqlError) {
        for shared in lock(&self.by_topic).values().flatten() {
            lock(&shared.waiting).failed = Some(error.clone());
            shared.changed.notify_one();
        }
    }
}

impl Interest {
    /// Waits until the events at these positions are published.
    pub async fn outcomes(self, positions: Vec<Position>) -> Result<Outcomes, SqlError> {
        let open = positions.into_iter().map(|position| (position.partition, position.offset)).collect();
        let early = {
            let mut waiting = lock(&self.shared.waiting);
            waiting.open = Some(open);
            std::mem::take(&mut waiting.early)
        };
        self.shared.hear(&early);
        loop {
            let changed = self.shared.changed.notified();
            {
                let mut waiting = lock(&self.shared.waiting);
                if waiting.open.as_ref().is_some_and(HashSet::is_empty) {
                    return Ok(std::mem::take(&mut waiting.outcomes));
                }
                if let Some(error) = &waiting.failed {
                    return Err(error.clone());
                }
            }
            changed.await;
        }
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut by_topic = lock(&self.interests.by_topic);
        if let Some(waiters) = by_topic.get_mut(&self.topic) {
            waiters.retain(|shared| !Arc::ptr_eq(shared, &self.shared));
            if waiters.is_empty() {
                by_topic.remove(&self.topic);
            }
        }
    }
}

impl Shared {
    fn hear(&self, verdicts: &[(TopicPartition, u64, Verdict)]) {
        let mut waiting = lock(&self.waiting);
        let Waiting { early, open, outcomes, .. } = &mut *waiting;
        match open {
            None => early.extend_from_slice(verdicts),
            Some(open) => {
                for (partition, offset, verdict) in verdicts {
                    if open.remove(&(partition.clone(), *offset)) {
                        outcomes.add(verdict);
                    }
                }
            }
        }
        self.changed.notify_one();
    }
}

impl Outcomes {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Taken => self.taken += 1,
            Verdict::Corrected => self.corrected += 1,
            Verdict::Unchanged => self.unchanged += 1,
            Verdict::Deleted => self.deleted += 1,
            Verdict::Quarantined(reason) => self.add_quarantined(&reason.0, 1),
        }
    }

    fn add_quarantined(&mut self, reason: &str, count: u64) {
        let known = self.quarantined.len() < OUTCOME_REASONS_MAX || self.quarantined.contains_key(reason);
        *self.quarantined.entry(if known { reason } else { OTHER_REASONS }.to_owned()).or_default() += count;
    }

    /// Adds what became of further events.
    pub fn merge(&mut self, other: Outcomes) {
        self.taken += other.taken;
        self.corrected += other.corrected;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        other.quarantined.iter().for_each(|(reason, count)| self.add_quarantined(reason, *count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Reason;

    fn at(offset: u64) -> Position {
        Position { partition: TopicPartition { topic: "t".into(), partition: 0 }, offset }
    }

    fn verdict(offset: u64, verdict: Verdict) -> (TopicPartition, u64, Verdict) {
        (at(offset).partition, offset, verdict)
    }

    #[tokio::test]
    async fn a_waiter_hears_of_its_own_events_even_when_they_are_faster_than_its_append() {
        let interests = Arc::new(Interests::default());
        let topic: Arc<str> = "t".into();
        let interest = interests.register(&topic);
        interests.published(vec![verdict(1, Verdict::Taken), verdict(2, Verdict::Corrected)]);
        interests.published(vec![verdict(3, Verdict::Quarantined(Reason("bad".to_owned())))]);
        let outcomes = interest.outcomes(vec![at(2), at(3)]).await.unwrap();
        assert_eq!((outcomes.taken, outcomes.corrected, outcomes.quarantined["bad"]), (0, 1, 1));
        assert!(!interests.any("t"));
    }

    #[tokio::test]
    async fn a_waiter_is_told_when_the_pipeline_ends() {
        let interests = Arc::new(Interests::default());
        let topic: Arc<str> = "t".into();
        let interest = interests.register(&topic);
        interests.fail(&SqlError::new("58030", "the disk is gone"));
        assert_eq!(interest.outcomes(vec![at(0)]).await.unwrap_err().sqlstate, "58030");
    }
}
