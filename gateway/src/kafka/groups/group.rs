//! A consumer group: its members, and how they come to agree on who reads what.
//!
//! A rebalance has two steps. While it is prepared every member joins again; then the leader is told who they are and
//! sends what each is to read. Time and new names come in as arguments; who waits is answered over its channel.

mod entering;
mod member;
mod rebalance;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::message::{
    Caller, DescribedMember, Join, JoinOutcome, Joined, JoinedMember, Reply, Sync, SyncOutcome, Synced,
};
use entering::Known;
use member::Member;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

#[derive(Debug)]
pub struct Group {
    state: State,
    generation: i32,
    protocol_type: String,
    /// The way to assign that was chosen.
    protocol: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// Static members' ids by their names.
    instances: BTreeMap<String, String>,
    /// Ids that were given out and not yet used, and when they are forgotten.
    pending: BTreeMap<String, Instant>,
    /// When the present step of a rebalance ends for those who are late.
    step_ends: Option<Instant>,
    empty_since: Instant,
}

impl Group {
    pub fn new(now: Instant) -> Group {
        Group {
            state: State::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            step_ends: None,
            empty_since: now,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Members and ids given out for members to come.
    pub fn size(&self) -> usize {
        self.members.len() + self.pending.len()
    }

    /// Since when nobody is in it; `None` while somebody is.
    pub fn empty_since(&self) -> Option<Instant> {
        (self.state == State::Empty && self.pending.is_empty()).then_some(self.empty_since)
    }

    pub fn has_member(&self, id: &str) -> bool {
        self.members.contains_key(id) || self.pending.contains_key(id)
    }

    /// Takes a member in. The answer comes once all have joined, or at once.
    pub fn join(&mut self, join: Join, new_id: String, now: Instant, reply: Reply<JoinOutcome>) {
        let known = match self.identify(&join, new_id, now) {
            Ok(known) => known,
            Err(refused) => return send(reply, Err(refused)),
        };
        match known {
            Known::New(id) => {
                self.add(id, join, now, reply);
                self.rebalance(now);
            }
            Known::Returning { old, new } => self.replace(&old, new, join, now, reply),
            Known::Member => {
                let id = join.member_id.clone();
                let is_leader = self.leader.as_ref() == Some(&id);
                let same = self.members[&id].protocols == join.protocols;
                // One that says nothing new may have missed the answer; a leader that joins again wants a new assignment.
                let answer_lost = match self.state {
                    State::CompletingRebalance => same,
                    State::Stable => same && !is_leader,
                    State::Empty | State::PreparingRebalance => false,
                };
                self.touch(&id, now);
                if answer_lost {
                    return send(reply, Ok(self.joined(&id)));
                }
                self.update(&id, join, reply);
                self.rebalance(now);
            }
        }
    }

    /// Gives a member its assignment: the leader's brings everybody's, the others wait for it.
    pub fn sync(&mut self, sync: Sync, now: Instant, reply: Reply<SyncOutcome>) {
        if let Err(error) = self.check_sync(&sync) {
            return send(reply, Err(error));
        }
        let id = sync.member.member_id;
        self.touch(&id, now);
        let member = self.members.get_mut(&id).expect("it was checked");
        member.owes_sync = false;
        if self.state == State::Stable {
            let assignment = member.assignment.clone();
            return send(reply, Ok(self.synced(assignment)));
        }
        member.syncing = Some(reply);
        if self.leader.as_ref() == Some(&id) {
            self.assign(sync.assignments, now);
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ResponseError> {
        self.check(&sync.member, sync.generation)?;
        let differs = |said: &Option<String>, is: &str| said.as_ref().is_some_and(|said| said != is);
        if differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol, self.protocol.as_deref().unwrap_or_default())
        {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    /// A member is there, and learns whether it has to join again.
    pub fn heartbeat(&mut self, caller: &Caller, generation: i32, now: Instant) -> Result<(), ResponseError> {
        self.check(caller, generation)?;
        self.touch(&caller.member_id, now);
        match self.state {
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether offsets may be committed. A negative generation is that of a consumer that is no member of any group.
    pub fn check_commit(&mut self, caller: &Caller, generation: i32, now: Instant) -> Result<(), ResponseError> {
        if generation < 0 && self.state == State::Empty && caller.instance.is_none() {
            return Ok(());
        }
        self.check(caller, generation)?;
        self.touch(&caller.member_id, now);
        match self.state {
            State::CompletingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// A member goes. An administrator may name a static one without its id.
    pub fn leave(&mut self, caller: &Caller, now: Instant) -> Result<(), ResponseError> {
        if self.pending.remove(&caller.member_id).is_some() {
            self.complete_if_joined(now);
            return Ok(());
        }
        let id = match &caller.instance {
            Some(instance) if caller.member_id.is_empty() => {
                self.instances.get(instance).cloned().ok_or(ResponseError::UnknownMemberId)?
            }
            _ => {
                self.check_member(caller)?;
                caller.member_id.clone()
            }
        };
        self.remove(&id);
        self.after_removal(now);
        Ok(())
    }

    /// Lets those go who were not heard of, and ends a step of the rebalance that is over.
    pub fn tick(&mut self, now: Instant) {
        self.pending.retain(|_, forgotten| *forgotten > now);
        let waiting: Vec<String> =
            self.members.iter().filter(|(_, member)| member.is_waiting()).map(|(id, _)| id.clone()).collect();
        waiting.iter().for_each(|id| self.touch(id, now));
        let gone: Vec<String> =
            self.members.iter().filter(|(_, member)| member.expires <= now).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.remove(id));
        if !gone.is_empty() {
            self.after_removal(now);
        }
        self.complete_if_joined(now);
        if self.step_ends.is_some_and(|ends| ends <= now) {
            match self.state {
                State::PreparingRebalance => self.complete_join(now),
                State::CompletingRebalance => {
                    let late = self.members.iter().filter(|(_, member)| member.owes_sync);
                    let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
                    late.iter().for_each(|id| self.remove(id));
                    self.rebalance(now);
                }
                State::Empty | State::Stable => self.step_ends = None,
            }
        }
    }

    /// When [`Group::tick`] has something to do next.
    pub fn next_tick(&self) -> Option<Instant> {
        let expiring = self.members.values().map(|member| member.expires);
        expiring.chain(self.pending.values().copied()).chain(self.step_ends).min()
    }

    /// The members as an administrator sees them: what they read is known while the group is stable.
    pub fn describe(&self) -> Vec<DescribedMember> {
        let stable = self.state == State::Stable;
        let described = |(id, member): (&String, &Member)| DescribedMember {
            member_id: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if stable { self.metadata(member) } else { Bytes::new() },
            assignment: if stable { member.assignment.clone() } else { Bytes::new() },
        };
        self.members.iter().map(described).collect()
    }

    /// What every member said of itself, whatever way to assign it is for.
    pub fn metadata_of_all(&self) -> impl Iterator<Item = &Bytes> {
        self.members.values().flat_map(|member| member.protocols.iter().map(|(_, metadata)| metadata))
    }

    fn check(&self, caller: &Caller, generation: i32) -> Result<(), ResponseError> {
        self.check_member(caller)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        Ok(())
    }

    fn check_member(&self, caller: &Caller) -> Result<(), ResponseError> {
        if let Some(instance) = &caller.instance {
            match self.instances.get(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(id) if *id != caller.member_id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.members.contains_key(&caller.member_id) {
            true => Ok(()),
            false => Err(ResponseError::UnknownMemberId),
        }
    }

    fn remove(&mut self, id: &str) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = None;
        }
        if let Some(waiting) = member.joining {
            send(waiting, Err((ResponseError::UnknownMemberId, id.to_string())));
        }
        if let Some(waiting) = member.syncing {
            send(waiting, Err(ResponseError::UnknownMemberId));
        }
    }

    fn joined(&self, id: &str) -> Joined {
        let leader = self.leader.clone().expect("a generation has a leader");
        let everybody = self.members.iter().map(|(id, member)| JoinedMember {
            member_id: id.clone(),
            instance: member.instance.clone(),
            metadata: self.metadata(member),
        });
        Joined {
            member_id: id.to_string(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone().expect("a generation has a protocol"),
            members: if leader == id { everybody.collect() } else { Vec::new() },
            leader,
            skip_assignment: false,
        }
    }

    fn synced(&self, assignment: Bytes) -> Synced {
        let protocol = self.protocol.clone().expect("a generation has a protocol");
        Synced { protocol_type: self.protocol_type.clone(), protocol, assignment }
    }

    fn metadata(&self, member: &Member) -> Bytes {
        let chosen = member.protocols.iter().find(|(name, _)| Some(name) == self.protocol.as_ref());
        chosen.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    fn touch(&mut self, id: &str, now: Instant) {
        if let Some(member) = self.members.get_mut(id) {
            member.expires = now + member.session_timeout;
        }
    }
}

/// Whoever asked may have gone.
fn send<T>(reply: Reply<T>, outcome: T) {
    let _ = reply.send(outcome);
}
