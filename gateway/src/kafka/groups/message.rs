//! What members of a group say and are told.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;

/// What a member says of itself when it joins.
#[derive(Clone, Debug)]
pub struct Join {
    /// Empty for one that was not here before.
    pub member_id: String,
    /// The name of a static member: it keeps its place when it comes back within its session.
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    /// What kind of members these are, such as `consumer`.
    pub protocol_type: String,
    /// Ways to assign that it knows, the preferred one first, each with what the leader must know for it.
    pub protocols: Vec<(String, Bytes)>,
    /// A new member comes again with the id that it is given, so that one whose answer is lost is not waited for.
    pub confirms_id: bool,
    /// As a leader it can be told that the assignment stands.
    pub skips_assignment: bool,
}

/// What a member is told once all have joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub member_id: String,
    pub generation: i32,
    pub protocol_type: String,
    pub protocol: String,
    pub leader: String,
    /// For the leader: everybody.
    pub members: Vec<JoinedMember>,
    pub skip_assignment: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member_id: String,
    pub instance: Option<String>,
    pub metadata: Bytes,
}

/// What a member is told once the leader has assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: String,
    pub protocol: String,
    pub assignment: Bytes,
}

/// What a member says to get its assignment, the leader with everybody's.
#[derive(Clone, Debug)]
pub struct Sync {
    pub member: Caller,
    pub generation: i32,
    /// As the member believes; `None` if its version does not say.
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub assignments: Vec<(String, Bytes)>,
}

/// Who a member says that it is.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub member_id: String,
    pub instance: Option<String>,
}

/// An error, with the id that the member shall use.
pub type JoinOutcome = Result<Joined, (ResponseError, String)>;
pub type SyncOutcome = Result<Synced, ResponseError>;
pub type Reply<T> = oneshot::Sender<T>;

/// A member as an administrator sees it.
#[derive(Clone, Debug)]
pub struct DescribedMember {
    pub member_id: String,
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub metadata: Bytes,
    pub assignment: Bytes,
}
