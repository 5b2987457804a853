//! The queries as circuits. Times are milliseconds.

use std::collections::HashSet;
use std::path::Path;

use dbsp::circuit::{CircuitConfig, CircuitStorageConfig, StorageCacheConfig, StorageConfig, StorageOptions};
use dbsp::dynamic::{DynData, Erase};
use dbsp::operator::Max;
use dbsp::operator::Update;
use dbsp::typed_batch::IndexedZSetReader;
use dbsp::utils::{Tup1, Tup2, Tup3, Tup4, Tup6, Tup7, Tup10};
use dbsp::{
    DBData, DBSPHandle, MapHandle, OrdIndexedZSet, OrdZSet, OutputHandle, RootCircuit, Runtime, Stream, ZSetHandle,
};

use crate::answer::Answer;
use crate::events::{Auction, Bid, Epoch, Person};

/// A query that runs.
pub trait Circuit {
    /// Takes an epoch's events and brings the answer up to date.
    fn step(&mut self, epoch: &mut Epoch);
    /// Makes what the circuit has taken durable: a circuit that is started from here goes on with the next epoch.
    fn checkpoint(&mut self);
    /// What the last step changed.
    fn changes(&self, answer: &mut Answer);
}

struct Running<V: DBData> {
    handle: DBSPHandle,
    input: Input,
    output: OutputHandle<OrdZSet<V>>,
    text: fn(&V) -> String,
}

/// Where the events go in.
enum Input {
    /// Through: only what the query needs of them is kept.
    Passed { auctions: ZSetHandle<Auction>, bids: ZSetHandle<Bid> },
    /// Into tables by key, people among them: a row with a key that is there replaces that row.
    Kept { people: Table<Person>, auctions: Table<Auction>, bids: Table<Bid> },
}

type Table<R> = MapHandle<i64, R, R>;

impl Input {
    /// Hands over an epoch's events.
    fn append(&mut self, epoch: &mut Epoch) {
        match self {
            Input::Passed { auctions, bids } => {
                auctions.append(&mut epoch.auctions.drain(..).map(|auction| Tup2(auction, 1)).collect());
                bids.append(&mut epoch.bids.drain(..).map(|bid| Tup2(bid, 1)).collect());
            }
            Input::Kept { people, auctions, bids } => {
                upsert(people, &mut epoch.people, |person| person.id);
                upsert(auctions, &mut epoch.auctions, |auction| auction.id);
                upsert(bids, &mut epoch.bids, |bid| bid.id);
            }
        }
    }
}

fn upsert<R: DBData + Erase<DynData>>(table: &mut Table<R>, rows: &mut Vec<R>, key: fn(&R) -> i64) {
    table.append(&mut rows.drain(..).map(|row| Tup2(key(&row), Update::Insert(row))).collect());
}

/// A table whose rows replace each other by key, and the changes of its rows.
fn table<R: DBData + Erase<DynData>>(circuit: &mut RootCircuit) -> (Rows<R>, Table<R>) {
    let (changes, handle) = circuit.add_input_map::<i64, R, R, _>(|row, update| *row = update.clone());
    (changes.map(|(_, row)| row.clone()), handle)
}

impl<V: DBData> Circuit for Running<V> {
    fn step(&mut self, epoch: &mut Epoch) {
        self.input.append(epoch);
        self.handle.transaction().expect("a step of the circuit");
    }

    fn checkpoint(&mut self) {
        self.handle.checkpoint().run().expect("a checkpoint of a circuit with storage");
        self.handle.gc_checkpoint(HashSet::new()).expect("older checkpoints can be removed");
    }

    fn changes(&self, answer: &mut Answer) {
        self.output.consolidate().iter().for_each(|(row, (), weight)| answer.change((self.text)(&row), weight));
    }
}

type Auctions = Stream<RootCircuit, OrdZSet<Auction>>;
type Bids = Stream<RootCircuit, OrdZSet<Bid>>;
type Rows<V> = Stream<RootCircuit, OrdZSet<V>>;

