//! When the disk takes no more, nothing is acknowledged that is not on it; once it does again, the log goes on in the same process.

use std::time::Duration;

use storage::LogError;

use crate::harness::{child_dir, child_of, event, partition, position, runtime, values};

/// Limits the size of files that this process may write: the next write beyond it fails like one on a full disk.
fn limit_file_size(bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: both calls only change settings of this process; the structure outlives the call.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

#[test]
fn what_is_acknowledged_is_there_and_nothing_else() {
    if let Some(dir) = child_dir() {
        return runtime().block_on(work_on_a_full_disk(&dir));
    }
    let dir = tempfile::TempDir::new().unwrap();
    let name = "failing_disk::what_is_acknowledged_is_there_and_nothing_else";
    let output = child_of(name, dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    runtime().block_on(async {
        let log = storage::log::Embedded::open(dir.path(), Default::default()).unwrap();
        let kept = values(&log, &partition("t", 0)).await;
        assert_eq!(kept.last().map(String::as_str), Some("after"));
    });
}

async fn work_on_a_full_disk(dir: &std::path::Path) {
    let log = storage::log::Embedded::open(dir, Default::default()).unwrap();
    log.ensure_topic("t", 1).await.unwrap();
    limit_file_size(20_000);
    let mut acknowledged = Vec::new();
    let failure = loop {
        let value = format!("{:0900}", acknowledged.len());
        match log.append(vec![event("t", &value)]).await {
            Ok(_) => acknowledged.push(value),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 100, "the limit is never reached");
    };
    assert!(matches!(failure, LogError::Stopped(_)), "{failure}");
    assert!(failure.to_string().contains("nothing more is acknowledged"), "{failure}");
    assert!(matches!(log.append(vec![event("t", "small")]).await, Err(LogError::Stopped(_))));
    assert!(matches!(log.ensure_topic("other", 1).await, Err(LogError::Stopped(_))));
    assert!(log.stopped().is_some());
    assert_eq!(values(&log, &partition("t", 0)).await, acknowledged, "what is there can be read");
    let end = acknowledged.len() as u64;
    assert!(log.fetch(&[position("t", 0, end)], 100, Duration::ZERO).await.unwrap().is_empty());
    log.durable(&[position("t", 0, end)]).await.unwrap();
    let never = log.durable(&[position("t", 0, end + 1)]).await;
    assert!(matches!(never, Err(LogError::Stopped(_))), "{never:?}");

    limit_file_size(libc::RLIM_INFINITY);
    log.reopen().await.unwrap();
    assert_eq!(values(&log, &partition("t", 0)).await, acknowledged);
    assert_eq!(log.append(vec![event("t", "after")]).await.unwrap()[0].offset, end);
    acknowledged.push("after".into());
    assert_eq!(values(&log, &partition("t", 0)).await, acknowledged);
}
