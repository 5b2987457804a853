//! A request on its way to its answer.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use kafka_protocol::messages::ResponseHeader;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use super::Broker;

/// The frame to send back; `None` where the client wants no answer.
pub type Answer = BoxFuture<'static, Option<Bytes>>;
/// What is wrong with a request, in words.
pub type BadRequest = String;

/// A request whose shape was seen to be right.
pub struct Call {
    pub broker: Arc<Broker>,
    pub version: i16,
    pub correlation_id: i32,
    pub client: Bytes,
    pub body: Bytes,
}

impl Call {
    /// The request. Its shape is right, but a text may not be UTF-8.
    pub fn decode<Q: Decodable>(&mut self) -> Result<Q, BadRequest> {
        Q::decode(&mut self.body, self.version).map_err(|error| error.to_string())
    }

    /// What the client calls itself.
    pub fn client_id(&self) -> String {
        String::from_utf8_lossy(&self.client).into_owned()
    }

    /// The frame with a response to this request.
    pub fn encode<R: Encodable + HeaderVersion>(&self, response: &R) -> Bytes {
        encode(self.correlation_id, self.version, response)
    }

    /// Decodes the request and answers it when it is its turn.
    pub fn answer<Q, R, F>(mut self, answer: fn(Arc<Broker>, i16, Q) -> F) -> Result<Answer, BadRequest>
    where
        Q: Decodable + Send + 'static,
        R: Encodable + HeaderVersion + Send,
        F: Future<Output = R> + Send + 'static,
    {
        let request = self.decode::<Q>()?;
        Ok(Box::pin(async move {
            let response = answer(self.broker.clone(), self.version, request).await;
            Some(self.encode(&response))
        }))
    }
}

/// The frame with a response.
pub fn encode<R: Encodable + HeaderVersion>(correlation_id: i32, version: i16, response: &R) -> Bytes {
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    header.encode(&mut frame, R::header_version(version)).expect("a header has no field that could be wrong");
    response.encode(&mut frame, version).expect("only fields of the version are set");
    let length = i32::try_from(frame.len() - 4).expect("answers are bounded");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}
