//! Consumer groups: who reads which partitions, and how far they have read.
//!
//! [`group`] is one group's membership, in memory as in Kafka: after a restart its members join again. What a group has committed
//! is in the log's journal of offsets. Groups of which nothing is known any more are forgotten.

mod group;
mod message;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka_protocol::ResponseError;
use storage::log::embedded::{Embedded, OffsetChange};
use storage::{LogError, TopicPartition};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

pub use self::group::{Group, State};
pub use self::message::{
    Caller, DescribedMember, Join, JoinOutcome, Joined, JoinedMember, Sync as SyncWith, SyncOutcome,
};
use crate::limits::{
    KAFKA_GROUP_MEMBER_BYTES_MAX, KAFKA_GROUP_MEMBERS_MAX, KAFKA_GROUP_SWEEP_PERIOD, KAFKA_GROUPS_MAX,
    KAFKA_OFFSETS_RETENTION, KAFKA_SESSION_TIMEOUTS,
};

/// What kind of members those are that assign partitions among them.
pub const CONSUMER: &str = "consumer";

/// All groups of the node.
#[derive(Debug)]
pub struct Groups {
    log: Arc<Embedded>,
    by_id: Mutex<HashMap<String, Group>>,
    /// There may be something to do earlier than it was.
    changed: Notify,
    /// Nobody is known to have left before.
    opened: Instant,
}

/// A group as an administrator sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub protocol_type: String,
    pub state: State,
}

/// A group as an administrator sees it alone.
#[derive(Clone, Debug)]
pub struct Described {
    pub state: State,
    pub protocol_type: String,
    pub protocol: String,
    pub members: Vec<DescribedMember>,
}

impl Groups {
    pub fn new(log: Arc<Embedded>) -> Groups {
        Groups { log, by_id: Mutex::default(), changed: Notify::new(), opened: Instant::now() }
    }