/// Where the state is, and what of the events is among it.
#[derive(Clone, Copy)]
pub struct Keeping<'a> {
    /// Where checkpoints go; else the state is in memory.
    pub storage: Option<&'a Path>,
    /// Whether events are kept as tables by key, beside what the query needs.
    pub tables: bool,
}

/// The circuit of a query, if it is known.
pub fn build(query: &str, keeping: Keeping<'_>) -> Option<Box<dyn Circuit>> {
    Some(match query {
        "q4" => {
            run(keeping, q4, |Tup2(category, Tup2(sum, count))| format!("{category}|{}", *sum as f64 / *count as f64))
        }
        "q5" => run(keeping, q5, |Tup3(auction, start, num)| format!("{auction}|{start}|{num}")),
        "q7" => run(keeping, q7, |Tup4(auction, price, bidder, at)| format!("{auction}|{price}|{bidder}|{at}")),
        "q9" => run(keeping, q9, |Tup7(id, item, seller, category, bidder, price, at)| {
            format!("{id}|{item}|{seller}|{category}|{bidder}|{price}|{at}")
        }),
        "q20" => run(
            keeping,
            q20,
            |Tup10(auction, bidder, price, channel, item, description, initial, reserve, expires, seller)| {
                format!(
                    "{auction}|{bidder}|{price}|{channel}|{item}|{description}|{initial}|{reserve}|{expires}|{seller}"
                )
            },
        ),
        _ => return None,
    })
}

fn run<V: DBData>(
    keeping: Keeping<'_>,
    query: fn(&Auctions, &Bids) -> Rows<V>,
    text: fn(&V) -> String,
) -> Box<dyn Circuit> {
    let build = move |circuit: &mut RootCircuit| {
        if keeping.tables {
            let (_, people) = table::<Person>(circuit);
            let (auctions, auction_table) = table(circuit);
            let (bids, bid_table) = table(circuit);
            let input = Input::Kept { people, auctions: auction_table, bids: bid_table };
            return Ok((input, query(&auctions, &bids).output()));
        }
        let (auctions, auction_handle) = circuit.add_input_zset::<Auction>();
        let (bids, bid_handle) = circuit.add_input_zset::<Bid>();
        let input = Input::Passed { auctions: auction_handle, bids: bid_handle };
        Ok((input, query(&auctions, &bids).output()))
    };
    let (handle, (input, output)) = Runtime::init_circuit(config(keeping.storage), build).expect("a circuit");
    Box::new(Running { handle, input, output, text })
}

/// One worker. Storage as dbsp has it by default: small batches stay in memory until a checkpoint writes them.
fn config(storage: Option<&Path>) -> CircuitConfig {
    let storage = storage.map(|dir| {
        let config = StorageConfig { path: dir.display().to_string(), cache: StorageCacheConfig::default() };
        CircuitStorageConfig::for_config(config, StorageOptions::default()).expect("storage in an empty directory")
    });
    CircuitConfig::with_workers(1).with_storage(storage)
}

/// The mean, as sum and count, of the highest bids by category.
fn q4(auctions: &Auctions, bids: &Bids) -> Rows<Tup2<i64, Tup2<i64, i64>>> {
    let auctions =
        auctions.map_index(|auction| (auction.id, Tup3(auction.category, auction.date_time, auction.expires)));
    let bids = bids.map_index(|bid| (bid.auction, Tup2(bid.price, bid.date_time)));
    let in_time = auctions.join_index(&bids, |id, Tup3(category, from, until), Tup2(price, at)| {
        (from <= at && at <= until).then_some((Tup2(*id, *category), *price))
    });
    let highest: Stream<RootCircuit, OrdIndexedZSet<Tup2<i64, i64>, i64>> = in_time.aggregate(Max);
    let by_category = highest.map_index(|(Tup2(_, category), price)| (*category, *price));
    let means = by_category.aggregate_linear(|price| Tup2(*price, 1));
    means.map(|(category, mean)| Tup2(*category, *mean))
}

