//! The rows of a view, published to a broker of others: each row to its topic, as it is and whenever it changes.
//!
//! Changes are told epoch by epoch, the last of an epoch for each topic, and the next epoch once the broker has acknowledged all of it: at
//! least once, in order. After a restart the sink goes on from the last epoch acknowledged; where the changes since are not kept any more, or
//! the view is another, it tells all rows again and takes back the topics of rows that have gone. Memory is that of the topics.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use futures::StreamExt;
use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS};
use sql::bridge::Bridge;
use sql::encode::value_json;
use sql::feed::Pattern;
use sql::query::quoted_name;
use sql::{Cancel, Database, Identity, Response, SqlError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Down;
use super::connection;
use super::journal::Journal;
use crate::limits::{BRIDGE_PACKET_BYTES_MAX, SINK_ROWS_MAX};

/// What is told, and how.
pub(super) struct Told<'b> {
    pub relation: &'b str,
    pub topics: &'b Pattern,
    pub retain: bool,
    pub deleted: Option<&'b str>,
}

/// Columns before those of the relation: epoch, progressed, diff.
const PROGRESSED: usize = 1;
const DIFF: usize = 2;
const FIRST: usize = 3;

/// The changes after an epoch are not kept any more; or there is no such epoch, since the data is of an earlier time.
const NOT_KEPT: [&str; 2] = ["72000", "22023"];

/// Tells a relation until something goes wrong.
pub(super) async fn run(database: &Arc<Database>, bridge: &Bridge, told: Told<'_>) -> Down {
    match tell(database, bridge, &told).await {
        Ok(never) => match never {},
        Err(down) => down,
    }
}

async fn tell(database: &Arc<Database>, bridge: &Bridge, told: &Told<'_>) -> Result<Infallible, Down> {
    let unreadable = |error: SqlError| Down(format!("\"{}\" cannot be read: {}", told.relation, error.message));
    let number = database.relation_number(told.relation);
    let number = number.ok_or_else(|| Down(format!("\"{}\" is not there", told.relation)))?;
    let mut journal = Journal::open(database.data_dir(), bridge.number)?;
    let mut broker = Broker::connect(bridge).await?;
    let states = database.bridge_states();
    states.change(bridge.number, |state| state.connected_since_ms = Some(database.now_ms()));
    tracing::info!(sink = bridge.name, broker = %bridge.broker.address, "a sink is connected");

    let (mut rows, mut is_whole) = match journal.resume(number) {
        None => (subscribe(database, told.relation, None).await.map_err(unreadable)?, true),
        Some(epoch) => match subscribe(database, told.relation, Some(epoch)).await {
            Ok(rows) => (rows, false),
            Err(error) if NOT_KEPT.contains(&error.sqlstate) => {
                tracing::info!(sink = bridge.name, "all rows are told again: {}", error.message);
                (subscribe(database, told.relation, None).await.map_err(unreadable)?, true)
            }
            Err(error) => return Err(unreadable(error)),
        },
    };
    let mut changed = Changed::default();
    loop {
        let batch = tokio::select! {
            batch = rows.next() => batch,
            down = broker.ended() => return Err(down),
        };
        let batch = match batch {
            Some(Ok(batch)) => batch,
            Some(Err(error)) => return Err(unreadable(error.into())),
            None => return Err(Down(format!("\"{}\" is not followed any more", told.relation))),
        };
        for row in 0..batch.num_rows() {
            if !batch.column(PROGRESSED).as_boolean().value(row) {
                if let Err(Untold(why)) = changed.add(told, &batch, row) {
                    states.change(bridge.number, |state| state.error = Some((why, database.now_ms())));
                }
                continue;
            }
            let epoch = batch.column(0).as_primitive::<Int64Type>().value(row) as u64;
            if std::mem::take(&mut is_whole) {
                changed.without(journal.topics().iter());
            }
            let messages = std::mem::take(&mut changed).0;
            if !messages.is_empty() {
                let count = messages.len() as u64;
                publish(&mut broker, &mut journal, told, messages, number, epoch).await?;
                states.change(bridge.number, |state| {
                    state.messages += count;
                    state.last_message_ms = Some(database.now_ms());
                });
            } else if journal.resume(number).is_none() {
                journal.done(&[], number, epoch)?;
            }
            states.change(bridge.number, |state| state.epoch = Some(epoch));
        }
        if journal.topics().len().max(changed.0.len()) > SINK_ROWS_MAX {
            return Err(Down(format!("\"{}\" has more than {SINK_ROWS_MAX} rows", told.relation)));
        }
    }
}

/// The changes of a relation, after an epoch or from its rows of now on.
async fn subscribe(
    database: &Arc<Database>,
    relation: &str,
    after: Option<u64>,
) -> Result<datafusion::execution::SendableRecordBatchStream, SqlError> {
    let session = database.session(Identity::Operator("sink".to_owned()));
    let name = quoted_name(relation);
    let sql = match after {
        None => format!("SUBSCRIBE {name} WITH (PROGRESS)"),
        Some(epoch) => format!("SUBSCRIBE {name} WITH (SNAPSHOT = false, PROGRESS) AS OF {epoch}"),
    };
    let prepared = session.prepare(&sql, &[]).await?;
    match session.execute(&prepared, vec![], Cancel::new()).await? {
        Response::Rows { rows, .. } => Ok(rows),
        _ => unreachable!("SUBSCRIBE answers rows"),
    }
}

/// What is to be said of an epoch: of each topic the last, `None` where its row has gone.
#[derive(Debug, Default)]
struct Changed(BTreeMap<String, Option<String>>);

