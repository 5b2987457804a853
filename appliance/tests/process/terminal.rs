//! A program at a pseudo-terminal: what a person types, and what they then see.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::process::{DEADLINE, within};

pub struct Terminal {
    keyboard: Mutex<File>,
    child: Mutex<Child>,
    /// Everything that was shown, and how much of it was looked at.
    shown: Arc<Mutex<(String, usize)>>,
}

impl Terminal {
    /// Starts a program at a terminal of its own of 24 rows and 100 columns.
    pub fn start(mut command: Command) -> Terminal {
        let (mut keyboard, mut screen) = (0, 0);
        let size = libc::winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the pointers are to what the call fills in, or null where it takes that.
        let opened =
            unsafe { libc::openpty(&mut keyboard, &mut screen, std::ptr::null_mut(), std::ptr::null(), &size) };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: both were just opened, and nobody else has them.
        let (keyboard, screen) = unsafe { (File::from_raw_fd(keyboard), OwnedFd::from_raw_fd(screen)) };
        let end = || Stdio::from(screen.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: both calls may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        drop(command);
        drop(screen);
        let shown: Arc<Mutex<(String, usize)>> = Arc::default();
        let (mut output, seen) = (keyboard.try_clone().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It fails when the program has gone.
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                seen.lock().unwrap().0.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Terminal { keyboard: Mutex::new(keyboard), child: Mutex::new(child), shown }
    }

    /// Types something.
    pub fn send(&self, keys: &str) {
        self.keyboard.lock().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the text is shown behind what was expected before.
    pub fn expect(&self, text: &str) {
        let found = || {
            let mut shown = self.shown.lock().unwrap();
            let at = shown.0[shown.1..].find(text)?;
            shown.1 += at + text.len();
            Some(())
        };
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| within(DEADLINE / 2, found)));
        if told.is_err() {
            let shown = self.shown.lock().unwrap();
            panic!("{text:?} is not shown behind what came before, only:\n{}", &shown.0[shown.1..]);
        }
    }

    /// Presses Ctrl-C until the text is shown: what is pressed before a statement runs stops nothing.
    pub fn interrupt_until(&self, text: &str) {
        let pressed = || {
            self.send("\x03");
            std::thread::sleep(Duration::from_millis(50));
            let shown = self.shown.lock().unwrap();
            shown.0[shown.1..].contains(text).then_some(())
        };
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| within(DEADLINE / 2, pressed)));
        if told.is_err() {
            let shown = self.shown.lock().unwrap();
            panic!("{text:?} is not shown however often Ctrl-C is pressed, only:\n{}", &shown.0[shown.1..]);
        }
        self.expect(text);
    }

    /// Waits until the program has ended, well.
    pub fn ends(&self) {
        let status = within(DEADLINE / 2, || self.child.lock().unwrap().try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}
