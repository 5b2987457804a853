//! Nexmark's events as rows of three tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Auction, Bid, Event, Person};

/// When the first event happens, in milliseconds since 1970.
const BASE_MS: u64 = 1_700_000_000_000;

/// Rows of an epoch.
pub struct Epoch {
    pub people: RecordBatch,
    pub auctions: RecordBatch,
    pub bids: RecordBatch,
}

/// The first `count` events, `size` an epoch.
pub fn epochs(count: usize, size: usize) -> Vec<Epoch> {
    let config = NexmarkConfig { base_time: BASE_MS, ..NexmarkConfig::default() };
    let mut events = EventGenerator::new(config).take(count).enumerate();
    let mut epochs = Vec::new();
    loop {
        let (mut people, mut auctions, mut bids) = (Vec::new(), Vec::new(), Vec::new());
        for (number, event) in events.by_ref().take(size) {
            match event {
                Event::Person(person) => people.push(person),
                Event::Auction(auction) => auctions.push(auction),
                Event::Bid(bid) => bids.push((number, bid)),
            }
        }
        if people.is_empty() && auctions.is_empty() && bids.is_empty() {
            return epochs;
        }
        epochs.push(Epoch { people: person_rows(&people), auctions: auction_rows(&auctions), bids: bid_rows(&bids) });
    }
}

/// The columns of the tables, the key first.
pub fn person() -> SchemaRef {
    let text = ["name", "email_address", "credit_card", "city", "state", "extra"]
        .map(|name| Field::new(name, DataType::Utf8, true));
    Arc::new(Schema::new([vec![integer("id")], text.to_vec(), vec![time("date_time")]].concat()))
}

pub fn auction() -> SchemaRef {
    let text = ["item_name", "description", "extra"].map(|name| Field::new(name, DataType::Utf8, true));
    let numbers = ["initial_bid", "reserve", "seller", "category"].map(integer);
    let times = ["date_time", "expires"].map(time);
    Arc::new(Schema::new([vec![integer("id")], text.to_vec(), numbers.to_vec(), times.to_vec()].concat()))
}

pub fn bid() -> SchemaRef {
    let text = ["channel", "url", "extra"].map(|name| Field::new(name, DataType::Utf8, true));
    let numbers = ["id", "auction", "bidder", "price"].map(integer);
    Arc::new(Schema::new([numbers.to_vec(), text.to_vec(), vec![time("date_time")]].concat()))
}

fn integer(name: &str) -> Field {
    Field::new(name, DataType::Int64, name != "id")
}

fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())), true)
}

fn person_rows(people: &[Person]) -> RecordBatch {
    let columns = vec![
        integers(people, |person| person.id),
        texts(people, |person| &person.name),
        texts(people, |person| &person.email_address),
        texts(people, |person| &person.credit_card),
        texts(people, |person| &person.city),
        texts(people, |person| &person.state),
        texts(people, |person| &person.extra),
        times(people, |person| person.date_time),
    ];
    RecordBatch::try_new(person(), columns).expect("the columns of the schema")
}

fn auction_rows(auctions: &[Auction]) -> RecordBatch {
    let columns = vec![
        integers(auctions, |auction| auction.id),
        texts(auctions, |auction| &auction.item_name),
        texts(auctions, |auction| &auction.description),
        texts(auctions, |auction| &auction.extra),
        integers(auctions, |auction| auction.initial_bid),
        integers(auctions, |auction| auction.reserve),
        integers(auctions, |auction| auction.seller),
        integers(auctions, |auction| auction.category),
        times(auctions, |auction| auction.date_time),
        times(auctions, |auction| auction.expires),
    ];
    RecordBatch::try_new(auction(), columns).expect("the columns of the schema")
}

/// A bid has no key of its own: it gets the event's number.
fn bid_rows(bids: &[(usize, Bid)]) -> RecordBatch {
    let columns = vec![
        integers(bids, |(number, _)| *number),
        integers(bids, |(_, bid)| bid.auction),
        integers(bids, |(_, bid)| bid.bidder),
        integers(bids, |(_, bid)| bid.price),
        texts(bids, |(_, bid)| &bid.channel),
        texts(bids, |(_, bid)| &bid.url),
        texts(bids, |(_, bid)| &bid.extra),
        times(bids, |(_, bid)| bid.date_time),
    ];
    RecordBatch::try_new(bid(), columns).expect("the columns of the schema")
}

fn integers<T>(rows: &[T], of: impl Fn(&T) -> usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| of(row) as i64)))
}

fn texts<'a, T>(rows: &'a [T], of: impl Fn(&'a T) -> &'a String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
}

fn times<T>(rows: &[T], of: impl Fn(&T) -> u64) -> ArrayRef {
    let micros = rows.iter().map(|row| of(row) as i64 * 1_000);
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("+00:00"))
}
