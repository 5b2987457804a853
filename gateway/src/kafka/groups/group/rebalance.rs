//! The two steps of a rebalance: all join again, then the leader says who is to read what.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::member::Member;
use super::{Group, State, send};

impl Group {
    /// The others go on without those who have gone.
    pub(super) fn after_removal(&mut self, now: Instant) {
        match self.state {
            State::Stable | State::CompletingRebalance => self.rebalance(now),
            State::PreparingRebalance => self.complete_if_joined(now),
            State::Empty => {}
        }
    }

    /// Begins a rebalance, or goes on with the one that is being prepared.
    pub(super) fn rebalance(&mut self, now: Instant) {
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

    pub(super) fn complete_if_joined(&mut self, now: Instant) {
        let all = self.pending.is_empty() && self.members.values().all(Member::is_joining);
        if self.state == State::PreparingRebalance && all {
            self.complete_join(now);
        }
    }

    /// Begins a generation with those who have joined.
    pub(super) fn complete_join(&mut self, now: Instant) {
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

    /// Gives everybody what the leader has them read.
    pub(super) fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
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
}

/// Generations count from 1 and never become negative.
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}
