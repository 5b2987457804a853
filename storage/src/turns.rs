//! How threads share the processors.
//!
//! An event passes through five threads, each of which works on it for a fraction of a millisecond. A thread that wakes up for
//! it and finds the processors taken would wait until the system's clock ticks, some milliseconds later: most of what an event
//! takes. So the threads of events take shorter turns than the others, which lets them go first as soon as they wake up.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use crate::limits::{ASIDE_TURN, EVENT_TURN};

/// What the niceness of a thread is raised by that has no share in what events wait for: where both want a processor, it gets
/// a tenth of what they get. With a third it has so often got less than its share that it keeps a processor, until the clock
/// ticks, from threads of events that had theirs; nothing at all it must not get, since it may hold what they wait for.
const ASIDE_NICER: i32 = 10;

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
    let (this_thread, no_flags) = (0, 0);
    let done = attributes().and_then(|mut attributes| {
        attributes.sched_runtime = turn.as_nanos() as u64;
        attributes.sched_nice += nicer;
        // SAFETY: the kernel reads as many bytes as the attributes say that they have.
        match unsafe { libc::syscall(libc::SYS_sched_setattr, this_thread, &raw const attributes, no_flags) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    });
    if let Err(error) = done {
        tracing::debug!("threads take turns as the system has them: {error}");
    }
}

/// How this thread takes turns.
#[cfg(target_os = "linux")]
fn attributes() -> io::Result<libc::sched_attr> {
    let (this_thread, no_flags) = (0, 0);
    let mut found = MaybeUninit::<libc::sched_attr>::zeroed();
    // SAFETY: the kernel writes no more bytes than it is told, and any of them make up the numbers of the structure.
    unsafe {
        match libc::syscall(
            libc::SYS_sched_getattr,
            this_thread,
            found.as_mut_ptr(),
            size_of::<libc::sched_attr>(),
            no_flags,
        ) {
            0 => Ok(found.assume_init()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn take_turns(_turn: Duration, _nicer: i32) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The length of a turn in nanoseconds, and the niceness.
    fn turns() -> (u64, i32) {
        attributes().map(|attributes| (attributes.sched_runtime, attributes.sched_nice)).unwrap()
    }

    #[test]
    fn threads_take_the_turns_of_those_that_start_them_until_they_go_aside() {
        let (_, nice) = turns();
        let serve = || {
            serve_events();
            let (turn, inherited) = std::thread::spawn(turns).join().unwrap();
            let beside = with_threads_aside(|| std::thread::spawn(turns).join().unwrap());
            go_aside();
            (turn, inherited, beside, turns())
        };
        let (turn, inherited, beside, aside) = std::thread::spawn(serve).join().unwrap();
        assert_eq!((inherited, beside.1, aside.1), (nice, nice, nice + ASIDE_NICER));
        if turn == 0 {
            return eprintln!("skipped: this kernel has turns of one length (Linux before 6.12)");
        }
        let lengths = [turn, beside.0, aside.0].map(Duration::from_nanos);
        assert_eq!(lengths, [EVENT_TURN, ASIDE_TURN, ASIDE_TURN]);
    }
}
