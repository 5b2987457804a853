//! What we write is what PostgreSQL writes, and what we read of COPY is what it reads: random values are shown to a real
//! server. Skipped, with a word, where none is installed.

#![allow(clippy::excessive_precision, reason = "the digits beyond a double's are what is rounded")]

mod server;
#[path = "../../../tests/src/skipping.rs"]
mod skipping;

use std::error::Error;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int32Builder, Int64Array, IntervalMonthDayNanoArray, ListBuilder, RecordBatch, StringArray,
    StringBuilder, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, IntervalMonthDayNano, Schema};
use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sql::CopyLines;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type as ServerType};

use super::copy::rows::RowReader;
use super::encode::RowEncoder;
use server::Server;

/// Random values of each type.
const VALUES: usize = 300;
/// Random documents of each COPY format.
const DOCUMENTS: usize = 400;

/// A random source, and the seed to run it again with.
fn random() -> (u64, ChaCha8Rng) {
    let seed = std::env::var("CAUDAL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    (seed, ChaCha8Rng::seed_from_u64(seed))
}

/// Bytes as they are on the wire.
#[derive(Debug, PartialEq, Eq)]
struct Raw(Vec<u8>);

impl ToSql for Raw {
    fn to_sql(&self, _: &ServerType, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &ServerType) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &ServerType, raw: &'a [u8]) -> Result<Raw, Box<dyn Error + Sync + Send>> {
        Ok(Raw(raw.to_vec()))
    }

    fn accepts(_: &ServerType) -> bool {
        true
    }
}

/// What we send of an array without NULLs in a format.
fn sent(array: &ArrayRef, format: i16) -> Vec<Vec<u8>> {
    let schema = Arc::new(Schema::new(vec![Field::new("c", array.data_type().clone(), false)]));
    let rows = RecordBatch::try_new(schema.clone(), vec![array.clone()]).unwrap();
    let mut out = BytesMut::new();
    RowEncoder::new(&schema, &[format]).unwrap().encode(&rows, &mut out).unwrap();
    let mut cells = Vec::new();
    while !out.is_empty() {
        let length = 1 + u32::from_be_bytes(out[1..5].try_into().unwrap()) as usize;
        cells.push(out.split_to(length)[11..].to_vec());
    }
    cells
}

fn mixed<T: Clone>(edges: &[T], values: impl FnMut() -> T) -> Vec<T> {
    edges.iter().cloned().chain(std::iter::repeat_with(values).take(VALUES)).collect()
}

