//! What the disk asks: the same bytes appended to two files, each synced.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Instant;

use super::Load;

/// Milliseconds from due to synced, an entry a burst.
pub fn run(load: Load) -> anyhow::Result<Vec<f64>> {
    let dir = tempfile::tempdir()?;
    let mut files = [File::create(dir.path().join("log"))?, File::create(dir.path().join("table"))?];
    let (send, receive) = channel::<(Instant, Vec<u8>)>();
    let writer = std::thread::spawn(move || -> std::io::Result<Vec<f64>> {
        let mut latencies = Vec::new();
        while let Ok(first) = receive.recv() {
            let mut waiting = vec![first];
            waiting.extend(receive.try_iter());
            let bytes: Vec<u8> = waiting.iter().flat_map(|(_, bytes)| bytes).copied().collect();
            for file in &mut files {
                file.write_all(&bytes)?;
                file.sync_data()?;
            }
            latencies.extend(waiting.iter().map(|(due, _)| due.elapsed().as_secs_f64() * 1e3));
        }
        Ok(latencies)
    });
    let started = Instant::now();
    for burst in 0..load.bursts {
        let bytes = load.payloads(burst).collect::<String>().into_bytes();
        let due = load.due(started, burst);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // The writer has failed when this fails; its error is what is told.
        if send.send((due, bytes)).is_err() {
            break;
        }
    }
    drop(send);
    Ok(writer.join().expect("writing does not panic")?)
}
