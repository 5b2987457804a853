//! Records on flash, oldest first, from when they are taken until they are acknowledged: a ring over the flash's pages.
//!
//! A record that was pushed is there after any power cut; one whose push was cut is there whole or not at all. When all pages
//! are full the oldest page goes, so that a meter that is offline for too long knows its last days and not its first; the
//! energy counter in every record tells what the lost ones added up to. The newest sample always stays, acknowledged or not:
//! it is where counters and numbering go on after a restart.

use core::ops::Range;

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sequential_storage::Error;
use sequential_storage::cache::page_pointers::ArrayPagePointers;
use sequential_storage::cache::page_states::ArrayPageStates;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::queue::{QueueConfig, QueueStorage};

use crate::limits::RECORD_BYTES_MAX;
use crate::record::{Content, Record};

type PageCache<const PAGES: usize> = Cache<ArrayPageStates<PAGES>, ArrayPagePointers<PAGES>, Uncached>;

/// `PAGES` is how many erasable pages the queue has; their state is kept in memory, nine bytes each.
pub struct Queue<F: MultiwriteNorFlash, const PAGES: usize> {
    storage: QueueStorage<F, PageCache<PAGES>>,
    /// Of the newest sample, which is not popped.
    newest: Option<u32>,
}

/// A page's buffer must be aligned as the flash's words are.
#[repr(align(4))]
struct Buffer([u8; RECORD_BYTES_MAX.next_multiple_of(32)]);

impl Buffer {
    fn new() -> Self {
        Buffer([0; RECORD_BYTES_MAX.next_multiple_of(32)])
    }
}

impl<F: MultiwriteNorFlash, const PAGES: usize> Queue<F, PAGES> {
    /// Opens the queue in `range` of the flash, which must be `PAGES` pages, and shows each record to `seen`, oldest first.
    pub async fn open(flash: F, range: Range<u32>, mut seen: impl FnMut(&Record)) -> Result<Self, Error<F::Error>> {
        assert_eq!(range.len(), PAGES * F::ERASE_SIZE, "the queue's range has another size than its pages");
        let cache = Cache::new(ArrayPageStates::new(), ArrayPagePointers::new(), Uncached);
        let mut queue = Queue { storage: QueueStorage::new(flash, QueueConfig::new(range), cache), newest: None };
        let mut newest = None;
        queue
            .each(|record| {
                if let Content::Sample(..) = record.content {
                    newest = Some(record.sequence);
                }
                seen(record);
                true
            })
            .await?;
        queue.newest = newest;
        Ok(queue)
    }

    pub async fn push(&mut self, record: &Record) -> Result<(), Error<F::Error>> {
        self.storage.push(&record.encode(), true).await?;
        if let Content::Sample(..) = record.content {
            self.newest = Some(record.sequence);
        }
        Ok(())
    }

    /// Shows records to `seen`, oldest first, until it has seen enough.
    pub async fn each(&mut self, mut seen: impl FnMut(&Record) -> bool) -> Result<(), Error<F::Error>> {
        let mut buffer = Buffer::new();
        let mut items = self.storage.iter().await?;
        while let Some(item) = items.next(&mut buffer.0).await? {
            if let Some(record) = Record::decode(&item)
                && !seen(&record)
            {
                break;
            }
        }
        Ok(())
    }

    /// Forgets records up to and with the one of this sequence number.
    pub async fn pop_through(&mut self, sequence: u32) -> Result<(), Error<F::Error>> {
        let mut buffer = Buffer::new();
        let mut items = self.storage.iter().await?;
        while let Some(item) = items.next(&mut buffer.0).await? {
            // What cannot be read as a record is of no use to anybody.
            let record = Record::decode(&item).map(|record| record.sequence);
            if record.is_some_and(|record| record > sequence || Some(record) >= self.newest) {
                break;
            }
            item.pop().await?;
        }
        Ok(())
    }

    pub fn flash(&mut self) -> &mut F {
        self.storage.flash()
    }

    /// The flash, as it is.
    pub fn into_flash(self) -> F {
        self.storage.destroy().0
    }
}
