//! Events, their meters, a join of both, and what it must hold.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use benches::node::Node;
use benches::views::Catalogue;
use dataflow::{Direction, KeyRange, RelationId, State};

const EVENTS_PER_METER: u64 = 10;

/// Which join.
#[derive(Clone, Copy)]
pub enum Kind {
    Key,
    Index,
    Residual,
    Outer,
    Right,
    Full,
    Semi,
    Anti,
}

impl Kind {
    pub const ALL: [Kind; 8] =
        [Kind::Key, Kind::Index, Kind::Residual, Kind::Outer, Kind::Right, Kind::Full, Kind::Semi, Kind::Anti];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Key => "inner, by key",
            Kind::Index => "inner, by index",
            Kind::Residual => "inner, by index and a condition",
            Kind::Outer => "left, by index",
            Kind::Right => "right, by index",
            Kind::Full => "full, by index",
            Kind::Semi => "EXISTS, by index",
            Kind::Anti => "NOT EXISTS, by index",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Kind::Key => {
                "SELECT e.meter, e.id, e.wh * m.price AS cost FROM events e JOIN meters m ON m.meter = e.meter"
            }
            Kind::Index => {
                "SELECT e.meter, e.id, e.wh * m.price AS cost FROM events e JOIN meters m ON m.serial = e.serial"
            }
            Kind::Residual => {
                "SELECT e.meter, e.id, e.wh * m.price AS cost FROM events e \
                 JOIN meters m ON m.serial = e.serial AND e.wh > m.price * 100"
            }
            Kind::Outer => {
                "SELECT e.meter, e.id, e.wh * m.price AS cost FROM events e \
                 LEFT JOIN meters m ON m.serial = e.serial AND m.price > 2"
            }
            Kind::Right => {
                "SELECT e.meter, e.id, e.wh * m.price AS cost FROM meters m \
                 RIGHT JOIN events e ON m.serial = e.serial AND m.price > 2"
            }
            Kind::Full => {
                "SELECT e.meter, e.id, e.wh * m.price AS cost, m.meter AS of FROM events e \
                 FULL JOIN meters m ON m.serial = e.serial AND m.price > 2"
            }
            Kind::Semi => {
                "SELECT e.meter, e.id, e.wh AS cost FROM events e \
                 WHERE EXISTS (SELECT 1 FROM meters m WHERE m.serial = e.serial AND m.price > 2)"
            }
            Kind::Anti => {
                "SELECT e.meter, e.id, e.wh AS cost FROM events e \
                 WHERE NOT EXISTS (SELECT 1 FROM meters m WHERE m.serial = e.serial AND m.price > 2)"
            }
        }
    }

    /// What an event of a meter with this price is in the view: its cost, NULL where there is none; `None` where it is not.
    fn row(self, wh: i64, price: i64) -> Option<Option<i64>> {
        match self {
            Kind::Key | Kind::Index => Some(Some(wh * price)),
            Kind::Residual => (wh > price * 100).then_some(Some(wh * price)),
            Kind::Outer | Kind::Right | Kind::Full => Some((price > 2).then_some(wh * price)),
            Kind::Semi => (price > 2).then_some(Some(wh)),
            Kind::Anti => (price <= 2).then_some(Some(wh)),
        }
    }

    /// Whether a meter of this price, which no event meets, is a row of its own.
    fn row_alone(self, price: i64) -> bool {
        matches!(self, Kind::Full) && price <= 2
    }
}

/// A node with both tables and the view.
pub struct Job {
    pub node: Node,
    kind: Kind,
    events: RelationId,
    meters: RelationId,
    view: RelationId,
    /// The energy of every event and the price of every meter, by number.
    wh: Vec<i64>,
    prices: Vec<i64>,
}

impl Job {
    pub fn open(dir: &Path, kind: Kind) -> anyhow::Result<Job> {
        let mut catalogue = Catalogue::default();
        let events = catalogue.table("events", events_schema(), &[0, 1], None);
        let meters = catalogue.table("meters", meters_schema(), &[0], None);
        let view = catalogue.view("joined", kind.sql())?;
        let (id, tables) = (view.relation, [events.clone(), meters.clone()]);
        let node = Node::open(dir, &tables, vec![view])?;
        Ok(Job { node, kind, events: events.id, meters: meters.id, view: id, wh: Vec::new(), prices: Vec::new() })
    }

