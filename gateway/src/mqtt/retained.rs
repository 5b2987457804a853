//! Retained messages, in memory: so many, and so many bytes of them. A restart forgets them.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use rmqtt::Result;
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::types::{Retain, TopicFilter, TopicName};
use tracing::warn;

use crate::limits::{MQTT_RETAINED_BYTES_MAX, MQTT_RETAINED_MAX};

/// The broker's own tree of topics, within bounds.
#[derive(Default)]
pub(super) struct Retained {
    messages: DefaultRetainStorage,
    /// Bytes of each topic's message.
    sizes: Mutex<Sizes>,
}

#[derive(Default)]
struct Sizes {
    by_topic: std::collections::HashMap<TopicName, usize>,
    bytes: usize,
}

impl Sizes {
    /// Whether there is room for a message, which then has it; one without payload gives room back.
    fn make_room(&mut self, topic: &TopicName, payload: usize) -> bool {
        let old = self.by_topic.get(topic).copied();
        let new = topic.len() + payload;
        if payload == 0 {
            self.bytes -= self.by_topic.remove(topic).unwrap_or(0);
            return true;
        }
        let bytes = self.bytes - old.unwrap_or(0) + new;
        if bytes > MQTT_RETAINED_BYTES_MAX || (old.is_none() && self.by_topic.len() >= MQTT_RETAINED_MAX) {
            return false;
        }
        self.by_topic.insert(topic.clone(), new);
        self.bytes = bytes;
        true
    }
}

#[async_trait]
impl RetainStorage for Retained {
    fn enable(&self) -> bool {
        true
    }

    async fn set(&self, topic: &TopicName, retain: Retain, _: Option<Duration>) -> Result<()> {
        let has_room = self.sizes.lock().expect("no holder panics").make_room(topic, retain.publish.payload.len());
        if !has_room {
            warn!(%topic, "retained message not kept: there are as many as there may be");
            return Ok(());
        }
        // Unless the sender says so it does not become old.
        let said = retain.publish.properties.as_ref().and_then(|said| said.message_expiry_interval);
        let expiry = said.map(|seconds| Duration::from_secs(u64::from(seconds.get())));
        self.messages.set_with_timeout(topic, retain, expiry).await
    }

    async fn get(&self, filter: &TopicFilter) -> Result<Vec<(TopicName, Retain)>> {
        self.messages.get_message(filter).await
    }

    async fn count(&self) -> isize {
        self.messages.count().await
    }

    async fn max(&self) -> isize {
        self.messages.max().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_given_back() {
        let mut sizes = Sizes::default();
        let half = MQTT_RETAINED_BYTES_MAX / 2;
        assert!(sizes.make_room(&"a".into(), half));
        assert!(!sizes.make_room(&"b".into(), half), "its topic takes room too");
        assert!(sizes.make_room(&"a".into(), 10), "it replaces its own");
        assert!(sizes.make_room(&"b".into(), half));
        assert!(sizes.make_room(&"b".into(), 0) && sizes.make_room(&"a".into(), 0));
        assert_eq!((sizes.bytes, sizes.by_topic.len()), (0, 0));
        for at in 0..MQTT_RETAINED_MAX {
            assert!(sizes.make_room(&at.to_string().into(), 1));
        }
        assert!(!sizes.make_room(&"one more".into(), 1));
        assert!(sizes.make_room(&"0".into(), 2), "one that is there");
    }
}
