//! What is published to a broker of others, as rows of a table.
//!
//! The broker keeps what comes while the node is away (a session that lasts, QoS 1), and sends again what was not acknowledged. So nothing is
//! lost, and what comes twice is a row once where the table has a key.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, Outgoing, Packet, Publish, QoS, SubscribeReasonCode};
use sql::bridge::{Bridge, Broker};
use sql::feed::{self, Pattern};
use sql::{Database, SqlError};
use storage::Event as LogEvent;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Down;
use super::connection;
use crate::cbor;
use crate::limits::{BRIDGE_CONNECT_TIMEOUT, BRIDGE_MESSAGES_MAX, BRIDGE_REFUSED_BYTES_MAX};

/// How long a broker may take to confirm a subscription.
const SUBSCRIBE_TIMEOUT: Duration = BRIDGE_CONNECT_TIMEOUT;

/// What comes from a broker.
enum Came {
    Connected,
    Subscribed(SubscribeReasonCode),
    Message(Publish),
    Ended(Down),
}

/// Feeds a table until something goes wrong.
pub(super) async fn run(database: &Arc<Database>, bridge: &Bridge, table: &str, topics: &Pattern) -> Down {
    match feed(database, bridge, table, topics).await {
        Ok(never) => match never {},
        Err(down) => down,
    }
}

async fn feed(
    database: &Arc<Database>,
    bridge: &Bridge,
    table: &str,
    topics: &Pattern,
) -> Result<std::convert::Infallible, Down> {
    let (client, events) = connection::client(&bridge.broker, false)?;
    let (sender, mut came) = mpsc::channel(BRIDGE_MESSAGES_MAX);
    // It ends with this function.
    let mut polling = JoinSet::new();
    polling.spawn(poll(events, sender));
    let ended = || Down("the connection has ended".to_owned());
    match came.recv().await {
        Some(Came::Connected) => {}
        Some(Came::Ended(down)) => return Err(down),
        _ => return Err(ended()),
    }
    // Whatever the broker remembers: it may have lost the last one. What it retains comes once more, and is no change where
    // the table has a key.
    client.subscribe(topics.filter(), QoS::AtLeastOnce).await.map_err(|_| ended())?;
    let states = database.bridge_states();
    let mut batch = Vec::new();
    let mut subscribed = false;
    loop {
        let receiving = came.recv_many(&mut batch, BRIDGE_MESSAGES_MAX);
        let count = match subscribed {
            true => receiving.await,
            false => timeout(SUBSCRIBE_TIMEOUT, receiving)
                .await
                .map_err(|_| Down("the broker does not answer the subscription".to_owned()))?,
        };
        if count == 0 {
            return Err(ended());
        }
        let mut messages = Vec::with_capacity(count);
        let mut down = None;
        for came in batch.drain(..) {
            match came {
                Came::Message(message) => messages.push(message),
                Came::Subscribed(SubscribeReasonCode::Success(_)) => {
                    subscribed = true;
                    states.change(bridge.number, |state| state.connected_since_ms = Some(database.now_ms()));
                    tracing::info!(source = bridge.name, broker = %bridge.broker.address, "a source is connected");
                }
                Came::Subscribed(SubscribeReasonCode::Failure) => {
                    down = Some(Down(format!("the broker refuses the subscription to {}", topics.filter())));
                }
                Came::Connected => {}
                Came::Ended(why) => down = Some(why),
            }
        }
        if !messages.is_empty() {
            keep(database, table, topics, &messages).await?;
            states.change(bridge.number, |state| {
                state.messages += messages.len() as u64;
                state.last_message_ms = Some(database.now_ms());
            });
            acknowledge(&client, &messages).await.map_err(|_| ended())?;
        }
        if let Some(down) = down {
            return Err(down);
        }
    }
}

/// Moves what a connection says into a queue, which makes the broker wait when it is full.
async fn poll(mut events: EventLoop, sender: mpsc::Sender<Came>) {
    loop {
        let came = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => Came::Connected,
            Ok(Event::Incoming(Packet::SubAck(answer))) => match answer.return_codes.first() {
                Some(code) => Came::Subscribed(*code),
                None => Came::Subscribed(SubscribeReasonCode::Failure),
            },
            Ok(Event::Incoming(Packet::Publish(message))) => Came::Message(message),
            Ok(_) => continue,
            Err(error) => {
                // Whoever listened may have gone.
                let _ = sender.send(Came::Ended(error.into())).await;
                return;
            }
        };
        if sender.send(came).await.is_err() {
            return;
        }
    }
}

/// Puts messages into the log, durable on return.
async fn keep(database: &Database, table: &str, topics: &Pattern, messages: &[Publish]) -> Result<(), Down> {
    let down = |error: SqlError| Down(format!("the node cannot keep what comes: {}", error.message));
    let all: Vec<LogEvent> = messages.iter().flat_map(|message| events(database, table, topics, message)).collect();
    match database.append(table, all).await {
        Ok(_) => Ok(()),
        // One that the log never takes must not come again and again.
        Err(error) if error.sqlstate == TOO_LARGE => {
            for message in messages {
                match database.append(table, events(database, table, topics, message)).await {
                    Ok(_) => {}
                    Err(error) if error.sqlstate == TOO_LARGE => {
                        let shown = &message.payload[..message.payload.len().min(BRIDGE_REFUSED_BYTES_MAX)];
                        let shown = String::from_utf8_lossy(shown).into_owned();
                        let event = feed::refused(&message.topic, shown, error.message, database.now_ms());
                        database.append(table, vec![event]).await.map_err(down)?;
                    }
                    Err(error) => return Err(down(error)),
                }
            }
            Ok(())
        }
        Err(error) => Err(down(error)),
    }
}

/// An event, or a batch of them, that is larger than the log takes.
const TOO_LARGE: &str = "54000";

/// A topic that was not asked for feeds nothing.
fn events(database: &Database, table: &str, topics: &Pattern, message: &Publish) -> Vec<LogEvent> {
    let feed = database.source_feed(table, topics, &message.topic);
    feed.map_or_else(Vec::new, |feed| cbor::events(&feed, None, &message.payload, database.now_ms()))
}

async fn acknowledge(client: &AsyncClient, messages: &[Publish]) -> Result<(), rumqttc::ClientError> {
    for message in messages {
        client.ack(message).await?;
    }
    Ok(())
}

/// Has the broker forget a client: it keeps nothing for it from then on.
pub(super) async fn leave(broker: &Broker) -> Result<(), Down> {
    let (client, mut events) = connection::client(broker, true)?;
    let leaving = async {
        loop {
            match events.poll().await? {
                Event::Incoming(Packet::ConnAck(_)) => {
                    client.disconnect().await.map_err(|error| Down(error.to_string()))?;
                }
                Event::Outgoing(Outgoing::Disconnect) => return Ok(()),
                _ => {}
            }
        }
    };
    let silent =
        |_| Down(format!("the broker {} does not answer, and keeps messages for {}", broker.address, broker.client_id));
    timeout(BRIDGE_CONNECT_TIMEOUT, leaving).await.map_err(silent)?
}
