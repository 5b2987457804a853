//! What the disk asks: the same batches written to a file, synced after each round of senders, and read back.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::Instant;

use bytes::Bytes;

use super::{Figures, Load};

pub fn run(load: Load, batches: &[Bytes]) -> anyhow::Result<Figures> {
    let dir = tempfile::tempdir()?;
    let mut file = File::options().create_new(true).read(true).write(true).open(dir.path().join("log"))?;
    let mut latencies_ms = Vec::with_capacity(batches.len());
    let started = Instant::now();
    for round in batches.chunks(load.senders) {
        let sent = Instant::now();
        for batch in round {
            file.write_all(batch)?;
        }
        file.sync_data()?;
        latencies_ms.extend(round.iter().map(|_| sent.elapsed().as_secs_f64() * 1e3));
    }
    let produced = started.elapsed();
    file.rewind()?;
    let mut chunk = vec![0; 1 << 20];
    let (started, mut bytes) = (Instant::now(), 0);
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            read => bytes += read,
        }
    }
    anyhow::ensure!(bytes == batches.iter().map(Bytes::len).sum::<usize>(), "all of it is read");
    Ok(Figures { produced, latencies_ms, fetched: started.elapsed() })
}