fn arrays(random: &mut ChaCha8Rng) -> Vec<(&'static str, ArrayRef)> {
    let text = |random: &mut ChaCha8Rng| -> String {
        let length = random.random_range(0..20);
        (0..length)
            .map(|_| *['a', 'Z', '\\', '"', '\'', '\n', 'ñ', '漢', '\u{1f33b}'].choose(random).unwrap())
            .collect()
    };
    let (days_min, days_max) = (-2_440_588 + 1, 2_145_042_541 - 1);
    let (micros_min, micros_max) = (-210_866_803_200_000_000_i64 + 1, 9_223_371_331_200_000_000_i64 - 1);
    // Dates near ours as often as anywhere.
    let near = 4_102_444_800_000_000_i64;
    let micros = mixed(&[0, -1, 1_767_323_045_678_000, micros_min, micros_max], || match random.random() {
        true => random.random_range(-near..near),
        false => random.random_range(micros_min..micros_max),
    });
    let scales = [0_i8, 2, 6, 10, 38];
    let largest = 10_i128.pow(38) - 1;
    let mut arrays: Vec<(&'static str, ArrayRef)> = vec![
        ("bool", Arc::new(BooleanArray::from(vec![true, false]))),
        ("int2", Arc::new(Int16Array::from(mixed(&[i16::MIN, i16::MAX, 0], || random.random())))),
        ("int4", Arc::new(Int32Array::from(mixed(&[i32::MIN, i32::MAX, 0], || random.random())))),
        ("int8", Arc::new(Int64Array::from(mixed(&[i64::MIN, i64::MAX, 0], || random.random())))),
        ("text", Arc::new(StringArray::from(mixed(&[String::new()], || text(random))))),
        ("timestamp", Arc::new(TimestampMicrosecondArray::from(micros.clone()))),
        ("timestamptz", Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))),
        (
            "date",
            Arc::new(Date32Array::from(mixed(&[0, -1, days_min, days_max], || {
                random.random_range(days_min..days_max)
            }))),
        ),
    ];
    let bytes = mixed(&[vec![]], || {
        let length = random.random_range(0..20);
        (0..length).map(|_| random.random()).collect::<Vec<u8>>()
    });
    arrays.push(("bytea", Arc::new(BinaryArray::from_iter_values(bytes))));
    let edges = [
        0.0,
        -0.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        1125899906842624.25,
        1125899906842624.75,
        1125899906842625.25,
        1e15,
        1e-4,
    ];
    let doubles = mixed(&edges, || match random.random_range(0..3) {
        0 => f64::from_bits(random.random()),
        1 => f64::from(random.random_range(-1_000_000..1_000_000)) / 1000.0,
        _ => random.random_range(-1e17..1e17_f64).round(),
    });
    // A NaN has one form on the wire.
    let doubles = doubles.into_iter().map(|value| if value.is_nan() { f64::NAN } else { value }).collect::<Vec<_>>();
    arrays.push(("float8", Arc::new(Float64Array::from(doubles))));
    let edges = [0.0, -0.0, f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e6, 999_999.0, 1e-4, 1e-5];
    let singles = mixed(&edges, || f32::from_bits(random.random()));
    let singles = singles.into_iter().map(|value| if value.is_nan() { f32::NAN } else { value }).collect::<Vec<_>>();
    arrays.push(("float4", Arc::new(Float32Array::from(singles))));
    arrays.extend(spans(random));
    for scale in scales {
        let unscaled = mixed(&[0, 1, -1, 9999, 10_000, 10_001, 100_000_000, largest, -largest], || {
            let magnitude = random.random_range(0..38);
            random.random_range(-largest..largest) / 10_i128.pow(magnitude)
        });
        let decimals = Decimal128Array::from(unscaled).with_precision_and_scale(38, scale).unwrap();
        arrays.push(("numeric", Arc::new(decimals)));
    }
    arrays
}

/// Times of day, intervals and arrays.
fn spans(random: &mut ChaCha8Rng) -> Vec<(&'static str, ArrayRef)> {
    let days = 86_400_000_000_i64;
    let times = mixed(&[0, days - 1, 3_600_000_000], || random.random_range(0..days));
    let edges = [(0, 0, 0), (-1, 1, -1), (14, -3, 1), (-13, 0, days), (12, 31, -days), (1, 1, 1_000_000)];
    let parts = mixed(&edges, || {
        let months = random.random_range(-30..30);
        (months, random.random_range(-40..40), random.random_range(-days..days) / 10_i64.pow(random.random_range(0..7)))
    });
    let interval = |(months, days, micros): (i32, i32, i64)| IntervalMonthDayNano::new(months, days, micros * 1_000);
    let letters = ['a', '"', '\\', ',', '{', ' ', 'ñ', '\t'];
    let mut words = ListBuilder::new(StringBuilder::new());
    let mut numbers = ListBuilder::new(Int32Builder::new());
    for _ in 0..VALUES {
        for _ in 0..random.random_range(0..4) {
            let word: String = (0..random.random_range(0..4)).map(|_| *letters.choose(random).unwrap()).collect();
            let word = if random.random_ratio(1, 8) { "null".to_owned() } else { word };
            words.values().append_option(random.random_ratio(3, 4).then_some(word));
            numbers.values().append_option(random.random_ratio(3, 4).then(|| random.random::<i32>()));
        }
        words.append(true);
        numbers.append(true);
    }
    vec![
        ("time", Arc::new(Time64MicrosecondArray::from(times))),
        ("interval", Arc::new(IntervalMonthDayNanoArray::from(parts.into_iter().map(interval).collect::<Vec<_>>()))),
        ("text[]", Arc::new(words.finish())),
        ("int4[]", Arc::new(numbers.finish())),
    ]
}

