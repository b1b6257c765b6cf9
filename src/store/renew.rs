//! A store that is only read, while others write to it (floor 2): packs come, and packs go when what is still wanted of them is in others.
//!
//! Its indexes are those that were there when it was opened. When a chunk is not found by them, they are looked at again.

use super::index::set::IndexSet;
use super::{Error, Store};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl Store {
    /// From now on it is only read, and what others do to it is noticed.
    #[must_use]
    pub fn only_read(self) -> Self {
        Self { is_only_read: true, ..self }
    }

    /// How often its indexes were looked at again.
    pub fn renewals(&self) -> u64 {
        self.renewals.load(Ordering::Acquire)
    }

    /// After an error, and so many renewals when that was begun which failed: whether it may go well now.
    pub fn renew(&self, why: &Error, seen: u64) -> bool {
        let may_have_moved = match why {
            Error::MissingChunk(_) => true,
            Error::Fs(e) => e.is_missing(),
            _ => false,
        };
        if !self.is_only_read || !may_have_moved {
            return false;
        }
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if self.renewals() != seen {
            return true;
        }
        match IndexSet::open(&self.layout) {
            Ok(now) if !now.is_same(&index) => *index = now,
            _ => return false,
        }
        self.renewals.fetch_add(1, Ordering::Release);
        true
    }
}
