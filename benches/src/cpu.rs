//! Processor time, what work costs whatever else the machine does meanwhile, and memory.

use anyhow::Context;

/// Seconds of processor time that the calling thread has used since it began.
pub fn thread_seconds() -> f64 {
    seconds(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Seconds of processor time that all threads of this process have used.
pub fn process_seconds() -> f64 {
    seconds(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn seconds(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes to the struct that it is given and to nothing else.
    let outcome = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(outcome, 0, "Linux has this clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The most memory that this process has had, in MiB.
pub fn peak_mib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("Linux says the peak")?;
    Ok(peak.trim().trim_end_matches("kB").trim().parse::<u64>()? >> 10)
}
