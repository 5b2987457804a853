//! A consumer group: its members, and how they come to agree on who reads what.
//!
//! A rebalance has two steps. While it is prepared every member joins again; then the leader is told who they are and
//! sends what each is to read. Time and new names come in as arguments; who waits is answered over its channel.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::message::{
    Caller, DescribedMember, Join, JoinOutcome, Joined, JoinedMember, Reply, Sync, SyncOutcome, Synced,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

#[derive(Debug)]
struct Member {
    instance: Option<String>,
    client_id: String,
    client_host: String,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    protocols: Vec<(String, Bytes)>,
    assignment: Bytes,
    /// When it is out, unless it is heard of before.
    expires: Instant,
    joining: Option<Reply<JoinOutcome>>,
    syncing: Option<Reply<SyncOutcome>>,
    /// It has joined this generation and not asked for its assignment yet.
    owes_sync: bool,
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

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
        let mut assignments: BTreeMap<String, Bytes> = assignments.into_iter().collect();
        (self.state, self.step_ends) = (State::Stable, None);
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let assignment = assignments.remove(&id).unwrap_or_default();
            let synced = self.synced(assignment.clone());
            let member = self.members.get_mut(&id).expect("it is one of them");
            member.assignment = assignment;
            member.owes_sync = false;
            if let Some(waiting) = member.syncing.take() {
                send(waiting, Ok(synced));
                self.touch(&id, now);
            }
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

    fn identify(&mut self, join: &Join, new_id: String, now: Instant) -> Result<Known, (ResponseError, String)> {
        let refused = |error| Err((error, join.member_id.clone()));
        if !self.suits(join) {
            return refused(ResponseError::InconsistentGroupProtocol);
        }
        if join.member_id.is_empty() {
            return match &join.instance {
                Some(instance) => match self.instances.get(instance) {
                    Some(old) => Ok(Known::Returning { old: old.clone(), new: new_id }),
                    None => Ok(Known::New(new_id)),
                },
                None if join.confirms_id => {
                    self.pending.insert(new_id.clone(), now + join.session_timeout);
                    Err((ResponseError::MemberIdRequired, new_id))
                }
                None => Ok(Known::New(new_id)),
            };
        }
        if join.instance.is_none() && self.pending.remove(&join.member_id).is_some() {
            return Ok(Known::New(join.member_id.clone()));
        }
        let caller = Caller { member_id: join.member_id.clone(), instance: join.instance.clone() };
        match self.check_member(&caller) {
            Ok(()) => Ok(Known::Member),
            Err(error) => refused(error),
        }
    }

