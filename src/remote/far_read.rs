//! Reading from a store on another host (floor 5): from what is at hand, from what is under way, or by asking.

use super::ahead::{Coming, Window};
use super::cache::{Nodes, Opened};
use super::fetch::{From, one};
use super::talk::{Failure, Talk};
use super::unpack::Bytes;
use crate::chunk::codec::Decoder;
use crate::entry::ChunkRef;
use crate::store::Error;
use crate::store::chunks::ChunkReader;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What can be read of a store.
pub struct Content<'t> {
    talk: &'t Talk,
    /// The nodes at hand.
    pub nodes: Nodes,
    window: Mutex<Window<'t>>,
}

impl<'t> Content<'t> {
    /// Over a conversation with the agent where the store is.
    pub fn new(talk: &'t Talk, nodes: Nodes) -> Self {
        Self { talk, nodes, window: Mutex::new(Window::sure()) }
    }

    /// A reader for one thread.
    pub fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, Error> {
        Ok(Box::new(FarReader {
            content: self,
            mine: Window::careful(),
            opened: Opened::default(),
            decoder: Decoder::new()?,
            current: None,
        }))
    }

    /// These will be read. A line that fails says so to who reads.
    pub fn foretell(&self, chunks: Vec<ChunkRef>) {
        let _told_to_readers = self.window().replace(self.from(), chunks);
    }

    fn from(&self) -> From<'t, '_> {
        From { talk: self.talk, nodes: &self.nodes }
    }

    fn window(&self) -> MutexGuard<'_, Window<'t>> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn want(&self, chunk: &ChunkRef) -> Result<Option<Coming<'t>>, Failure> {
        self.window().want(self.from(), chunk)
    }
}

struct FarReader<'c, 't> {
    content: &'c Content<'t>,
    mine: Window<'t>,
    opened: Opened,
    decoder: Decoder,
    current: Option<(ChunkRef, Bytes)>,
}

impl FarReader<'_, '_> {
    fn get(&mut self, chunk: &ChunkRef) -> Result<Bytes, Error> {
        let from = self.content.from();
        if let Some(node) = from.nodes.read(chunk, &mut self.opened, &mut self.decoder) {
            return Ok(node);
        }
        let coming = match self.content.want(chunk)? {
            None => self.mine.want(from, chunk)?,
            coming => coming,
        };
        if let Some((fetch, last)) = coming
            && let Some(bytes) = fetch.take(from, chunk, last, &mut self.decoder)?
        {
            return Ok(bytes);
        }
        one(from, chunk, &mut self.decoder)
    }
}

impl ChunkReader for FarReader<'_, '_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], Error> {
        if self.current.as_ref().is_none_or(|(current, _)| current != chunk) {
            let bytes = self.get(chunk)?;
            self.current = Some((*chunk, bytes));
        }
        let bytes: Option<&Bytes> = self.current.as_ref().map(|(_, bytes)| bytes);
        bytes.map(|bytes| bytes.as_slice()).ok_or(Error::MissingChunk(chunk.id))
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn expect(&mut self, chunks: &[ChunkRef]) {
        self.mine.prepend(chunks);
    }
}
