//! Where a circuit's readings are published: `teravolta/clientes/{customer}/consumo/{circuit}`.

use core::fmt;

pub(crate) const ROOT: &str = "teravolta/clientes/";
const KIND: &str = "/consumo/";

/// Longest name of a customer or a circuit, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic<'t> {
    customer: &'t str,
    circuit: &'t str,
}

impl<'t> Topic<'t> {
    /// The topic of a circuit; `None` where a name could not be one level of a topic, or would be a wildcard.
    pub fn new(customer: &'t str, circuit: &'t str) -> Option<Self> {
        (is_name(customer) && is_name(circuit)).then_some(Topic { customer, circuit })
    }

    pub fn parse(topic: &'t str) -> Option<Self> {
        let (customer, rest) = topic.strip_prefix(ROOT)?.split_once('/')?;
        Topic::new(customer, rest.strip_prefix(&KIND[1..])?)
    }

    pub fn customer(&self) -> &'t str {
        self.customer
    }

    pub fn circuit(&self) -> &'t str {
        self.circuit
    }
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{ROOT}{}{KIND}{}", self.customer, self.circuit)
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    fits && !name.contains(|sign: char| matches!(sign, '/' | '+' | '#') || sign.is_control())
}
