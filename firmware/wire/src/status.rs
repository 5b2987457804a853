//! Whether a meter is connected: it says so when it is, and leaves a last will that says the opposite.
//! `teravolta/clientes/{customer}/estado/{device}`, a JSON object.

use core::fmt;

use crate::topic::{ROOT, is_name};

pub const ONLINE: &[u8] = br#"{"online":true}"#;
pub const OFFLINE: &[u8] = br#"{"online":false}"#;

/// Where a meter says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusTopic<'t> {
    customer: &'t str,
    device: &'t str,
}

impl<'t> StatusTopic<'t> {
    /// The topic of a meter; `None` where a name could not be one level of a topic, or would be a wildcard.
    pub fn new(customer: &'t str, device: &'t str) -> Option<Self> {
        (is_name(customer) && is_name(device)).then_some(StatusTopic { customer, device })
    }
}

impl fmt::Display for StatusTopic<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{ROOT}{}/estado/{}", self.customer, self.device)
    }
}
