//! Many devices at once, each a task with a connection, credentials and faults of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use meter::Provisioning;
use meter::clock::Correction;
use meter::limits::{CIRCUITS, CLOCK_STEP_MS, PROVISIONING_BYTES_MAX};
use meter::record::Record;
use meter::upload::{Batch, Encoding};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::Topic;

use crate::device::Device;
use crate::faults::{Faults, Severity};
use crate::link::{Link, News};
use crate::pace::{self, Pace};
use crate::random::{mixed, unit};
use crate::site::{Site, Who};

/// Time servers are asked so often.
const TIME_SERVER_S: i64 = 3_600;

/// Between two attempts to reach a broker that does not answer: this, doubled each time, up to that.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How often a device that has nothing else to do tries its broker again.
const IDLE: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
pub struct Options {
    pub meters: Vec<Installed>,
    /// `host:port`.
    pub broker: String,
    pub interval_s: u16,
    pub encoding: Encoding,
    pub faults: Severity,
    /// Where simulated time begins, before now, and how fast it goes.
    pub back: Duration,
    pub speed: f64,
    /// How much simulated time; without end if nothing is given.
    pub span: Option<Duration>,
    /// How long devices may take at the end to deliver what they still have.
    pub settle: Duration,
    /// Whether each device's records are kept, to compare them with what arrived.
    pub keeps_records: bool,
}

/// A meter where it is installed.
#[derive(Clone, Debug)]
pub struct Installed {
    pub customer: String,
    pub device: String,
    pub user: String,
    pub password: String,
    pub site: Site,
    /// Decides its faults and its clock.
    pub seed: u64,
    /// A file that its flash is kept in; one that is there goes on after its newest record.
    pub flash: Option<PathBuf>,
}

/// Patterns, in which `{n}` is the device's number, from 1.
#[derive(Clone, Debug)]
pub struct Names {
    pub customer: String,
    pub device: String,
    pub user: String,
    pub password: String,
}

impl Names {
    /// So many meters, in places of every kind.
    pub fn meters(&self, count: u64, seed: u64) -> Vec<Installed> {
        let meter = |number: u64| {
            let named = |pattern: &str| pattern.replace("{n}", &number.to_string());
            let seed = mixed(seed ^ mixed(number));
            Installed {
                customer: named(&self.customer),
                device: named(&self.device),
                user: named(&self.user),
                password: named(&self.password),
                site: Site::of(seed),
                seed,
                flash: None,
            }
        };
        (1..=count).map(meter).collect()
    }
}

/// What all devices together have done.
#[derive(Debug, Default)]
pub struct Tally {
    pub records: AtomicU64,
    pub messages: AtomicU64,
    pub readings_acknowledged: AtomicU64,
    pub batches_repeated: AtomicU64,
    pub connections: AtomicU64,
    pub connections_lost: AtomicU64,
    pub power_cuts: AtomicU64,
    pub resets: AtomicU64,
    /// How far the slowest device is behind the pace, in ms of the wall; of the last time that it was asked.
    pub behind_ms: AtomicU64,
}

/// What became of a device.
#[derive(Debug)]
pub struct Outcome {
    pub customer: String,
    pub circuits: Vec<&'static str>,
    /// What it recorded, if that was asked for; of those without a date, which starts' clocks were set.
    pub records: Vec<Record>,
    pub dated_starts: Vec<u32>,
    /// Power cuts while a record was written: it may be there or not.
    pub torn: u64,
    pub overwritten: u64,
    pub undatable: u64,
    /// When nothing was measured, from and to in ms: without power, and moments of resets.
    pub interruptions: Vec<(i64, i64)>,
    /// Whether it took a time for true that was not.
    pub misled: bool,
    /// Whether all that it has is with the broker.
    pub delivered: bool,
}

