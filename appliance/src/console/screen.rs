//! Where answers are shown: standard output, or a pager where they are longer than the screen.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::process::{Child, Command, Stdio};

/// Takes one answer.
pub struct Screen {
    out: BufWriter<Stdout>,
    /// What waits to be seen to fit on the screen, its lines, and how many fit; `None` where nothing waits.
    kept: Option<(Vec<u8>, usize, usize)>,
    pager: Option<Child>,
}

impl Screen {
    /// `paged`: whether a long answer goes through a pager.
    pub fn new(paged: bool) -> Screen {
        let rows = termion::terminal_size().ok().filter(|_| paged && io::stdout().is_terminal());
        let kept = rows.map(|(_, rows)| (Vec::new(), 0, usize::from(rows).saturating_sub(1)));
        Screen { out: BufWriter::new(io::stdout()), kept, pager: None }
    }

    /// Shows the rest; returns when the pager is left.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        if let Some(mut pager) = self.pager.take() {
            drop(pager.stdin.take());
            pager.wait()?;
        }
        Ok(())
    }
}

/// Leaves the pager what it has where the answer ends with an error.
impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(mut pager) = self.pager.take() {
            drop(pager.stdin.take());
            let _ = pager.wait();
        }
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(input) = self.pager.as_mut().and_then(|pager| pager.stdin.as_mut()) {
            return input.write(bytes);
        }
        let Some((kept, lines, fit)) = &mut self.kept else { return self.out.write(bytes) };
        kept.extend_from_slice(bytes);
        *lines += bytes.iter().filter(|&&byte| byte == b'\n').count();
        if *lines > *fit {
            let kept = std::mem::take(kept);
            self.kept = None;
            self.pager = pager();
            self.write_all(&kept)?;
        }
        Ok(bytes.len())
    }

    /// Shows what there is. What follows comes late, so none of it goes through a pager.
    fn flush(&mut self) -> io::Result<()> {
        if let Some((kept, ..)) = self.kept.take() {
            self.out.write_all(&kept)?;
        }
        match self.pager.as_mut().and_then(|pager| pager.stdin.as_mut()) {
            Some(input) => input.flush(),
            None => self.out.flush(),
        }
    }
}

/// The pager that the environment names, else `less`, which shows lines of any length; `None` where there is none.
fn pager() -> Option<Child> {
    let named = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    let mut command = match &named {
        Some(named) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", named]);
            shell
        }
        None => Command::new("less"),
    };
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRSX");
    }
    command.stdin(Stdio::piped()).spawn().ok()
}