/// The auctions with the most bids in windows of ten seconds, a new one every two.
fn q5(_auctions: &Auctions, bids: &Bids) -> Rows<Tup3<i64, i64, i64>> {
    // As in the view: bids of one auction and two seconds are put together before they are in five windows.
    let binned: Rows<Tup2<i64, i64>> =
        bids.map(|bid| Tup2(bid.auction, bid.date_time - bid.date_time.rem_euclid(2_000)));
    let hops = binned.flat_map(|Tup2(auction, last)| {
        let (auction, last) = (*auction, *last);
        (0..5).map(move |back| Tup2(auction, last - back * 2_000))
    });
    let counted = hops.map_index(|hop| (*hop, ())).weighted_count();
    let by_start = counted.map_index(|(Tup2(auction, start), num)| (*start, Tup2(*num, *auction)));
    let most = counted.map_index(|(Tup2(_, start), num)| (*start, *num)).aggregate(Max);
    by_start
        .join_flatmap(&most, |start, Tup2(num, auction), most| (num == most).then_some(Tup3(*auction, *start, *num)))
}

/// The highest bids in windows of ten seconds.
fn q7(_auctions: &Auctions, bids: &Bids) -> Rows<Tup4<i64, i64, i64, i64>> {
    let start = |bid: &Bid| bid.date_time - bid.date_time.rem_euclid(10_000);
    let highest = bids.map_index(move |bid| (start(bid), bid.price)).aggregate(Max);
    let highest = highest.map_index(|(start, price)| (Tup2(*start, *price), Tup1(true)));
    let bids = bids.map_index(move |bid| (Tup2(start(bid), bid.price), Tup3(bid.auction, bid.bidder, bid.date_time)));
    bids.join(&highest, |Tup2(_, price), Tup3(auction, bidder, at), _| Tup4(*auction, *price, *bidder, *at))
}

/// The winning bid of each auction: the highest, of those the first.
fn q9(auctions: &Auctions, bids: &Bids) -> Rows<Tup7<i64, String, i64, i64, i64, i64, i64>> {
    let auctions = auctions.map_index(|auction| {
        let times = Tup2(auction.date_time, auction.expires);
        (auction.id, Tup4(times, auction.item_name.clone(), auction.seller, auction.category))
    });
    let bids = bids.map_index(|bid| (bid.auction, Tup3(bid.price, bid.date_time, bid.bidder)));
    let in_time =
        auctions.join_index(&bids, |id, Tup4(Tup2(from, until), item, seller, category), Tup3(price, at, bidder)| {
            (from <= at && at <= until).then(|| (*id, Tup6(-price, *at, item.clone(), *seller, *category, *bidder)))
        });
    in_time.topk_asc(1).map(|(id, Tup6(price, at, item, seller, category, bidder))| {
        Tup7(*id, item.clone(), *seller, *category, *bidder, -price, *at)
    })
}

type Wide = Tup10<i64, i64, i64, String, String, String, i64, i64, i64, i64>;

/// Bids with their auction, of one category.
fn q20(auctions: &Auctions, bids: &Bids) -> Rows<Wide> {
    let auctions = auctions.filter(|auction| auction.category == 10).map_index(|auction| {
        let numbers = Tup4(auction.initial_bid, auction.reserve, auction.expires, auction.seller);
        (auction.id, Tup3(auction.item_name.clone(), auction.description.clone(), numbers))
    });
    let bids = bids.map_index(|bid| (bid.auction, Tup3(bid.bidder, bid.price, bid.channel.clone())));
    bids.join(&auctions, |auction, Tup3(bidder, price, channel), Tup3(item, description, numbers)| {
        let Tup4(initial, reserve, expires, seller) = *numbers;
        let (channel, item, description) = (channel.clone(), item.clone(), description.clone());
        Tup10(*auction, *bidder, *price, channel, item, description, initial, reserve, expires, seller)
    })
}
