//! Early writeback: the disk works on what was just written while more is being made, so that a later sync waits for little (floor 1).
//!
//! Only a hint: nothing depends on it but time. What is durable is decided by a sync. The kernel is told that the pages will not be needed soon
//! (`POSIX_FADV_DONTNEED`, see `posix_fadvise(2)`): of pages that are dirty it begins the writeback, without waiting, and keeps them.

use crate::limits::WRITEBACK;
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::num::NonZeroU64;

/// How far a file that is written from front to back has been given to the disk.
#[derive(Debug, Default)]
pub struct Writeback {
    begun: u64,
}

impl Writeback {
    /// The file was written up to `end`.
    pub fn reached(&mut self, file: &File, end: u64) {
        if end.saturating_sub(self.begun) >= WRITEBACK {
            self.begin(file, end);
        }
    }

    /// The file ends here. One that is so short that none of it was begun is left to the kernel, which writes many such together.
    pub fn ended(mut self, file: &File, end: u64) {
        if self.begun > 0 {
            self.begin(file, end);
        }
    }

    fn begin(&mut self, file: &File, end: u64) {
        if let Some(length) = NonZeroU64::new(end.saturating_sub(self.begun)) {
            let _a_hint = fadvise(file, self.begun, Some(length), Advice::DontNeed);
        }
        self.begun = end;
    }
}
