//! A monitor behind a pipe (floor 5): what it is told becomes events of the question that is being answered.
//!
//! Counts are gathered and sent a few times a second. An event that cannot be sent has nobody who wants it.

use crate::monitor::{Monitor, Phase};
use crate::path::RelPath;
use crate::remote::line::Port;
use crate::remote::message::{Event, Message};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts are sent no more often than this.
const OFTEN: Duration = Duration::from_millis(200);

/// Tells the client. Whoever has one says at the end that it is over: [`Told::flush`].
pub(super) struct Told<'a> {
    id: u64,
    port: &'a Port,
    gathered: Mutex<Gathered>,
}

struct Gathered {
    files: u64,
    bytes: u64,
    sent: Instant,
}

impl<'a> Told<'a> {
    /// Of the question with this number.
    pub(super) fn new(id: u64, port: &'a Port) -> Self {
        let gathered = Mutex::new(Gathered { files: 0, bytes: 0, sent: Instant::now() });
        Self { id, port, gathered }
    }

    /// Sends an event, after the counts that belong before it.
    pub(super) fn tell(&self, event: Event) {
        self.flush();
        self.send(event);
    }

    /// Sends what is gathered.
    pub(super) fn flush(&self) {
        self.count(0, 0, Duration::ZERO);
    }

    fn count(&self, files: u64, bytes: u64, often: Duration) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.files = gathered.files.saturating_add(files);
        gathered.bytes = gathered.bytes.saturating_add(bytes);
        if gathered.sent.elapsed() < often || (gathered.files, gathered.bytes) == (0, 0) {
            return;
        }
        let event = Event::Advance(gathered.files, gathered.bytes);
        *gathered = Gathered { files: 0, bytes: 0, sent: Instant::now() };
        drop(gathered);
        self.send(event);
    }

    fn send(&self, event: Event) {
        if let Ok(bytes) = Message::Event(self.id, event).encode() {
            let _lost = self.port.send(&bytes);
        }
    }
}

impl Monitor for Told<'_> {
    fn begin(&self, phase: Phase, files: Option<u64>, bytes: Option<u64>) {
        self.tell(Event::Begin(phase, files, bytes));
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.count(files, bytes, OFTEN);
    }

    fn problem(&self, path: &RelPath, message: &str) {
        self.tell(Event::Problem(path.clone(), message.to_owned()));
    }

    fn wrong(&self, message: &str) {
        self.tell(Event::Wrong(message.to_owned()));
    }

    fn note(&self, message: &str) {
        self.tell(Event::Note(message.to_owned()));
    }
}