    /// Ends sessions and rebalances in time and forgets what is too old. Never returns.
    pub async fn keep_time(&self) {
        let mut sweep = Instant::now() + KAFKA_GROUP_SWEEP_PERIOD;
        loop {
            let next = {
                let mut groups = self.groups();
                let now = Instant::now();
                groups.values_mut().for_each(|group| group.tick(now));
                groups.values().filter_map(Group::next_tick).min().map_or(sweep, |next| next.min(sweep))
            };
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.changed.notified() => {}
            }
            if Instant::now() >= sweep {
                self.sweep().await;
                sweep = Instant::now() + KAFKA_GROUP_SWEEP_PERIOD;
            }
        }
    }

    /// A member joins; the answer comes once all others have, or they had their time.
    pub fn join(&self, id: &str, join: Join) -> oneshot::Receiver<JoinOutcome> {
        let (reply, answer) = oneshot::channel();
        let now = Instant::now();
        let mut groups = self.groups();
        if let Err(error) = check_join(&mut groups, id, &join, now) {
            // The receiver is in our hands.
            let _ = reply.send(Err((error, join.member_id)));
            return answer;
        }
        let name = join.instance.as_ref().unwrap_or(&join.client_id);
        let new_id = format!("{name}-{:032x}", rand::random::<u128>());
        let group = groups.entry(id.to_string()).or_insert_with(|| Group::new(now));
        group.join(join, new_id, now, reply);
        self.changed.notify_one();
        answer
    }

    /// A member asks what it shall read; the answer comes once the leader has said it.
    pub fn sync(&self, id: &str, sync: SyncWith) -> oneshot::Receiver<SyncOutcome> {
        let (reply, answer) = oneshot::channel();
        match self.groups().get_mut(id) {
            _ if id.is_empty() => drop(reply.send(Err(ResponseError::InvalidGroupId))),
            Some(_) if assigned_bytes(&sync) > KAFKA_GROUP_MEMBER_BYTES_MAX => {
                drop(reply.send(Err(ResponseError::InvalidRequest)));
            }
            Some(group) => group.sync(sync, Instant::now(), reply),
            None => drop(reply.send(Err(ResponseError::UnknownMemberId))),
        }
        self.changed.notify_one();
        answer
    }

    /// A member is there.
    pub fn heartbeat(&self, id: &str, caller: &Caller, generation: i32) -> Result<(), ResponseError> {
        self.with(id, |group| group.heartbeat(caller, generation, Instant::now()))
    }

    /// Members leave; one outcome for each.
    pub fn leave(&self, id: &str, callers: &[Caller]) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        let now = Instant::now();
        let outcomes = match self.groups().get_mut(id) {
            Some(group) => callers.iter().map(|caller| group.leave(caller, now)).collect(),
            None => callers.iter().map(|_| Err(ResponseError::UnknownMemberId)).collect(),
        };
        self.changed.notify_one();
        Ok(outcomes)
    }

    /// Whether a member, or somebody who reads without a group's help, may commit offsets now.
    pub fn check_commit(&self, id: &str, caller: &Caller, generation: i32) -> Result<(), ResponseError> {
        if !is_valid_id(id) {
            return Err(ResponseError::InvalidGroupId);
        }
        match self.groups().get_mut(id) {
            Some(group) => group.check_commit(caller, generation, Instant::now()),
            None if generation < 0 => Ok(()),
            None => Err(ResponseError::IllegalGeneration),
        }
    }

    /// Every group that has members or has committed anything.
    pub fn list(&self) -> BTreeMap<String, Listed> {
        let committed = self.log.offsets().groups().into_iter();
        let mut listed: BTreeMap<String, Listed> =
            committed.map(|(id, _)| (id, Listed { protocol_type: String::new(), state: State::Empty })).collect();
        for (id, group) in self.groups().iter() {
            let of = Listed { protocol_type: group.protocol_type().to_string(), state: group.state() };
            listed.insert(id.clone(), of);
        }
        listed
    }

    /// One group; `None` if nothing is known of it.
    pub fn describe(&self, id: &str) -> Option<Described> {
        let groups = self.groups();
        let described = |group: &Group| Described {
            state: group.state(),
            protocol_type: group.protocol_type().to_string(),
            protocol: group.protocol().filter(|_| group.state() == State::Stable).unwrap_or_default().to_string(),
            members: group.describe(),
        };
        let unseen = || Group::new(self.opened);
        let committed = || self.log.offsets().has_group(id).then(unseen);
        groups.get(id).map(described).or_else(|| committed().as_ref().map(described))
    }

    /// Forgets a group and what it committed. Refused while it has members.
    pub async fn delete(&self, id: &str) -> Result<(), Refusal> {
        {
            let mut groups = self.groups();
            match groups.get(id) {
                Some(group) if group.empty_since().is_none() => return Err(ResponseError::NonEmptyGroup.into()),
                Some(_) => drop(groups.remove(id)),
                None if self.log.offsets().has_group(id) => {}
                None => return Err(ResponseError::GroupIdNotFound.into()),
            }
        }
        let gone = self.log.offsets().forgetting(|group, _| group == id);
        Ok(self.log.offsets().change(gone).await?)
    }

    /// Forgets what a group committed for some partitions. Topics that its members read are refused, one by one.
    pub async fn delete_offsets(
        &self,
        id: &str,
        partitions: &[TopicPartition],
        is_read: impl Fn(&Group, &str) -> bool,
    ) -> Result<Vec<Result<(), ResponseError>>, Refusal> {
        let outcomes: Vec<Result<(), ResponseError>> = {
            let groups = self.groups();
            let group = groups.get(id);
            if group.is_none() && !self.log.offsets().has_group(id) {
                return Err(ResponseError::GroupIdNotFound.into());
            }
            if group.is_some_and(|group| group.empty_since().is_none() && group.protocol_type() != CONSUMER) {
                return Err(ResponseError::NonEmptyGroup.into());
            }
            let check = |partition: &TopicPartition| match group {
                Some(group) if is_read(group, &partition.topic) => Err(ResponseError::GroupSubscribedToTopic),
                _ => Ok(()),
            };
            partitions.iter().map(check).collect()
        };
        let allowed = partitions.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        let gone = allowed.map(|(partition, _)| OffsetChange {
            group: id.to_string(),
            partition: partition.clone(),
            committed: None,
        });
        self.log.offsets().change(gone.collect()).await?;
        Ok(outcomes)
    }

    /// Forgets offsets that nobody has asked for as long as Kafka would keep them, and groups that have neither members nor offsets.
    async fn sweep(&self) {
        let now = Instant::now();
        let now_ms = unix_ms();
        let old: Vec<String> = {
            let groups = self.groups();
            let empty_since = |id: &String| match groups.get(id) {
                Some(group) => group.empty_since(),
                None => Some(self.opened),
            };
            let is_old = |(id, last_ms): &(String, i64)| {
                let retention_ms = KAFKA_OFFSETS_RETENTION.as_millis() as i64;
                last_ms.saturating_add(retention_ms) < now_ms
                    && empty_since(id).is_some_and(|since| now - since >= KAFKA_OFFSETS_RETENTION)
            };
            self.log.offsets().groups().into_iter().filter(is_old).map(|(id, _)| id).collect()
        };
        for id in old {
            match self.delete(&id).await {
                Ok(()) => info!(group = id, "offsets of a group that is not used any more forgotten"),
                Err(refusal) => warn!(group = id, ?refusal, "old offsets not forgotten"),
            }
        }
        let offsets = self.log.offsets();
        self.groups().retain(|id, group| group.empty_since().is_none() || offsets.has_group(id));
    }

    fn with<T>(&self, id: &str, work: impl FnOnce(&mut Group) -> Result<T, ResponseError>) -> Result<T, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        self.groups().get_mut(id).ok_or(ResponseError::UnknownMemberId).and_then(work)
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<String, Group>> {
        self.by_id.lock().expect("no holder panics")
    }
}

