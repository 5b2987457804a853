//! A device's connection to the broker: MQTT 3.1.1, a clean session each time. What is sent again, the firmware decides.

use std::time::Duration;

use meter::Provisioning;
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, QoS};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wire::Topic;

/// Messages that wait to be written; a batch has one for each circuit.
const REQUESTS: usize = 16;

const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What happened on a connection.
#[derive(Clone, Debug)]
pub enum News {
    Connected,
    Acknowledged,
    Lost(String),
}

pub struct Link {
    client: AsyncClient,
    news: mpsc::Receiver<News>,
    task: JoinHandle<()>,
}

impl Link {
    /// Begins to connect as the document says.
    pub fn open(document: &Provisioning<'_>) -> Self {
        let (host, port) = document.broker.rsplit_once(':').unwrap_or((document.broker, "1883"));
        let mut options = MqttOptions::new(document.device, host, port.parse().unwrap_or(1_883));
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(true);
        if !document.user.is_empty() {
            options.set_credentials(document.user, document.password);
        }
        let (client, events) = AsyncClient::new(options, REQUESTS);
        let (tell, news) = mpsc::channel(REQUESTS);
        Link { client, news, task: tokio::spawn(listen(events, tell)) }
    }

    /// Hands a message over to be written.
    pub async fn publish(&self, topic: Topic<'_>, message: &[u8]) -> Result<(), rumqttc::ClientError> {
        self.client.publish(topic.to_string(), QoS::AtLeastOnce, false, message).await
    }

    pub async fn news(&mut self) -> News {
        self.news.recv().await.unwrap_or_else(|| News::Lost("the connection ended".to_string()))
    }
}

/// A connection that is let go is cut off, without a word to the broker.
impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(mut events: EventLoop, tell: mpsc::Sender<News>) {
    loop {
        let news = match events.poll().await {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => News::Connected,
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