/// Why a row is not told.
struct Untold(String);

impl Changed {
    /// A row that came or went. What goes comes first within an epoch.
    fn add(&mut self, told: &Told<'_>, batch: &RecordBatch, row: usize) -> Result<(), Untold> {
        let schema = batch.schema();
        let cell = |name: &str| {
            let (at, _) = schema.fields()[FIRST..].iter().enumerate().find(|(_, field)| field.name() == name)?;
            level(batch.column(FIRST + at), row)
        };
        let levels: BTreeMap<&str, String> = told.topics.names().filter_map(|name| Some((name, cell(name)?))).collect();
        let topic = told.topics.topic(|name| levels.get(name).map(String::as_str));
        let Some(topic) = topic else {
            return Err(Untold(format!("a row has no topic, since {levels:?} cannot all be levels of one")));
        };
        if batch.column(DIFF).as_primitive::<Int64Type>().value(row) < 0 {
            self.0.insert(topic, None);
            return Ok(());
        }
        let json = object(batch, row);
        if json.len() + topic.len() > BRIDGE_PACKET_BYTES_MAX / 2 {
            return Err(Untold(format!("the row of {topic} is too large to be published: {} bytes", json.len())));
        }
        self.0.insert(topic, Some(json));
        Ok(())
    }

    /// These are all rows that there are: other topics are those of rows that have gone.
    fn without<'t>(&mut self, topics: impl Iterator<Item = &'t String>) {
        for topic in topics {
            self.0.entry(topic.clone()).or_insert(None);
        }
    }
}

/// A value as a level of a topic.
fn level(column: &dyn Array, row: usize) -> Option<String> {
    match column.data_type() {
        DataType::Utf8 => column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned()),
        _ => value_json(column, row).map(|json| json.trim_matches('"').to_owned()),
    }
}

/// A row as a JSON object.
fn object(batch: &RecordBatch, row: usize) -> String {
    let mut json = String::from("{");
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()).skip(FIRST) {
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&serde_json::to_string(field.name()).expect("a text is JSON"));
        json.push(':');
        json.push_str(value_json(column, row).as_deref().unwrap_or("null"));
    }
    json.push('}');
    json
}

/// Publishes the changes of an epoch, and waits until the broker has acknowledged all.
async fn publish(
    broker: &mut Broker,
    journal: &mut Journal,
    told: &Told<'_>,
    messages: BTreeMap<String, Option<String>>,
    relation: u32,
    epoch: u64,
) -> Result<(), Down> {
    let topics = |gone: bool| {
        let of = messages.iter().filter(move |(_, payload)| payload.is_none() == gone);
        of.map(|(topic, _)| topic.as_str()).collect::<Vec<_>>()
    };
    journal.about_to(&topics(false))?;
    for (topic, payload) in &messages {
        let payload = payload.as_deref().or(told.deleted).unwrap_or_default();
        broker.publish(topic, told.retain, payload).await?;
    }
    broker.acknowledged().await?;
    journal.done(&topics(true), relation, epoch)
}

/// A connection on which everything that was sent is counted, and what was acknowledged.
struct Broker {
    client: AsyncClient,
    sent: u64,
    heard: watch::Receiver<Heard>,
    /// It ends with this.
    _polling: JoinSet<()>,
}

/// What the broker has said.
#[derive(Clone, Debug, Default)]
struct Heard {
    connected: bool,
    acknowledged: u64,
    down: Option<String>,
}

impl Broker {
    /// Connects, with nothing that is left of an earlier connection: what was not acknowledged on that is sent again from its epoch on.
    async fn connect(bridge: &Bridge) -> Result<Broker, Down> {
        let (client, events) = connection::client(&bridge.broker, true)?;
        let (say, heard) = watch::channel(Heard::default());
        let mut polling = JoinSet::new();
        polling.spawn(poll(events, say));
        let mut broker = Broker { client, sent: 0, heard, _polling: polling };
        broker.until(|heard| heard.connected).await?;
        Ok(broker)
    }

    async fn publish(&mut self, topic: &str, retain: bool, payload: &str) -> Result<(), Down> {
        match self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await {
            Ok(()) => {
                self.sent += 1;
                Ok(())
            }
            Err(_) => Err(self.ended().await),
        }
    }

    /// Waits until the broker has acknowledged everything.
    async fn acknowledged(&mut self) -> Result<(), Down> {
        let sent = self.sent;
        self.until(|heard| heard.acknowledged >= sent).await
    }

    /// Waits until the connection has ended.
    async fn ended(&mut self) -> Down {
        match self.until(|_| false).await {
            Err(down) => down,
            Ok(()) => unreachable!("nothing else ends the wait"),
        }
    }

    async fn until(&mut self, is_so: impl Fn(&Heard) -> bool) -> Result<(), Down> {
        let heard = self.heard.wait_for(|heard| heard.down.is_some() || is_so(heard)).await;
        match heard.map(|heard| (is_so(&heard), heard.down.clone())) {
            Ok((true, _)) => Ok(()),
            Ok((false, down)) => Err(Down(down.unwrap_or_default())),
            Err(_) => Err(Down("the connection has ended".to_owned())),
        }
    }
}

/// Counts what a connection says.
async fn poll(mut events: EventLoop, say: watch::Sender<Heard>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => say.send_modify(|heard| heard.connected = true),
            Ok(Event::Incoming(Packet::PubAck(_))) => say.send_modify(|heard| heard.acknowledged += 1),
            Ok(_) => {}
            Err(error) => {
                let Down(why) = error.into();
                say.send_modify(|heard| heard.down = Some(why));
                return;
            }
        }
    }
}
