//! A group agrees whatever its members do, and whenever.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{self, Receiver};

use super::*;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(30);

fn joining(member_id: &str, instance: Option<&str>) -> Join {
    Join {
        member_id: member_id.into(),
        instance: instance.map(str::to_string),
        client_id: "c".into(),
        client_host: "/h".into(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"t"))],
        confirms_id: true,
        skips_assignment: true,
    }
}

fn syncing(joined: &Joined) -> Sync {
    let everybody = joined.members.iter();
    Sync {
        member: Caller { member_id: joined.member_id.clone(), instance: None },
        generation: joined.generation,
        protocol_type: None,
        protocol: None,
        assignments: everybody.map(|member| (member.member_id.clone(), mark(joined.generation))).collect(),
    }
}

/// The assignment of a generation, by which it is known again.
fn mark(generation: i32) -> Bytes {
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

/// Joins as a client does: once more with the id that it was given.
fn join(group: &mut Group, id: &str, now: Instant) -> Receiver<JoinOutcome> {
    let (reply, mut answer) = oneshot::channel();
    group.join(joining("", None), id.into(), now, reply);
    assert_eq!(answer.try_recv().unwrap(), Err((ResponseError::MemberIdRequired, id.into())));
    rejoin(group, id, now)
}

fn rejoin(group: &mut Group, id: &str, now: Instant) -> Receiver<JoinOutcome> {
    let (reply, answer) = oneshot::channel();
    group.join(joining(id, None), "unused".into(), now, reply);
    answer
}

fn sync(group: &mut Group, joined: &Joined, now: Instant) -> Receiver<SyncOutcome> {
    let (reply, answer) = oneshot::channel();
    group.sync(syncing(joined), now, reply);
    answer
}

fn beat(group: &mut Group, id: &str, generation: i32, now: Instant) -> Result<(), ResponseError> {
    group.heartbeat(&Caller { member_id: id.into(), instance: None }, generation, now)
}

/// A group in which `a` leads and `b` follows, and their generation.
fn of_two(now: Instant) -> (Group, i32) {
    let mut group = Group::new(now);
    let first = join(&mut group, "a", now).try_recv().unwrap().unwrap();
    assert_eq!((first.generation, &*first.leader, first.members.len()), (1, "a", 1));
    let mut second = join(&mut group, "b", now);
    assert_eq!(second.try_recv(), Err(TryRecvError::Empty), "the first has to join again");
    assert_eq!(beat(&mut group, "a", 1, now), Err(ResponseError::RebalanceInProgress));
    let first = rejoin(&mut group, "a", now).try_recv().unwrap().unwrap();
    let second = second.try_recv().unwrap().unwrap();
    assert_eq!((first.members.len(), second.members.len(), &*second.leader), (2, 0, "a"));
    let mut waiting = sync(&mut group, &second, now);
    assert_eq!(waiting.try_recv(), Err(TryRecvError::Empty));
    for mut synced in [sync(&mut group, &first, now), waiting] {
        assert_eq!(synced.try_recv().unwrap().unwrap().assignment, mark(first.generation));
    }
    assert_eq!(group.state(), State::Stable);
    (group, first.generation)
}

#[tokio::test]
async fn who_is_not_heard_of_is_out_and_the_others_join_again() {
    let now = Instant::now();
    let (mut group, generation) = of_two(now);
    let later = now + SESSION - Duration::from_secs(1);
    assert_eq!(beat(&mut group, "b", generation, later), Ok(()));
    assert_eq!(group.next_tick(), Some(now + SESSION));
    group.tick(now + SESSION);
    assert_eq!(beat(&mut group, "a", generation, now + SESSION), Err(ResponseError::UnknownMemberId));
    assert_eq!(beat(&mut group, "b", generation, now + SESSION), Err(ResponseError::RebalanceInProgress));
    let joined = rejoin(&mut group, "b", now + SESSION).try_recv().unwrap().unwrap();
    assert_eq!((&*joined.leader, joined.generation), ("b", generation + 1));
    assert_eq!(beat(&mut group, "b", generation, now + SESSION), Err(ResponseError::IllegalGeneration));
}

#[tokio::test]
async fn who_does_not_join_again_or_does_not_assign_in_time_is_out() {
    let now = Instant::now();
    let (mut group, _) = of_two(now);
    let mut third = join(&mut group, "c", now);
    let mut second = rejoin(&mut group, "b", now);
    // The leader is heard of all the time and still does not join.
    for seconds in 1..30 {
        let now = now + Duration::from_secs(seconds);
        group.tick(now);
        assert!(beat(&mut group, "a", 2, now).is_err());
        assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
    }
    let ended = now + REBALANCE;
    group.tick(ended);
    let second = second.try_recv().unwrap().unwrap();
    assert_eq!((&*second.leader, second.members.len()), ("b", 2));
    let third = third.try_recv().unwrap().unwrap();
    let mut waiting = sync(&mut group, &third, ended);
    for seconds in 1..30 {
        let now = ended + Duration::from_secs(seconds);
        assert_eq!(beat(&mut group, "b", second.generation, now), Ok(()));
        group.tick(now);
        assert_eq!(waiting.try_recv(), Err(TryRecvError::Empty));
    }
    group.tick(ended + REBALANCE);
    assert_eq!(waiting.try_recv().unwrap(), Err(ResponseError::RebalanceInProgress));
    assert_eq!(beat(&mut group, "b", second.generation, ended + REBALANCE), Err(ResponseError::UnknownMemberId));
}

#[tokio::test]
async fn an_id_that_is_given_out_and_not_used_is_waited_for_no_longer_than_a_session() {
    let now = Instant::now();
    let (mut group, _) = of_two(now);
    let (reply, _answer) = oneshot::channel();
    group.join(joining("", None), "lost".into(), now, reply);
    let (mut first, mut second) = (rejoin(&mut group, "a", now), rejoin(&mut group, "b", now));
    // The leader joined again of its own accord, so there is a rebalance; it waits for the lost one.
    assert_eq!((first.try_recv(), second.try_recv()), (Err(TryRecvError::Empty), Err(TryRecvError::Empty)));
    group.tick(now + SESSION);
    assert_eq!(first.try_recv().unwrap().unwrap().members.len(), 2);
    assert!(second.try_recv().unwrap().is_ok());
}

#[tokio::test]
async fn a_static_member_fences_who_had_its_name_before() {
    let now = Instant::now();
    let mut group = Group::new(now);
    let mut enter = |id: &str| {
        let (reply, mut answer) = oneshot::channel();
        group.join(joining("", Some("name")), id.into(), now, reply);
        answer.try_recv().unwrap().unwrap()
    };
    let old = enter("old");
    let new = enter("new");
    assert_eq!((&*new.leader, new.generation), ("new", old.generation + 1), "the first had not assigned yet");
    let caller = |id: &str| Caller { member_id: id.into(), instance: Some("name".into()) };
    assert_eq!(group.heartbeat(&caller("old"), old.generation, now), Err(ResponseError::FencedInstanceId));
    assert_eq!(group.check_commit(&caller("old"), old.generation, now), Err(ResponseError::FencedInstanceId));
    assert_eq!(group.leave(&Caller { member_id: String::new(), instance: Some("name".into()) }, now), Ok(()));
    assert_eq!(group.state(), State::Empty);
}

#[tokio::test]
async fn members_that_share_no_way_to_assign_are_not_let_in() {
    let now = Instant::now();
    let (mut group, _) = of_two(now);
    for other in [
        Join { protocols: vec![("sticky".into(), Bytes::new())], ..joining("", None) },
        Join { protocol_type: "connect".into(), ..joining("", None) },
        Join { protocols: Vec::new(), ..joining("", None) },
    ] {
        let (reply, mut answer) = oneshot::channel();
        group.join(other, "d".into(), now, reply);
        assert_eq!(answer.try_recv().unwrap(), Err((ResponseError::InconsistentGroupProtocol, String::new())));
    }
    assert_eq!(group.state(), State::Stable);
}

/// A client that keeps to the protocol, and may be gone at any moment.
#[derive(Default)]
struct Client {
    id: String,
    joining: Option<Receiver<JoinOutcome>>,
    syncing: Option<Receiver<SyncOutcome>>,
    joined: Option<Joined>,
    assignment: Option<Bytes>,
}

impl Client {
    /// Does what a client does next.
    fn step(&mut self, group: &mut Group, new_id: String, now: Instant) {
        if let Some(answer) = &mut self.joining {
            match answer.try_recv() {
                Ok(Ok(joined)) => {
                    self.id = joined.member_id.clone();
                    let (reply, answer) = oneshot::channel();
                    group.sync(syncing(&joined), now, reply);
                    (self.joining, self.syncing, self.joined) = (None, Some(answer), Some(joined));
                }
                Ok(Err((error, id))) => self.again(error, id),
                Err(_) => {}
            }
        } else if let Some(answer) = &mut self.syncing {
            match answer.try_recv() {
                Ok(Ok(synced)) => (self.syncing, self.assignment) = (None, Some(synced.assignment)),
                Ok(Err(error)) => self.again(error, self.id.clone()),
                Err(_) => {}
            }
        } else if let Some(joined) = &self.joined {
            if let Err(error) = beat(group, &self.id, joined.generation, now) {
                self.again(error, self.id.clone());
            }
        } else {
            let (reply, answer) = oneshot::channel();
            group.join(joining(&self.id, None), new_id, now, reply);
            self.joining = Some(answer);
        }
    }

    fn again(&mut self, error: ResponseError, id: String) {
        let id = if error == ResponseError::UnknownMemberId { String::new() } else { id };
        *self = Client { id, ..Client::default() };
    }
}

#[tokio::test]
async fn members_that_come_and_go_at_random_agree_once_they_are_left_alone() {
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..200 {
        let start = Instant::now();
        let mut now = start;
        let mut group = Group::new(now);
        let mut clients: Vec<Client> = Vec::new();
        let mut ids = 0;
        let mut generation = 0;
        for step in 0..400 {
            let left_alone = step >= 200;
            now += Duration::from_millis(random.random_range(0..2_000));
            group.tick(now);
            match random.random_range(0..10) {
                0 if !left_alone && clients.len() < 5 => clients.push(Client::default()),
                1 if !left_alone && !clients.is_empty() => {
                    let gone = clients.swap_remove(random.random_range(0..clients.len()));
                    if random.random_bool(0.5) {
                        let _ = group.leave(&Caller { member_id: gone.id, instance: None }, now);
                    }
                }
                _ => {}
            }
            for client in &mut clients {
                if left_alone || random.random_bool(0.7) {
                    ids += 1;
                    client.step(&mut group, format!("m{ids}"), now);
                }
                if let (Some(joined), Some(assignment)) = (&client.joined, &client.assignment) {
                    assert_eq!(*assignment, mark(joined.generation), "it is the assignment of its own generation");
                }
            }
            assert!(group.generation >= generation, "generations only go on");
            generation = group.generation;
        }
        let expected = if clients.is_empty() { State::Empty } else { State::Stable };
        assert_eq!(group.state(), expected, "seed {seed}");
        assert_eq!(group.describe().len(), clients.len(), "seed {seed}");
        let leaders = clients.iter().filter(|client| client.joined.as_ref().unwrap().leader == client.id).count();
        assert_eq!(leaders, usize::from(!clients.is_empty()), "seed {seed}");
        assert!(clients.iter().all(|client| client.joined.as_ref().unwrap().generation == group.generation));
    }
}