    /// Whether the member is of the group's kind and shares a way to assign with all others.
    fn suits(&self, join: &Join) -> bool {
        let same_kind = self.members.is_empty() || self.protocol_type == join.protocol_type;
        let shared = |(name, _): &(String, Bytes)| {
            let mut others = self.members.iter().filter(|(id, _)| **id != join.member_id);
            others.all(|(_, other)| other.knows(name))
        };
        same_kind && !join.protocol_type.is_empty() && join.protocols.iter().any(shared)
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

    fn add(&mut self, id: String, join: Join, now: Instant, reply: Reply<JoinOutcome>) {
        if self.members.is_empty() {
            self.protocol_type = join.protocol_type;
        }
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        let member = Member {
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols,
            assignment: Bytes::new(),
            expires: now + join.session_timeout,
            joining: Some(reply),
            syncing: None,
            owes_sync: false,
        };
        self.members.insert(id, member);
    }

    fn update(&mut self, id: &str, join: Join, reply: Reply<JoinOutcome>) {
        let member = self.members.get_mut(id).expect("it is a member");
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        member.protocols = join.protocols;
        member.joining = Some(reply);
    }

    /// A static member comes back under a new id. Whoever had the old one is fenced. Where the group is stable and the member
    /// says what it said before, it has its place again and nobody else notices.
    fn replace(&mut self, old: &str, new: String, join: Join, now: Instant, reply: Reply<JoinOutcome>) {
        let mut before = self.members.remove(old).expect("static members are members");
        if let Some(waiting) = before.joining.take() {
            send(waiting, Err((ResponseError::FencedInstanceId, old.to_string())));
        }
        if let Some(waiting) = before.syncing.take() {
            send(waiting, Err(ResponseError::FencedInstanceId));
        }
        let was_leader = self.leader.as_deref() == Some(old);
        if was_leader {
            self.leader = Some(new.clone());
        }
        let same = before.protocols == join.protocols;
        let skips_assignment = join.skips_assignment;
        self.add(new.clone(), join, now, reply);
        let member = self.members.get_mut(&new).expect("it was just added");
        member.assignment = before.assignment;
        if self.state != State::Stable || !same {
            return self.rebalance(now);
        }
        let reply = member.joining.take().expect("it was just added");
        let mut joined = self.joined(&new);
        if was_leader && skips_assignment {
            joined.skip_assignment = true;
        } else if was_leader {
            // A leader would assign anew; told that another leads, it only asks for what it had.
            (joined.leader, joined.members) = (old.to_string(), Vec::new());
        }
        send(reply, Ok(joined));
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

    fn after_removal(&mut self, now: Instant) {
        match self.state {
            State::Stable | State::CompletingRebalance => self.rebalance(now),
            State::PreparingRebalance => self.complete_if_joined(now),
            State::Empty => {}
        }
    }

    /// Begins a rebalance, or goes on with the one that is being prepared.
    fn rebalance(&mut self, now: Instant) {
        for member in self.members.values_mut() {
            if let Some(waiting) = member.syncing.take() {
                send(waiting, Err(ResponseError::RebalanceInProgress));
            }
            member.owes_sync = false;
        }
        if self.state != State::PreparingRebalance {
            self.state = State::PreparingRebalance;
            self.step_ends = Some(now + self.rebalance_timeout());
        }
        self.complete_if_joined(now);
    }

    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    fn complete_if_joined(&mut self, now: Instant) {
        let all = self.pending.is_empty() && self.members.values().all(Member::is_joining);
        if self.state == State::PreparingRebalance && all {
            self.complete_join(now);
        }
    }

    /// Begins a generation with those who have joined.
    fn complete_join(&mut self, now: Instant) {
        // A static member may be on its way back until its session ends; the others had their time.
        let late = self.members.iter().filter(|(_, member)| !member.is_joining() && member.instance.is_none());
        let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
        late.iter().for_each(|id| self.remove(id));
        if self.members.is_empty() {
            self.generation = next_generation(self.generation);
            (self.state, self.step_ends, self.protocol, self.leader) = (State::Empty, None, None, None);
            self.empty_since = now;
            return;
        }
        self.step_ends = Some(now + self.rebalance_timeout());
        let Some(first) = self.members.iter().find(|(_, member)| member.is_joining()).map(|(id, _)| id.clone()) else {
            return;
        };
        self.generation = next_generation(self.generation);
        self.state = State::CompletingRebalance;
        self.protocol = Some(self.choose_protocol());
        let leads = |id: &String| self.members.get(id).is_some_and(Member::is_joining);
        self.leader = Some(self.leader.take().filter(leads).unwrap_or(first));
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let member = self.members.get_mut(&id).expect("it is one of them");
            let Some(waiting) = member.joining.take() else { continue };
            member.owes_sync = true;
            let joined = self.joined(&id);
            send(waiting, Ok(joined));
            self.touch(&id, now);
        }
    }

    /// Of the ways to assign that all know, the one that most prefer.
    fn choose_protocol(&self) -> String {
        let shared = |name: &str| self.members.values().all(|member| member.knows(name));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| shared(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
        most.map(|(name, _)| name.to_string()).expect("who shares nothing with the others is not let in")
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

/// What a member that joins is to the group.
enum Known {
    New(String),
    /// A static member whose place has this old id.
    Returning {
        old: String,
        new: String,
    },
    Member,
}

impl Member {
    fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(known, _)| known == protocol)
    }

    /// It has joined and still listens for the answer.
    fn is_joining(&self) -> bool {
        self.joining.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Nothing can be heard of it while it waits for us.
    fn is_waiting(&self) -> bool {
        self.is_joining() || self.syncing.as_ref().is_some_and(|reply| !reply.is_closed())
    }
}

/// Generations count from 1 and never become negative.
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}

/// Whoever asked may have gone.
fn send<T>(reply: Reply<T>, outcome: T) {
    let _ = reply.send(outcome);
}