/// Why something was not done.
#[derive(Debug)]
pub enum Refusal {
    Group(ResponseError),
    Log(LogError),
}

impl Refusal {
    pub fn code(&self) -> i16 {
        match self {
            Refusal::Group(error) => error.code(),
            Refusal::Log(error) => super::error::code(error),
        }
    }
}

impl From<ResponseError> for Refusal {
    fn from(error: ResponseError) -> Refusal {
        Refusal::Group(error)
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Refusal {
        Refusal::Log(error)
    }
}

/// Milliseconds since 1970.
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Refuses what no group takes, and makes room where there are too many groups.
fn check_join(groups: &mut HashMap<String, Group>, id: &str, join: &Join, now: Instant) -> Result<(), ResponseError> {
    if !is_valid_id(id) {
        return Err(ResponseError::InvalidGroupId);
    }
    if !KAFKA_SESSION_TIMEOUTS.contains(&join.session_timeout) {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    let bytes: usize = join.protocols.iter().map(|(name, metadata)| name.len() + metadata.len()).sum();
    if bytes > KAFKA_GROUP_MEMBER_BYTES_MAX {
        return Err(ResponseError::InvalidRequest);
    }
    let is_member = groups.get(id).is_some_and(|group| group.has_member(&join.member_id));
    if !is_member && !join.member_id.is_empty() {
        return Err(ResponseError::UnknownMemberId);
    }
    if !is_member && groups.values().map(Group::size).sum::<usize>() >= KAFKA_GROUP_MEMBERS_MAX {
        return Err(ResponseError::GroupMaxSizeReached);
    }
    if groups.len() >= KAFKA_GROUPS_MAX && !groups.contains_key(id) {
        // What it has committed stays.
        let unused = groups.iter().filter_map(|(id, group)| Some((group.empty_since()?, id)));
        let unused = unused.min().filter(|(since, _)| now - *since > Duration::ZERO).map(|(_, id)| id.clone());
        groups.remove(&unused.ok_or(ResponseError::GroupMaxSizeReached)?);
    }
    Ok(())
}

/// A name that a group can have: as long as Kafka's own strings.
fn is_valid_id(id: &str) -> bool {
    !id.is_empty() && i16::try_from(id.len()).is_ok()
}

fn assigned_bytes(sync: &SyncWith) -> usize {
    sync.assignments.iter().map(|(id, assignment)| id.len() + assignment.len()).max().unwrap_or(0)
}
