//! Random rows from a seed, which is printed when a promise is broken.

use std::sync::Arc;

use dataflow::row::{KeyDecoder, KeyEncoder, added, canonical, sorted_order, supported};
use dataflow::{Changes, RelationSchema, RowCodec};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cell::{Cell, array, batch, compare_rows, random_cell, types};

const SEEDS: u64 = 300;

/// Runs a promise for many seeds.
fn for_seeds(promise: impl Fn(&mut ChaCha8Rng)) {
    for seed in 0..SEEDS {
        let attempt = std::panic::AssertUnwindSafe(|| promise(&mut ChaCha8Rng::seed_from_u64(seed)));
        if let Err(panic) = std::panic::catch_unwind(attempt) {
            eprintln!("failed with seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn random_types(random: &mut ChaCha8Rng) -> Vec<DataType> {
    let all = types();
    (0..random.random_range(1..7)).map(|_| all[random.random_range(0..all.len())].clone()).collect()
}

fn random_rows(types: &[DataType], random: &mut ChaCha8Rng) -> Vec<Vec<Cell>> {
    let row = |random: &mut ChaCha8Rng| types.iter().map(|data_type| random_cell(data_type, random)).collect();
    (0..random.random_range(0..60)).map(|_| row(random)).collect()
}

/// The rows as they are after -0.0 and NaN have been made canonical.
fn canonical_rows(rows: &RecordBatch) -> RecordBatch {
    let columns: Vec<ArrayRef> = rows.columns().iter().map(canonical).collect();
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

/// A relation of these columns with a random key.
fn random_relation(rows: &RecordBatch, random: &mut ChaCha8Rng) -> RelationSchema {
    let mut key: Vec<usize> = (0..rows.num_columns()).collect();
    key.shuffle(random);
    key.truncate(random.random_range(0..=rows.num_columns()));
    RelationSchema { columns: rows.schema(), key, counted: false }
}

#[test]
fn every_listed_type_is_supported_and_no_other() {
    assert!(types().iter().all(supported));
    let others = [
        DataType::Int8,
        DataType::UInt64,
        DataType::Float32,
        DataType::Date64,
        DataType::LargeUtf8,
        DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into())),
        DataType::new_list(DataType::new_list(DataType::Int64, true), true),
    ];
    assert!(!others.iter().any(supported));
}

#[test]
fn the_order_of_keys_is_the_order_of_rows() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = random_rows(&types, random);
        let all: Vec<usize> = (0..types.len()).collect();
        let keys = KeyEncoder::new(&types).encode(&batch(&types, &rows), &all);
        for (left, left_row) in rows.iter().enumerate() {
            for (right, right_row) in rows.iter().enumerate() {
                let expected = compare_rows(left_row, right_row);
                assert_eq!(keys.get(left).cmp(keys.get(right)), expected, "{left_row:?} and {right_row:?}");
            }
        }
        for pair in sorted_order(&keys).windows(2) {
            assert!(compare_rows(&rows[pair[0] as usize], &rows[pair[1] as usize]).is_le());
        }
    });
}

#[test]
fn the_first_columns_of_a_key_are_a_prefix_of_it() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = batch(&types, &random_rows(&types, random));
        let (encoder, decoder) = (KeyEncoder::new(&types), KeyDecoder::new(&types));
        let all: Vec<usize> = (0..types.len()).collect();
        let keys = encoder.encode(&rows, &all);
        for columns in 0..types.len() {
            let prefixes = encoder.encode(&rows, &all[..columns]);
            for (prefix, key) in prefixes.iter().zip(keys.iter()) {
                assert!(key.starts_with(prefix));
                assert_eq!(decoder.prefix_len(key, columns).unwrap(), prefix.len());
            }
        }
    });
}

#[test]
fn keys_decode_to_the_columns_they_were_made_from() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = batch(&types, &random_rows(&types, random));
        let all: Vec<usize> = (0..types.len()).collect();
        let keys = KeyEncoder::new(&types).encode(&rows, &all);
        let decoded = KeyDecoder::new(&types).decode(keys.iter()).unwrap();
        assert_eq!(decoded, canonical_rows(&rows).columns());
    });
}

#[test]
fn a_key_cut_short_is_refused() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = batch(&types, &random_rows(&types, random));
        let all: Vec<usize> = (0..types.len()).collect();
        let decoder = KeyDecoder::new(&types);
        for key in KeyEncoder::new(&types).encode(&rows, &all).iter() {
            let cut = random.random_range(0..key.len());
            assert!(decoder.decode([&key[..cut]].into_iter()).is_err(), "{key:x?} cut to {cut}");
        }
    });
}