/// Runs a fleet until its span is over and everything is delivered, or until `stop` says so.
pub async fn run(options: Options, tally: Arc<Tally>, stop: watch::Receiver<bool>) -> anyhow::Result<Vec<Outcome>> {
    let began_ms = pace::wall_ms() - options.back.as_millis() as i64;
    let options = Arc::new(options);
    let mut installed = Vec::new();
    for meter in &options.meters {
        installed.push(One::new(meter, options.clone(), tally.clone(), began_ms).await?);
    }
    let first_ms = installed.iter().map(|one| one.device.utc_ms()).min().unwrap_or(began_ms);
    let pace = Pace::begin(first_ms, options.speed);
    let mut devices = JoinSet::new();
    for one in installed {
        devices.spawn(one.run(pace, stop.clone()));
    }
    let mut outcomes = Vec::new();
    while let Some(outcome) = devices.join_next().await {
        outcomes.push(outcome.context("a device's task")??);
    }
    outcomes.sort_by(|one, other| one.customer.cmp(&other.customer));
    Ok(outcomes)
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Who could have said so is gone: then it is over too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A batch that waits for its acknowledgements.
struct InFlight {
    batch: Batch,
    messages: usize,
    acknowledged: usize,
    readings: u64,
    loses_acknowledgement: bool,
}

/// One device of the fleet.
struct One {
    options: Arc<Options>,
    tally: Arc<Tally>,
    device: Device,
    document: Vec<u8>,
    customer: String,
    faults: Faults,
    /// When it is over.
    end_ms: Option<i64>,
    link: Option<Link>,
    is_connected: bool,
    in_flight: Option<InFlight>,
    batches: u64,
    /// When the broker may be tried again, and how long it is waited for after that.
    retry: (Instant, Duration),
    /// When power and network came, and when a time server answered last.
    online_since_s: Option<i64>,
    asked_s: Option<i64>,
    outcome: Outcome,
}

impl One {
    async fn new(
        installed: &Installed,
        options: Arc<Options>,
        tally: Arc<Tally>,
        began_ms: i64,
    ) -> anyhow::Result<Self> {
        let Installed { customer, device, user, password, site, seed, flash } = installed;
        let faults = Faults::of(*seed, options.faults);
        let who = Who { customer, device, broker: &options.broker, user, password };
        let mut document = vec![0; PROVISIONING_BYTES_MAX];
        let length = site.provisioning(who, options.interval_s, options.encoding).encode(&mut document)?;
        document.truncate(length);
        let outcome = Outcome {
            customer: customer.clone(),
            circuits: site.circuits.iter().map(|circuit| circuit.name).collect(),
            records: Vec::new(),
            dated_starts: Vec::new(),
            torn: 0,
            overwritten: 0,
            undatable: 0,
            interruptions: Vec::new(),
            misled: false,
            delivered: false,
        };
        let end_ms = options.span.map(|span| began_ms + span.as_millis() as i64);
        let flash = flash.as_deref();
        let mut device = Device::new(site.clone(), &document, began_ms, faults.fast_ppb(), flash).await?;
        if !(flash.is_some() && device.resume().await?) {
            // Devices of a fleet do not sample all in one moment.
            device.advance_to(began_ms + (unit(*seed, 0) * f64::from(options.interval_s) * 1e3) as i64);
        }
        Ok(One {
            options,
            tally,
            device,
            document,
            customer: customer.clone(),
            faults,
            end_ms,
            link: None,
            is_connected: false,
            in_flight: None,
            batches: 0,
            retry: (Instant::now(), RETRY),
            online_since_s: None,
            asked_s: None,
            outcome,
        })
    }

    async fn run(mut self, pace: Pace, mut stop: watch::Receiver<bool>) -> anyhow::Result<Outcome> {
        let interval_ms = i64::from(self.options.interval_s) * 1_000;
        let mut next_ms = self.device.utc_ms() + interval_ms;
        if self.device.has_power() && self.faults.has_network(self.device.utc_ms() / 1_000) {
            self.ask_time_server(self.device.utc_ms() / 1_000).await;
        }
        while self.end_ms.is_none_or(|end_ms| next_ms <= end_ms) && !*stop.borrow() {
            let when = pace.when(next_ms);
            self.serve(when, &mut stop).await?;
            self.tally.behind_ms.store(when.elapsed().as_millis() as u64, Relaxed);
            self.step(next_ms, interval_ms).await?;
            next_ms += interval_ms;
        }
        self.deliver(&mut stop).await?;
        self.note_losses();
        Ok(self.outcome)
    }

    /// An interval passes: what its faults do to the device, its sample, its network.
    async fn step(&mut self, at_ms: i64, interval_ms: i64) -> anyhow::Result<()> {
        let at_s = at_ms / 1_000;
        self.device.advance_to(at_ms);
        let has_power = self.faults.has_power(at_s);
        if self.device.has_power() && !has_power {
            self.cut_power(at_s).await;
        } else if !self.device.has_power() && has_power {
            self.device.power_on().await?;
            if let Some((_, until_ms)) = self.outcome.interruptions.last_mut() {
                *until_ms = at_ms;
            }
        } else if self.device.has_power() && self.faults.is_reset(at_s - interval_ms / 1_000, at_s) {
            self.offline();
            self.note_losses();
            self.tally.resets.fetch_add(1, Relaxed);
            self.outcome.interruptions.push((at_ms, at_ms));
            self.device.reset().await?;
        }
        if let Some(record) = self.device.sample(None).await {
            self.tally.records.fetch_add(1, Relaxed);
            if self.options.keeps_records {
                self.outcome.records.push(record);
            }
        }
        if !self.device.has_power() || !self.faults.has_network(at_s) {
            self.offline();
            return Ok(());
        }
        self.ask_time_server(at_s).await;
        self.connect()?;
        self.send().await
    }

    async fn cut_power(&mut self, at_s: i64) {
        self.offline();
        self.note_losses();
        self.tally.power_cuts.fetch_add(1, Relaxed);
        self.outcome.interruptions.push((at_s * 1_000, i64::MAX));
        if let Some(bytes) = self.faults.cut_after(at_s) {
            match self.device.sample(Some(bytes)).await {
                // It was written before power went.
                Some(record) if self.options.keeps_records => self.outcome.records.push(record),
                Some(_) => {}
                None => self.outcome.torn += 1,
            }
        }
        self.device.power_off();
    }

    fn offline(&mut self) {
        if self.link.take().is_some() {
            self.tally.connections_lost.fetch_add(1, Relaxed);
        }
        (self.is_connected, self.in_flight, self.online_since_s, self.asked_s) = (false, None, None, None);
    }

    async fn ask_time_server(&mut self, at_s: i64) {
        let since_s = *self.online_since_s.get_or_insert(at_s);
        let due = match self.asked_s {
            None => at_s >= since_s + self.faults.time_server_after_s(since_s),
            Some(asked_s) => at_s >= asked_s + TIME_SERVER_S,
        };
        if due {
            let off_ms = self.faults.answer_off_ms(at_s, self.asked_s.is_none());
            let answered = self.device.synchronise(off_ms).await;
            if let (Ok(Some(Correction::Set)), Some(firmware)) = (&answered, self.device.firmware()) {
                self.outcome.dated_starts.push(firmware.start_number());
            }
            self.outcome.misled |= off_ms.abs() > CLOCK_STEP_MS
                && matches!(answered, Ok(Some(correction)) if correction != Correction::Doubted);
            // An answer that is doubted is asked for again.
            self.asked_s = Some(at_s).filter(|_| !matches!(answered, Ok(Some(Correction::Doubted))));
        }
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        if self.link.is_none() && self.retry.0 <= Instant::now() {
            self.link = Some(Link::open(&Provisioning::decode(&self.document)?)?);
        }
        Ok(())
    }

    /// Sends the oldest records unless others are on their way.
    async fn send(&mut self) -> anyhow::Result<()> {
        let Some(link) = self.link.as_ref().filter(|_| self.is_connected && self.in_flight.is_none()) else {
            return Ok(());
        };
        let batch = self.device.oldest().await.map_err(|error| anyhow::anyhow!("reading the queue: {error:?}"))?;
        if batch.is_empty() {
            return Ok(());
        }
        let (mut messages, mut readings) = (0, 0);
        for (index, name) in self.outcome.circuits.iter().enumerate().take(CIRCUITS) {
            let Some(message) = batch.message(index, self.options.encoding) else { continue };
            let topic = Topic::new(&self.customer, name).context("a name that is no level of a topic")?;
            // A connection that is gone says so among its news.
            if link.publish(topic, &message).await.is_err() {
                return Ok(());
            }
            messages += 1;
            readings += batch.readings(index).len() as u64;
        }
        self.batches += 1;
        self.tally.messages.fetch_add(messages as u64, Relaxed);
        let loses_acknowledgement = self.faults.loses_acknowledgement(self.batches);
        self.in_flight = Some(InFlight { batch, messages, acknowledged: 0, readings, loses_acknowledgement });
        Ok(())
    }

    /// Listens to the connection until `until`, and sends on as acknowledgements come.
    async fn serve(&mut self, until: Instant, stop: &mut watch::Receiver<bool>) -> anyhow::Result<()> {
        loop {
            let Some(link) = &mut self.link else {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => return Ok(()),
                    () = stopped(stop) => return Ok(()),
                }
            };
            let news = tokio::select! {
                biased;
                news = link.news() => news,
                () = tokio::time::sleep_until(until) => {
                    // Where devices are behind, others wait for their turn.
                    tokio::task::yield_now().await;
                    return Ok(());
                }
                () = stopped(stop) => return Ok(()),
            };
            self.heard(news).await?;
        }
    }

    async fn heard(&mut self, news: News) -> anyhow::Result<()> {
        match news {
            News::Connected => {
                self.tally.connections.fetch_add(1, Relaxed);
                (self.is_connected, self.retry) = (true, (Instant::now(), RETRY));
                self.send().await
            }
            News::Lost(_) => {
                self.lost();
                Ok(())
            }
            News::Acknowledged => {
                let Some(in_flight) = &mut self.in_flight else { return Ok(()) };
                in_flight.acknowledged += 1;
                if in_flight.acknowledged < in_flight.messages {
                    return Ok(());
                }
                if in_flight.loses_acknowledgement {
                    self.tally.batches_repeated.fetch_add(1, Relaxed);
                    self.lost();
                    self.retry.0 = Instant::now();
                    return self.connect();
                }
                self.tally.readings_acknowledged.fetch_add(in_flight.readings, Relaxed);
                let done = self.in_flight.take().map(|in_flight| in_flight.batch).unwrap_or_default();
                let popped = self.device.acknowledge(&done).await;
                popped.map_err(|error| anyhow::anyhow!("forgetting what the broker has: {error:?}"))?;
                self.send().await
            }
        }
    }

    fn lost(&mut self) {
        self.tally.connections_lost.fetch_add(1, Relaxed);
        (self.link, self.is_connected, self.in_flight) = (None, false, None);
        let wait = self.retry.1;
        self.retry = (Instant::now() + wait, (wait * 2).min(RETRY_MAX));
    }

    /// Delivers what is left, with power and network back, but for records whose start never learnt the time.
    async fn deliver(&mut self, stop: &mut watch::Receiver<bool>) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.options.settle;
        while Instant::now() < deadline && !*stop.borrow() {
            self.device.power_on().await?;
            if self.asked_s.is_none() {
                self.online_since_s = Some(i64::MIN / 2);
                self.ask_time_server(self.device.utc_ms() / 1_000).await;
            }
            if self.is_connected && self.in_flight.is_none() {
                self.send().await?;
                if self.in_flight.is_none() && self.is_connected {
                    self.outcome.delivered = true;
                    break;
                }
            }
            self.connect()?;
            self.serve(deadline.min(Instant::now() + IDLE), stop).await?;
        }
        Ok(())
    }

    /// Adds the firmware's losses since its start, before they are gone with its memory.
    fn note_losses(&mut self) {
        if let Some(firmware) = self.device.firmware() {
            let losses = firmware.losses();
            self.outcome.overwritten += u64::from(losses.overwritten);
            self.outcome.undatable += u64::from(losses.undatable);
        }
    }
}
