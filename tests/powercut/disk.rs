//! A disk in memory, and the log of what was written to it.
//!
//! What must stay true: the base never changes while layers lie on it, so that a state costs only the pages that differ; and a log holds every write
//! and every flush in the order in which they came.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const PAGE: usize = 4096;
type Page = Box<[u8; PAGE]>;

/// What came to pass on a disk.
#[derive(Debug)]
pub(crate) enum Event {
    Write { at: u64, bytes: Vec<u8> },
    Flush,
    Mark(Mark),
}

/// What the harness notes between the writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The program is started.
    Begin,
    /// It ended well: what it took is acknowledged from here on.
    Acknowledged,
    /// What follows is the unmounting.
    End,
}

#[derive(Debug)]
pub(crate) struct Disk {
    base: Vec<Option<Page>>,
    layers: Vec<HashMap<usize, Page>>,
    log: Option<Vec<Event>>,
    /// How often the first 128 KiB, where all superblocks are, was read.
    pub(crate) head_reads: u64,
}

impl Disk {
    pub(crate) fn new(size: u64) -> Self {
        let pages = usize::try_from(size).unwrap() / PAGE;
        Self { base: (0..pages).map(|_| None).collect(), layers: Vec::new(), log: None, head_reads: 0 }
    }

    pub(crate) fn size(&self) -> u64 {
        (self.base.len() * PAGE) as u64
    }

    fn page(&self, number: usize) -> Option<&Page> {
        let layer = self.layers.iter().rev().find_map(|layer| layer.get(&number));
        layer.or_else(|| self.base.get(number).and_then(Option::as_ref))
    }

    pub(crate) fn read(&mut self, at: u64, out: &mut [u8]) {
        self.head_reads += u64::from(at < 128 << 10);
        for (number, inside, range) in pieces(at, out.len()) {
            let part = &mut out[range];
            match self.page(number) {
                Some(page) => part.copy_from_slice(&page[inside..inside + part.len()]),
                None => part.fill(0),
            }
        }
    }

    /// A write that comes from above: it goes into the log, if there is one.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) {
        if let Some(log) = &mut self.log {
            log.push(Event::Write { at, bytes: bytes.to_vec() });
        }
        self.put(at, bytes);
    }

    pub(crate) fn flush(&mut self) {
        if let Some(log) = &mut self.log {
            log.push(Event::Flush);
        }
    }

    pub(crate) fn mark(&mut self, mark: Mark) {
        if let Some(log) = &mut self.log {
            log.push(Event::Mark(mark));
        }
    }

    /// Writes into the highest layer.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) {
        for (number, inside, range) in pieces(at, bytes.len()) {
            let part = &bytes[range];
            if self.layers.is_empty() {
                let page = self.base[number].get_or_insert_with(|| Box::new([0; PAGE]));
                page[inside..inside + part.len()].copy_from_slice(part);
                continue;
            }
            let top = self.layers.len() - 1;
            if !self.layers[top].contains_key(&number) {
                let below = self.page(number).cloned().unwrap_or_else(|| Box::new([0; PAGE]));
                self.layers[top].insert(number, below);
            }
            let page = self.layers[top].get_mut(&number).unwrap();
            page[inside..inside + part.len()].copy_from_slice(part);
        }
    }

    /// From here on, what is written lies above all that there is.
    pub(crate) fn push(&mut self) {
        self.layers.push(HashMap::new());
    }

    /// Forgets all layers above this many.
    pub(crate) fn cut_to(&mut self, layers: usize) {
        self.layers.truncate(layers);
    }

    pub(crate) fn begin_log(&mut self) {
        self.log = Some(Vec::new());
    }

    pub(crate) fn end_log(&mut self) -> Vec<Event> {
        self.log.take().unwrap_or_default()
    }

    /// A copy in a file, which can be mounted by hand.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.size())?;
        for number in 0..self.base.len() {
            if let Some(page) = self.page(number) {
                file.write_all_at(page.as_slice(), (number * PAGE) as u64)?;
            }
        }
        Ok(())
    }
}

/// A range of bytes, page by page: number of the page, where in it, and which part of the range.
fn pieces(at: u64, length: usize) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let start = usize::try_from(at).unwrap();
    let mut done = 0;
    std::iter::from_fn(move || {
        (done < length).then(|| {
            let (number, inside) = ((start + done) / PAGE, (start + done) % PAGE);
            let part = (PAGE - inside).min(length - done);
            done += part;
            (number, inside, done - part..done)
        })
    })
}