#[test]
fn rows_come_back_from_keys_and_values_whatever_columns_are_asked_for() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = batch(&types, &random_rows(&types, random));
        let codec = RowCodec::new(&random_relation(&rows, random));
        let (keys, values) = (codec.keys(&rows), codec.values(&rows));
        let expected = canonical_rows(&rows);

        let decoded = codec.decode(keys.iter().zip(values.iter()), None).unwrap();
        assert_eq!(decoded.rows, expected);
        assert_eq!(decoded.counts, vec![1; rows.num_rows()]);

        let wanted: Vec<usize> = (0..random.random_range(0..5)).map(|_| random.random_range(0..types.len())).collect();
        let decoded = codec.decode(keys.iter().zip(values.iter()), Some(&wanted)).unwrap();
        assert_eq!(decoded.rows, expected.project(&wanted).unwrap());
        assert_eq!(decoded.rows.num_rows(), rows.num_rows());
    });
}

#[test]
fn a_tail_and_hidden_values_are_told_from_rows() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = batch(&types, &random_rows(&types, random));
        let codec = RowCodec::new(&random_relation(&rows, random));
        let keys = codec.keys(&rows);
        let mut visible = Vec::new();
        let values: Vec<Vec<u8>> = (0..rows.num_rows())
            .map(|row| {
                let (mut value, tail) = (Vec::new(), vec![0xab; random.random_range(0..4)]);
                let shown = random.random();
                match shown {
                    true => codec.write_value(&rows, row, &mut value),
                    false => codec.write_hidden(&mut value),
                }
                let without_tail = value.clone();
                value.extend(&tail);
                let parts = codec.value(&value).unwrap();
                assert_eq!((parts.visible, parts.row, parts.tail), (shown, &without_tail[..], &tail[..]));
                visible.extend(shown.then_some(row as u64));
                value
            })
            .collect();
        let decoded = codec.decode(keys.iter().zip(values.iter().map(|value| &value[..])), None).unwrap();
        let expected =
            arrow::compute::take_record_batch(&canonical_rows(&rows), &arrow::array::UInt64Array::from(visible));
        assert_eq!(decoded.rows, expected.unwrap());
    });
}

#[test]
fn a_value_written_before_a_column_was_added_reads_as_null_there_and_equals_the_value_written_after() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = random_rows(&types, random);
        let before = batch(&types, &rows);
        let mut relation = random_relation(&before, random);
        let old = RowCodec::new(&relation);

        let added = random_types(random);
        let widened = [types, added.clone()].concat();
        let rows: Vec<Vec<Cell>> = rows.into_iter().map(|row| [row, vec![Cell::Null; added.len()]].concat()).collect();
        let after = batch(&widened, &rows);
        relation.columns = after.schema();
        let new = RowCodec::new(&relation);

        let (keys, values) = (old.keys(&before), old.values(&before));
        let decoded = new.decode(keys.iter().zip(values.iter()), None).unwrap();
        assert_eq!(decoded.rows, canonical_rows(&after));
        assert_eq!(values, new.values(&after));
    });
}

#[test]
fn columns_added_later_are_their_default_in_rows_that_there_were_and_hidden_from_readers_that_there_were() {
    for_seeds(|random| {
        let types = random_types(random);
        let cells = random_rows(&types, random);
        let rows = batch(&types, &cells);
        let mut key: Vec<usize> = (0..types.len()).collect();
        key.shuffle(random);
        key.truncate(random.random_range(0..types.len()));
        // What is added comes behind the key, one column at a time.
        let first = key.iter().copied().max().map_or(1, |last| last + 1);
        let first = random.random_range(first..=types.len());
        let defaults: Vec<Cell> = types.iter().map(|data_type| random_cell(data_type, random)).collect();
        let field = |at: usize| {
            let default = array(&types[at], std::iter::once(&defaults[at]));
            added(Field::new(format!("c{at}"), types[at].clone(), true), Some(&canonical(&default)))
        };
        let fields: Vec<Field> =
            (0..types.len()).map(|at| if at < first { rows.schema().field(at).clone() } else { field(at) }).collect();
        let codec = |columns: usize| {
            let columns = Arc::new(Schema::new(fields[..columns].to_vec()));
            RowCodec::new(&RelationSchema { columns, key: key.clone(), counted: false })
        };
        let narrow = |columns: usize| rows.project(&(0..columns).collect::<Vec<_>>()).unwrap();
        let filled = |known: usize| {
            let row = |row: &Vec<Cell>| [&row[..known], &defaults[known..]].concat();
            batch(&types, &cells.iter().map(row).collect::<Vec<_>>())
        };
        let wide = codec(types.len());
        for columns in first..=types.len() {
            let then = codec(columns);
            let (keys, values) = (then.keys(&narrow(columns)), then.values(&narrow(columns)));
            // Rows that there were.
            let read = wide.decode(keys.iter().zip(values.iter()), None).unwrap().rows;
            assert_eq!(read.columns(), canonical_rows(&filled(columns)).columns());
            assert_eq!(values, wide.values(&filled(columns)), "the same row is the same bytes");
            // Readers that there were.
            let (keys, values) = (wide.keys(&rows), wide.values(&rows));
            let read = then.decode(keys.iter().zip(values.iter()), None).unwrap().rows;
            assert_eq!(read.columns(), canonical_rows(&narrow(columns)).columns());
            let changes = wide.encode_changes(&[Changes::inserts(rows.clone())]);
            let decoded = then.decode_changes(&changes, None).unwrap();
            assert!(decoded.iter().all(|changes| changes.rows.num_columns() == columns));
        }
        let some: Vec<usize> = (0..types.len()).filter(|_| random.random()).collect();
        let (keys, values) = (wide.keys(&rows), wide.values(&rows));
        let read = wide.decode(keys.iter().zip(values.iter()), Some(&some)).unwrap().rows;
        assert_eq!(read.columns(), canonical_rows(&rows).project(&some).unwrap().columns());
    });
}

