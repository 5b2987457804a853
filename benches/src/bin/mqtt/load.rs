//! Publishers, and connections that only rest.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use tests::mqtt::{Client, Connect, PUBACK};

use super::served::Served;

/// Messages of one connection that are not acknowledged yet.
const IN_FLIGHT: usize = 16;
/// Connections that come in at the same time.
const ENTERING: usize = 100;

#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: usize,
    pub messages: usize,
    /// Readings in one message.
    pub together: usize,
    /// The number of the first reading: each has one of its own.
    pub first: usize,
}

impl Load {
    /// Messages a second until the last is acknowledged.
    pub async fn run(self, address: SocketAddr) -> anyhow::Result<f64> {
        let each = self.messages / self.connections;
        let entering = (0..self.connections).map(|at| async move {
            let version = if at % 2 == 0 { 4 } else { 5 };
            let client = Client::enter(address, &Connect::new(version, &format!("meter {at}"))).await;
            let messages: Vec<Vec<u8>> = (0..each).map(|message| self.message(&client, at, each, message)).collect();
            (client, messages)
        });
        let ready = futures::future::join_all(entering).await;
        let started = Instant::now();
        let publishing: Vec<_> =
            ready.into_iter().map(|(client, messages)| tokio::spawn(publish(client, messages))).collect();
        for publisher in try_join_all(publishing).await? {
            publisher?;
        }
        Ok((each * self.connections) as f64 / started.elapsed().as_secs_f64())
    }

    fn message(&self, client: &Client, connection: usize, each: usize, message: usize) -> Vec<u8> {
        let first = self.first + (connection * each + message) * self.together;
        let reading = |n: usize| format!("{{\"at\": {}, \"power_w\": {}.5, \"volts\": 230.1}}", n, n % 5_000);
        let payload = match self.together {
            1 => reading(first),
            together => {
                let readings: Vec<String> = (first..first + together).map(reading).collect();
                format!("[{}]", readings.join(", "))
            }
        };
        let topic = format!("casa/{connection}/power/1");
        client.publish_bytes(&topic, payload, 1, (message % usize::from(u16::MAX)) as u16 + 1, 0)
    }
}

async fn publish(mut client: Client, messages: Vec<Vec<u8>>) -> anyhow::Result<()> {
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < messages.len() {
        while sent < messages.len() && sent - acknowledged < IN_FLIGHT {
            client.send(&messages[sent]).await?;
            sent += 1;
        }
        let answer = client.receive().await.context("a publisher was disconnected")?;
        ensure!(answer.kind() == PUBACK && answer.body.get(2).is_none_or(|reason| *reason < 0x80), "{answer:?}");
        acknowledged += 1;
    }
    client.leave().await;
    Ok(())
}

/// MiB of the node's memory without connections that rest, and with them.
pub async fn rest(node: &Served, connections: usize) -> anyhow::Result<(f64, f64)> {
    let before = node.memory_mib()?;
    let mut resting = Vec::with_capacity(connections);
    for from in (0..connections).step_by(ENTERING) {
        let entering = (from..connections.min(from + ENTERING))
            .map(|at| async move { Client::enter(node.mqtt, &Connect::new(4, &format!("resting {at}"))).await });
        resting.extend(futures::future::join_all(entering).await);
    }
    let after = node.memory_mib()?;
    drop(resting);
    Ok((before, after))
}
