//! Makes a pack durable in a thread of its own, while the next one is written (floor 2).

use super::writer::{FinishedPack, PackWriter};
use crate::store::Error;
use crate::store::layout::Layout;
use std::thread::{Builder, JoinHandle};

/// A pack on its way to the disk. Whoever drops it waits: a store that was left has nothing under way any more.
#[derive(Debug)]
pub struct Sealing {
    thread: Option<JoinHandle<Result<FinishedPack, Error>>>,
}

impl Sealing {
    /// Begins to finish a pack.
    pub fn begin(pack: PackWriter, layout: &Layout) -> Result<Self, Error> {
        let layout = layout.clone();
        let thread = Builder::new().name("seal".to_owned()).spawn(move || pack.finish(&layout));
        Ok(Self { thread: Some(thread.map_err(|e| Error::Threads(e.to_string()))?) })
    }

    /// Waits until it is durable under its name.
    pub fn end(mut self) -> Result<FinishedPack, Error> {
        let thread = self.thread.take().ok_or(Error::Gone("a pack was finished twice"))?;
        thread.join().unwrap_or(Err(Error::Gone("the thread that finished a pack died")))
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _nobody_asks = thread.join();
        }
    }
}
