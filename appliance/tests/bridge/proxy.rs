//! A line between node and broker that can swallow what the node says, and break.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Carries connections to a broker, for as long as the test runs.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    swallows: AtomicBool,
    swallowed: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub fn to(broker: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), line: Arc::default() };
        let line = proxy.line.clone();
        std::thread::spawn(move || {
            for node in listener.incoming() {
                // A broker that is down takes nobody.
                let (Ok(node), Ok(broker)) = (node, TcpStream::connect(("127.0.0.1", broker))) else { continue };
                let both = || (node.try_clone().unwrap(), broker.try_clone().unwrap());
                line.open.lock().unwrap().extend([both().0, both().1]);
                let ((said, heard), (told, answered)) = (both(), both());
                let (there, back) = (line.clone(), Arc::default());
                std::thread::spawn(move || carry(said, heard, &there));
                std::thread::spawn(move || carry(answered, told, &back));
            }
        });
        proxy
    }

    /// What the node says from now on does not arrive, and it is not told.
    pub fn swallow(&self) {
        self.line.swallowed.store(0, Ordering::SeqCst);
        self.line.swallows.store(true, Ordering::SeqCst);
    }

    /// Bytes that did not arrive.
    pub fn swallowed(&self) -> u64 {
        self.line.swallowed.load(Ordering::SeqCst)
    }

    /// Breaks all connections; new ones are whole.
    pub fn break_off(&self) {
        for stream in self.line.open.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.line.swallows.store(false, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, line: &Line) {
    let mut bytes = [0; 4_096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if line.swallows.load(Ordering::SeqCst) {
            line.swallowed.fetch_add(read as u64, Ordering::SeqCst);
        } else if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
