//! Nexmark's events as rows of dbsp.

use feldera_macros::IsNone;
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::Event;
use rkyv::{Archive, Deserialize, Serialize};
use size_of::SizeOf;

/// When the first event happens, in milliseconds since 1970. The other side of the bench has the same.
const BASE_MS: u64 = 1_700_000_000_000;

/// Structs with what dbsp asks of a row.
macro_rules! rows {
    ($($row:item)*) => {$(
        #[derive(
            Clone,
            Debug,
            Default,
            Eq,
            PartialEq,
            Ord,
            PartialOrd,
            Hash,
            SizeOf,
            Archive,
            Serialize,
            Deserialize,
            serde::Deserialize,
            IsNone,
        )]
        #[archive_attr(derive(Ord, Eq, PartialEq, PartialOrd))]
        #[archive(compare(PartialEq, PartialOrd))]
        $row
    )*};
}

rows! {
    pub struct Auction {
        pub id: i64,
        pub item_name: String,
        pub description: String,
        pub initial_bid: i64,
        pub reserve: i64,
        pub date_time: i64,
        pub expires: i64,
        pub seller: i64,
        pub category: i64,
        pub extra: String,
    }

    pub struct Person {
        pub id: i64,
        pub name: String,
        pub email_address: String,
        pub credit_card: String,
        pub city: String,
        pub state: String,
        pub date_time: i64,
        pub extra: String,
    }

    pub struct Bid {
        pub id: i64,
        pub auction: i64,
        pub bidder: i64,
        pub price: i64,
        pub channel: String,
        pub url: String,
        pub date_time: i64,
        pub extra: String,
    }
}

/// The rows of an epoch.
#[derive(Default)]
pub struct Epoch {
    pub people: Vec<Person>,
    pub auctions: Vec<Auction>,
    pub bids: Vec<Bid>,
}

/// The first `count` events, `size` an epoch.
pub fn epochs(count: usize, size: usize) -> Vec<Epoch> {
    let config = NexmarkConfig { base_time: BASE_MS, ..NexmarkConfig::default() };
    let events: Vec<(usize, Event)> = EventGenerator::new(config).take(count).enumerate().collect();
    events.chunks(size).map(epoch).collect()
}

fn epoch(events: &[(usize, Event)]) -> Epoch {
    let mut epoch = Epoch::default();
    for (number, event) in events {
        match event {
            Event::Person(person) => epoch.people.push(Person {
                id: person.id as i64,
                name: person.name.clone(),
                email_address: person.email_address.clone(),
                credit_card: person.credit_card.clone(),
                city: person.city.clone(),
                state: person.state.clone(),
                date_time: person.date_time as i64,
                extra: person.extra.clone(),
            }),
            Event::Auction(auction) => epoch.auctions.push(Auction {
                id: auction.id as i64,
                item_name: auction.item_name.clone(),
                description: auction.description.clone(),
                initial_bid: auction.initial_bid as i64,
                reserve: auction.reserve as i64,
                date_time: auction.date_time as i64,
                expires: auction.expires as i64,
                seller: auction.seller as i64,
                category: auction.category as i64,
                extra: auction.extra.clone(),
            }),
            Event::Bid(bid) => epoch.bids.push(Bid {
                id: *number as i64,
                auction: bid.auction as i64,
                bidder: bid.bidder as i64,
                price: bid.price as i64,
                channel: bid.channel.clone(),
                url: bid.url.clone(),
                date_time: bid.date_time as i64,
                extra: bid.extra.clone(),
            }),
        }
    }
    epoch
}
