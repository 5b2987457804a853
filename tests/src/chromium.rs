//! A browser without a screen, told what to do by its own protocol (DevTools), over a pipe.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clients;

/// How long anything may take that a page does.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names that lead to this machine, as a name of the network does: what a browser does not trust as it trusts 127.0.0.1.
const NAMES: &str = "MAP *.test 127.0.0.1";

/// Where the browser reads commands, and where it answers.
const COMMANDS: i32 = 3;
const ANSWERS: i32 = 4;

/// A browser with one page.
pub struct Browser {
    process: Child,
    commands: File,
    answers: BufReader<File>,
    session: Option<String>,
    next: u64,
    _profile: TempDir,
}

impl Browser {
    /// Starts one whose window is so large, or says in words why there is none.
    pub fn start(width: u32, height: u32) -> Result<Browser, String> {
        let program = clients::chromium()?;
        let profile = tempfile::tempdir().map_err(|error| error.to_string())?;
        let ((read, commands), (answers, write)) = (pipe(), pipe());
        let mut command = Command::new(program);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--lang=es"])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--host-resolver-rules={NAMES}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let (read_at, write_at) = (read.as_raw_fd(), write.as_raw_fd());
        // SAFETY: between fork and exec nothing is called but what may be: both descriptors are open, and are moved through
        // numbers beyond them, so that neither overwrites the other.
        unsafe {
            command.pre_exec(move || {
                let moved = [libc::fcntl(read_at, libc::F_DUPFD, 10), libc::fcntl(write_at, libc::F_DUPFD, 10)];
                libc::dup2(moved[0], COMMANDS);
                libc::dup2(moved[1], ANSWERS);
                moved.iter().for_each(|descriptor| {
                    libc::close(*descriptor);
                });
                Ok(())
            });
        }
        let process = command.spawn().map_err(|error| format!("chromium does not start: {error}"))?;
        drop((read, write));
        let answers = BufReader::new(File::from(answers));
        let mut browser =
            Browser { process, commands: File::from(commands), answers, session: None, next: 0, _profile: profile };
        let page = browser.tell("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.tell("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        browser.tell("Emulation.setDeviceMetricsOverride", metrics);
        Ok(browser)
    }

    /// Opens an address and waits until its page is there.
    pub fn open(&mut self, address: &str) {
        let opened = self.tell("Page.navigate", json!({"url": address}));
        assert!(opened.get("errorText").is_none(), "{address}: {opened}");
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// What an expression of JavaScript is in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let answer = self.tell("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true. While the page is being changed for another it is not.
    pub fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.tell("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
            if answer["result"]["value"] == true {
                return;
            }
            if Instant::now() >= deadline {
                let shown = self.value("location.href + '\\n' + document.body.innerText");
                panic!("{expression}: not within {PATIENCE:?}: {answer}\n{}", shown.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Shows the page in light or in dark colours.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.tell("Emulation.setEmulatedMedia", features);
    }

    /// Whether pages may run what they bring.
    pub fn scripts(&mut self, run: bool) {
        self.tell("Emulation.setScriptExecutionDisabled", json!({"value": !run}));
    }

    /// A picture of the whole page (PNG, in base64).
    pub fn picture(&mut self) -> String {
        let picture = self.tell("Page.captureScreenshot", json!({"captureBeyondViewport": true, "format": "png"}));
        picture["data"].as_str().unwrap().to_owned()
    }

    /// Writes it to a file, by the program that everybody has.
    pub fn picture_to(&mut self, path: &Path) {
        let mut base64 =
            Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(File::create(path).unwrap()).spawn().unwrap();
        base64.stdin.take().unwrap().write_all(self.picture().as_bytes()).unwrap();
        assert!(base64.wait().unwrap().success());
    }

    /// Tells the browser something; its answer.
    fn tell(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut said = json!({"id": self.next, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            said["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{said}\0").as_bytes()).unwrap();
        loop {
            let mut answer = Vec::new();
            self.answers.read_until(0, &mut answer).unwrap();
            assert_eq!(answer.pop(), Some(0), "chromium has ended");
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            // The others are what happens meanwhile.
            if answer["id"] == self.next {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // One that has ended by itself needs no killing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Both ends of a pipe that children do not inherit.
fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: the array has room for both descriptors, which are nobody else's.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    }
}
