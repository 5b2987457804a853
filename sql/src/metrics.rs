//! What the database measures of itself.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The shortest duration that a histogram tells apart, in seconds.
const BUCKET_FIRST_S: f64 = 0.000_25;

/// Buckets of a duration, each twice as long as the one before: up to eight seconds.
const BUCKETS: u16 = 16;

/// Counters, gauges and histograms; cheap to clone, all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub epochs: Counter,
    pub events: Counter,
    pub view_changes: Counter,
    pub quarantined: Counter,
    pub statements: Counter,
    pub published_epoch: Gauge,
    /// Records in the log that are not part of an epoch yet.
    pub lag_records: Gauge,
    /// Bytes of records in the epoch taken last.
    pub epoch_bytes: Gauge,
    pub compute_s: Histogram,
    pub write_s: Histogram,
    pub sync_s: Histogram,
    /// 1 while events are acknowledged.
    pub writable: Gauge,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let duration = || Histogram::new(exponential_buckets(BUCKET_FIRST_S, 2.0, BUCKETS));
        Metrics {
            epochs: Counter::default(),
            events: Counter::default(),
            view_changes: Counter::default(),
            quarantined: Counter::default(),
            statements: Counter::default(),
            published_epoch: Gauge::default(),
            lag_records: Gauge::default(),
            epoch_bytes: Gauge::default(),
            compute_s: duration(),
            write_s: duration(),
            sync_s: duration(),
            writable: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Adds all of them to a registry, under `caudal_`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("caudal");
        registry.register("epochs", "Epochs committed", self.epochs.clone());
        registry.register("events", "Events taken from the log", self.events.clone());
        registry.register("view_changes", "Rows that came to or left views", self.view_changes.clone());
        registry.register("quarantined", "Events kept in caudal.quarantine", self.quarantined.clone());
        registry.register("statements", "Statements executed", self.statements.clone());
        registry.register("published_epoch", "The last published epoch", self.published_epoch.clone());
        registry.register("lag_records", "Records in the log that no epoch has taken yet", self.lag_records.clone());
        registry.register("epoch_bytes", "Payload bytes of the last epoch", self.epoch_bytes.clone());
        registry.register("writable", "Whether events are acknowledged", self.writable.clone());
        let seconds = |registry: &mut Registry, name: &str, help: &str, histogram: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        seconds(registry, "epoch_compute", "From fetched events to changes of all views", &self.compute_s);
        seconds(registry, "epoch_write", "Writing a commit into the store", &self.write_s);
        seconds(registry, "epoch_sync", "Making commits durable", &self.sync_s);
    }
}

/// A duration as histograms take it.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
