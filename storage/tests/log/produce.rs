//! Batches that producers send: every compression is read, what is wrong is refused, what is sent again is there once.

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use storage::log::embedded::{Embedded, Produced, Wanted};
use storage::{LogError, Position};

use crate::harness::{event, fresh, open, partition, read_from, values};

/// Who sends a batch: producer id, epoch and the sequence of its first record.
type Sender = (i64, i16, i32);
const NOBODY: Sender = (-1, -1, -1);

fn batch(values: &[&str], compression: Compression, (producer_id, producer_epoch, sequence): Sender) -> BytesMut {
    let record = |(at, value): (usize, &&str)| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id,
        producer_epoch,
        timestamp_type: TimestampType::Creation,
        offset: at as i64,
        sequence: sequence + at as i32,
        timestamp: 5_000 + at as i64,
        key: None,
        value: Some(Bytes::from(value.to_string())),
        headers: Default::default(),
    };
    let records: Vec<Record> = values.iter().enumerate().map(record).collect();
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, &records, &RecordEncodeOptions { version: 2, compression }).unwrap();
    bytes
}

async fn send(log: &Embedded, batch: BytesMut) -> Result<Produced, LogError> {
    log.produce(&partition("t", 0), batch.freeze()).await
}

/// Computes a batch's checksum anew after something in it was changed.
fn sealed(mut batch: BytesMut) -> BytesMut {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

#[tokio::test]
async fn every_compression_is_read_and_kept_as_it_came() {
    let (_dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    log.append(vec![event("t", "first")]).await.unwrap();
    let long = "long ".repeat(20_000);
    let mut next = 1;
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        let produced = send(&log, batch(&["x", &long, ""], compression, NOBODY)).await.unwrap();
        assert_eq!((produced.base_offset, produced.start, produced.duplicate), (next, 0, false));
        let records = read_from(&log, &partition("t", 0), next + 1).await;
        assert_eq!(records[0].value.as_deref(), Some(long.as_bytes()), "{compression:?}");
        assert_eq!((records[0].offset, records[0].timestamp_ms), (next + 1, 5_001));
        assert_eq!(records.len(), 2);
        let position = Position { partition: partition("t", 0), offset: next };
        let wanted = Wanted { position, max_bytes: 1 };
        let raw = log.fetch_raw(vec![wanted], 1_000, 1, std::time::Duration::ZERO).await.remove(0).unwrap();
        let decoded = RecordBatchDecoder::decode(&mut raw.batches.clone()).unwrap();
        assert_eq!((decoded.compression, decoded.records[0].offset), (compression, next as i64));
        next += 3;
    }
}

#[tokio::test]
async fn what_could_not_be_read_later_is_refused_now() {
    let (_dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    let whole = || batch(&["a", "b"], Compression::None, NOBODY);
    let refused = async |batch: BytesMut| send(&log, batch).await.unwrap_err().to_string();

    let mut spoiled = whole();
    *spoiled.last_mut().unwrap() ^= 1;
    assert!(matches!(send(&log, spoiled).await, Err(LogError::Checksum)));

    let mut two = whole();
    two.extend_from_slice(&whole());
    assert!(refused(two).await.contains("exactly one batch"));
    assert!(refused(BytesMut::from(&whole()[..70])).await.contains("exactly one batch"));
    assert!(refused(BytesMut::from(&whole()[..50])).await.contains("within the header"));

    let mut old = whole();
    old[16] = 1;
    assert!(refused(old).await.contains("format version 2"));

    let mut transactional = whole();
    transactional[22] |= 0x10;
    assert!(refused(sealed(transactional)).await.contains("transactions are not supported"));

    let mut garbled = batch(&["a", "b"], Compression::Gzip, NOBODY);
    let middle = garbled.len() - 10;
    garbled[middle] ^= 0xff;
    assert!(refused(sealed(garbled)).await.contains("cannot be decompressed"));

    let mut fewer = whole();
    fewer[26] = 2;
    fewer[60] = 3;
    assert!(refused(sealed(fewer)).await.contains("malformed"));

    let mut reordered = whole();
    reordered[64] = 2;
    assert!(refused(sealed(reordered)).await.contains("not numbered in order"));

    let bomb = "0".repeat(70 << 20);
    assert!(refused(batch(&[&bomb], Compression::Zstd, NOBODY)).await.contains("larger than 67108864 bytes"));
    assert_eq!(log.bounds(&partition("t", 0)).await.unwrap(), (0, 0));
}

#[tokio::test]
async fn a_latest_timestamp_that_is_wrong_is_corrected() {
    let (_dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    let mut wrong = batch(&["a", "b"], Compression::None, NOBODY);
    wrong[35..43].copy_from_slice(&i64::MAX.to_be_bytes());
    send(&log, sealed(wrong)).await.unwrap();
    let found = async |at| log.offset_for_time(&partition("t", 0), at).await.unwrap();
    assert_eq!(found(5_001).await, Some((1, 5_001)));
    assert_eq!(found(i64::MIN).await, Some((0, 5_000)));
    assert_eq!(found(5_002).await, None);
    assert_eq!(values(&log, &partition("t", 0)).await, ["a", "b"]);
}

#[tokio::test]
async fn whatever_offset_a_producer_gives_the_log_gives_its_own() {
    let (_dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    for offset in [0, 7, u64::MAX] {
        let mut batch = batch(&["a"], Compression::None, NOBODY);
        batch[0..8].copy_from_slice(&offset.to_be_bytes());
        send(&log, batch).await.unwrap();
    }
    let offsets: Vec<u64> = read_from(&log, &partition("t", 0), 0).await.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 1, 2]);
}

#[tokio::test]
async fn a_batch_sent_again_is_there_once_also_after_a_restart() {
    let (dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    let id = log.producer_id().await.unwrap();
    for sequence in 0..4 {
        send(&log, batch(&["a", "b"], Compression::None, (id, 0, sequence * 2))).await.unwrap();
    }
    let again = || batch(&["a", "b"], Compression::None, (id, 0, 2));
    let expected = Produced { base_offset: 2, start: 0, duplicate: true };
    assert_eq!(send(&log, again()).await.unwrap(), expected);
    // Once from the checkpoint of a clean end, once from the segment alone.
    drop(log);
    let log = open(&dir).unwrap();
    assert_eq!(send(&log, again()).await.unwrap(), expected);
    drop(log);
    let segment = crate::harness::segment_path(&dir.path().join("log"), "t", 0, 0);
    std::fs::remove_file(segment.with_extension("index")).unwrap();
    let log = open(&dir).unwrap();
    assert_eq!(send(&log, again()).await.unwrap(), expected);
    assert_eq!(log.bounds(&partition("t", 0)).await.unwrap(), (0, 8));
    let gap = send(&log, batch(&["z"], Compression::None, (id, 0, 9))).await;
    assert!(matches!(gap, Err(LogError::OutOfSequence { got: 9, expected: 8, .. })));
    let other = log.producer_id().await.unwrap();
    assert!(other > id, "ids are never given out twice");
    send(&log, batch(&["z"], Compression::None, (id, 1, 0))).await.unwrap();
    let fenced = send(&log, batch(&["z"], Compression::None, (id, 0, 8))).await;
    assert!(matches!(fenced, Err(LogError::Fenced { got: 0, current: 1, .. })));
}

#[tokio::test]
async fn batches_submitted_together_keep_their_order() {
    let (_dir, log) = fresh();
    log.ensure_topic("t", 1).await.unwrap();
    let mut pending = Vec::new();
    for sequence in 0..100 {
        let batch = batch(&["x"], Compression::None, (9, 0, sequence));
        pending.push(log.submit(&partition("t", 0), batch.freeze()).await.unwrap());
    }
    for (sequence, pending) in pending.into_iter().enumerate() {
        assert_eq!(pending.await.unwrap().base_offset, sequence as u64);
    }
}
