//! What is agreed with a client about its connection and its session: as the broker does it, but for what the standard says otherwise.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use rmqtt::Result;
use rmqtt::fitter::{DefaultFitter, Fitter, FitterManager};
use rmqtt::types::{CodecPublish, ConnectInfo, Disconnect, FitterType, Id, ListenerConfig};

/// Makes what is agreed with each client.
pub(super) struct Fitters;

impl FitterManager for Fitters {
    fn create(&self, connect: Arc<ConnectInfo>, id: Id, config: ListenerConfig) -> FitterType {
        let usual = DefaultFitter::new(connect.clone(), id, config);
        Arc::new(Agreed { connect, usual })
    }
}

struct Agreed {
    connect: Arc<ConnectInfo>,
    usual: DefaultFitter,
}

impl Fitter for Agreed {
    /// One and a half times what the client says, however short that is (MQTT 5, 3.1.2-22); 0 is for ever.
    fn keep_alive(&self, said_s: &mut u16) -> Result<u16> {
        Ok(said_s.saturating_add(said_s.div_ceil(2)))
    }

    fn max_mqueue_len(&self) -> usize {
        self.usual.max_mqueue_len()
    }

    fn mqueue_rate_limit(&self) -> (NonZeroU32, Duration) {
        self.usual.mqueue_rate_limit()
    }

    fn max_inflight(&self) -> NonZeroU16 {
        self.usual.max_inflight()
    }

    /// A session that was to end with its connection does not last longer for what DISCONNECT says (3.14.2.2.2).
    fn session_expiry_interval(&self, said: Option<&Disconnect>) -> Duration {
        let agreed = self.usual.session_expiry_interval(None);
        let is_five = matches!(&*self.connect, ConnectInfo::V5(..));
        if is_five && agreed.is_zero() { agreed } else { self.usual.session_expiry_interval(said) }
    }

    fn message_expiry_interval(&self, message: &CodecPublish) -> Duration {
        self.usual.message_expiry_interval(message)
    }

    fn max_client_topic_aliases(&self) -> u16 {
        self.usual.max_client_topic_aliases()
    }

    /// None: for a message without properties the broker says the short name the second time without having told it the first time.
    fn max_server_topic_aliases(&self) -> u16 {
        0
    }
}
