//! A device's connection to the broker: MQTT 3.1.1, a clean session each time. What is sent again, the firmware decides.
//!
//! A connection begins with the word that the meter is there, and leaves the opposite as its last will. As the will of a connection that
//! was given up may come after the word of the next one, the word is said again from time to time.

use std::time::Duration;

use anyhow::Context;
use meter::Provisioning;
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, LastWill, MqttOptions, QoS};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wire::Topic;
use wire::status::{OFFLINE, ONLINE, StatusTopic};

/// Messages that wait to be written; a batch has one for each circuit.
const REQUESTS: usize = 16;

const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How often a meter says that it is there.
const STATUS: Duration = Duration::from_secs(60);

/// What happened on a connection.
#[derive(Clone, Debug)]
pub enum News {
    /// The broker has the word that the meter is there.
    Connected,
    Acknowledged,
    Lost(String),
}

/// One that is let go is cut off, without a word to the broker.
pub struct Link {
    client: AsyncClient,
    news: mpsc::Receiver<News>,
    /// They end with it.
    _tasks: JoinSet<()>,
}

impl Link {
    /// Begins to connect as the document says.
    pub fn open(document: &Provisioning<'_>) -> anyhow::Result<Self> {
        let (host, port) = document.broker.rsplit_once(':').unwrap_or((document.broker, "1883"));
        let status = StatusTopic::new(document.customer, document.device);
        let status = status.context("a name that is no level of a topic")?.to_string();
        let mut options = MqttOptions::new(document.device, host, port.parse().unwrap_or(1_883));
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(true);
        options.set_last_will(LastWill::new(&status, OFFLINE, QoS::AtLeastOnce, false));
        if !document.user.is_empty() {
            options.set_credentials(document.user, document.password);
        }
        let (client, events) = AsyncClient::new(options, REQUESTS);
        let (tell, news) = mpsc::channel(REQUESTS);
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(events, client.clone(), status.clone(), tell));
        tasks.spawn(repeat(client.clone(), status));
        Ok(Link { client, news, _tasks: tasks })
    }

    /// Hands a message over to be written.
    pub async fn publish(&self, topic: Topic<'_>, message: &[u8]) -> Result<(), rumqttc::ClientError> {
        self.client.publish(topic.to_string(), QoS::AtLeastOnce, false, message).await
    }

    pub async fn news(&mut self) -> News {
        self.news.recv().await.unwrap_or_else(|| News::Lost("the connection ended".to_string()))
    }
}

async fn listen(mut events: EventLoop, client: AsyncClient, status: String, tell: mpsc::Sender<News>) {
    let mut is_there = false;
    loop {
        let news = match events.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                // Nothing else was to be written before this one.
                match client.try_publish(&status, QoS::AtLeastOnce, false, ONLINE) {
                    Ok(()) => continue,
                    Err(error) => News::Lost(error.to_string()),
                }
            }
            Ok(Event::Incoming(Incoming::PubAck(_))) if !is_there => {
                is_there = true;
                News::Connected
            }
            Ok(Event::Incoming(Incoming::PubAck(_))) => News::Acknowledged,
            Ok(_) => continue,
            Err(error) => News::Lost(error.to_string()),
        };
        let is_lost = matches!(news, News::Lost(_));
        if tell.send(news).await.is_err() || is_lost {
            return;
        }
    }
}

/// Without an acknowledgement, so that those of readings are told from it.
async fn repeat(client: AsyncClient, status: String) {
    loop {
        tokio::time::sleep(STATUS).await;
        if client.publish(&status, QoS::AtMostOnce, false, ONLINE).await.is_err() {
            return;
        }
    }
}
