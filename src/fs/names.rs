//! The names in a directory, however many, without an allocation for each (floor 1).
//!
//! They are sorted and each is there once, whatever the file system listed. What it lists that can be no name is counted out and kept as a sample: it
//! cannot be looked at, and whoever lists must say so.

use crate::limits::FOLDER_NAMES;
use crate::path::is_name;
use std::io;

/// A test need not fill the memory.
const LIMIT: usize = if cfg!(test) { 1 << 20 } else { FOLDER_NAMES };

/// A sorted list of names, which is taken from the front.
#[derive(Debug, Default)]
pub struct Names {
    /// Each name after its length, which is at most 255.
    bytes: Vec<u8>,
    /// Where each begins; the last of the list is first.
    starts: Vec<u32>,
    refused: Option<Vec<u8>>,
}

impl Names {
    /// A list of these, in any order.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> io::Result<Self> {
        let mut all = Self::default();
        names.into_iter().try_for_each(|name| all.add(name))?;
        all.sort();
        Ok(all)
    }

    /// Adds one, at no particular place. A listing that does not end is an error.
    pub(super) fn add(&mut self, name: &[u8]) -> io::Result<()> {
        let Some(length) = u8::try_from(name.len()).ok().filter(|_| is_name(name)) else {
            self.refused.get_or_insert_with(|| name.to_vec());
            return Ok(());
        };
        let start = self.bytes.len();
        if start + name.len() + size_of::<u32>() * self.starts.len() > LIMIT {
            return Err(io::Error::other("it lists more names than can be kept in memory"));
        }
        self.starts.push(u32::try_from(start).map_err(io::Error::other)?);
        self.bytes.push(length);
        self.bytes.extend_from_slice(name);
        Ok(())
    }

    /// Puts them in order, each once, and gives back the room that was kept for more.
    pub(super) fn sort(&mut self) {
        let bytes = self.bytes.as_slice();
        self.starts.sort_unstable_by(|&a, &b| name_at(bytes, b).cmp(name_at(bytes, a)));
        self.starts.dedup_by(|a, b| name_at(bytes, *a) == name_at(bytes, *b));
        self.bytes.shrink_to_fit();
        self.starts.shrink_to_fit();
    }

    /// Something that was listed and is no name.
    pub fn refused(&self) -> Option<&[u8]> {
        self.refused.as_deref()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.starts.iter().rev().map(|&start| name_at(&self.bytes, start))
    }

    /// The first.
    pub fn first(&self) -> Option<&[u8]> {
        self.iter().next()
    }

    /// Takes out the first.
    pub fn pop(&mut self) -> Option<&[u8]> {
        let start = self.starts.pop()?;
        Some(name_at(&self.bytes, start))
    }

    /// Takes out all but these.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let bytes = self.bytes.as_slice();
        self.starts.retain(|&start| keep(name_at(bytes, start)));
    }
}

fn name_at(bytes: &[u8], start: u32) -> &[u8] {
    let rest = bytes.get(start as usize..).unwrap_or_default();
    rest.split_first().and_then(|(&length, rest)| rest.get(..usize::from(length))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Names;

    fn names(all: &[&[u8]]) -> Names {
        Names::of(all.iter().copied()).unwrap()
    }

    #[test]
    fn names_are_sorted_bytewise_and_each_is_there_once() {
        let mut list = names(&[b"b", b"a.b", b"a", b"\xff", b"a", b"B", b"a"]);
        assert_eq!(list.iter().collect::<Vec<_>>(), [b"B".as_slice(), b"a", b"a.b", b"b", b"\xff"]);
        assert_eq!((list.len(), list.first()), (5, Some(b"B".as_slice())));
        list.retain(|name| name != b"a.b");
        let mut taken = Vec::new();
        while let Some(name) = list.pop() {
            taken.push(name.to_vec());
        }
        assert_eq!(taken, [b"B".as_slice(), b"a", b"b", b"\xff"]);
        assert!(list.is_empty() && list.refused().is_none());
    }

    #[test]
    fn what_is_no_name_is_left_out_and_told() {
        let long = [b'x'; 256];
        for bad in [b"".as_slice(), b"a/b", b".", b"..", &long] {
            let list = names(&[b"a", bad, b"b"]);
            assert_eq!(list.iter().collect::<Vec<_>>(), [b"a", b"b"]);
            assert_eq!(list.refused(), Some(bad));
        }
        assert_eq!(names(&[&[b'x'; 255]]).len(), 1);
    }

    #[test]
    fn a_listing_without_end_is_an_error() {
        let name = [b'x'; 255];
        let endless = std::iter::repeat(name.as_slice());
        assert!(Names::of(endless).unwrap_err().to_string().contains("more names"));
    }
}
