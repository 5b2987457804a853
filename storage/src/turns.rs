//! How threads share the processors.
//!
//! An event passes through five threads, each of which works on it for a fraction of a millisecond. A thread that wakes up for
//! it and finds the processors taken would wait until the system's clock ticks, some milliseconds later: most of what an event
//! takes. So the threads of events take shorter turns than the others, which lets them go first as soon as they wake up.

use std::time::Duration;

use crate::limits::{ASIDE_TURN, EVENT_TURN};

/// What the niceness of a thread is raised by that has no share in what events wait for: where both want a processor, it gets
/// a third of what they get, not nothing, since it may hold what they wait for.
const ASIDE_NICER: i32 = 5;

/// This thread, and those that it starts from now on, whatever library asks it to, serve events.
pub fn serve_events() {
    take_turns(EVENT_TURN, 0);
}

/// This thread works beside the events, on what nobody waits for.
pub fn go_aside() {
    take_turns(ASIDE_TURN, ASIDE_NICER);
}

/// Does something that starts threads which work beside the events, and must keep pace with them.
pub(crate) fn with_threads_aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let aside = || {
        take_turns(ASIDE_TURN, 0);
        work()
    };
    std::thread::scope(|scope| scope.spawn(aside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// How long this thread runs at a time, and how much nicer it is than before. Linux heeds the former from 6.12 on. A system
/// that refuses either shares as it did: nothing but time depends on it.
#[cfg(target_os = "linux")]
fn take_turns(turn: Duration, nicer: i32) {
    let (this_thread, no_flags, size) = (0, 0, size_of::<libc::sched_attr>());
    // SAFETY: a structure of numbers.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes no more bytes than it is told, and reads as many as the attributes say that they have.
    let refused = unsafe {
        libc::syscall(libc::SYS_sched_getattr, this_thread, &raw mut attributes, size, no_flags) != 0 || {
            attributes.sched_runtime = turn.as_nanos() as u64;
            attributes.sched_nice += nicer;
            libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags) != 0
        }
    };
    if refused {
        tracing::debug!("threads take turns as the system has them: {}", std::io::Error::last_os_error());
    }
}

#[cfg(not(target_os = "linux"))]
fn take_turns(_turn: Duration, _nicer: i32) {}
