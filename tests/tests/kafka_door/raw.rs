//! What no client sends: nonsense, requests of the future, many requests at once.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    let requests: Vec<u8> = (0..50).flat_map(|number| request(18, 0, number, &[])).collect();
    stream.write_all(&requests).await.unwrap();
    for number in 0..50i32 {
        assert_eq!(answer(&mut stream).await[..4], number.to_be_bytes());
    }
    node.end().await;
}
