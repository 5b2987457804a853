//! Open files: how many connections this process has room for, beside everything else that it opens.

use crate::limits::{MQTT_CONNECTIONS_MAX, MQTT_FILES_SPARED};

/// The client's connection, and both ends of the one to the broker.
const FILES_EACH: u64 = 3;

/// Raises the limit of open files as far as this process may, and tells how many connections that is good for.
pub(super) fn connections_max() -> usize {
    let room = raise().saturating_sub(MQTT_FILES_SPARED) / FILES_EACH;
    let connections = MQTT_CONNECTIONS_MAX.min(room as usize);
    if connections < MQTT_CONNECTIONS_MAX {
        tracing::info!(
            "room for {connections} MQTT connections: the limit of open files (ulimit -n) is in the way of more"
        );
    }
    connections
}

/// The limit of open files, raised.
fn raise() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is written to by one call and read by the other, and nothing else is.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return 0;
        }
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) == 0 { raised.rlim_cur } else { limit.rlim_cur }
    }
}
