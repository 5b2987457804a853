//! What the database measures of itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::pipeline::Shared;

/// The shortest duration that a histogram tells apart, in seconds.
const BUCKET_FIRST_S: f64 = 0.000_25;

/// Buckets of a duration, each twice as long as the one before: up to eight seconds.
const BUCKETS: u16 = 16;

/// Buckets of a number of rows, each four times as many as the one before: from one to a million.
const ROWS_BUCKETS: u16 = 11;

/// The table that a measurement is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfTable {
    pub table: String,
}

/// Counters, gauges and histograms; cheap to clone, all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub epochs: Counter,
    pub events: Counter,
    pub view_changes: Counter,
    pub quarantined: Counter,
    pub statements: Counter,
    pub published_epoch: Gauge,
    /// Events in the log that are not part of an epoch yet, by table.
    pub lag_events: Family<OfTable, Gauge>,
    pub lag_bytes: Family<OfTable, Gauge>,
    /// Bytes of records in the epoch taken last.
    pub epoch_bytes: Gauge,
    pub epoch_rows: Histogram,
    /// From the first event of an epoch to its publication.
    pub freshness_s: Histogram,
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
            lag_events: Family::default(),
            lag_bytes: Family::default(),
            epoch_bytes: Gauge::default(),
            epoch_rows: Histogram::new(exponential_buckets(1.0, 4.0, ROWS_BUCKETS)),
            freshness_s: duration(),
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
        let lag = "Events in the log that no epoch has taken yet";
        registry.register("table_lag_events", lag, self.lag_events.clone());
        let estimated = "Payload bytes of those events, estimated from the events taken last";
        registry.register_with_unit("table_lag", estimated, Unit::Bytes, self.lag_bytes.clone());
        registry.register("epoch_rows", "Events in an epoch", self.epoch_rows.clone());
        registry.register("epoch_bytes", "Payload bytes of the last epoch", self.epoch_bytes.clone());
        registry.register("writable", "Whether events are acknowledged", self.writable.clone());
        let seconds = |registry: &mut Registry, name: &str, help: &str, histogram: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        let fresh = "From the timestamp of an epoch's first event to when all views show it";
        seconds(registry, "freshness", fresh, &self.freshness_s);
        seconds(registry, "epoch_compute", "From fetched events to changes of all views", &self.compute_s);
        seconds(registry, "epoch_write", "Writing a commit into the store", &self.write_s);
        seconds(registry, "epoch_sync", "Making commits durable", &self.sync_s);
    }
}

/// A duration as histograms take it.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// What the store, its disk and the temporary files of queries are like when somebody asks.
pub struct Stored(pub Arc<Shared>);

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stored")
    }
}

impl Collector for Stored {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Shared { store, room, .. } = &*self.0;
        let stats = store.stats();
        let disk = room.disk_space();
        let bytes = Some(&Unit::Bytes);
        let gauges = [
            ("store_disk", "Table files of the store", bytes, stats.disk_bytes),
            ("store_memtable", "Commits that are in the write-ahead log alone", bytes, stats.memtable_bytes),
            ("store_block_cache", "Cached blocks, memtables among them", bytes, stats.block_cache_bytes),
            ("store_value_cache", "Cached values", bytes, stats.value_cache_bytes),
            ("store_compaction_pending", "What compaction has yet to rewrite", bytes, stats.pending_compaction_bytes),
            ("store_writes_stall", "Whether writes wait for compaction", None, stats.writes_stall.into()),
            ("temporary", "Temporary files of queries", bytes, room.bytes_used()),
            ("disk_free", "Free on the disk of the data directory", bytes, disk.free),
            ("disk_used", "Used on the disk of the data directory", bytes, disk.total - disk.free),
        ];
        for (name, help, unit, value) in gauges {
            let name = format!("caudal_{name}");
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(&name, help, unit, MetricType::Gauge)?)?;
        }
        let counters = [
            ("store_value_hits", "Keys that the value cache answered for", None, stats.value_hits),
            ("store_value_misses", "Keys that it did not", None, stats.value_misses),
            ("store_gets", "Keys that RocksDB was asked for", None, stats.gets),
            ("store_read", "Keys and values handed out to look-ups and scans", bytes, stats.read_bytes),
            ("store_block_read", "Blocks read from table files", bytes, stats.block_read_bytes),
        ];
        for (name, help, unit, value) in counters {
            let name = format!("caudal_{name}");
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(&name, help, unit, MetricType::Counter)?)?;
        }
        Ok(())
    }
}