#[test]
fn values_are_equal_if_and_only_if_their_rows_are() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = random_rows(&types, random);
        let batch = batch(&types, &rows);
        let codec = RowCodec::new(&RelationSchema { columns: batch.schema(), key: vec![], counted: false });
        let values = codec.values(&batch);
        for left in 0..rows.len() {
            for right in 0..rows.len() {
                let equal = compare_rows(&rows[left], &rows[right]).is_eq();
                assert_eq!(values.get(left) == values.get(right), equal, "{:?} {:?}", rows[left], rows[right]);
            }
        }
    });
}

#[test]
fn a_bag_gives_every_row_with_its_count() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = batch(&types, &random_rows(&types, random));
        let codec = RowCodec::new(&RelationSchema { columns: rows.schema(), key: vec![], counted: true });
        let counts: Vec<i64> =
            (0..rows.num_rows()).map(|_| random.random::<i64>() >> random.random_range(0..64)).collect();
        let keys = codec.keys(&rows);
        let values: Vec<Vec<u8>> = counts
            .iter()
            .map(|&count| {
                let mut value = Vec::new();
                codec.write_counted(count, &mut value);
                assert_eq!(codec.read_count(&value).unwrap(), count);
                value
            })
            .collect();
        let decoded = codec.decode(keys.iter().zip(values.iter().map(|value| &value[..])), None).unwrap();
        assert_eq!(decoded.rows, canonical_rows(&rows));
        assert_eq!(decoded.counts, counts);
    });
}

#[test]
fn changes_come_back_in_their_order() {
    for_seeds(|random| {
        let types = random_types(random);
        let batches: Vec<RecordBatch> =
            (0..random.random_range(0..4)).map(|_| batch(&types, &random_rows(&types, random))).collect();
        let relation = match batches.first() {
            Some(rows) if random.random() => random_relation(rows, random),
            _ => RelationSchema { columns: batch(&types, &[]).schema(), key: vec![], counted: true },
        };
        let codec = RowCodec::new(&relation);
        let changes: Vec<Changes> = batches
            .iter()
            .map(|rows| Changes::new(rows.clone(), (0..rows.num_rows()).map(|_| random.random_range(-3..4)).collect()))
            .collect();
        let decoded = codec.decode_changes(&codec.encode_changes(&changes), None).unwrap();

        let rows = |all: &mut dyn Iterator<Item = RecordBatch>| {
            arrow::compute::concat_batches(&relation.columns, &all.collect::<Vec<_>>()).unwrap()
        };
        let found = rows(&mut decoded.iter().map(|batch| batch.rows.clone()));
        assert_eq!(found, rows(&mut batches.iter().map(canonical_rows)));
        let diffs = |all: &[Changes]| all.iter().flat_map(|batch| batch.diffs.clone()).collect::<Vec<_>>();
        assert_eq!(diffs(&decoded), diffs(&changes));
    });
}

#[test]
fn bytes_that_were_damaged_never_panic() {
    for_seeds(|random| {
        let types = random_types(random);
        let rows = batch(&types, &random_rows(&types, random));
        let codec = RowCodec::new(&random_relation(&rows, random));
        let (keys, values) = (codec.keys(&rows), codec.values(&rows));
        for (key, value) in keys.iter().zip(values.iter()) {
            let (mut key, mut value) = (key.to_vec(), value.to_vec());
            for bytes in [&mut key, &mut value].into_iter().filter(|bytes| !bytes.is_empty()) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
                bytes.truncate(random.random_range(0..=bytes.len()));
            }
            // Either outcome is right: some damage makes other bytes that are valid.
            let _ = codec.decode([(&key[..], &value[..])].into_iter(), None);
        }
        let mut changes = codec.encode_changes(&[Changes::inserts(rows)]).to_vec();
        let at = random.random_range(0..changes.len());
        changes[at] = random.random();
        let _ = codec.decode_changes(&changes, None);
    });
}