    /// Takes so many events and their meters.
    pub fn load(&mut self, events: u64, at_once: u64) -> anyhow::Result<()> {
        let meters = events.div_ceil(EVENTS_PER_METER);
        self.prices = (0..meters as i64).map(|meter| 1 + meter % 7).collect();
        self.wh = (0..events as i64).map(|event| event * 7_919 % 1_000).collect();
        for start in (0..meters).step_by(at_once as usize) {
            let rows = self.meter_rows(&(start..meters.min(start + at_once)).collect::<Vec<_>>());
            let written = self.node.apply(self.meters, &rows)?;
            self.node.store.sync(written)?;
        }
        for start in (0..events).step_by(at_once as usize) {
            let rows = self.event_rows(&(start..events.min(start + at_once)).collect::<Vec<_>>());
            let written = self.node.apply(self.events, &rows)?;
            self.node.store.sync(written)?;
        }
        Ok(())
    }

    pub fn kept(&self) -> u64 {
        self.wh.len() as u64
    }

    pub fn meters(&self) -> u64 {
        self.prices.len() as u64
    }

    pub fn changed_event(&mut self, event: u64, wh: i64) -> (RelationId, RecordBatch) {
        self.wh[event as usize] = wh;
        (self.events, self.event_rows(&[event]))
    }

    pub fn changed_meter(&mut self, meter: u64, price: i64) -> (RelationId, RecordBatch) {
        self.prices[meter as usize] = price;
        (self.meters, self.meter_rows(&[meter]))
    }

    /// Compares the view with what the rows make by hand: how many rows, how many without a cost, all costs together.
    pub fn check(&self) -> anyhow::Result<()> {
        let mut expected = [0_i64; 3];
        for (event, &wh) in (0..).zip(&self.wh) {
            if let Some(cost) = self.kind.row(wh, self.prices[(event / EVENTS_PER_METER) as usize]) {
                let with = [1, i64::from(cost.is_none()), cost.unwrap_or_default()];
                expected.iter_mut().zip(with).for_each(|(sum, more)| *sum += more);
            }
        }
        let alone = self.prices.iter().filter(|&&price| self.kind.row_alone(price)).count() as i64;
        expected[0] += alone;
        expected[1] += alone;
        let mut found = [0_i64; 3];
        let codec = self.node.codec(self.view);
        let mut outcome = Ok(());
        self.node.store.scan(self.view, &KeyRange::all(), Direction::Ascending, &mut |key, value| match codec
            .decode(std::iter::once((key, value)), Some(&[2]))
        {
            Ok(decoded) => {
                let costs = decoded.rows.column(0).as_primitive::<Int64Type>();
                let with = [1, costs.null_count() as i64, costs.iter().flatten().sum()];
                found.iter_mut().zip(with).for_each(|(sum, more)| *sum += more);
                ControlFlow::Continue(())
            }
            Err(error) => {
                outcome = Err(error);
                ControlFlow::Break(())
            }
        })?;
        outcome?;
        anyhow::ensure!(found == expected, "{}: the view has {found:?} and not {expected:?}", self.kind.name());
        Ok(())
    }

    fn event_rows(&self, events: &[u64]) -> RecordBatch {
        let meter = |event: &u64| (event / EVENTS_PER_METER) as i64;
        let columns = [
            Int64Array::from_iter_values(events.iter().map(meter)),
            Int64Array::from_iter_values(events.iter().map(|&event| event as i64)),
            Int64Array::from_iter_values(events.iter().map(|event| serial(meter(event)))),
            Int64Array::from_iter_values(events.iter().map(|&event| self.wh[event as usize])),
        ];
        rows(events_schema(), columns)
    }

    fn meter_rows(&self, meters: &[u64]) -> RecordBatch {
        let columns = [
            Int64Array::from_iter_values(meters.iter().map(|&meter| meter as i64)),
            Int64Array::from_iter_values(meters.iter().map(|&meter| serial(meter as i64))),
            Int64Array::from_iter_values(meters.iter().map(|&meter| self.prices[meter as usize])),
        ];
        rows(meters_schema(), columns)
    }
}

fn rows<const N: usize>(schema: SchemaRef, columns: [Int64Array; N]) -> RecordBatch {
    let columns = columns.into_iter().map(|column| Arc::new(column) as ArrayRef).collect();
    RecordBatch::try_new(schema, columns).expect("the columns of the schema")
}

fn events_schema() -> SchemaRef {
    let fields = ["meter", "id", "serial", "wh"].map(|name| Field::new(name, DataType::Int64, false));
    Arc::new(Schema::new(fields.to_vec()))
}

fn meters_schema() -> SchemaRef {
    let fields = ["meter", "serial", "price"].map(|name| Field::new(name, DataType::Int64, false));
    Arc::new(Schema::new(fields.to_vec()))
}

/// A number that meters are known by besides, in another order.
fn serial(meter: i64) -> i64 {
    meter.wrapping_mul(2_654_435_761) % 1_000_000_007
}
