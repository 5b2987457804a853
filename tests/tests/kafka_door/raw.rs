//! What no client sends: nonsense, requests of the future, many requests at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway::metrics::{KafkaApi, doors};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::harness::{PATIENCE, node};

/// A request as bytes: API, version, correlation id, client "t", body.
pub fn request(api: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(api.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(correlation.to_be_bytes());
    frame.extend([0, 1, b't']);
    frame.extend(body);
    [&(frame.len() as i32).to_be_bytes()[..], &frame].concat()
}

pub async fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let read = async {
        let length = stream.read_i32().await.unwrap();
        let mut answer = vec![0; length as usize];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_closes_its_connection_and_no_other() {
    let node = node().await;
    let mut other = TcpStream::connect(node.address).await.unwrap();
    let billions = request(3, 1, 1, &i32::MAX.to_be_bytes());
    let frames: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &(-1i32).to_be_bytes(),
        &[0, 0, 0, 8, 0x7f, 0xff, 0, 0, 0, 0, 0, 0],
        &request(3, 99, 1, &[]),
        &request(3, 1, 1, &[0, 0, 0, 1]),
        &billions,
    ];
    for frame in frames {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        stream.write_all(frame).await.unwrap();
        let closed = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 100])).await.expect("it is closed");
        assert!(matches!(closed, Ok(0) | Err(_)), "nothing is answered to {frame:?}");
    }
    other.write_all(&request(18, 0, 7, &[])).await.unwrap();
    assert_eq!(answer(&mut other).await[..6], [0, 0, 0, 7, 0, 0]);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_from_the_future_is_told_what_is_served() {
    let node = node().await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    stream.write_all(&request(18, 77, 5, &[1, 2, 3])).await.unwrap();
    let told = answer(&mut stream).await;
    assert_eq!(told[..6], [0, 0, 0, 5, 0, 35], "correlation id and UNSUPPORTED_VERSION");
    assert!(told.windows(6).any(|api| api == [0, 0, 0, 3, 0, 9]), "Produce 3 to 9 is listed");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_answered_in_order() {
    let node = node().await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let counted = || doors().kafka_requests.get_or_create(&KafkaApi { api: "ApiVersions".into() }).get();
    let before = counted();
    let requests: Vec<u8> = (0..50).flat_map(|number| request(18, 0, number, &[])).collect();
    stream.write_all(&requests).await.unwrap();
    for number in 0..50i32 {
        assert_eq!(answer(&mut stream).await[..4], number.to_be_bytes());
    }
    assert!(counted() >= before + 50, "each is counted");
    assert!(doors().kafka_connections.get() >= 1);
    node.end().await;
}

/// Bytes as a request might have them, for a while: small numbers, lengths, zeros, and anything.
fn body(random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < 200 && random.random_bool(0.95) {
        match random.random_range(0..6) {
            0 => body.extend([0; 4]),
            1 => body.extend(random.random_range(-1..3i32).to_be_bytes()),
            2 => body.extend(random.random_range(-1..3i16).to_be_bytes()),
            3 => body.extend([0, 1, b't']),
            4 => body.push(random.random_range(0..4)),
            _ => body.push(random.random()),
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_request_holds_it_is_answered_or_its_connection_ends() {
    let seed = std::env::var("CAUDAL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CAUDAL_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let panics = Arc::new(AtomicUsize::new(0));
    let (counted, before) = (panics.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        counted.fetch_add(1, Ordering::Relaxed);
        before(panic);
    }));
    let node = node().await;
    node.log.ensure_topic("t", 1).await.unwrap();
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    stream.write_all(&request(18, 0, 7, &[])).await.unwrap();
    let told = answer(&mut stream).await;
    let served = told[10..].chunks_exact(6).map(|api| {
        let [api, least, most] = [0, 2, 4].map(|at| i16::from_be_bytes([api[at], api[at + 1]]));
        (api, least..=most)
    });
    let mut sending = JoinSet::new();
    for (api, versions) in served {
        for version in versions {
            let requests: Vec<Vec<u8>> = (0..100).map(|_| request(api, version, 1, &body(&mut random))).collect();
            let address = node.address;
            sending.spawn(async move {
                for request in requests {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let _ = stream.write_all(&request).await;
                    // A group's member may be waited for: then the answer comes when this end is closed.
                    let _ = stream.shutdown().await;
                    let mut said = Vec::new();
                    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
                    read.unwrap_or_else(|_| panic!("seed {seed}: no answer and no end to {request:?}")).ok();
                }
            });
            while sending.len() > 50 {
                sending.join_next().await.unwrap().unwrap();
            }
        }
    }
    sending.join_all().await;
    stream.write_all(&request(18, 0, 8, &[])).await.unwrap();
    assert_eq!(answer(&mut stream).await[..4], [0, 0, 0, 8]);
    assert_eq!(panics.load(Ordering::Relaxed), 0, "seed {seed}");
    node.end().await;
}
