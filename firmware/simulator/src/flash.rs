//! NOR flash that loses power: erased bytes are ones, writing clears bits, and what is under way is left half done. It is in memory,
//! and in a file too where a meter is to outlive its process.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::random::mixed;

const PAGE: usize = 4_096;

/// The flash of an ESP32: words of four bytes, pages of 4 KiB. Pages that are erased take no memory, copies share the others.
#[derive(Clone, Debug)]
pub struct Flash {
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
    /// Bytes that are still written or erased before power goes.
    until_cut: Option<u64>,
    has_power: bool,
    /// What was changed, with the flash as it was before; kept if asked for.
    journal: Option<Vec<(Flash, Change)>>,
    erases: u64,
    written: u64,
    /// Where each change is kept too, every bit turned over, so that what was never written is erased.
    file: Option<Arc<File>>,
}

/// A change as it was asked for.
#[derive(Clone, Debug)]
pub enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Erase { page: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPower;

impl NorFlashError for NoPower {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Flash {
    pub fn new(pages: usize) -> Self {
        Flash {
            pages: vec![None; pages],
            until_cut: None,
            has_power: true,
            journal: None,
            erases: 0,
            written: 0,
            file: None,
        }
    }

    /// A flash that is in a file: as it was left, or erased where there is no file yet.
    pub fn in_file(path: &Path, pages: usize) -> io::Result<Self> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len((pages * PAGE) as u64)?;
        let mut kept = Vec::with_capacity(pages * PAGE);
        file.read_to_end(&mut kept)?;
        let mut flash = Flash::new(pages);
        for (page, kept) in flash.pages.iter_mut().zip(kept.chunks(PAGE)) {
            let bytes: [u8; PAGE] = std::array::from_fn(|at| !kept[at]);
            *page = bytes.iter().any(|byte| *byte != 0xff).then(|| Arc::new(bytes));
        }
        flash.file = Some(Arc::new(file));
        Ok(flash)
    }

    pub fn bytes(&self) -> u32 {
        (self.pages.len() * PAGE) as u32
    }

    /// Power goes after so many more bytes.
    pub fn cut_after(&mut self, bytes: u64) {
        self.until_cut = Some(bytes);
    }

    pub fn restore(&mut self) {
        (self.until_cut, self.has_power) = (None, true);
    }

    pub fn keep_journal(&mut self) {
        self.journal = Some(Vec::new());
    }

    pub fn take_journal(&mut self) -> Vec<(Flash, Change)> {
        self.journal.take().unwrap_or_default()
    }

    pub fn changes(&self) -> usize {
        self.journal.as_ref().map_or(0, Vec::len)
    }

    /// Erases of pages, and bytes written.
    pub fn wear(&self) -> (u64, u64) {
        (self.erases, self.written)
    }

    /// What a change leaves when power goes after `done` bytes of it: the next byte is torn as `noise` has it.
    pub fn torn(mut self, change: &Change, done: usize, noise: u64) -> Flash {
        match change {
            Change::Write { at, bytes } => {
                self.program(*at, &bytes[..done]);
                if let Some(byte) = bytes.get(done) {
                    self.program(at + done, &[byte | mixed(noise) as u8]);
                }
            }
            Change::Erase { page } => self.erase_part(*page, done),
        }
        self
    }

    fn program(&mut self, at: usize, bytes: &[u8]) {
        for (at, byte) in (at..).zip(bytes) {
            let page = self.pages[at / PAGE].get_or_insert_with(|| Arc::new([0xff; PAGE]));
            Arc::make_mut(page)[at % PAGE] &= byte;
        }
        self.keep(at, bytes.len());
    }

    fn erase_part(&mut self, page: usize, done: usize) {
        if done >= PAGE {
            self.pages[page] = None;
        } else if let Some(page) = &mut self.pages[page] {
            Arc::make_mut(page)[..done].fill(0xff);
        }
        self.keep(page * PAGE, PAGE);
    }

    /// Writes what is there now to the file.
    fn keep(&self, at: usize, count: usize) {
        let Some(file) = &self.file else { return };
        let byte = |at: usize| self.pages[at / PAGE].as_ref().map_or(0xff, |page| page[at % PAGE]);
        let turned = (at..at + count).map(|at| !byte(at)).collect::<Vec<_>>();
        // A disk that is full is a flash that is worn out: nothing can be simulated on it.
        file.write_all_at(&turned, at as u64).expect("the file of a simulated flash takes what is written");
    }

    /// Bytes of a change that are done before power goes.
    fn powered(&mut self, bytes: usize) -> Result<usize, NoPower> {
        if !self.has_power {
            return Err(NoPower);
        }
        let done = self.until_cut.map_or(bytes, |left| bytes.min(left as usize));
        self.until_cut = self.until_cut.map(|left| left - done as u64);
        self.has_power = done == bytes;
        Ok(done)
    }

    fn note(&mut self, change: impl FnOnce() -> Change) {
        if let Some(mut journal) = self.journal.take() {
            journal.push((self.clone(), change()));
            self.journal = Some(journal);
        }
    }
}

impl ErrorType for Flash {
    type Error = NoPower;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NoPower> {
        if !self.has_power {
            return Err(NoPower);
        }
        for (at, byte) in (offset as usize..).zip(bytes) {
            *byte = self.pages[at / PAGE].as_ref().map_or(0xff, |page| page[at % PAGE]);
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.pages.len() * PAGE
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NoPower> {
        let (from, to) = (from as usize, to as usize);
        assert!(from.is_multiple_of(PAGE) && to.is_multiple_of(PAGE), "whole pages are erased");
        for page in from / PAGE..to / PAGE {
            self.note(|| Change::Erase { page });
            let done = self.powered(PAGE)?;
            self.erase_part(page, done);
            self.erases += 1;
            if done < PAGE {
                return Err(NoPower);
            }
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
        let at = offset as usize;
        let is_whole = [at, bytes.len(), bytes.as_ptr() as usize].iter().all(|number| number.is_multiple_of(4));
        assert!(is_whole, "whole words are written");
        self.note(|| Change::Write { at, bytes: bytes.to_vec() });
        let done = self.powered(bytes.len())?;
        self.written += done as u64;
        if done < bytes.len() {
            let torn = Change::Write { at, bytes: bytes.to_vec() };
            let noise = self.written;
            *self = self.clone().torn(&torn, done, noise);
            return Err(NoPower);
        }
        self.program(at, bytes);
        Ok(())
    }
}

impl MultiwriteNorFlash for Flash {}