#[tokio::test]
async fn values_are_written_as_postgresql_writes_them() {
    let Some(server) = Server::start() else { return };
    let client = server.connect().await;
    let (seed, mut random) = random();
    for (name, array) in arrays(&mut random) {
        let statement = client.prepare(&format!("SELECT $1::{name}, ($1::{name})::text")).await.unwrap();
        for (text, binary) in sent(&array, 0).into_iter().zip(sent(&array, 1)) {
            let text = String::from_utf8(text).unwrap();
            let about = format!("{name} {text}, CAUDAL_SEED={seed}");
            let row = client.query_one(&statement, &[&Raw(binary.clone())]).await.expect(&about);
            assert_eq!(row.get::<_, Raw>(0), Raw(binary), "binary {about}");
            // A boolean cast to text is a word; its output is a letter.
            let shown: String = row.get(1);
            assert_eq!(if name == "bool" { &shown[..1] } else { &shown }, text, "text of {about}");
        }
    }
}

/// Two cells a line most of the time, of the letters that mean something to the format.
fn document(random: &mut ChaCha8Rng, format: &CopyLines) -> String {
    let mut letters = vec!['a', ' ', 'N', 'é', '1', '0', 'x', '4'];
    letters.extend([char::from(format.delimiter), char::from(format.quote), char::from(format.escape), '\\']);
    let mut document = String::new();
    for _ in 0..random.random_range(1..4) {
        for cell in 0..2 {
            if cell > 0 {
                document.push(char::from(format.delimiter));
            }
            let quoted = format.csv && random.random_ratio(1, 3);
            document.extend(quoted.then_some(char::from(format.quote)));
            for _ in 0..random.random_range(0..5) {
                let noise = random.random_ratio(1, if quoted { 2 } else { 8 });
                let letter = if noise { *letters.choose(random).unwrap() } else { 'b' };
                document.push(if noise && random.random_ratio(1, 8) { '\n' } else { letter });
            }
            document.extend(quoted.then_some(char::from(format.quote)));
        }
        document.push('\n');
    }
    if random.random_ratio(1, 4) {
        document.pop();
    }
    document
}

type Read = Result<Vec<Vec<Option<String>>>, String>;

fn ours(document: &str, format: &CopyLines, piece: usize) -> Read {
    let columns = ["a".to_owned(), "b".to_owned()];
    let mut reader = RowReader::new(format, &columns);
    let mut rows = Vec::new();
    let mut read = || {
        for mut piece in document.as_bytes().chunks(piece) {
            while let Some(batch) = reader.read(&mut piece)? {
                rows.extend(batch);
            }
        }
        Ok(())
    };
    read()
        .and_then(|()| reader.finish())
        .map(|last| {
            rows.extend(last);
            rows
        })
        .map_err(|error: sql::SqlError| error.sqlstate.to_owned())
}

async fn theirs(client: &tokio_postgres::Client, document: &str, copy: &str) -> Read {
    client.batch_execute("TRUNCATE copied").await.unwrap();
    let copied = async {
        let sink = client.copy_in::<_, Bytes>(copy).await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::copy_from_slice(document.as_bytes())).await?;
        sink.finish().await
    };
    copied.await.map_err(|error| error.code().unwrap().code().to_owned())?;
    let rows = client.query("SELECT a, b FROM copied ORDER BY ctid", &[]).await.unwrap();
    Ok(rows.iter().map(|row| vec![row.get(0), row.get(1)]).collect())
}

#[tokio::test]
async fn copied_data_is_read_as_postgresql_reads_it() {
    let Some(server) = Server::start() else { return };
    let client = server.connect().await;
    client.batch_execute("CREATE TEMP TABLE copied (a text, b text)").await.unwrap();
    let (seed, mut random) = random();
    let formats = [
        ("COPY copied FROM STDIN", CopyLines::text()),
        ("COPY copied FROM STDIN WITH (FORMAT csv)", CopyLines::csv()),
        (
            "COPY copied FROM STDIN WITH (FORMAT csv, ESCAPE '\\', DELIMITER ';', NULL 'N')",
            CopyLines { escape: b'\\', delimiter: b';', null: "N".to_owned(), ..CopyLines::csv() },
        ),
    ];
    let (mut read, mut refused) = (0, 0);
    for (copy, format) in formats {
        for _ in 0..DOCUMENTS {
            let document = document(&mut random, &format);
            let expected = theirs(&client, &document, copy).await;
            let piece = random.random_range(1..=document.len());
            let got = ours(&document, &format, piece);
            assert_eq!(got, expected, "{copy} of {document:?} in pieces of {piece}, CAUDAL_SEED={seed}");
            if expected.is_ok() { read += 1 } else { refused += 1 }
        }
    }
    assert!(read > DOCUMENTS && refused > 0, "the documents are good and bad ones: {read} and {refused}");
}
