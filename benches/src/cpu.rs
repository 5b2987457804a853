//! The processor time that the calling thread has used: what work costs, whatever else the machine does meanwhile.

/// Seconds of processor time of this thread since it began.
pub fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes to the struct that it is given and to nothing else.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(outcome, 0, "Linux has a clock for each thread");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
