//! Who joins a group: somebody new, one of its members, or a static member that comes back.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::member::Member;
use super::{Group, State, send};
use crate::kafka::groups::message::{Caller, Join, JoinOutcome, Reply};

/// What a member that joins is to the group.
pub enum Known {
    New(String),
    /// A static member whose place has this old id.
    Returning {
        old: String,
        new: String,
    },
    Member,
}

impl Group {
    pub(super) fn identify(
        &mut self,
        join: &Join,
        new_id: String,
        now: Instant,
    ) -> Result<Known, (ResponseError, String)> {
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

    pub(super) fn add(&mut self, id: String, join: Join, now: Instant, reply: Reply<JoinOutcome>) {
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

    pub(super) fn update(&mut self, id: &str, join: Join, reply: Reply<JoinOutcome>) {
        let member = self.members.get_mut(id).expect("it is a member");
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        member.protocols = join.protocols;
        member.joining = Some(reply);
    }

    /// A static member comes back under a new id. Whoever had the old one is fenced. Where the group is stable and the member
    /// says what it said before, it has its place again and nobody else notices.
    pub(super) fn replace(&mut self, old: &str, new: String, join: Join, now: Instant, reply: Reply<JoinOutcome>) {
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
}
